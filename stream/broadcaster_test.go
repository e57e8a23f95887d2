package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

// faultyEncoder is an Encoder whose faults a test chooses. It gives one NAL unit a frame.
type faultyEncoder struct {
	lab    *encoderLab
	cfg    EncoderConfig
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
}

func (l *encoderLab) make(cfg EncoderConfig) (Encoder, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failMake != nil {
		return nil, l.failMake
	}
	l.made++
	l.sizes = append(l.sizes, cfg.Size)
	return &faultyEncoder{lab: l, cfg: cfg}, nil
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
	nal := byte(0x41)
	if key {
		e.lab.keys = append(e.lab.keys, f.Seq)
		nal = 0x65
	}
	data := append([]byte{0, 0, 0, 1, nal}, fmt.Sprintf("frame %d", f.Seq)...)
	return pipeline.AccessUnit{Seq: f.Seq, At: f.At, Codec: pipeline.H264, Key: key, Data: data}, nil
}

func (e *faultyEncoder) SetBitrate(int) error { return nil }

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
	cfg := BroadcasterConfig{Name: "door", FPS: 30, NewEncoder: lab.make, Log: zerolog.Nop()}
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

func (s *stage) join() *viewer {
	s.t.Helper()
	v, err := s.b.annotated.join()
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
		s.b.annotated.retry = time.Time{} // as if the rest were over
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
		s := newStage(t, func(c *BroadcasterConfig) { c.NewEncoder = nil })
		s.join()
		if err := s.write(); err == nil {
			t.Error("no error")
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
	if _, err := s.b.annotated.join(); !errors.Is(err, ErrBroadcasterClosed) {
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
