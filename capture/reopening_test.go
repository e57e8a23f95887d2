package capture

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
)

// script is a source that does what its steps say, one a Read.
type script struct {
	clock  *fakeClock
	steps  []error // nil: a frame
	closed *int
}

func (s *script) Read(_ context.Context, f *pipeline.Frame) error {
	if len(s.steps) == 0 {
		return io.EOF
	}
	err := s.steps[0]
	s.steps = s.steps[1:]
	if err == nil {
		s.clock.now = s.clock.now.Add(40 * time.Millisecond)
		f.At = s.clock.now
	}
	return err
}

func (s *script) Close() error { *s.closed++; return nil }

func TestReopeningComesBack(t *testing.T) {
	clock, closed, opened := newFakeClock(), 0, 0
	var log bytes.Buffer
	broken := errors.New("rtsp://user:hunter2@cam/live: no route")
	opens := []any{broken, broken, []error{nil, nil, broken}, broken, []error{nil, &PictureError{"a.png", broken}, nil}}
	r := NewReopening(func(context.Context) (pipeline.Source, error) {
		step := opens[opened]
		opened++
		if err, ok := step.(error); ok {
			return nil, err
		}
		return &script{clock: clock, steps: step.([]error), closed: &closed}, nil
	}, ReopeningOptions{Clock: clock, Log: zerolog.New(&log)})
	if s := r.Status(); s.State != pipeline.Connecting || s.Since.IsZero() {
		t.Errorf("status before the first read: %+v", s)
	}
	f := pipeline.NewFrame()
	defer f.Close()
	var last time.Time
	for n := range 4 {
		if err := r.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		if !f.At.After(last) {
			t.Errorf("frame %d: time %v after %v", n, f.At, last)
		}
		last = f.At
		if s := r.Status(); s.State != pipeline.Live || s.Reason != "" || !s.NextTry.IsZero() {
			t.Errorf("status with frame %d: %+v", n, s)
		}
	}
	for range 2 {
		if err := r.Read(context.Background(), f); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
	if s := r.Status(); s.State != pipeline.Ended {
		t.Errorf("status at the end: %+v", s)
	}
	if opened != 5 || closed != 2 {
		t.Errorf("opened %d, closed %d, want 5 and 2", opened, closed)
	}
	if len(clock.waits) != 4 {
		t.Errorf("waits %v, want 4", clock.waits)
	}
	for want, n := range map[string]int{"source live": 2, "source down": 2, "picture skipped": 1, "source ended": 1, "hunter2": 0} {
		if got := strings.Count(log.String(), want); got != n {
			t.Errorf("%q is logged %d times, want %d:\n%s", want, got, n, log.String())
		}
	}
}

// waitForTry is a clock whose WaitUntil blocks until ctx ends, and tells that it waits.
type waitForTry struct {
	fakeClock
	waiting chan time.Time
}

func (w *waitForTry) WaitUntil(ctx context.Context, t time.Time) error {
	w.waiting <- t
	<-ctx.Done()
	return ctx.Err()
}

func TestReopeningTellsTheNextTryAndObeysCancel(t *testing.T) {
	clock := &waitForTry{*newFakeClock(), make(chan time.Time, 1)}
	r := NewReopening(opener("file:none.mp4", Options{}), ReopeningOptions{Clock: clock})
	ctx, cancel := context.WithCancel(context.Background())
	f := pipeline.NewFrame()
	defer f.Close()
	done := make(chan error, 1)
	go func() { done <- r.Read(ctx, f) }()
	next := <-clock.waiting
	s := r.Status()
	if s.State != pipeline.Retrying || !strings.Contains(s.Reason, "none.mp4 does not exist") || !s.NextTry.Equal(next) {
		t.Errorf("status %+v, next try %v", s, next)
	}
	if d := next.Sub(clock.now); d < minRetry || d > 2*minRetry {
		t.Errorf("first wait %v", d)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Read(context.Background(), f); !errors.Is(err, pipeline.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}

func TestBackOff(t *testing.T) {
	for n := 1; n < 100; n++ {
		limit := DefaultRetryMax
		if n < 6 {
			limit = minRetry << n
		}
		longest := time.Duration(0)
		for range 200 {
			d := backOff(n, DefaultRetryMax)
			if d < minRetry || d > limit {
				t.Fatalf("try %d waits %v, want %v to %v", n, d, minRetry, limit)
			}
			longest = max(longest, d)
		}
		if longest < limit/2 {
			t.Errorf("try %d waits %v at most of %v", n, longest, limit)
		}
	}
}

// Times go on upwards when a source starts anew with times of its own.
func TestReopeningKeepsTimesIncreasing(t *testing.T) {
	clock, closed := newFakeClock(), 0
	first := true
	r := NewReopening(func(context.Context) (pipeline.Source, error) {
		if !first {
			clock.now = time.Unix(10, 0) // long before the first opening's frames
			return &script{clock: clock, steps: []error{nil, nil}, closed: &closed}, nil
		}
		first = false
		return &script{clock: clock, steps: []error{nil, nil, errors.New("gone")}, closed: &closed}, nil
	}, ReopeningOptions{Clock: clock})
	defer r.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	var last time.Time
	for n := range 4 {
		if err := r.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		if !f.At.After(last) {
			t.Errorf("frame %d: time %v after %v", n, f.At, last)
		}
		last = f.At
	}
}

func TestLoopedRefusesNothing(t *testing.T) {
	closed, clock := 0, newFakeClock()
	l, err := NewLooped(context.Background(), func(context.Context) (pipeline.Source, error) {
		return &script{clock: clock, closed: &closed}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f := pipeline.NewFrame()
	defer f.Close()
	if err := l.Read(context.Background(), f); err == nil || !strings.Contains(err.Error(), "nothing to loop") {
		t.Errorf("loop over nothing: %v", err)
	}
	if err := l.Close(); err != nil || closed != 1 {
		t.Errorf("close: %v, closed %d", err, closed)
	}
}
