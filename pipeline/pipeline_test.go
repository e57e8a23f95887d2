package pipeline

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// clocked is a source of n frames at a fixed rate by the fake clock.
type clocked struct {
	clock    *fakeClock
	who      string // sleeps by this name
	phase    time.Duration
	interval time.Duration
	n, given int
}

func (s *clocked) Read(ctx context.Context, f *Frame) error {
	if s.given == s.n {
		return io.EOF
	}
	at := epoch.Add(s.phase + time.Duration(s.given)*s.interval)
	if err := s.clock.sleepUntil(ctx, s.who, at); err != nil {
		return err
	}
	s.given++
	f.At = at
	return f.Prepare(I420, image.Pt(64, 48))
}

func (s *clocked) Close() error { return nil }

// A source at 200 frames a second feeds a detector that takes 50 ms, for 10 s: the age of what the detector reports
// does not grow, and every frame is accounted for.
func TestLatencyDoesNotGrow(t *testing.T) {
	clock := &fakeClock{now: epoch}
	const n = 2000
	var ages []time.Duration
	s := start(t, Config{
		Source: &clocked{clock: clock, who: "source", interval: 5 * time.Millisecond, n: n},
		Clock:  clock,
		Detector: detectorFunc(func(ctx context.Context, c *infer.Canvas) ([]infer.Detection, error) {
			return nil, clock.sleepUntil(ctx, "detector", clock.Now().Add(50*time.Millisecond))
		}),
		OnDetections: func(_ uint64, at time.Time, _ []infer.Detection, _ *tracker.Snapshot) {
			ages = append(ages, clock.Now().Sub(at))
		},
	})
	// At rest: every frame that the source was woken for has left the preview side, the source sleeps again or has
	// ended, and the detector sleeps or has nothing to do.
	var woken uint64
	atRest := func() bool {
		l := s.ledger(t)
		return l.Captured == woken && (clock.sleeps("source") || woken == n) && l.PreviewInFlight == 0 &&
			(clock.sleeps("detector") || l.DetectInFlight == 0)
	}
	for who := "source"; who != ""; {
		until(t, "the pipeline to come to rest", atRest)
		if who = clock.wakeNext(); who == "source" {
			woken++
		}
	}
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	l := s.Stats().Ledger
	want := Ledger{Captured: n, PreviewDropped: PreviewDrops{NoViewer: n}, Detected: uint64(len(ages))}
	want.DetectDropped.DetectSlot = n - want.Detected
	if l != want {
		t.Errorf("ledger\n%+v, want\n%+v", l, want)
	}
	if len(ages) < 199 || len(ages) > 202 {
		t.Errorf("%d detections in 10 s of 50 ms each", len(ages))
	}
	// The first finds an idle detector; from then on each waits for the one before it, at most one frame interval.
	for i, age := range ages {
		if age < 50*time.Millisecond || age > 55*time.Millisecond {
			t.Fatalf("detection %d of %d is %v old", i, len(ages), age)
		}
	}
	if first, last := ages[1], ages[len(ages)-2]; first != last {
		t.Errorf("latency is %v at the start and %v at the end", first, last)
	}
}

func TestSlowDetectorDoesNotDelayThePreview(t *testing.T) {
	src, sink := newFed(), newWatcher(WantClean)
	s := start(t, Config{Source: src, Sink: sink, Detector: detectorFunc(
		func(ctx context.Context, _ *infer.Canvas) ([]infer.Detection, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})})
	for i := range 60 {
		src.give(t, i)
		until(t, "the frame on the preview", func() bool { return len(sink.written()) == i+1 })
	}
	if l := s.ledger(t); l.Previewed != 60 || l.Detected != 0 || l.DetectInFlight > 2 {
		t.Errorf("with a stuck detector: %+v", l)
	}
	s.end(t)
	if l := s.Stats().Ledger; l.DetectDropped.Shutdown == 0 || l.DetectDropped.DetectSlot < 57 {
		t.Errorf("after it: %+v", l)
	}
}

func TestSlowSinkDoesNotDelayDetection(t *testing.T) {
	src, sink, release := newFed(), newWatcher(WantClean), make(chan struct{})
	sink.write = func(*Frame, []tracker.Track) error { <-release; return nil }
	s := start(t, Config{Source: src, Sink: sink, Detector: oneBox})
	for i := range 60 {
		src.give(t, i)
		until(t, "the detection", func() bool { return s.ledger(t).Detected == uint64(i+1) })
	}
	until(t, "the frames to reach the slot", func() bool { return s.ledger(t).PreviewDropped.PreviewSlot == 58 })
	close(release)
	until(t, "the newest frame on the preview", func() bool { w := sink.written(); return w[len(w)-1] == 60 })
	s.end(t)
	if w := sink.written(); len(w) != 2 {
		t.Errorf("frames written: %v, want the first and the newest", w)
	}
}

