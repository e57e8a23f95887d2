package stream

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"testing"
	"time"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

func TestEncodesOnlyWhileWatched(t *testing.T) {
	s := newStage(t, nil)
	s.writes(10)
	if st := s.b.Stats(); st.Encodes != 0 || st.EncoderRunning || s.lab.made != 0 || s.b.Wants() != 0 {
		t.Fatalf("without a viewer: %+v, %d encoders made, wants %d", st, s.lab.made, s.b.Wants())
	}
	v1, v2 := s.join(), s.join()
	s.writes(5)
	if st := s.b.Stats(); st.Encodes != 5 || !st.EncoderRunning || st.Viewers != 2 || s.lab.made != 1 {
		t.Fatalf("with two viewers: %+v, %d encoders made", st, s.lab.made)
	}
	v1.leave()
	s.writes(5)
	if st := s.b.Stats(); st.Encodes != 10 || s.lab.live() != 1 || st.Viewers != 1 {
		t.Fatalf("with one viewer left: %+v", st)
	}
	v2.leave()
	v2.leave()
	if st := s.b.Stats(); st.EncoderRunning || s.lab.live() != 0 || s.b.Wants() != 0 {
		t.Fatalf("after the last: %+v, %d encoders live, wants %d", st, s.lab.live(), s.b.Wants())
	}
	s.writes(5)
	if st := s.b.Stats(); st.Encodes != 10 || s.lab.made != 1 {
		t.Fatalf("after the last, later: %+v", st)
	}
	v3 := s.join()
	s.writes(1)
	if got := take(v3); len(got) != 1 || !got[0].key {
		t.Fatalf("a viewer that came back got %d units", len(got))
	}
}

func TestKeyPictures(t *testing.T) {
	s := newStage(t, nil)
	v := s.join()
	s.writes(1) // the encoder's first, at frame 1
	v.askKey()
	v.askKey()
	s.writes(4) // within 500 ms of the key picture: none
	late := s.join()
	s.writes(11) // frame 16 is 500 ms after frame 1
	s.writes(40) // nothing is asked any more
	if got := fmt.Sprint(s.lab.keys); got != "[1 16]" {
		t.Errorf("key pictures at frames %s, want 1 and 16", got)
	}
	_ = take(v)
	if got := take(late); len(got) == 0 || !got[0].key {
		t.Errorf("the late viewer's first unit of %d is no key picture", len(got))
	}
	late.askKey()
	s.writes(1)
	if n := len(s.lab.keys); n != 3 {
		t.Errorf("%d key pictures, want a third at once when the last is long ago", n)
	}
}

