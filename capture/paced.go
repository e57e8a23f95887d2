package capture

import (
	"context"
	"time"

	"yfv2d/pipeline"
)

// maxLag is how far a paced source may fall behind its own timestamps before it gives up catching up: a source that
// cannot be decoded in real time then plays slowly, and its latency does not grow.
const maxLag = 500 * time.Millisecond

// Paced gives a source's frames at the pace of their times: Read returns a frame when its moment has come, and At is
// that moment on the clock. It takes times that increase from any start.
type Paced struct {
	src    pipeline.Source
	clock  Clock
	shift  time.Duration // from the source's times to the clock's
	start  bool
	last   time.Time
	closed bool
}

// NewPaced wraps src and owns it from then on: Close closes it. A nil clock is the system's.
func NewPaced(src pipeline.Source, clock Clock) *Paced {
	if clock == nil {
		clock = systemClock{}
	}
	return &Paced{src: src, clock: clock}
}

// Read reads the next frame and waits for its moment or for ctx. A frame whose wait was cut short is lost.
func (p *Paced) Read(ctx context.Context, f *pipeline.Frame) error {
	if p.closed {
		return pipeline.ErrClosed
	}
	if err := p.src.Read(ctx, f); err != nil {
		return err
	}
	now := p.clock.Now()
	if !p.start {
		p.start, p.shift = true, now.Sub(f.At)
	}
	due := f.At.Add(p.shift)
	if lag := now.Sub(due); lag > maxLag {
		p.shift += lag
		due = now
	}
	if !due.After(p.last) {
		due = p.last.Add(1)
	}
	if err := p.clock.WaitUntil(ctx, due); err != nil {
		return err
	}
	f.At, p.last = due, due
	return nil
}

// Name is the wrapped source's, if it has one.
func (p *Paced) Name() string { return nameOf(p.src) }

// Close closes the wrapped source.
func (p *Paced) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	return p.src.Close()
}

// nameOf is a source's name, empty if it has none.
func nameOf(src pipeline.Source) string {
	if n, ok := src.(Namer); ok {
		return n.Name()
	}
	return ""
}
