package infer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrWorkersClosed is what Workers.Detect returns after Close.
var ErrWorkersClosed = errors.New("detector pool is closed")

// Workers share a few detectors (usually one) between all cameras. Whoever waits longest is served next, so a busy
// camera cannot starve another. A call runs on its caller's thread; it starts no goroutine.
type Workers struct {
	free   chan *worker // those at rest; a channel serves its receivers in the order they came
	done   chan struct{}
	reopen func() (Detector, error)
	once   sync.Once
	err    error // of closing; written inside once
}

// worker holds one detector; nil after it panicked, until the next call makes a new one. Owned by who took it.
type worker struct{ d Detector }

// NewWorkers opens n detectors. open is called again if a detector panics. On error nothing is left open.
func NewWorkers(n int, open func() (Detector, error)) (*Workers, error) {
	if n < 1 {
		return nil, fmt.Errorf("%d detectors: at least 1 is needed", n)
	}
	w := &Workers{free: make(chan *worker, n), done: make(chan struct{}), reopen: open}
	for i := range n {
		d, err := open()
		if err != nil {
			for range i {
				err = errors.Join(err, (<-w.free).d.Close())
			}
			return nil, fmt.Errorf("open detector: %w", err)
		}
		w.free <- &worker{d: d}
	}
	return w, nil
}

// Detect waits for its turn, as long as ctx and Close allow, and runs a detector on c. The duration is the detector's
// own, without the wait. Once the detector runs it is not interrupted. Safe from any goroutine.
func (w *Workers) Detect(ctx context.Context, c *Canvas) ([]Detection, time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	var k *worker
	select {
	case k = <-w.free:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	case <-w.done:
		return nil, 0, ErrWorkersClosed
	}
	defer func() { w.free <- k }() // never blocks: the channel holds as many as there are
	select {
	case <-w.done:
		return nil, 0, ErrWorkersClosed
	default:
	}
	return w.run(k, c)
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
		close(w.done)
		for range cap(w.free) {
			if k := <-w.free; k.d != nil {
				w.err = errors.Join(w.err, k.d.Close())
			}
		}
	})
	return w.err
}
