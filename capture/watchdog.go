package capture

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yfv2d/pipeline"
)

// DefaultQuiet is how long a live source may give no data at all before it is opened anew.
const DefaultQuiet = 3 * time.Second

const (
	watchEvery = 250 * time.Millisecond
	// unknownKeys is how long a source whose key interval is not known yet may give data without a picture: recorders
	// with one key picture a minute exist.
	unknownKeys = 60 * time.Second
)

// watchdog looks after an opened source from outside its reader. Data that does not come any more, and pictures that do
// not come although data does, end the reads with the reason as their cause.
type watchdog struct {
	src     pipeline.Pulser
	clock   Clock
	quiet   time.Duration
	stalled func(reason string)
	end     context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex
	picture time.Time               // guarded by mu; when the newest frame came, the opening before the first
	first   bool                    // guarded by mu; no frame came yet
	cancel  context.CancelCauseFunc // guarded by mu; nil before the first read
	verdict error                   // guarded by mu; set once
}

// watch starts a watchdog. The caller stops it.
func watch(src pipeline.Pulser, clock Clock, quiet time.Duration, stalled func(string)) *watchdog {
	ctx, end := context.WithCancel(context.Background())
	w := &watchdog{src: src, clock: clock, quiet: quiet, stalled: stalled, end: end, done: make(chan struct{}), picture: clock.Now(), first: true}
	go w.run(ctx)
	return w
}

func (w *watchdog) stop() {
	w.end()
	<-w.done
}

// guard gives the watchdog the reads that it may end.
func (w *watchdog) guard(cancel context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
	if w.verdict != nil {
		cancel(w.verdict)
	}
}

// frame notes that a picture came.
func (w *watchdog) frame(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.picture, w.first = at, false
}

func (w *watchdog) run(ctx context.Context) {
	defer close(w.done)
	patient := true
	for next := w.clock.Now(); ; {
		next = next.Add(watchEvery)
		if w.clock.WaitUntil(ctx, next) != nil {
			return
		}
		now := w.clock.Now()
		late := now.Sub(next) > watchEvery
		if late {
			next = now
		}
		if late && patient { // the machine had no time for us, nor for who reads what came meanwhile: it gets a moment, once
			patient = false
			continue
		}
		patient = true
		if w.look(now) {
			return
		}
	}
}

// look judges the source as it is at now, and says whether it was given up.
func (w *watchdog) look(now time.Time) bool {
	w.mu.Lock()
	picture, first := w.picture, w.first
	w.mu.Unlock()
	warn, err := w.judge(w.src.Pulse(), picture, first, now)
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.verdict = err
		if w.cancel != nil {
			w.cancel(err)
		}
		return true
	}
	if warn != "" {
		w.stalled(warn)
	}
	return false
}

// judge says what is wrong with a source, if anything: a warning, or the reason to open it anew. picture is when its
// newest frame came, or its opening if none came.
func (w *watchdog) judge(p pipeline.Pulse, picture time.Time, first bool, now time.Time) (warn string, err error) {
	if p.Data.IsZero() { // a wrapper around a source without pulse
		return "", nil
	}
	silent := now.Sub(p.Data)
	if limit := max(w.quiet, 5*p.Interval); silent > limit {
		return "", fmt.Errorf("no data for %s", seconds(silent))
	}
	keys := p.KeyInterval
	if keys == 0 && first {
		keys = max(unknownKeys, w.quiet)
	}
	if blind := now.Sub(picture); blind > max(keys, 5*p.Interval)+w.quiet {
		return "", fmt.Errorf("data comes, but no picture of it can be decoded for %s", seconds(blind))
	}
	if silent > max(w.quiet/3, 3*p.Interval) {
		return fmt.Sprintf("no data for %s", seconds(silent)), nil
	}
	return "", nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
