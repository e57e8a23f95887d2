package infer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrWorkersClosed is what Workers.Detect returns after Close.
var ErrWorkersClosed = errors.New("detector pool is closed")

// Workers share a few detectors (usually one) between all cameras, fairly: of those that wait, the one whose last turn was
// longest ago is served next, so that a busy camera cannot starve another and takes only what others leave. A call runs on
// its caller's thread; it starts no goroutine.
type Workers struct {
	reopen func() (Detector, error)

	mu     sync.Mutex
	free   []*worker      // guarded by mu; those at rest
	queue  []*waiter      // guarded by mu; the next to be served first; empty while a worker is free
	closed bool           // guarded by mu
	busy   sync.WaitGroup // workers that are not at rest; it grows under mu, and not after closed

	once sync.Once
	all  []*worker
	err  error // of closing; written inside once
}

// worker holds one detector; nil after it panicked, until the next call makes a new one. Owned by who took it.
type worker struct{ d Detector }

// waiter is a call that waits for its turn.
type waiter struct {
	last time.Time    // when its caller had its last turn
	turn chan *worker // capacity 1, so that serving never waits; closed by Close
}

// NewWorkers opens n detectors. open is called again if a detector panics. On error nothing is left open.
func NewWorkers(n int, open func() (Detector, error)) (*Workers, error) {
	if n < 1 {
		return nil, fmt.Errorf("%d detectors: at least 1 is needed", n)
	}
	w := &Workers{reopen: open}
	for range n {
		d, err := open()
		if err != nil {
			for _, k := range w.all {
				err = errors.Join(err, k.d.Close())
			}
			return nil, fmt.Errorf("open detector: %w", err)
		}
		w.all = append(w.all, &worker{d: d})
	}
	w.free = slices.Clone(w.all)
	return w, nil
}

// Detect waits for its turn, as long as ctx and Close allow, and runs a detector on c. The duration is the detector's
// own, without the wait. Once the detector runs it is not interrupted. Calls are served in the order they come. Safe from
// any goroutine.
func (w *Workers) Detect(ctx context.Context, c *Canvas) ([]Detection, time.Duration, error) {
	return w.DetectNewest(ctx, time.Now(), func() (*Canvas, error) { return c, nil })
}

// DetectNewest is Detect on the canvas that newest gives once the turn has come: so a canvas does not age while others
// have the detectors. last is when the caller had its last turn, zero if it had none. newest must not wait, for a detector
// rests until it returns; its error is DetectNewest's. It is not called if the turn never comes.
func (w *Workers) DetectNewest(ctx context.Context, last time.Time, newest func() (*Canvas, error)) ([]Detection, time.Duration, error) {
	k, err := w.take(ctx, last)
	if err != nil {
		return nil, 0, err
	}
	defer w.release(k)
	c, err := newest()
	if err != nil {
		return nil, 0, err
	}
	return w.run(k, c)
}

// take waits for a worker. The caller gives it back by release.
func (w *Workers) take(ctx context.Context, last time.Time) (*worker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k, wait := w.enter(last)
	if k != nil {
		return k, nil
	}
	if wait == nil {
		return nil, ErrWorkersClosed
	}
	select {
	case k, ok := <-wait.turn:
		if !ok {
			return nil, ErrWorkersClosed
		}
		return k, nil
	case <-ctx.Done():
		if !w.leave(wait) { // its turn has come just now
			if k, ok := <-wait.turn; ok {
				w.release(k)
			}
		}
		return nil, ctx.Err()
	}
}

// enter gives a worker if one is free, else a place in the queue; neither after Close.
func (w *Workers) enter(last time.Time) (*worker, *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, nil
	}
	if n := len(w.free); n > 0 {
		k := w.free[n-1]
		w.free = w.free[:n-1]
		w.busy.Add(1)
		return k, nil
	}
	wait := &waiter{last: last, turn: make(chan *worker, 1)}
	at, _ := slices.BinarySearchFunc(w.queue, wait, func(a, b *waiter) int {
		if a.last.After(b.last) {
			return 1
		}
		return -1 // who came first stays before whose last turn was at the same time
	})
	w.queue = slices.Insert(w.queue, at, wait)
	return nil, wait
}

// leave gives up a place in the queue; false if it is not there any more.
func (w *Workers) leave(wait *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := slices.Index(w.queue, wait)
	if at < 0 {
		return false
	}
	w.queue = slices.Delete(w.queue, at, at+1)
	return true
}

// release hands a worker to the first of the queue, or lays it to rest.
func (w *Workers) release(k *worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) > 0 {
		w.queue[0].turn <- k
		w.queue = slices.Delete(w.queue, 0, 1)
		return
	}
	w.free = append(w.free, k)
	w.busy.Done()
}

// run calls the detector; a panic becomes an error and the detector is replaced.
func (w *Workers) run(k *worker, c *Canvas) (dets []Detection, took time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			dets, err = nil, fmt.Errorf("detector panicked: %v", p)
			k.discard()
		}
	}()
	if k.d == nil {
		d, err := w.reopen()
		if err != nil {
			return nil, 0, fmt.Errorf("replace the detector that panicked: %w", err)
		}
		k.d = d
	}
	start := time.Now()
	dets, err = k.d.Detect(c)
	return dets, time.Since(start), err
}

// discard closes a detector that panicked, which may panic again, and forgets it.
func (k *worker) discard() {
	d := k.d
	k.d = nil
	if d == nil {
		return
	}
	defer func() { _ = recover() }()
	_ = d.Close()
}

// Close refuses new calls, waits for those in flight and closes the detectors. It may be called twice.
func (w *Workers) Close() error {
	w.once.Do(func() {
		w.refuse()
		w.busy.Wait()
		for _, k := range w.all {
			if k.d != nil {
				w.err = errors.Join(w.err, k.d.Close())
			}
		}
	})
	return w.err
}

// refuse ends the waits and lets nobody in any more.
func (w *Workers) refuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, wait := range w.queue {
		close(wait.turn)
	}
	w.queue = nil
}
