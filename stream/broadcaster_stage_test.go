package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
)

// faultyEncoder is an Encoder whose faults a test chooses. It gives one NAL unit a frame, which tells what it saw.
type faultyEncoder struct {
	lab    *encoderLab
	codec  pipeline.Codec
	cfg    EncoderConfig
	id     int // counts encoders
	coded  int // units so far
	closed bool
}

// encoderLab makes faultyEncoders and remembers what was done with them.
type encoderLab struct {
	mu                   sync.Mutex
	made, closed         int
	keys                 []uint64 // Seq of the frames that a key picture was asked for
	sizes                []image.Point
	failMake, failEncode error
	skip                 bool
	bad                  func(codec pipeline.Codec, size image.Point) error // what Encode returns; nil: nothing is bad
	rates                []string                                           // "WIDTHxHEIGHT bps" of each SetBitrate
}

func (l *encoderLab) make(cfg EncoderConfig) (Encoder, error) { return l.makeFor(pipeline.H264, cfg) }

func (l *encoderLab) makeVP8(cfg EncoderConfig) (Encoder, error) { return l.makeFor(pipeline.VP8, cfg) }

func (l *encoderLab) makeFor(codec pipeline.Codec, cfg EncoderConfig) (Encoder, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failMake != nil {
		return nil, l.failMake
	}
	l.made++
	l.sizes = append(l.sizes, cfg.Size)
	return &faultyEncoder{lab: l, codec: codec, cfg: cfg, id: l.made}, nil
}

func (l *encoderLab) live() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made - l.closed
}

func (e *faultyEncoder) Encode(f *pipeline.Frame, key bool) (pipeline.AccessUnit, error) {
	e.lab.mu.Lock()
	defer e.lab.mu.Unlock()
	if e.closed {
		return pipeline.AccessUnit{}, errors.New("encode after close")
	}
	if e.lab.failEncode != nil {
		return pipeline.AccessUnit{}, e.lab.failEncode
	}
	if e.lab.skip {
		return pipeline.AccessUnit{}, nil
	}
	if f.Size() != e.cfg.Size {
		return pipeline.AccessUnit{}, fmt.Errorf("a frame of %v, not of %v", f.Size(), e.cfg.Size)
	}
	if e.lab.bad != nil {
		if err := e.lab.bad(e.codec, e.cfg.Size); err != nil {
			return pipeline.AccessUnit{}, err
		}
	}
	nal := byte(0x41)
	if key {
		e.lab.keys = append(e.lab.keys, f.Seq)
		nal = 0x65
	}
	e.coded++
	data := fmt.Appendf([]byte{0, 0, 0, 1, nal}, "frame %d of %v, luma %d;%d;%d", f.Seq, f.Size(), f.Pix()[0], e.id, e.coded)
	if e.codec == pipeline.VP8 {
		data = data[5:]
	}
	return pipeline.AccessUnit{Seq: f.Seq, At: f.At, Codec: e.codec, Key: key, Data: data}, nil
}

func (e *faultyEncoder) SetBitrate(bps int) error {
	e.lab.mu.Lock()
	defer e.lab.mu.Unlock()
	e.lab.rates = append(e.lab.rates, fmt.Sprintf("%dx%d %d", e.cfg.Size.X, e.cfg.Size.Y, bps))
	return nil
}

func (e *faultyEncoder) Close() error {
	e.lab.mu.Lock()
	defer e.lab.mu.Unlock()
	if !e.closed {
		e.closed = true
		e.lab.closed++
	}
	return nil
}

// stage plays the overlay stage: frames at 30 a second of a made-up clock.
type stage struct {
	t   *testing.T
	b   *Broadcaster
	lab *encoderLab
	f   *pipeline.Frame
	n   int
}

func newStage(t *testing.T, change func(*BroadcasterConfig)) *stage {
	t.Helper()
	lab := &encoderLab{}
	cfg := BroadcasterConfig{Name: "door", FPS: 30, Encoders: Encoders{H264: lab.make, VP8: lab.makeVP8}, Log: zerolog.Nop()}
	if change != nil {
		change(&cfg)
	}
	s := &stage{t: t, b: NewBroadcaster(cfg), lab: lab, f: pipeline.NewFrame()}
	s.size(image.Pt(64, 48))
	t.Cleanup(func() {
		_ = s.b.Close()
		_ = s.f.Close()
		if n := lab.live(); n != 0 {
			t.Errorf("%d encoders left open", n)
		}
	})
	return s
}

func (s *stage) size(p image.Point) {
	s.t.Helper()
	if err := s.f.Prepare(pipeline.I420, p); err != nil {
		s.t.Fatal(err)
	}
	pix := s.f.Pix()
	for i := range pix {
		pix[i] = 128
	}
}

var start = time.Now()

// write gives the next frame if anything wants it.
func (s *stage) write() error {
	s.n++
	if s.b.Wants() == 0 {
		return nil
	}
	s.f.Seq, s.f.At = uint64(s.n), start.Add(time.Duration(s.n)*time.Second/30)
	return s.b.Write(s.f, nil)
}

func (s *stage) writes(n int) {
	s.t.Helper()
	for range n {
		if err := s.write(); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *stage) join() *viewer { return s.joinTo("annotated", pipeline.H264) }

func (s *stage) joinTo(rendition string, codec pipeline.Codec, profiles ...uint8) *viewer {
	s.t.Helper()
	v, err := s.b.join(viewing{rendition: rendition, codec: codec, profiles: profiles})
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// take empties a viewer's queue.
func take(v *viewer) []*unit {
	var all []*unit
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for len(v.queue) > 0 {
		u, err := v.next(ctx)
		if err != nil {
			break
		}
		all = append(all, u)
	}
	return all
}

// grey is the brightness of a JPEG's first pixel, 0 to 255.
func grey(t *testing.T, jpeg []byte) uint32 {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(jpeg))
	if err != nil {
		t.Fatal(err)
	}
	_, g, _, _ := img.At(0, 0).RGBA()
	return g >> 8
}

// waitFor polls until ok, for at most 10 s.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

// frameTime is when frame i of 30 a second comes.
func frameTime(i int) time.Duration { return time.Duration(i) * time.Second / 30 }