func TestLastFrameArrivesBeforeTheEnd(t *testing.T) {
	src, sink := newFed(), newWatcher(WantAnnotated)
	var seen []uint64
	s := start(t, Config{Source: src, Sink: sink, Detector: oneBox,
		OnDetections: func(seq uint64, _ time.Time, _ []infer.Detection, _ *tracker.Snapshot) { seen = append(seen, seq) }})
	for i := range 20 {
		src.give(t, i)
	}
	close(src.in)
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	if w := sink.written(); w[len(w)-1] != 20 || seen[len(seen)-1] != 20 {
		t.Errorf("the last frame written is %d and the last looked at %d, want 20", w[len(w)-1], seen[len(seen)-1])
	}
	l := s.Stats().Ledger
	if l.PreviewDropped.Shutdown+l.DetectDropped.Shutdown != 0 {
		t.Errorf("frames lost at the end: %+v", l)
	}
	if st := s.Stats().Source; st.State != Ended || st.Reason != "" {
		t.Errorf("source after the end: %+v", st)
	}
}

func TestPreviewDrops(t *testing.T) {
	for _, c := range []struct {
		name  string
		wants Wanted
		err   error
		fps   float64
		want  PreviewDrops
		shown uint64
	}{
		{"nobody watches", 0, nil, 0, PreviewDrops{NoViewer: 30}, 0},
		{"all shown", WantClean, nil, 0, PreviewDrops{}, 30},
		{"ten a second", WantAnnotated, nil, 10, PreviewDrops{NotDue: 20}, 10},
		{"a still is not paced", WantSnapshot, nil, 10, PreviewDrops{}, 30},
		{"encoder skips", WantClean, ErrSkipped, 0, PreviewDrops{EncodeSkipped: 30}, 0},
		{"sink fails", WantClean, errTest, 0, PreviewDrops{Failed: 30}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, sink := newFed(), newWatcher(c.wants)
			sink.write = func(*Frame, []tracker.Track) error { return c.err }
			var log bytes.Buffer
			s := start(t, Config{Name: "door", Source: src, Sink: sink, Detector: oneBox, PreviewFPS: c.fps, Log: zerolog.New(&log)})
			for i := range 30 {
				src.give(t, i)
				until(t, "the frame's end", func() bool {
					l := s.ledger(t)
					return l.Captured == uint64(i+1) && l.PreviewInFlight == 0
				})
			}
			s.end(t)
			l := s.Stats().Ledger
			if l.PreviewDropped != c.want || l.Previewed != c.shown {
				t.Errorf("%+v shown %d, want %+v and %d", l.PreviewDropped, l.Previewed, c.want, c.shown)
			}
			lines := strings.Count(log.String(), "\n")
			if wantLines := map[bool]int{true: 1}[c.err == errTest]; lines != wantLines {
				t.Errorf("%d log lines, want %d: %s", lines, wantLines, log.String())
			}
		})
	}
}

func TestDetectionPace(t *testing.T) {
	src := newFed()
	var seen []uint64
	s := start(t, Config{Source: src, Detector: oneBox, DetectFPS: 10,
		OnDetections: func(seq uint64, _ time.Time, _ []infer.Detection, _ *tracker.Snapshot) { seen = append(seen, seq) }})
	for i := range 90 {
		src.give(t, i)
		until(t, "the frame's end", func() bool { l := s.ledger(t); return l.Captured == uint64(i+1) && l.DetectInFlight == 0 })
	}
	s.end(t)
	for i, seq := range seen {
		if seq != uint64(3*i+1) {
			t.Fatalf("frames looked at: %v, want every third", seen)
		}
	}
	if l := s.Stats().Ledger; l.Detected != 30 || l.DetectDropped.NotDue != 60 {
		t.Errorf("%+v", l)
	}
}

