package live

import (
	"fmt"
	"sync/atomic"
)

// MaxStuck is how many readers of one camera may be held in C at a time. Beyond it the camera is not opened again until
// one of them comes back.
const MaxStuck = 3

// Stuck counts the readers of a camera that C code holds and that were left behind. Safe from any goroutine.
type Stuck struct{ n atomic.Int32 }

// Leave counts a reader that is left behind. Whoever leaves it calls Back when, and only if, its call returns.
func (s *Stuck) Leave() { s.n.Add(1) }

// Back counts a reader whose call returned after all.
func (s *Stuck) Back() { s.n.Add(-1) }

// Count is how many are held at present.
func (s *Stuck) Count() int { return int(s.n.Load()) }

// Check is an error if no further reader may be started.
func (s *Stuck) Check() error {
	if n := s.Count(); n >= MaxStuck {
		return fmt.Errorf("%d readers of this camera hang in its driver: unplug the camera, or wait until one returns", n)
	}
	return nil
}
