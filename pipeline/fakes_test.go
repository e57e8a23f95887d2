package pipeline

import (
	"context"
	"errors"
	"image"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// hangGuard ends a test that waits for what never comes. It is no measure of speed.
const hangGuard = 20 * time.Second

// until polls ok as long as the guard allows.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hangGuard); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// fakeClock stands still until the test wakes the next sleeper.
type fakeClock struct {
	mu       sync.Mutex
	now      time.Time
	sleepers []*sleeper
}

type sleeper struct {
	who  string
	at   time.Time
	wake chan struct{}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) sleepUntil(ctx context.Context, who string, at time.Time) error {
	s := &sleeper{who, at, make(chan struct{})}
	c.mu.Lock()
	c.sleepers = append(c.sleepers, s)
	c.mu.Unlock()
	select {
	case <-s.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *fakeClock) sleeps(who string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.sleepers, func(s *sleeper) bool { return s.who == who })
}

// wakeNext moves time to the earliest sleeper (of several the first by name) and wakes that one only. It
// says who that was, empty if nobody sleeps.
func (c *fakeClock) wakeNext() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sleepers) == 0 {
		return ""
	}
	first := 0
	for i, s := range c.sleepers {
		f := c.sleepers[first]
		if s.at.Before(f.at) || s.at.Equal(f.at) && s.who < f.who {
			first = i
		}
	}
	s := c.sleepers[first]
	c.sleepers = slices.Delete(c.sleepers, first, first+1)
	if s.at.After(c.now) {
		c.now = s.at
	}
	close(s.wake)
	return s.who
}

// fed is a source that the test feeds frame by frame; closing the channel ends it.
type fed struct {
	in   chan fedFrame
	size image.Point
}

type fedFrame struct {
	at     time.Time
	size   image.Point // zero: the source's
	format Format
	err    error
}

func newFed() *fed { return &fed{in: make(chan fedFrame), size: image.Pt(64, 48)} }

func (s *fed) Read(ctx context.Context, f *Frame) error {
	select {
	case in, ok := <-s.in:
		if !ok {
			return io.EOF
		}
		if in.err != nil {
			return in.err
		}
		f.At = in.at
		if in.size.X == 0 {
			in.size = s.size
		}
		return f.Prepare(in.format, in.size)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *fed) Close() error { return nil }

// give hands over the i-th frame at 30 a second.
func (s *fed) give(t *testing.T, i int) {
	t.Helper()
	s.giveFrame(t, fedFrame{at: epoch.Add(time.Duration(i) * time.Second / 30)})
}

func (s *fed) giveFrame(t *testing.T, f fedFrame) {
	t.Helper()
	select {
	case s.in <- f:
	case <-time.After(hangGuard):
		t.Fatal("the pipeline takes no more frames")
	}
}

// paced gives n frames at real speed and ends.
type paced struct {
	n, given int
	interval time.Duration
	err      error // instead of io.EOF
}

func (s *paced) Read(ctx context.Context, f *Frame) error {
	if s.given == s.n {
		if s.err != nil {
			return s.err
		}
		return io.EOF
	}
	select {
	case <-time.After(s.interval):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.given++
	f.At = time.Now()
	return f.Prepare(I420, image.Pt(64, 48))
}

func (s *paced) Close() error { return nil }

// detectorFunc is a Detector.
type detectorFunc func(ctx context.Context, c *infer.Canvas) ([]infer.Detection, error)

func (d detectorFunc) Detect(ctx context.Context, c *infer.Canvas) ([]infer.Detection, time.Duration, error) {
	dets, err := d(ctx, c)
	return dets, time.Millisecond, err
}

// oneBox finds the same box on every canvas.
var oneBox = detectorFunc(func(_ context.Context, c *infer.Canvas) ([]infer.Detection, error) {
	return []infer.Detection{{Box: infer.Box{X0: 10, Y0: 10, X1: 40, Y1: 40}, Class: 0, Score: 0.9}}, nil
})

// watcher is a sink that wants what it is told to.
type watcher struct {
	wants atomic.Uint32
	write func(f *Frame, tracks []tracker.Track) error

	mu     sync.Mutex
	seqs   []uint64
	tracks []int // how many came with each frame
}

func newWatcher(wants Wanted) *watcher {
	w := &watcher{}
	w.wants.Store(uint32(wants))
	return w
}

func (w *watcher) Wants() Wanted { return Wanted(w.wants.Load()) }

func (w *watcher) Write(f *Frame, tracks []tracker.Track) error {
	w.mu.Lock()
	w.seqs = append(w.seqs, f.Seq)
	w.tracks = append(w.tracks, len(tracks))
	w.mu.Unlock()
	if w.write != nil {
		return w.write(f, tracks)
	}
	return nil
}

func (w *watcher) written() []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seqs)
}

// started is a pipeline at work.
type started struct {
	*Pipeline
	cancel context.CancelFunc
	done   chan error
}

func start(t *testing.T, cfg Config) *started {
	t.Helper()
	if cfg.Tracker == nil {
		cfg.Tracker = tracker.New(tracker.DefaultConfig())
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{p, cancel, make(chan error, 1)}
	go func() { s.done <- p.Run(ctx) }()
	t.Cleanup(cancel)
	return s
}

// wait gives Run's result, after which nothing may be in flight, and closes the pipeline.
func (s *started) wait(t *testing.T) error {
	t.Helper()
	var err error
	select {
	case err = <-s.done:
	case <-time.After(hangGuard):
		t.Fatal("Run does not return")
	}
	for _, l := range s.ledgers(t) {
		if l.PreviewInFlight != 0 || l.DetectInFlight != 0 {
			t.Errorf("in flight after Run: %+v", l)
		}
	}
	if e := s.Close(); e != nil {
		t.Error(e)
	}
	return err
}

// end cancels and expects a good end.
func (s *started) end(t *testing.T) {
	t.Helper()
	s.cancel()
	if err := s.wait(t); err != nil {
		t.Errorf("Run after cancel: %v", err)
	}
}

// ledger reads the books and checks the balance.
func (s *started) ledger(t *testing.T) Ledger {
	t.Helper()
	return s.ledgers(t)[0]
}

// ledgers reads the books of one source or two, and checks the balance of each.
func (s *started) ledgers(t *testing.T) []Ledger {
	t.Helper()
	st := s.Stats()
	all := []Ledger{st.Ledger}
	if st.DetectSource != nil {
		all = append(all, st.DetectSource.Ledger)
	}
	for _, l := range all {
		if err := l.Check(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

var errTest = errors.New("out of paper")