func TestKeyRequestOutlivesSkips(t *testing.T) {
	s := newStage(t, nil)
	s.lab.skip = true
	v := s.join()
	for range 3 {
		if err := s.write(); !errors.Is(err, pipeline.ErrSkipped) {
			t.Fatalf("a skipped frame gave %v", err)
		}
	}
	s.lab.skip = false
	s.writes(1)
	if got := take(v); len(got) != 1 || !got[0].key {
		t.Errorf("after skipped frames the viewer got %d units", len(got))
	}
	if st := s.b.Stats(); st.Skipped != 3 || st.Failed != 0 || st.Encodes != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestSlowViewerSkipsToKey(t *testing.T) {
	s := newStage(t, nil)
	slow, quick := s.join(), s.join()
	var got []*unit
	for range 60 {
		s.writes(1)
		got = append(got, take(quick)...)
	}
	if len(got) != 60 || quick.missed.Load() != 0 {
		t.Errorf("the quick viewer got %d of 60 units and missed %d", len(got), quick.missed.Load())
	}
	if n := len(s.lab.keys); n != 1 {
		t.Errorf("a viewer that takes nothing caused %d key pictures", n)
	}
	first := take(slow)
	if len(first) != 9 || slow.missed.Load() != 51 {
		t.Errorf("the slow viewer got %d units and missed %d, want 9 (300 ms) and 51", len(first), slow.missed.Load())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := slow.next(ctx); !errors.Is(err, context.Canceled) { // it has caught up and asks
		t.Errorf("an empty queue gave %v", err)
	}
	s.writes(3)
	again := take(slow)
	if len(again) != 3 || !again[0].key {
		t.Errorf("after the gap the slow viewer got %d units, the first a key picture: %v", len(again), len(again) > 0 && again[0].key)
	}
	if st := s.b.Stats(); st.Lagged != 51 {
		t.Errorf("%d units counted as missed, want 51", st.Lagged)
	}
}

func TestSizeChange(t *testing.T) {
	s := newStage(t, nil)
	v := s.join()
	s.writes(3)
	s.size(image.Pt(80, 60))
	s.writes(3)
	got := take(v)
	if len(got) != 6 || !got[0].key || got[2].key || !got[3].key {
		t.Errorf("%d units; want key pictures first and at the new size", len(got))
	}
	if fmt.Sprint(s.lab.sizes) != "[(64,48) (80,60)]" || s.lab.live() != 1 {
		t.Errorf("encoders made for %v, %d live", s.lab.sizes, s.lab.live())
	}
	if st := s.b.Stats(); st.Size != image.Pt(80, 60) {
		t.Errorf("size %v", st.Size)
	}
}

func TestEncoderFaults(t *testing.T) {
	t.Run("encode", func(t *testing.T) {
		s := newStage(t, nil)
		v := s.join()
		s.writes(1)
		s.lab.failEncode = errors.New("out of ink")
		for range 3 {
			if err := s.write(); !errors.Is(err, s.lab.failEncode) {
				t.Fatalf("gave %v", err)
			}
		}
		if st := s.b.Stats(); st.Failed != 3 || st.EncoderRunning || s.lab.made != 1 || st.LastError == "" {
			t.Errorf("stats %+v, %d encoders made: a failed encoder rests", st, s.lab.made)
		}
		s.lab.failEncode = nil
		for _, r := range s.b.renditions {
			r.retry = time.Time{}
		} // as if the rest were over
		s.writes(1)
		if got := take(v); len(got) != 2 || !got[1].key {
			t.Errorf("%d units after the encoder was made anew", len(got))
		}
		if st := s.b.Stats(); st.LastError != "" {
			t.Errorf("last error %q", st.LastError)
		}
	})
	t.Run("make", func(t *testing.T) {
		s := newStage(t, nil)
		s.lab.failMake = errors.New("no such library")
		v := s.join()
		if err := s.write(); !errors.Is(err, s.lab.failMake) {
			t.Fatalf("gave %v", err)
		}
		v.leave()
		s.lab.failMake = nil
		s.join()
		s.writes(1) // a new first viewer does not wait for the rest
	})
	t.Run("none configured", func(t *testing.T) {
		s := newStage(t, func(c *BroadcasterConfig) { c.Encoders = Encoders{} })
		if _, err := s.b.join(viewing{rendition: "annotated", codec: pipeline.H264}); !errors.Is(err, ErrNoRendition) {
			t.Errorf("gave %v", err)
		}
	})
	t.Run("draw", func(t *testing.T) {
		bad := errors.New("no font")
		s := newStage(t, func(c *BroadcasterConfig) {
			c.Draw = func(*pipeline.Frame, []tracker.Track) error { return bad }
		})
		s.join()
		if err := s.write(); !errors.Is(err, bad) {
			t.Errorf("gave %v", err)
		}
	})
}

func TestCloseEndsViewers(t *testing.T) {
	s := newStage(t, nil)
	v := s.join()
	s.writes(2)
	for range 2 {
		if err := s.b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_ = take(v)
	if _, err := v.next(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("next after close: %v", err)
	}
	v.leave()
	if _, err := s.b.join(viewing{rendition: "annotated", codec: pipeline.H264}); !errors.Is(err, ErrBroadcasterClosed) {
		t.Errorf("join after close: %v", err)
	}
	if _, _, err := s.b.Snapshot(context.Background(), true); !errors.Is(err, ErrBroadcasterClosed) {
		t.Errorf("snapshot after close: %v", err)
	}
	if err := s.b.awaitFrame(context.Background()); !errors.Is(err, ErrBroadcasterClosed) {
		t.Errorf("wait after close: %v", err)
	}
	if err := s.b.Write(s.f, nil); !errors.Is(err, ErrBroadcasterClosed) {
		t.Errorf("write after close: %v", err)
	}
	if s.b.Wants() != 0 {
		t.Errorf("wants %d after close", s.b.Wants())
	}
}

// TestOrder: what wants no boxes comes before the drawing, what wants boxes after it.
func TestOrder(t *testing.T) {
	s := newStage(t, func(c *BroadcasterConfig) {
		c.Draw = func(f *pipeline.Frame, _ []tracker.Track) error {
			y, _, _ := f.Planes()
			for i := range y {
				y[i] = 235
			}
			return nil
		}
	})
	v := s.join()
	type result struct {
		jpeg []byte
		err  error
	}
	results := map[bool]chan result{false: make(chan result, 1), true: make(chan result, 1)}
	for boxes, c := range results {
		go func() {
			jpeg, _, err := s.b.Snapshot(context.Background(), boxes)
			c <- result{jpeg, err}
		}()
	}
	all := pipeline.WantAnnotated | pipeline.WantSnapshot | pipeline.WantSnapshotBoxes
	waitFor(t, "both askers", func() bool { return s.b.Wants() == all })
	s.writes(1)
	if len(take(v)) != 1 {
		t.Error("no unit")
	}
	for boxes, c := range results {
		r := <-c
		if r.err != nil {
			t.Fatal(r.err)
		}
		want := uint32(130) // (128-16)*255/219
		if boxes {
			want = 255
		}
		if got := grey(t, r.jpeg); got < want-3 || got > want+3 {
			t.Errorf("boxes %v: grey of %d, want %d", boxes, got, want)
		}
	}
	if s.b.Wants() != pipeline.WantAnnotated {
		t.Errorf("wants %d after the stills were taken", s.b.Wants())
	}
}
