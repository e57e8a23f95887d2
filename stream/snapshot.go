package stream

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"time"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// jpegQuality of stills: artefacts are not seen at 100 %, about 60 kB for 640x480.
const jpegQuality = 85

// maxJPEGSide is libjpeg's limit in pixels; beyond it OpenCV throws.
const maxJPEGSide = 65_500

// Kinds of stills, as indices of Broadcaster.shots.
const (
	plain = iota
	boxed
)

// shot is one still picture that one or more askers wait for. The writer of frames only copies the pixels; the first
// asker to look makes the JPEG.
type shot struct {
	ready  chan struct{} // closed when the fields below are set
	at     time.Time
	format pipeline.Format
	size   image.Point
	pix    []byte
	err    error

	jpegs [5]lazyJPEG // by quarters of the picture's width and height
}

// lazyJPEG is made by the first who looks at it.
type lazyJPEG struct {
	once sync.Once
	jpeg []byte // set in once, and so is err
	err  error
}

func (s *shot) fail(err error) {
	s.err = err
	close(s.ready)
}

// Snapshot waits for the next frame and returns it as JPEG, with or without boxes, and its capture time. It works
// without viewers. Askers that wait for the same frame share one JPEG: do not write to it.
func (b *Broadcaster) Snapshot(ctx context.Context, boxes bool) ([]byte, time.Time, error) {
	return b.snapshot(ctx, pictureOption{boxes: boxes})
}

// snapshot is Snapshot at the width that opt asks for.
func (b *Broadcaster) snapshot(ctx context.Context, opt pictureOption) ([]byte, time.Time, error) {
	kind := plain
	if opt.boxes {
		kind = boxed
	}
	s, err := b.askShot(kind)
	if err != nil {
		return nil, time.Time{}, err
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		return nil, time.Time{}, fmt.Errorf("camera %q: no frame for a snapshot: %w", b.cfg.Name, ctx.Err())
	}
	if s.err != nil {
		return nil, time.Time{}, s.err
	}
	jpeg, err := s.encode(&b.jpeg, opt.variant(s.size))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("camera %q: snapshot: %w", b.cfg.Name, err)
	}
	return jpeg, s.at, nil
}

// encode is the still in a variant.
func (s *shot) encode(maker *jpegMaker, v variant) ([]byte, error) {
	j := &s.jpegs[v.quarters]
	j.once.Do(func() { j.jpeg, j.err = s.make(maker, v) })
	return j.jpeg, j.err
}

func (s *shot) make(maker *jpegMaker, v variant) ([]byte, error) {
	if v.quarters == 4 {
		return maker.encode(s.format, s.size, s.pix)
	}
	from, pix := image.Pt(s.size.X&^1, s.size.Y&^1), s.pix
	if s.format == pipeline.BGR {
		pix = make([]byte, yuv.Len(from))
		if err := yuv.FromBGR(pix, s.pix, s.size.X*3, from); err != nil {
			return nil, err
		}
	}
	size := v.scaled(s.size)
	small := make([]byte, yuv.Len(size))
	if err := yuv.Scale(small, size, pix, from); err != nil {
		return nil, err
	}
	return maker.encode(pipeline.I420, size, small)
}

// askShot joins the shot that is already wanted or makes one.
func (b *Broadcaster) askShot(kind int) (*shot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrBroadcasterClosed
	}
	if b.shots[kind] == nil {
		b.shots[kind] = &shot{ready: make(chan struct{})}
		b.refresh()
	}
	return b.shots[kind], nil
}

// takeShot gives a copy of f to those who wait for a still of this kind. The turn is held.
func (b *Broadcaster) takeShot(kind int, f *pipeline.Frame) {
	b.mu.Lock()
	s := b.shots[kind]
	b.shots[kind] = nil
	b.refresh()
	b.mu.Unlock()
	if s == nil {
		return
	}
	s.at, s.format, s.size = f.At, f.Format, f.Size()
	s.pix = append([]byte(nil), f.Pix()...) // stills are rare, so this is garbage rather than a pool
	close(s.ready)
}

// awaitFrame returns nil if the camera gives frames: one came within the last second, or comes before ctx ends.
func (b *Broadcaster) awaitFrame(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrBroadcasterClosed
	}
	if !b.last.IsZero() && time.Since(b.last) < time.Second {
		b.mu.Unlock()
		return nil
	}
	if b.arrival == nil {
		b.arrival = make(chan struct{})
		b.refresh()
	}
	arrival := b.arrival
	b.mu.Unlock()
	select {
	case <-arrival:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jpegMaker turns pictures into JPEG, one at a time, with a scratch Mat that it owns.
type jpegMaker struct {
	mu     sync.Mutex // held while a JPEG is made; guards bgr
	bgr    *pipeline.Frame
	closed bool
}

func (j *jpegMaker) encode(format pipeline.Format, size image.Point, pix []byte) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrBroadcasterClosed
	}
	if size.X > maxJPEGSide || size.Y > maxJPEGSide {
		return nil, fmt.Errorf("%dx%d pixels: a JPEG's sides are at most %d", size.X, size.Y, maxJPEGSide)
	}
	if j.bgr == nil {
		j.bgr = pipeline.NewFrame()
	}
	if err := j.bgr.Prepare(pipeline.BGR, size); err != nil {
		return nil, err
	}
	if format == pipeline.BGR {
		copy(j.bgr.Pix(), pix)
	} else if err := yuv.ToBGR(j.bgr.Pix(), size.X*3, pix, size); err != nil {
		return nil, err
	}
	buf, err := gocv.IMEncodeWithParams(gocv.JPEGFileExt, j.bgr.Img, []int{gocv.IMWriteJpegQuality, jpegQuality})
	if err != nil {
		return nil, fmt.Errorf("encode a JPEG of %dx%d: %w", size.X, size.Y, err)
	}
	defer buf.Close()
	jpeg := append([]byte(nil), buf.GetBytes()...)
	if len(jpeg) == 0 {
		return nil, errors.New("encode a JPEG: no data")
	}
	return jpeg, nil
}

func (j *jpegMaker) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.bgr == nil {
		return nil
	}
	return j.bgr.Close()
}
