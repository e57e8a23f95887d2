package pipeline

import (
	"context"
	"errors"
	"image"
	"math"
	"slices"
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

// walker is a person who walks to the right, seen with the scores given by frame, and a shadow that is never seen well.
func walker(score func(seq uint64) float32) detectorFunc {
	return func(_ context.Context, c *infer.Canvas) ([]infer.Detection, error) {
		x := 100 + 6*float32(c.Seq)
		return []infer.Detection{
			{Box: infer.Box{X0: x, Y0: 100, X1: x + 80, Y1: 300}, Class: 0, Score: score(c.Seq)},
			{Box: infer.Box{X0: 30, Y0: 350, X1: 90, Y1: 470}, Class: 0, Score: 0.14},
		}, nil
	}
}

// TestWeakDetections lets a person be seen badly for two seconds. The tracker may go on by the weak detections, but nobody
// is told of them, and nothing begins by them.
func TestWeakDetections(t *testing.T) {
	const rate, least, fades, clears, end = 10, 0.35, 20, 40, 60
	seen := walker(func(seq uint64) float32 {
		if seq > fades && seq <= clears {
			return 0.15
		}
		return 0.8
	})
	for _, c := range []struct {
		name  string
		low   float32 // of what the detector gives
		shown int     // steps in which the person is, of those that are bad
	}{
		{"used", 0.1, clears - fades},
		{"not used", least, rate}, // tracker.Config.LostAfter
	} {
		t.Run(c.name, func(t *testing.T) {
			hooked, want := 0, 0
			cfg := tracker.DefaultConfig()
			cfg.StartScores = []float64{least}
			p := newPipeline(t, Config{
				Scores: []float32{least}, Tracker: tracker.New(cfg),
				Detector: detectorFunc(func(ctx context.Context, canvas *infer.Canvas) ([]infer.Detection, error) {
					dets, err := seen(ctx, canvas)
					return slices.DeleteFunc(dets, func(d infer.Detection) bool { return d.Score <= c.low }), err
				}),
				OnDetections: func(_ uint64, _ time.Time, dets []infer.Detection, _ *tracker.Snapshot) { hooked += len(dets) },
			})
			f := newFrame(t)
			ground(t, f, I420, image.Pt(640, 480))
			shown := 0
			for seq := uint64(1); seq <= end; seq++ {
				f.Seq, f.At = seq, epoch.Add(time.Duration(seq)*time.Second/rate)
				res, err := p.Step(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				bad := seq > fades && seq <= clears
				if told := len(res.Detections); bad && told != 0 || !bad && told != 1 {
					t.Errorf("step %d tells of %+v", seq, res.Detections)
				}
				want += len(res.Detections)
				for _, k := range res.Tracks {
					if k.ID != 1 || k.Box.Y0 > 200 {
						t.Errorf("step %d: track %+v, want only the person as 1", seq, k)
					}
				}
				if bad {
					shown += len(res.Tracks)
				} else if seq > 2 && seq <= fades && len(res.Tracks) != 1 {
					t.Errorf("step %d: %d tracks", seq, len(res.Tracks))
				}
			}
			if shown != c.shown {
				t.Errorf("shown in %d of %d bad steps, want %d", shown, clears-fades, c.shown)
			}
			if hooked != want {
				t.Errorf("hook told of %d detections, Step of %d", hooked, want)
			}
		})
	}
}

func TestToldAllocatesNothing(t *testing.T) {
	p := &Pipeline{cfg: Config{Scores: []float32{0.35, float32(math.Inf(1))}}}
	all := []infer.Detection{{Score: 0.9}, {Score: 0.8, Class: 1}, {Score: 0.5, Class: 2}, {Score: 0.35}, {Score: 0.1, Class: 2}}
	dets := make([]infer.Detection, len(all))
	n := testing.AllocsPerRun(100, func() {
		copy(dets, all)
		if got := p.told(dets); len(got) != 3 || got[0] != all[0] || got[1] != all[2] || got[2] != all[4] {
			t.Fatalf("%+v", got)
		}
	})
	if n != 0 {
		t.Errorf("%g allocations a call", n)
	}
}