var boom = detectorFunc(func(context.Context, *infer.Canvas) ([]infer.Detection, error) { return nil, errTest })

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		det    Detector
		frames []fedFrame
		want   []string // parts of Run's error; none: no error
		failed uint64   // detect side
	}{
		{"source", oneBox, []fedFrame{{}, {err: errTest}}, []string{"capture: ", "out of paper"}, 0},
		{"source fails at once", oneBox, []fedFrame{{err: errTest}}, []string{"capture: ", "out of paper"}, 0},
		{"engine for good", boom, make([]fedFrame, faultLimit), []string{"inference: ", "10 frames in a row", "out of paper"}, faultLimit},
		{"engine now and then", boom, append(make([]fedFrame, faultLimit-1), fedFrame{err: io.EOF}), nil, faultLimit - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := newFed()
			var log bytes.Buffer
			s := start(t, Config{Source: src, Detector: c.det, Log: zerolog.New(&log)})
			for i, f := range c.frames {
				f.at = time.Now()
				src.giveFrame(t, f)
				if f.err == nil {
					until(t, "the frame's end", func() bool { l := s.ledger(t); return l.Captured == uint64(i+1) && l.DetectInFlight == 0 })
				}
			}
			err := s.wait(t)
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("Run returned %v, want an error with %q", err, part)
				}
			}
			st := s.Stats()
			if c.want == nil && (err != nil || st.Source.State != Ended) {
				t.Errorf("Run returned %v, source %+v", err, st.Source)
			}
			if c.want != nil && (!errors.Is(err, errTest) || st.Source.State != Failed || st.Source.Reason != err.Error()) {
				t.Errorf("Run returned %v, source %+v", err, st.Source)
			}
			if st.Ledger.DetectDropped.Failed != c.failed {
				t.Errorf("%d detections failed, want %d", st.Ledger.DetectDropped.Failed, c.failed)
			}
			if lines := strings.Count(log.String(), "\n"); lines > 1 {
				t.Errorf("%d log lines:\n%s", lines, log.String())
			}
		})
	}
}

func TestFrameSizeChangesMidway(t *testing.T) {
	src, sink := newFed(), newWatcher(WantAnnotated)
	var inputs []image.Point
	s := start(t, Config{Source: src, Sink: sink, Detector: detectorFunc(
		func(_ context.Context, c *infer.Canvas) ([]infer.Detection, error) {
			inputs = append(inputs, c.Letterbox.In)
			return []infer.Detection{{Box: infer.Box{X0: 10, Y0: 10, X1: 40, Y1: 40}, Score: 0.9}}, nil
		})})
	give := func(i int, size image.Point) {
		src.giveFrame(t, fedFrame{at: epoch.Add(time.Duration(i) * time.Second / 30), size: size})
		until(t, "the frame's end", func() bool {
			l := s.ledger(t)
			return l.Captured == uint64(i+1) && l.DetectInFlight == 0 && l.PreviewInFlight == 0
		})
	}
	for i := range 10 {
		give(i, image.Pt(640, 480))
	}
	before := s.Tracks().All()
	for i := 10; i < 20; i++ {
		give(i, image.Pt(1280, 720))
	}
	after := s.Tracks().All()
	s.end(t)
	if len(before) != 1 || len(after) != 1 || before[0].ID == after[0].ID || after[0].ID == 0 {
		t.Errorf("tracks before %+v and after %+v: want one each, with different ids", before, after)
	}
	if st := s.Stats(); st.Size != image.Pt(1280, 720) || st.Input != infer.AutoInput(image.Pt(1280, 720)) {
		t.Errorf("size %v and input %v", st.Size, st.Input)
	}
	if inputs[9] != image.Pt(640, 480) || inputs[10] != image.Pt(1280, 720) {
		t.Errorf("canvases made for %v", inputs)
	}
	if sink.tracks[9] != 1 || sink.tracks[19] != 1 {
		t.Errorf("tracks with each frame: %v", sink.tracks)
	}
}

func TestTracksOfAnotherSizeAreNotDrawn(t *testing.T) {
	src, sink := newFed(), newWatcher(WantAnnotated)
	s := start(t, Config{Source: src, Sink: sink, DetectFPS: 0.1, Detector: oneBox})
	for i, size := range []image.Point{{640, 480}, {640, 480}, {1280, 720}, {640, 480}} {
		src.giveFrame(t, fedFrame{at: epoch.Add(time.Duration(i) * time.Second / 30), size: size})
		until(t, "the frame's end", func() bool {
			l := s.ledger(t)
			return l.Captured == uint64(i+1) && l.DetectInFlight == 0 && l.PreviewInFlight == 0
		})
	}
	s.end(t)
	if got := sink.tracks[1:]; got[0] != 1 || got[1] != 0 || got[2] != 1 {
		t.Errorf("tracks with frames of two sizes: %v, want 1 0 1", got)
	}
}
