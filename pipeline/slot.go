package pipeline

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// Slot hands values from one goroutine to the next and holds one: the newest wins, and every loss is counted. It is the
// only queue between a lens and a viewer. All methods are safe from any goroutine. Ownership moves with the value.
type Slot[T any] struct {
	mu     sync.Mutex    // held by Put and Close, so that only one goroutine at a time fills or closes ch
	ch     chan T        // capacity 1
	filled chan struct{} // capacity 1: ch was filled since Ready last looked; closed with ch
	closed bool          // guarded by mu
	drops  atomic.Uint64
}

// NewSlot makes an empty slot.
func NewSlot[T any]() *Slot[T] { return &Slot[T]{ch: make(chan T, 1), filled: make(chan struct{}, 1)} }

// Put stores v without ever waiting. When that pushes out an older value, that one is the loser; after Close v itself
// is. The caller owns the loser and frees it.
func (s *Slot[T]) Put(v T) (loser T, dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.drops.Add(1)
		return v, true
	}
	defer s.tell()
	select {
	case s.ch <- v:
		return loser, false
	default:
	}
	select {
	case loser = <-s.ch:
		dropped = true
		s.drops.Add(1)
	default: // taken since the first try
	}
	s.ch <- v // never waits: ch has room and nobody else may fill it
	return loser, dropped
}

// tell wakes Ready. mu is held.
func (s *Slot[T]) tell() {
	select {
	case s.filled <- struct{}{}:
	default:
	}
}

// Ready waits until there is a value, and leaves it: by the time of Take it may be a newer one. Its errors are Take's.
// It and Take are for one goroutine; Take after Ready waits no longer than a Put takes.
func (s *Slot[T]) Ready(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(s.ch) > 0 {
			return nil
		}
		select {
		case _, open := <-s.filled:
			if !open && len(s.ch) == 0 {
				return io.EOF
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Take waits for a value. A value that was in the slot when it was closed is still delivered, and only then comes
// io.EOF, so that the end of a stream travels downstream behind its last frame. When ctx ends Take returns its error
// and takes nothing: what is left belongs to whoever calls Drain after producers and consumers have stopped.
func (s *Slot[T]) Take(ctx context.Context) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	select {
	case v, ok := <-s.ch:
		if !ok {
			return zero, io.EOF
		}
		return v, nil
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// Drain takes a value without waiting, open or closed; false if there is none.
func (s *Slot[T]) Drain() (T, bool) {
	select {
	case v, ok := <-s.ch:
		return v, ok
	default:
		var zero T
		return zero, false
	}
}

// Close ends the stream. It may be called twice.
func (s *Slot[T]) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.ch)
		close(s.filled)
	}
}

// Drops counts the values that Put could not keep.
func (s *Slot[T]) Drops() uint64 { return s.drops.Load() }
