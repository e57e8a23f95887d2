package pipeline

import (
	"bytes"
	"image"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// twin is a camera of two sources that the test feeds frame by frame.
type twin struct {
	*started
	main, sub *fed
	sink      *watcher
	n, m      int // frames given

	mu    sync.Mutex
	drawn []infer.Box // guarded by mu; of the newest frame on the preview
	told  []infer.Box // guarded by mu; of the newest detection
	in    image.Point // guarded by mu; the picture that its tracks were told in
}

func newTwin(t *testing.T, cfg Config) *twin {
	t.Helper()
	w := &twin{main: newFed(), sub: newFed(), sink: newWatcher(WantAnnotated)}
	w.main.size, w.sub.size = image.Pt(1280, 720), image.Pt(320, 240)
	w.sink.write = func(_ *Frame, tracks []tracker.Track) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.drawn = boxesOf(tracks)
		return nil
	}
	cfg.Source, cfg.DetectSource, cfg.Sink = w.main, w.sub, w.sink
	if cfg.Detector == nil {
		cfg.Detector = oneBox
	}
	cfg.OnDetections = func(_ uint64, _ time.Time, dets []infer.Detection, snap *tracker.Snapshot) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = nil
		for _, d := range dets {
			w.told = append(w.told, d.Box)
		}
		if snap == nil {
			t.Error("no snapshot with the detections")
		}
	}
	cfg.OnTracks = func(snap *tracker.Snapshot, size image.Point) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.in = size
		if tracks := snap.At(snap.Time); len(tracks) > 0 && !near(boxesOf(tracks), w.told) {
			t.Errorf("tracks are told at %v, detections at %v", boxesOf(tracks), w.told)
		}
	}
	w.started = start(t, cfg)
	return w
}

// toldIn is the size of the picture that the newest tracks were told in.
func (w *twin) toldIn() image.Point {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.in
}

func boxesOf(tracks []tracker.Track) (boxes []infer.Box) {
	for _, tr := range tracks {
		boxes = append(boxes, tr.Box)
	}
	return boxes
}

func (w *twin) giveMain(t *testing.T) {
	t.Helper()
	w.main.give(t, w.n)
	w.n++
	until(t, "the frame's end on the preview", func() bool {
		l := w.ledger(t)
		return l.Captured == uint64(w.n) && l.PreviewInFlight == 0
	})
}

func (w *twin) giveSub(t *testing.T) {
	t.Helper()
	w.sub.give(t, w.m)
	w.m++
	until(t, "the frame's end at the detector", func() bool {
		l := w.ledgers(t)[1]
		return l.Captured == uint64(w.m) && l.DetectInFlight == 0
	})
}

func (w *twin) seen() (drawn, told []infer.Box) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drawn, w.told
}

// oneBox's box, and that in a picture 4 times as wide and 3 times as high.
var (
	small = []infer.Box{{X0: 10, Y0: 10, X1: 40, Y1: 40}}
	large = []infer.Box{{X0: 40, Y0: 30, X1: 160, Y1: 120}}
)

func near(a, b []infer.Box) bool {
	return slices.EqualFunc(a, b, func(a, b infer.Box) bool { return a.IoU(b) > 0.999 })
}

func TestBoxesOfASmallStreamLieRightOnTheLargeOne(t *testing.T) {
	w := newTwin(t, Config{})
	for range 4 {
		w.giveSub(t)
	}
	if _, told := w.seen(); !near(told, small) || !near(boxesOf(w.Tracks().All()), small) {
		t.Errorf("before the first large picture boxes are %v and %v, want %v", told, boxesOf(w.Tracks().All()), small)
	}
	if got := w.toldIn(); got != w.sub.size {
		t.Errorf("before the first large picture tracks are told in one of %v, want %v", got, w.sub.size)
	}
	w.giveMain(t)
	w.giveSub(t)
	if got := w.toldIn(); got != w.main.size {
		t.Errorf("tracks are told in a picture of %v, want %v", got, w.main.size)
	}
	drawn, told := w.seen()
	if api := boxesOf(w.Tracks().At(epoch)); !near(drawn, large) || !near(told, large) || !near(api, large) {
		t.Errorf("boxes drawn %v, told %v, of the tracks %v; want %v", drawn, told, api, large)
	}
	w.end(t)
	st := w.Stats()
	if st.Size != image.Pt(1280, 720) || st.DetectSource.Size != image.Pt(320, 240) || st.Input != infer.AutoInput(image.Pt(320, 240)) {
		t.Errorf("sizes %v and %v, input %v", st.Size, st.DetectSource.Size, st.Input)
	}
}

func TestSizesOfTwoSourcesChange(t *testing.T) {
	w := newTwin(t, Config{})
	for range 5 {
		w.giveSub(t)
		w.giveMain(t)
	}
	first := w.Tracks().All()[0].ID
	w.main.size = image.Pt(640, 360)
	w.giveMain(t)
	if drawn, _ := w.seen(); !near(drawn, []infer.Box{{X0: 20, Y0: 15, X1: 80, Y1: 60}}) {
		t.Errorf("boxes on a picture of half the size: %v", drawn)
	}
	w.giveSub(t)
	if id := w.Tracks().All()[0].ID; id != first || first == 0 {
		t.Errorf("the track's id went from %d to %d with the size of the picture that is shown", first, id)
	}
	w.sub.size = image.Pt(640, 480)
	for range 5 {
		w.giveSub(t)
	}
	if id := w.Tracks().All()[0].ID; id <= first {
		t.Errorf("the track's id is still %d after the picture that it lives in has changed", id)
	}
	w.end(t)
}

