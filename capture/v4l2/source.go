package v4l2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// Open opens a camera. ctx and opt.Timeout() bound the opening. Frames are I420; their times are the driver's. The source
// is a pipeline.Pulser, and with MJPEG a pipeline.UnitCounter. Errors that another try soon does not mend are
// *live.Refused. The caller closes the source.
func Open(ctx context.Context, cfg Config, opt live.Options) (pipeline.Source, error) {
	return open(ctx, cfg, opt, dial)
}

func open(ctx context.Context, cfg Config, opt live.Options, dial func(Config) (device, error)) (pipeline.Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, pic, err := launch(ctx, cfg, opt, dial)
	if err != nil {
		return nil, err
	}
	opt.Log.Debug().Str("device", cfg.Device).Str("camera", pic.name).Str("format", string(pic.format)).
		Str("size", fmt.Sprintf("%dx%d", pic.size.X, pic.size.Y)).Float64("fps", pic.fps).Msg("camera opened")
	var interval time.Duration
	if pic.fps > 0 {
		interval = time.Duration(float64(time.Second) / pic.fps)
	}
	if pic.format == MJPEG {
		return startCoded(r, opt, interval)
	}
	return startRaw(r, cfg, pic, opt.Log, interval), nil
}

// coded is a camera that gives JPEG pictures.
type coded struct {
	*live.Stream
	r    *reader
	log  zerolog.Logger
	mat  gocv.Mat // the reader's
	once sync.Once
}

func startCoded(r *reader, opt live.Options, interval time.Duration) (*coded, error) {
	stream, err := live.NewStream(live.StreamConfig{Options: opt, Codec: pipeline.JPEG, Interval: interval})
	if err != nil {
		r.close(nil, closeWait)
		return nil, err
	}
	c := &coded{Stream: stream, r: r, log: opt.Log, mat: gocv.NewMat()}
	r.read(c, interval)
	return c, nil
}

func (c *coded) blank() *gocv.Mat { return &c.mat }

func (c *coded) take(m *gocv.Mat, at time.Time) {
	if data, err := m.DataPtrUint8(); err == nil {
		c.Push(&pipeline.AccessUnit{At: at, Data: bytes.Clone(data)})
	}
}

func (c *coded) fail(err error) { c.Fail(err) }

func (c *coded) free() { _ = c.mat.Close() }

// Close stops the camera. It waits for it no longer than closeWait, and may be called twice.
func (c *coded) Close() error {
	c.once.Do(func() { warn(c.log, c.r.close(c, closeWait)) })
	return c.Stream.Close()
}

func warn(log zerolog.Logger, left bool) {
	if left {
		log.Warn().Msg("the camera's driver hangs: its reader is left behind")
	}
}

// shot is a raw picture and its time.
type shot struct {
	mat *gocv.Mat
	at  time.Time
}

// raw is a camera that gives pixels. Of its three Mats one is being filled, one waits in the slot, one is being converted.
type raw struct {
	r    *reader
	pic  picture
	dev  string
	log  zerolog.Logger
	size image.Point // of frames: even
	mats [3]gocv.Mat
	idle chan *gocv.Mat
	slot *pipeline.Slot[shot]
	once sync.Once
	bad  int // pictures in a row that had too few bytes; Read's

	mu     sync.Mutex // over what follows
	err    error      // why the reader ended
	closed bool
}

func startRaw(r *reader, cfg Config, pic picture, log zerolog.Logger, interval time.Duration) *raw {
	s := &raw{r: r, pic: pic, dev: cfg.Device, log: log, size: image.Pt(pic.size.X&^1, pic.size.Y&^1),
		idle: make(chan *gocv.Mat, 3), slot: pipeline.NewSlot[shot]()}
	for i := range s.mats {
		s.mats[i] = gocv.NewMat()
		s.idle <- &s.mats[i]
	}
	if s.size != pic.size {
		log.Info().Str("size", fmt.Sprintf("%dx%d", pic.size.X, pic.size.Y)).Msg("odd side: the last row or column is left out")
	}
	r.read(s, interval)
	return s
}

// blank never waits: besides the one in the slot and the one in Read's hands there is a third, which the reader has.
func (s *raw) blank() *gocv.Mat { return <-s.idle }

func (s *raw) take(m *gocv.Mat, at time.Time) {
	if loser, dropped := s.slot.Put(shot{m, at}); dropped {
		s.idle <- loser.mat
	}
}

func (s *raw) fail(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.slot.Close()
}

func (s *raw) free() {
	for i := range s.mats {
		_ = s.mats[i].Close()
	}
}

// Pulse is the camera's sign of life.
func (s *raw) Pulse() pipeline.Pulse { return s.r.Pulse() }

// Read waits for the newest picture and converts it into f.
func (s *raw) Read(ctx context.Context, f *pipeline.Frame) error {
	for {
		if err := s.state(ctx); err != nil {
			return err
		}
		sh, err := s.slot.Take(ctx)
		if errors.Is(err, io.EOF) {
			continue // state knows why
		}
		if err != nil {
			return err
		}
		err = s.convert(f, sh)
		s.idle <- sh.mat
		if err == nil {
			s.bad = 0
			return nil
		}
		if s.bad++; s.bad >= maxLost {
			return fmt.Errorf("%s: %d pictures in a row could not be used: %w", s.dev, s.bad, err)
		}
	}
}

// state is the error that ends reading at once. What is left in the slot of a reader that failed is not waited for.
func (s *raw) state(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return pipeline.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.err
}

func (s *raw) convert(f *pipeline.Frame, sh shot) error {
	data, err := sh.mat.DataPtrUint8()
	if err != nil {
		return err
	}
	if err := f.Prepare(pipeline.I420, s.size); err != nil {
		return err
	}
	if err := s.pic.toI420(f.Pix(), data, s.size); err != nil {
		return err
	}
	f.At = sh.at
	return nil
}

// toI420 converts the bytes of a picture, cut to an even size.
func (p *picture) toI420(dst, data []byte, size image.Point) error {
	var err error
	if p.format == NV12 {
		luma := p.stride * p.size.Y
		if len(data) <= luma {
			return fmt.Errorf("%d bytes of NV12 with rows of %d hold no %dx%d pixels", len(data), p.stride, size.X, size.Y)
		}
		err = yuv.FromNV12(dst, data[:luma], data[luma:], p.stride, size)
	} else {
		err = yuv.FromYUYV(dst, data, p.stride, size)
	}
	if err != nil {
		return err
	}
	return yuv.ToBT601(dst, size, p.full, p.matrix)
}

// Close stops the camera. It waits for it no longer than closeWait, and may be called twice.
func (s *raw) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		warn(s.log, s.r.close(s, closeWait))
	})
	return nil
}
