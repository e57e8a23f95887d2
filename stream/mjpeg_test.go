package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

func (s *stage) watch(boxes bool, quarters int, fps float64) *motionViewer {
	s.t.Helper()
	kind := plain
	if boxes {
		kind = boxed
	}
	v, err := s.b.watchMotion(variant{kind, quarters}, fps)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// picture takes the picture that a viewer has now.
func picture(t *testing.T, v *motionViewer) image.Config {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	p, err := v.next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, jpeg, _ := bytes.Cut(p.part, []byte("\r\n\r\n"))
	cfg, _, err := image.DecodeConfig(bytes.NewReader(jpeg))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// settle writes a frame and waits until what it is due for has been encoded.
func (s *stage) settle(encodes uint64) {
	s.t.Helper()
	if err := s.write(); err != nil && !errors.Is(err, pipeline.ErrNotDue) {
		s.t.Fatal(err)
	}
	waitFor(s.t, fmt.Sprintf("%d encodes", encodes), func() bool { return s.b.motion.stats().encodes >= encodes })
}

func TestMotionEncodesOnceForAll(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	drawn := 0
	s := newStage(t, func(c *BroadcasterConfig) {
		c.Draw = func(*pipeline.Frame, []tracker.Track) error { drawn++; return nil }
	})
	s.writes(3)
	if s.b.Wants() != 0 {
		t.Errorf("wants %b of nobody", s.b.Wants())
	}
	var viewers []*motionViewer
	for range 5 {
		viewers = append(viewers, s.watch(false, 4, 30))
	}
	if s.b.Wants() != pipeline.WantMotion {
		t.Errorf("wants %b", s.b.Wants())
	}
	for n := range uint64(10) {
		s.settle(n + 1)
		for _, v := range viewers {
			if c := picture(t, v); c.Width != 64 || c.Height != 48 {
				t.Errorf("picture of %dx%d", c.Width, c.Height)
			}
		}
	}
	if st := s.b.motion.stats(); st.encodes != 10 || st.viewers != 5 || st.variants != 1 || st.missed != 0 || drawn != 0 {
		t.Errorf("10 frames for 5 viewers: %+v, %d times boxes were drawn", st, drawn)
	}
	withBoxes, small := s.watch(true, 4, 30), s.watch(true, 2, 30)
	s.settle(13)
	if c := picture(t, small); c.Width != 32 || c.Height != 24 || drawn != 1 {
		t.Errorf("small picture of %dx%d, boxes drawn %d times", c.Width, c.Height, drawn)
	}
	for _, v := range append(viewers, withBoxes, small) {
		v.leave()
		v.leave()
	}
	if st := s.b.motion.stats(); st.variants != 0 || s.b.Wants() != 0 {
		t.Errorf("after the last: %+v, wants %b", st, s.b.Wants())
	}
	if st := s.b.Stats(); st.EncoderRunning {
		t.Error("an encoder runs")
	}
}

// Each viewer gets pictures at its own rate; frames that nobody is due for are not prepared.
func TestMotionRates(t *testing.T) {
	s := newStage(t, nil)
	slow, quick := s.watch(false, 4, 5), s.watch(false, 4, 10)
	notDue, got := 0, [2]int{}
	for range 60 { // two seconds
		before := s.b.motion.stats().encodes
		switch err := s.write(); {
		case errors.Is(err, pipeline.ErrNotDue):
			notDue++
			continue
		case err != nil:
			t.Fatal(err)
		}
		waitFor(t, "the encode", func() bool { return s.b.motion.stats().encodes > before })
		for i, v := range []*motionViewer{slow, quick} {
			select {
			case <-v.newest:
				got[i]++
			default:
			}
		}
	}
	// A schedule takes a few frames to learn the camera's rate.
	if got[0] < 10 || got[0] > 12 || got[1] < 20 || got[1] > 22 || notDue < 36 || notDue > 40 {
		t.Errorf("pictures %v, %d frames not due; want about 10, 20 and 40", got, notDue)
	}
	quick.leave()
	before := s.b.motion.stats().encodes
	for range 60 {
		if err := s.write(); err != nil && !errors.Is(err, pipeline.ErrNotDue) {
			t.Fatal(err)
		}
		waitFor(t, "rest", func() bool { return len(slow.v.free) == 1 })
	}
	if n := s.b.motion.stats().encodes - before; n < 10 || n > 12 {
		t.Errorf("%d encodes in two seconds for a viewer of 5 a second", n)
	}
	slow.leave()
}

// An encoder or a snapshot that wants the frame gets it, due for moving pictures or not.
func TestMotionBesideOthers(t *testing.T) {
	s := newStage(t, nil)
	m, v := s.watch(false, 4, 1), s.join()
	s.writes(30)
	if got := take(v); len(got) < 9 || s.b.Stats().Encodes != 30 {
		t.Errorf("the viewer got %d units, %d encodes of 30 frames", len(got), s.b.Stats().Encodes)
	}
	m.leave()
}

func TestMotionSlowViewerMissesPictures(t *testing.T) {
	s := newStage(t, nil)
	v := s.watch(false, 4, 30)
	for n := range uint64(10) {
		s.settle(n + 1)
	}
	if st := s.b.motion.stats(); len(v.newest) != 1 || st.missed != 9 {
		t.Errorf("%d pictures wait, %d missed; want 1 and 9", len(v.newest), st.missed)
	}
	p := <-v.newest
	if want := start.Add(10 * time.Second / 30); !p.at.Equal(want) {
		t.Errorf("the picture that waits is of %v, want the newest, %v", p.at, want)
	}
}

func TestMotionEndsWithTheCamera(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := newStage(t, nil)
	v := s.watch(true, 1, 10)
	s.settle(1)
	picture(t, v)
	if err := s.b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.next(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("gave %v", err)
	}
	v.leave()
	if _, err := s.b.watchMotion(variant{plain, 4}, 10); !errors.Is(err, ErrBroadcasterClosed) {
		t.Errorf("joined with %v", err)
	}
}

func TestSnapshotWidth(t *testing.T) {
	s := newStage(t, nil)
	for _, row := range []struct {
		name   string
		format pipeline.Format
		size   image.Point
		width  int
		want   image.Point
	}{
		{"full", pipeline.I420, image.Pt(64, 48), 0, image.Pt(64, 48)},
		{"half", pipeline.I420, image.Pt(64, 48), 20, image.Pt(32, 24)},
		{"three quarters", pipeline.I420, image.Pt(64, 48), 33, image.Pt(48, 36)},
		{"a still of odd sides", pipeline.BGR, image.Pt(65, 49), 10, image.Pt(16, 12)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := s.f.Prepare(row.format, row.size); err != nil {
				t.Fatal(err)
			}
			pix := s.f.Pix()
			for i := range pix {
				pix[i] = 128
			}
			done := make(chan struct{})
			var jpeg []byte
			var err error
			go func() {
				defer close(done)
				jpeg, _, err = s.b.snapshot(context.Background(), pictureOption{width: row.width})
			}()
			waitFor(t, "the asker", func() bool { return s.b.Wants() != 0 })
			s.writes(1)
			<-done
			if err != nil {
				t.Fatal(err)
			}
			if cfg, _, err := image.DecodeConfig(bytes.NewReader(jpeg)); err != nil || image.Pt(cfg.Width, cfg.Height) != row.want {
				t.Errorf("%dx%d: %v", cfg.Width, cfg.Height, err)
			}
			if g := grey(t, jpeg); g < 124 || g > 132 {
				t.Errorf("grey of %d", g)
			}
		})
	}
}

// BenchmarkMotion is what one moving JPEG picture costs: the copy that the overlay stage makes of a frame, and the encode
// that a goroutine of its own makes of that.
func BenchmarkMotion(b *testing.B) {
	f := pipeline.NewFrame()
	defer f.Close()
	size := image.Pt(640, 480)
	if err := f.Prepare(pipeline.I420, size); err != nil {
		b.Fatal(err)
	}
	pix := f.Pix()
	for i := range pix {
		pix[i] = byte(64 + i*i/997%128)
	}
	for _, quarters := range []int{4, 2} {
		to := variant{plain, quarters}.scaled(size)
		var s motionFrame
		b.Run(fmt.Sprintf("copy/%dx%d", to.X, to.Y), func(b *testing.B) {
			for range b.N {
				if err := s.copy(f, to); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("encode/%dx%d", to.X, to.Y), func(b *testing.B) {
			if err := s.copy(f, to); err != nil {
				b.Fatal(err)
			}
			var maker jpegMaker
			defer func() { _ = maker.close() }()
			b.ReportAllocs()
			for range b.N {
				if _, err := maker.encode(pipeline.I420, s.size, s.pix); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