func TestLedgersOfTwoSources(t *testing.T) {
	w := newTwin(t, Config{DetectFPS: 10})
	for i := range 30 {
		w.giveSub(t)
		if i%2 == 0 {
			w.giveMain(t)
		}
	}
	w.end(t)
	st := w.Stats()
	main := Ledger{Captured: 15, Previewed: 15, DetectDropped: DetectDrops{OtherSource: 15}}
	sub := Ledger{Captured: 30, PreviewDropped: PreviewDrops{OtherSource: 30}, Detected: 10, DetectDropped: DetectDrops{NotDue: 20}}
	if st.Ledger != main || st.DetectSource.Ledger != sub || st.DetectLedger() != sub {
		t.Errorf("ledgers\n%+v\n%+v, want\n%+v\n%+v", st.Ledger, st.DetectSource.Ledger, main, sub)
	}
	if one := (Stats{Ledger: main}); one.DetectLedger() != main {
		t.Error("with one source its ledger is not that of the detect side")
	}
}

// full counts units and knows its state.
type full struct {
	*fed
	status SourceStatus
}

func (s *full) Status() SourceStatus   { return s.status }
func (s *full) UnitCounts() UnitCounts { return UnitCounts{Units: 12, DecodeError: 2, NotDecoded: 3} }

func TestStatsOfTwoSources(t *testing.T) {
	main := &full{newFed(), SourceStatus{State: Live}}
	sub := &full{newFed(), SourceStatus{State: Retrying, Reason: "no route to host"}}
	s := start(t, Config{Source: main, DetectSource: sub, Detector: oneBox})
	sub.give(t, 0)
	until(t, "the frame", func() bool { return s.ledgers(t)[1].Captured == 1 })
	st := s.Stats()
	if st.Source.State != Live || st.DetectSource.Status != sub.status {
		t.Errorf("states %+v and %+v", st.Source, st.DetectSource.Status)
	}
	if l := st.DetectSource.Ledger; l.Units != 12 || l.UnitsInFlight != 6 {
		t.Errorf("units: %+v", l)
	}
	s.end(t)
	for _, got := range []SourceStatus{s.Stats().Source, s.Stats().DetectSource.Status} {
		if got.State != Ended || got.Reason != "stopped" {
			t.Errorf("after the end: %+v", got)
		}
	}
}

// What ends or fails ends alone.
func TestOneOfTwoSourcesGoesOn(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error // nil: the end of the source
		state  SourceState
		reason string
	}{
		{"ends", nil, Ended, ""},
		{"fails", errTest, Failed, "capture: out of paper"},
	} {
		for _, detect := range []bool{false, true} {
			name, reason := "shown "+c.name, c.reason
			if detect {
				name = "detected on " + c.name
				if reason != "" {
					reason = "detect " + reason
				}
			}
			t.Run(name, func(t *testing.T) {
				var log bytes.Buffer
				w := newTwin(t, Config{Log: zerolog.New(&log)})
				w.giveSub(t)
				w.giveMain(t)
				src, other, status := w.main, w.sub, func() SourceStatus { return w.Stats().Source }
				if detect {
					src, other, status = w.sub, w.main, func() SourceStatus { return w.Stats().DetectSource.Status }
				}
				if c.err != nil {
					src.giveFrame(t, fedFrame{err: c.err})
				} else {
					close(src.in)
				}
				until(t, "the state", func() bool { return status().State == c.state })
				for range 5 {
					if detect {
						w.giveMain(t)
					} else {
						w.giveSub(t)
					}
				}
				if got := status(); got.Reason != reason {
					t.Errorf("reason %q, want %q", got.Reason, reason)
				}
				close(other.in)
				if err := w.wait(t); (err != nil) != (c.err != nil) || err != nil && err.Error() != reason {
					t.Errorf("Run returned %v", err)
				}
				if got := status(); got.State != c.state {
					t.Errorf("after Run: %+v", got)
				}
				if lines := strings.Count(log.String(), "\n"); lines != map[bool]int{true: 1}[c.err != nil] {
					t.Errorf("log:\n%s", log.String())
				}
			})
		}
	}
}

func TestEngineFailureEndsBothSources(t *testing.T) {
	w := newTwin(t, Config{Detector: boom})
	for range faultLimit {
		w.sub.give(t, w.m)
		w.m++
		until(t, "the frame's end", func() bool { l := w.ledgers(t)[1]; return l.Captured == uint64(w.m) && l.DetectInFlight == 0 })
	}
	if err := w.wait(t); err == nil || !strings.HasPrefix(err.Error(), "inference: ") {
		t.Errorf("Run returned %v", err)
	}
	if st := w.Stats(); st.Source.State != Failed || st.DetectSource.Status.State != Failed {
		t.Errorf("states %+v and %+v", st.Source, st.DetectSource.Status)
	}
}

// A preview that is stuck keeps no frame of the other source, and the other way round.
func TestTwoSourcesDoNotDelayEachOther(t *testing.T) {
	w := newTwin(t, Config{})
	release := make(chan struct{})
	w.sink.write = func(*Frame, []tracker.Track) error { <-release; return nil }
	for i := range 20 {
		w.main.give(t, i)
		w.giveSub(t)
	}
	until(t, "the frames to reach the slot", func() bool { return w.ledger(t).PreviewDropped.CaptureSlot == 18 })
	close(release)
	w.end(t)
	if l := w.ledgers(t)[1]; l.Detected != 20 {
		t.Errorf("detect side: %+v", l)
	}
}
