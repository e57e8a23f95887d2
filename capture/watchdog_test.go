package capture

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

func TestWatchdogJudges(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		name                    string
		data, picture           time.Duration // ago
		first                   bool
		interval, keys          time.Duration
		wantWarn, wantVerdictOf string
	}{
		{name: "all is well", data: s / 25, picture: s / 25, interval: s / 25, keys: s},
		{name: "a second without data", data: s + 1, picture: s, interval: s / 25, wantWarn: "no data for 1.0 s"},
		{name: "three seconds without data", data: 3*s + 1, picture: 3 * s, interval: s / 25, wantVerdictOf: "no data for 3.0 s"},
		{name: "a slow camera between two pictures", data: 2 * s, picture: 2 * s, interval: s},
		{name: "a slow camera that is late", data: 4 * s, picture: 4 * s, interval: s, wantWarn: "no data"},
		{name: "a slow camera that is gone", data: 5*s + 1, picture: 5 * s, interval: s, wantVerdictOf: "no data"},
		{name: "nothing since the opening", data: 3*s + 1, picture: 3*s + 1, first: true, wantVerdictOf: "no data"},
		{name: "waits for the first key picture, 10 s", data: 0, picture: 10 * s, first: true, interval: s / 25},
		{name: "waits for the first key picture, for ever", data: 0, picture: 64 * s, first: true, interval: s / 25, wantVerdictOf: "no picture"},
		{name: "only key pictures, one in 10 s", data: 0, picture: 10 * s, interval: s / 25, keys: 10 * s},
		{name: "no picture for longer than that", data: 0, picture: 13*s + 1, interval: s / 25, keys: 10 * s, wantVerdictOf: "no picture"},
		{name: "every picture is a key, none can be decoded", data: 0, picture: 3*s + 5*s/25 + 1, interval: s / 25, wantVerdictOf: "no picture"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			w := &watchdog{quiet: DefaultQuiet}
			p := pipeline.Pulse{Data: now.Add(-c.data), Interval: c.interval, KeyInterval: c.keys}
			warn, err := w.judge(p, now.Add(-c.picture), c.first, now)
			if warn == "" != (c.wantWarn == "") || !strings.Contains(warn, c.wantWarn) {
				t.Errorf("warning %q, want %q", warn, c.wantWarn)
			}
			if err == nil != (c.wantVerdictOf == "") || err != nil && !strings.Contains(err.Error(), c.wantVerdictOf) {
				t.Errorf("verdict %v, want %q", err, c.wantVerdictOf)
			}
		})
	}
	w := &watchdog{quiet: DefaultQuiet}
	if warn, err := w.judge(pipeline.Pulse{}, time.Time{}, true, time.Now()); warn != "" || err != nil {
		t.Errorf("a source without pulse: %q, %v", warn, err)
	}
}

// mute is a live source that gives so many frames and then nothing, nor an error.
type mute struct {
	frames int
	mu     sync.Mutex
	data   time.Time // guarded by mu
	units  uint64    // guarded by mu
	closed bool
}

func (m *mute) Read(ctx context.Context, f *pipeline.Frame) error {
	if m.closed {
		return pipeline.ErrClosed
	}
	if m.frames == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	m.frames--
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units++
	m.data = time.Now()
	f.At = m.data
	return nil
}

func (m *mute) Close() error { m.closed = true; return nil }

func (m *mute) Pulse() pipeline.Pulse {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pipeline.Pulse{Data: m.data}
}

func (m *mute) UnitCounts() pipeline.UnitCounts {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := pipeline.UnitCounts{Units: m.units}
	if m.closed { // one that was in flight
		n.Units++
		n.NotDecoded = 1
	}
	return n
}

// A source that falls silent is opened anew without an error of its own; nothing of it is left running.
func TestSilentSourceIsOpenedAnew(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var log bytes.Buffer
	var opened []*mute
	r := NewReopening(func(context.Context) (pipeline.Source, error) {
		m := &mute{frames: 3, data: time.Now()}
		opened = append(opened, m)
		return m, nil
	}, ReopeningOptions{Log: zerolog.New(&log), RetryMax: time.Millisecond, Quiet: 100 * time.Millisecond})
	f := pipeline.NewFrame()
	defer f.Close()
	for n := range 7 {
		if err := r.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		if s := r.Status(); s.State != pipeline.Live {
			t.Errorf("state with frame %d: %+v", n, s)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if len(opened) != 3 || !opened[0].closed || !opened[2].closed {
		t.Errorf("%d openings, want 3, all closed", len(opened))
	}
	if n := r.UnitCounts(); n.Units != 10 || n.NotDecoded != 3 {
		t.Errorf("units %+v, want 10, 3 of them not decoded", n)
	}
	if n := strings.Count(log.String(), "no data for"); n < 2 {
		t.Errorf("the reason is logged %d times:\n%s", n, log.String())
	}
}

// A reader whose own ctx ends while the source is silent learns that, not the watchdog's view.
func TestSilentSourceObeysCancel(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	r := NewReopening(func(context.Context) (pipeline.Source, error) { return &mute{data: time.Now()}, nil }, ReopeningOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	f := pipeline.NewFrame()
	defer f.Close()
	if err := r.Read(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefusedWaitsTheLongestAndRetryEndsTheWait(t *testing.T) {
	tries := 0
	r := NewReopening(func(context.Context) (pipeline.Source, error) {
		tries++
		if tries == 1 {
			return nil, &live.Refused{Err: errors.New("wrong password")}
		}
		return &mute{frames: 1, data: time.Now()}, nil
	}, ReopeningOptions{RetryMax: time.Hour})
	defer r.Close()
	if r.Retry() {
		t.Error("Retry has an effect before anything failed")
	}
	done := make(chan error, 1)
	f := pipeline.NewFrame()
	defer f.Close()
	go func() { done <- r.Read(context.Background(), f) }()
	for !r.Retry() {
		time.Sleep(time.Millisecond)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if tries != 2 {
		t.Errorf("%d tries, want 2", tries)
	}
	if s := r.Status(); s.State != pipeline.Live || s.Reason != "" {
		t.Errorf("status %+v", s)
	}
}

// lateClock wakes its first waiter ten seconds late, the second in time, and nobody after that.
type lateClock struct {
	mu    sync.Mutex
	now   time.Time     // guarded by mu
	waits int           // guarded by mu
	over  chan struct{} // closed at the third wait
}

func (c *lateClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *lateClock) WaitUntil(ctx context.Context, t time.Time) error {
	c.mu.Lock()
	c.waits++
	n := c.waits
	c.now = t
	if n == 1 {
		c.now = t.Add(10 * time.Second)
	}
	c.mu.Unlock()
	if n < 3 {
		return nil
	}
	close(c.over)
	<-ctx.Done()
	return ctx.Err()
}

// Pulse is that of a source whose reader needs a moment after the late waking until it has read what came meanwhile.
func (c *lateClock) Pulse() pipeline.Pulse {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits < 2 {
		return pipeline.Pulse{Data: c.now.Add(-10 * time.Second)}
	}
	return pipeline.Pulse{Data: c.now}
}

// A machine that slept finds its cameras as it left them.
func TestWatchdogThatSleptDoesNotJudge(t *testing.T) {
	c := &lateClock{now: time.Now(), over: make(chan struct{})}
	w := watch(c, c, DefaultQuiet, func(reason string) { t.Errorf("stalled: %s", reason) })
	<-c.over
	w.stop()
	if w.verdict != nil {
		t.Errorf("verdict: %v", w.verdict)
	}
}
