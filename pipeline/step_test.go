package pipeline

import (
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

func newPipeline(t *testing.T, cfg Config) *Pipeline {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no detector", Config{}, "no detector"},
		{"input of odd size", Config{Detector: oneBox, Input: image.Pt(350, 352)}, "multiples of 32"},
		{"huge input", Config{Detector: oneBox, Input: image.Pt(32000, 32000)}, "multiples of 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestStepTracks(t *testing.T) {
	hooks := 0
	p := newPipeline(t, Config{Detector: oneBox, Tracker: tracker.New(tracker.DefaultConfig()),
		OnDetections: func(seq uint64, _ time.Time, dets []infer.Detection, snap *tracker.Snapshot) {
			hooks++
			if seq != uint64(hooks) || len(dets) != 1 || snap == nil {
				t.Errorf("hook %d got frame %d, %v, %v", hooks, seq, dets, snap)
			}
		}})
	f := newFrame(t)
	ground(t, f, I420, image.Pt(640, 480))
	for i := range 5 {
		f.Seq, f.At = uint64(i+1), epoch.Add(time.Duration(i)*100*time.Millisecond)
		res, err := p.Step(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Detections) != 1 || res.Canvas.In != image.Pt(640, 480) || res.DetectTime != time.Millisecond {
			t.Fatalf("step %d: %+v", i, res)
		}
		if len(res.Tracks) != 1 || res.Tracks[0].ID != 1 {
			t.Fatalf("step %d: tracks %+v", i, res.Tracks)
		}
	}
	if hooks != 5 || p.Tracks() == nil {
		t.Errorf("%d hooks, snapshot %v", hooks, p.Tracks())
	}
	if l := p.Stats().Ledger; l != (Ledger{}) {
		t.Errorf("Step wrote in the ledger: %+v", l)
	}
}

func TestStepWithoutTracker(t *testing.T) {
	p := newPipeline(t, Config{Detector: oneBox})
	f := newFrame(t)
	ground(t, f, BGR, image.Pt(33, 17))
	res, err := p.Step(t.Context(), f)
	if err != nil || len(res.Detections) != 1 || res.Snapshot != nil || len(res.Tracks) != 0 || p.Tracks() != nil {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestStepErrors(t *testing.T) {
	failing := detectorFunc(func(context.Context, *infer.Canvas) ([]infer.Detection, error) { return nil, errTest })
	p := newPipeline(t, Config{Detector: failing})
	f := newFrame(t)
	if _, err := p.Step(t.Context(), f); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty frame: %v", err)
	}
	ground(t, f, I420, image.Pt(64, 48))
	if _, err := p.Step(t.Context(), f); !errors.Is(err, errTest) {
		t.Errorf("a failing detector: %v", err)
	}
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no source") {
		t.Errorf("Run without a source: %v", err)
	}
}

func TestUseAfterClose(t *testing.T) {
	p, err := New(Config{Detector: oneBox, Source: newFed()})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if err := p.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run: %v", err)
	}
	if _, err := p.Step(t.Context(), newFrame(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Step: %v", err)
	}
}

func TestOneRunAtATime(t *testing.T) {
	src := newFed()
	s := start(t, Config{Source: src, Detector: oneBox})
	src.give(t, 0)
	if err := s.Run(t.Context()); err == nil {
		t.Error("a second Run began")
	}
	if _, err := s.Step(t.Context(), newFrame(t)); err == nil {
		t.Error("Step began beside Run")
	}
	if err := s.Close(); err == nil {
		t.Error("Close went through beside Run")
	}
	s.end(t)
}

func TestRunAgain(t *testing.T) {
	src := newFed()
	p := newPipeline(t, Config{Source: src, Detector: oneBox})
	for round := range 3 {
		done := make(chan error)
		go func() { done <- p.Run(context.Background()) }()
		src.give(t, round)
		src.giveFrame(t, fedFrame{err: errTest})
		if err := <-done; !errors.Is(err, errTest) {
			t.Fatalf("round %d: %v", round, err)
		}
		if l := p.Stats().Ledger; l.Captured != uint64(round+1) || l.Check() != nil {
			t.Fatalf("round %d: %+v", round, l)
		}
	}
}

// sayer is a source that knows its own state.
type sayer struct{ fed }

func (*sayer) Status() SourceStatus {
	return SourceStatus{State: Retrying, Reason: "unplugged", NextTry: epoch}
}

func TestSourceState(t *testing.T) {
	p := newPipeline(t, Config{Detector: oneBox, Source: &sayer{*newFed()}})
	if st := p.Stats().Source; st.State != Retrying || st.Reason != "unplugged" {
		t.Errorf("the source's own state: %+v", st)
	}
	own := start(t, Config{Detector: detectorFunc(func(context.Context, *infer.Canvas) ([]infer.Detection, error) {
		return nil, errTest
	}), Source: &sayer{*newFed()}})
	own.end(t)
	if st := own.Stats().Source; st.State != Ended {
		t.Errorf("after Run the pipeline knows better than its source: %+v", st)
	}
	src := newFed()
	s := start(t, Config{Detector: oneBox, Source: src})
	if st := s.Stats().Source; st.State != Connecting || st.Since.IsZero() {
		t.Errorf("before the first frame: %+v", st)
	}
	src.give(t, 0)
	until(t, "the source to live", func() bool { return s.Stats().Source.State == Live })
	s.end(t)
	if st := s.Stats().Source; st.State != Ended || st.Reason != "stopped" {
		t.Errorf("after cancel: %+v", st)
	}
}

func TestAsTracks(t *testing.T) {
	dets := []infer.Detection{{Score: 0.9, Class: 2}, {Score: 0.3}, {Score: 0.29}}
	got := AsTracks(dets, 0.3)
	if len(got) != 2 || got[0].Detection != dets[0] || got[0].ID != 0 {
		t.Errorf("%+v", got)
	}
}
