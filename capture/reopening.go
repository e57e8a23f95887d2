package capture

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
)

// Waits between tries: a random part of a span that doubles from minRetry to maxRetry (full jitter, so that cameras
// which failed together do not come back together).
const (
	minRetry   = 500 * time.Millisecond
	maxRetry   = 30 * time.Second
	settleTime = maxRetry // a source that was live for so long starts at minRetry again
)

// ReopeningOptions are for NewReopening; the zero value will do.
type ReopeningOptions struct {
	Clock Clock          // nil: the system's
	Log   zerolog.Logger // a line per change of state, with its reason; the zero Logger says nothing
}

// Reopening keeps a source alive: when opening or reading fails it waits and opens it again, for as long as its reader's
// ctx allows. Only io.EOF, ctx's end and ErrClosed reach the reader. A picture that cannot be read is logged and skipped.
// Times increase across openings. Status tells how it stands.
type Reopening struct {
	open     Opener
	clock    Clock
	log      zerolog.Logger
	src      pipeline.Source // nil when down
	failures int             // since it last was live for long
	liveAt   time.Time
	last     time.Time // At of the newest frame
	shift    time.Duration
	ended    bool
	closed   bool
	skipped  int // pictures

	mu     sync.Mutex
	status pipeline.SourceStatus // guarded by mu
	name   string                // guarded by mu
}

// NewReopening makes a source that opens at its first Read. open gets the ctx of that Read.
func NewReopening(open Opener, opt ReopeningOptions) *Reopening {
	if opt.Clock == nil {
		opt.Clock = systemClock{}
	}
	r := &Reopening{open: open, clock: opt.Clock, log: opt.Log}
	r.status = pipeline.SourceStatus{State: pipeline.Connecting, Since: r.clock.Now()}
	return r
}

// Status is the source's state. Safe from any goroutine.
func (r *Reopening) Status() pipeline.SourceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Name is the file that the newest frame came from, if the source knows. Safe from any goroutine.
func (r *Reopening) Name() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.name
}

// Read waits for the next frame through as many tries as it takes.
func (r *Reopening) Read(ctx context.Context, f *pipeline.Frame) error {
	for {
		switch {
		case r.closed:
			return pipeline.ErrClosed
		case r.ended:
			return io.EOF
		}
		err := r.try(ctx, f)
		switch {
		case err == nil:
			r.live(f)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err == io.EOF:
			r.ended = true
			r.drop()
			r.set(pipeline.Ended, "the source came to its end", time.Time{})
			r.log.Info().Msg("source ended")
			return io.EOF
		}
		if err := r.failed(ctx, err); err != nil {
			return err
		}
	}
}

// try opens the source if it is down and reads once.
func (r *Reopening) try(ctx context.Context, f *pipeline.Frame) error {
	if r.src == nil {
		src, err := r.open(ctx)
		if err != nil {
			return notEOF("open", err)
		}
		r.src, r.shift, r.liveAt = src, 0, time.Time{}
	}
	return r.src.Read(ctx, f)
}

// notEOF keeps an io.EOF that Open met from passing as the source's end.
func notEOF(op string, err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New(op + ": " + err.Error())
	}
	return err
}

// live takes in a frame: its time must come after those of earlier openings.
func (r *Reopening) live(f *pipeline.Frame) {
	now := r.clock.Now()
	if r.liveAt.IsZero() {
		r.liveAt = now
		if !f.At.After(r.last) {
			r.shift = r.last.Sub(f.At) + time.Millisecond
		}
	}
	f.At = f.At.Add(r.shift)
	r.last = f.At
	if r.failures > 0 && now.Sub(r.liveAt) >= settleTime {
		r.failures = 0
	}
	name := nameOf(r.src)
	r.mu.Lock()
	r.name = name
	changed := r.status.State != pipeline.Live
	if changed {
		r.status = pipeline.SourceStatus{State: pipeline.Live, Since: now}
	}
	r.mu.Unlock()
	if changed {
		r.log.Info().Msg("source live")
	}
}

// failed handles an error of a try: it skips a picture, or closes the source and waits for the next try. Its own error
// ends Read.
func (r *Reopening) failed(ctx context.Context, err error) error {
	var pic *PictureError
	if errors.As(err, &pic) && r.src != nil {
		r.skipped++
		if r.skipped == 1 {
			r.log.Warn().Str("reason", Redact(err.Error())).Msg("picture skipped; further ones are not logged")
		}
		return nil
	}
	r.drop()
	r.failures++
	now := r.clock.Now()
	next := now.Add(backOff(r.failures))
	reason := Redact(err.Error())
	if r.set(pipeline.Retrying, reason, next) {
		r.log.Warn().Str("reason", reason).Time("next_try", next).Msg("source down; retrying")
	}
	return r.clock.WaitUntil(ctx, next)
}

// backOff is the wait before the nth try in a row.
func backOff(n int) time.Duration {
	span := maxRetry
	if n < 7 { // 0.5 s << 6 is past maxRetry
		span = min(maxRetry, minRetry<<n)
	}
	return minRetry + rand.N(span-minRetry+1)
}

// set changes the status and says whether state or reason are new.
func (r *Reopening) set(state pipeline.SourceState, reason string, next time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.status.State != state || r.status.Reason != reason
	if r.status.State != state {
		r.status.Since = r.clock.Now()
	}
	r.status.State, r.status.Reason, r.status.NextTry = state, reason, next
	return changed
}

// drop closes the source of this opening.
func (r *Reopening) drop() {
	if r.src == nil {
		return
	}
	if err := r.src.Close(); err != nil {
		r.log.Debug().Str("reason", Redact(err.Error())).Msg("close source")
	}
	r.src = nil
}

// Close closes the source.
func (r *Reopening) Close() error {
	r.closed = true
	if r.src == nil {
		return nil
	}
	err := r.src.Close()
	r.src = nil
	return err
}
