// Package live is what sources of the outside world have in common: what they are given, the errors that tell a fault
// from a refusal, access units on their way to frames, and readers that a C library may hold for ever.
package live

import (
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
)

// Options are what a camera gives to each of its sources. The zero value will do.
type Options struct {
	// Need says how many frames a second are of use at present, +Inf for all; nil means all. A source with access units
	// asks it for each and may leave out what nobody would see before it is decoded. It must not block.
	Need func() float64
	// OnUnit gets every access unit as it comes in. It must not block, and must not write what it is given.
	OnUnit func(*pipeline.AccessUnit)
	// Stuck counts this camera's readers that C code holds; nil means a count of the source's own.
	Stuck *Stuck
	// Log takes what is worth saying once; the zero Logger says nothing.
	Log zerolog.Logger
	// OpenTimeout bounds the time until the source is known to be there; 0 is DefaultOpenTimeout.
	OpenTimeout time.Duration
}

// DefaultOpenTimeout bounds an opening: a camera that has just been plugged in, or a slow recorder, needs some seconds.
const DefaultOpenTimeout = 10 * time.Second

// Timeout is OpenTimeout or its default.
func (o Options) Timeout() time.Duration {
	if o.OpenTimeout > 0 {
		return o.OpenTimeout
	}
	return DefaultOpenTimeout
}

// usualQuiet is how long the watchdog lets a source be silent, at least.
const usualQuiet = 3 * time.Second

// Grace is how much longer than a source that was heard already one may be silent that has just been started and has not
// been heard yet: a program needs time to find its camera. Such a source gives Pulse.Data so much later.
func (o Options) Grace() time.Duration { return max(0, o.Timeout()-usualQuiet) }

// needed is Need's answer.
func (o Options) needed() float64 {
	if o.Need == nil {
		return everything
	}
	return o.Need()
}
