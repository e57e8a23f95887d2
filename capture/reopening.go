package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// Waits between tries: a random part of a span that doubles from minRetry to the longest (full jitter, so that cameras
// which failed together do not come back together).
const (
	minRetry        = 500 * time.Millisecond
	DefaultRetryMax = 30 * time.Second
	settleTime      = 10 * time.Second // a source that was live for so long starts at minRetry again
)

// ReopeningOptions are for NewReopening; the zero value will do.
type ReopeningOptions struct {
	Clock    Clock          // nil: the system's
	Log      zerolog.Logger // a line per change of state, with its reason; the zero Logger says nothing
	RetryMax time.Duration  // the longest wait between two tries; 0: DefaultRetryMax
	Quiet    time.Duration  // a live source that gives no data for so long (or 5 pictures' time) is opened anew; 0: DefaultQuiet
}

// Reopening keeps a source alive: when opening or reading fails, or nothing comes from it any more, it waits and opens it
// again, for as long as its reader's ctx allows. Only io.EOF, ctx's end and ErrClosed reach the reader. A picture that
// cannot be read is logged and skipped. Times increase across openings. Status tells how it stands.
type Reopening struct {
	open     Opener
	clock    Clock
	log      zerolog.Logger
	retryMax time.Duration
	quiet    time.Duration
	src      pipeline.Source // nil when down
	dog      *watchdog       // over src; nil if src gives no pulse
	session  session
	failures int // since it last was live for long
	liveAt   time.Time
	last     time.Time // At of the newest frame
	shift    time.Duration
	ended    bool
	closed   bool
	skipped  int // pictures

	mu     sync.Mutex
	status pipeline.SourceStatus // guarded by mu
	name   string                // guarded by mu
	hurry  context.CancelFunc    // guarded by mu; ends the wait for the next try, nil when there is none
	units  pipeline.UnitCounts   // guarded by mu; of earlier openings
	unitOf pipeline.UnitCounter  // guarded by mu; of this opening, may be nil
}

// session is the ctx of the present opening's reads: the reader's, which the watchdog can end too.
type session struct {
	of     context.Context // the reader's
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// NewReopening makes a source that opens at its first Read. open gets the ctx of that Read.
func NewReopening(open Opener, opt ReopeningOptions) *Reopening {
	if opt.Clock == nil {
		opt.Clock = systemClock{}
	}
	if opt.RetryMax <= 0 {
		opt.RetryMax = DefaultRetryMax
	}
	if opt.Quiet <= 0 {
		opt.Quiet = DefaultQuiet
	}
	r := &Reopening{open: open, clock: opt.Clock, log: opt.Log, retryMax: opt.RetryMax, quiet: opt.Quiet}
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

// UnitCounts are those of all openings together. Safe from any goroutine.
func (r *Reopening) UnitCounts() pipeline.UnitCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.units
	if r.unitOf != nil {
		n := r.unitOf.UnitCounts()
		sum.Units += n.Units
		sum.DecodeError += n.DecodeError
		sum.NotDecoded += n.NotDecoded
	}
	return sum
}

// Retry tries again now if the source waits for its next try, and says whether it did. Safe from any goroutine.
func (r *Reopening) Retry() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hurry == nil {
		return false
	}
	r.hurry()
	return true
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
		r.begin(src)
	}
	inner := r.within(ctx)
	err := r.src.Read(inner, f)
	if err != nil && ctx.Err() == nil && inner.Err() != nil {
		return context.Cause(inner) // the watchdog's reason
	}
	return err
}

// begin takes a source that was opened.
func (r *Reopening) begin(src pipeline.Source) {
	r.src, r.shift, r.liveAt = src, 0, time.Time{}
	counter, _ := src.(pipeline.UnitCounter)
	r.mu.Lock()
	r.unitOf = counter
	r.mu.Unlock()
	if p, ok := src.(pipeline.Pulser); ok {
		r.dog = watch(p, r.clock, r.quiet, r.stalled)
	}
}

// within is ctx, which the watchdog may end for this opening's reads.
func (r *Reopening) within(ctx context.Context) context.Context {
	if r.dog == nil {
		return ctx
	}
	if r.session.of != ctx || r.session.ctx.Err() != nil {
		r.session.end()
		inner, cancel := context.WithCancelCause(ctx)
		r.session = session{of: ctx, ctx: inner, cancel: cancel}
		r.dog.guard(cancel)
	}
	return r.session.ctx
}

func (s *session) end() {
	if s.cancel != nil {
		s.cancel(nil)
	}
	*s = session{}
}

// notEOF keeps an io.EOF that Open met from passing as the source's end.
func notEOF(op string, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %s", op, err.Error())
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
	if r.dog != nil {
		r.dog.frame(now)
	}
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

// stalled notes that a live source is silent, which may pass. The watchdog's goroutine calls it.
func (r *Reopening) stalled(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.State != pipeline.Live {
		return
	}
	r.status = pipeline.SourceStatus{State: pipeline.Stalled, Since: r.clock.Now(), Reason: reason}
	r.log.Warn().Str("reason", reason).Msg("source stalled")
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
	next := r.clock.Now().Add(r.pause(err))
	reason := Redact(err.Error())
	if r.set(pipeline.Retrying, reason, next) {
		r.log.Warn().Str("reason", reason).Time("next_try", next).Msg("source down; retrying")
	}
	return r.waitUntil(ctx, next)
}

// pause is the wait after err.
func (r *Reopening) pause(err error) time.Duration {
	var refused *live.Refused
	if errors.As(err, &refused) {
		return r.retryMax
	}
	return backOff(r.failures, r.retryMax)
}

// waitUntil waits for the next try: for its time, or for Retry. Its error is ctx's.
func (r *Reopening) waitUntil(ctx context.Context, next time.Time) error {
	wait, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	r.hurry = cancel
	r.mu.Unlock()
	err := r.clock.WaitUntil(wait, next)
	r.mu.Lock()
	r.hurry = nil
	if r.status.State == pipeline.Retrying {
		r.status.NextTry = r.clock.Now() // it is being tried
	}
	r.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		r.failures = 0 // somebody asked; that is a new beginning
	}
	return ctx.Err()
}

// backOff is the wait before the nth try in a row.
func backOff(n int, longest time.Duration) time.Duration {
	span := longest
	if n < 7 { // 0.5 s << 6 is past DefaultRetryMax
		span = min(longest, minRetry<<n)
	}
	if span <= minRetry {
		return span
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
	if err := r.closeSource(); err != nil {
		r.log.Debug().Str("reason", Redact(err.Error())).Msg("close source")
	}
}

// closeSource ends this opening, its watchdog first, and keeps its counts.
func (r *Reopening) closeSource() error {
	if r.src == nil {
		return nil
	}
	if r.dog != nil {
		r.dog.stop()
		r.dog = nil
	}
	r.session.end()
	err := r.src.Close()
	r.src = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unitOf != nil {
		n := r.unitOf.UnitCounts()
		r.units.Units += n.Units
		r.units.DecodeError += n.DecodeError
		r.units.NotDecoded += n.NotDecoded
		r.unitOf = nil
	}
	return err
}

// Close closes the source.
func (r *Reopening) Close() error {
	r.closed = true
	return r.closeSource()
}
