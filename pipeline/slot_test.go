package pipeline

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestSlotKeepsTheNewest(t *testing.T) {
	s := NewSlot[int]()
	if _, dropped := s.Put(1); dropped {
		t.Error("an empty slot dropped something")
	}
	if old, dropped := s.Put(2); !dropped || old != 1 {
		t.Errorf("Put(2) gave back %d, %v; want 1, true", old, dropped)
	}
	if v, err := s.Take(t.Context()); v != 2 || err != nil {
		t.Errorf("Take gave %d, %v; want 2", v, err)
	}
	if s.Drops() != 1 {
		t.Errorf("%d drops, want 1", s.Drops())
	}
}

func TestSlotDeliversItsLastValueBeforeEOF(t *testing.T) {
	s := NewSlot[int]()
	s.Put(1)
	s.Close()
	s.Close()
	if old, dropped := s.Put(2); !dropped || old != 2 {
		t.Errorf("Put after Close gave back %d, %v; want 2, true", old, dropped)
	}
	if v, err := s.Take(t.Context()); v != 1 || err != nil {
		t.Errorf("Take after Close gave %d, %v; want the last value", v, err)
	}
	if _, err := s.Take(t.Context()); err != io.EOF {
		t.Errorf("second Take after Close: %v, want EOF", err)
	}
	if _, ok := s.Drain(); ok {
		t.Error("Drain found a value in an empty closed slot")
	}
}

func TestSlotTakeOnCancelLeavesTheValue(t *testing.T) {
	s := NewSlot[int]()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Put(7)
	if _, err := s.Take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Take with an ended context: %v", err)
	}
	if v, ok := s.Drain(); !ok || v != 7 {
		t.Errorf("Drain gave %d, %v; want 7", v, ok)
	}
}

func TestSlotTakeWakesOnCloseAndCancel(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*Slot[int], context.CancelFunc)
		want error
	}{
		{"close", func(s *Slot[int], _ context.CancelFunc) { s.Close() }, io.EOF},
		{"cancel", func(_ *Slot[int], cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSlot[int]()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := make(chan error)
			go func() {
				_, err := s.Take(ctx)
				got <- err
			}()
			c.end(s, cancel)
			select {
			case err := <-got:
				if err != c.want {
					t.Errorf("Take returned %v, want %v", err, c.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("Take still waits")
			}
		})
	}
}

func TestSlotReady(t *testing.T) {
	s := NewSlot[int]()
	s.Put(1)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Put(2)
	if v, err := s.Take(t.Context()); v != 2 || err != nil {
		t.Errorf("Take after Ready gave %d, %v; want the newer 2", v, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ready(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Ready with an ended context: %v", err)
	}
	s.Put(3)
	s.Close()
	for range 2 {
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("Ready with a last value: %v", err)
		}
	}
	if v, err := s.Take(t.Context()); v != 3 || err != nil {
		t.Errorf("Take gave %d, %v", v, err)
	}
	for range 2 {
		if err := s.Ready(t.Context()); err != io.EOF {
			t.Errorf("Ready after the last value: %v", err)
		}
	}
}

func TestSlotReadyWakes(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*Slot[int], context.CancelFunc)
		want error
	}{
		{"put", func(s *Slot[int], _ context.CancelFunc) { s.Put(1) }, nil},
		{"close", func(s *Slot[int], _ context.CancelFunc) { s.Close() }, io.EOF},
		{"cancel", func(_ *Slot[int], cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSlot[int]()
			s.Put(0)
			if _, err := s.Take(t.Context()); err != nil { // leaves what told of it
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			got := make(chan error)
			go func() { got <- s.Ready(ctx) }()
			c.do(s, cancel)
			select {
			case err := <-got:
				if err != c.want {
					t.Errorf("Ready returned %v, want %v", err, c.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("Ready still waits")
			}
		})
	}
}

// After Ready there is always something to take, and no value passes a consumer that is asleep.
func TestSlotReadyThenTake(t *testing.T) {
	for range 20 {
		s := NewSlot[int]()
		const n = 2000
		go func() {
			for i := range n {
				s.Put(i)
				if rand.IntN(8) == 0 {
					runtime.Gosched()
				}
			}
			s.Close()
		}()
		last := -1
		for {
			err := s.Ready(t.Context())
			if err == io.EOF {
				break
			}
			v, err := s.Take(t.Context())
			if err != nil || v <= last {
				t.Fatalf("Take after Ready gave %d after %d, %v", v, last, err)
			}
			last = v
		}
		if last != n-1 {
			t.Fatalf("the last value taken was %d", last)
		}
	}
}

// Whatever the interleaving, each value comes out exactly once: taken, or given back by Put, or drained; one consumer
// sees rising values of each producer; the last value of all is never lost.
func TestSlotProperty(t *testing.T) {
	for round := range 60 {
		producers, consumers, each := 1+round%3, 1+round/3%2, 400
		s := NewSlot[[2]int]()
		var mu sync.Mutex
		seen := map[[2]int]int{}
		note := func(v [2]int) {
			mu.Lock()
			seen[v]++
			mu.Unlock()
		}
		var put, take sync.WaitGroup
		for p := range producers {
			put.Add(1)
			go func() {
				defer put.Done()
				for i := range each {
					if old, dropped := s.Put([2]int{p, i}); dropped {
						note(old)
					}
					if rand.IntN(8) == 0 {
						runtime.Gosched()
					}
				}
			}()
		}
		var last [2]int
		for range consumers {
			take.Add(1)
			go func() {
				defer take.Done()
				newest := slices.Repeat([]int{-1}, producers)
				for {
					v, err := s.Take(t.Context())
					if err == io.EOF {
						return
					}
					if v[1] <= newest[v[0]] {
						t.Errorf("value %d of producer %d came after %d", v[1], v[0], newest[v[0]])
					}
					newest[v[0]] = v[1]
					note(v)
					mu.Lock()
					last = v
					mu.Unlock()
				}
			}()
		}
		put.Wait()
		s.Close()
		take.Wait()
		if len(seen) != producers*each {
			t.Fatalf("round %d: %d values came out of %d", round, len(seen), producers*each)
		}
		for v, n := range seen {
			if n != 1 {
				t.Fatalf("round %d: value %v came out %d times", round, v, n)
			}
		}
		if producers == 1 && consumers == 1 && last[1] != each-1 {
			t.Fatalf("round %d: the last value taken was %d", round, last[1])
		}
	}
}
