package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"yfv2d/pipeline"
)

// Opener opens a source. The caller closes what it returns.
type Opener func(ctx context.Context) (pipeline.Source, error)

// Looped plays a source over and over: at its end it is closed and opened again. Times go on without a seam: from the
// last frame to the first of the next round it is the step that came before. It never returns io.EOF.
type Looped struct {
	open   Opener
	src    pipeline.Source // nil after Close
	name   string
	shift  time.Duration // added to the round's times
	step   time.Duration // between the last two frames
	last   time.Time     // At of the last frame that was handed out
	played bool          // this round gave a frame
}

// NewLooped opens the source for its first round.
func NewLooped(ctx context.Context, open Opener) (*Looped, error) {
	src, err := open(ctx)
	if err != nil {
		return nil, err
	}
	return &Looped{open: open, src: src, step: time.Second / 30}, nil
}

// Read gives the next frame, of the next round if need be. A round without a single frame is an error.
func (l *Looped) Read(ctx context.Context, f *pipeline.Frame) error {
	if l.src == nil {
		return pipeline.ErrClosed
	}
	err := l.src.Read(ctx, f)
	if err == io.EOF {
		if err := l.rewind(ctx); err != nil {
			return err
		}
		err = l.src.Read(ctx, f)
	}
	if errors.Is(err, io.EOF) {
		return errors.New("nothing to loop: the source ended without a frame")
	}
	if err != nil {
		return err
	}
	l.retime(f)
	return nil
}

// retime moves the frame's time behind the ones before.
func (l *Looped) retime(f *pipeline.Frame) {
	first := !l.played
	l.played = true
	if first && !l.last.IsZero() {
		l.shift = l.last.Add(l.step).Sub(f.At)
	}
	at := f.At.Add(l.shift)
	if !first {
		l.step = at.Sub(l.last)
	}
	f.At, l.last = at, at
}

func (l *Looped) rewind(ctx context.Context) error {
	if !l.played {
		return errors.New("nothing to loop: the source ended without a frame")
	}
	next, err := l.open(ctx)
	if err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	err = l.src.Close()
	l.src, l.played = next, false
	return err
}

// Name is the source's, if it has one.
func (l *Looped) Name() string {
	if l.src != nil {
		l.name = nameOf(l.src)
	}
	return l.name
}

// Close closes the source of the present round.
func (l *Looped) Close() error {
	if l.src == nil {
		return nil
	}
	err := l.src.Close()
	l.src = nil
	return err
}
