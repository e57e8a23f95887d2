package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Pool holds a fixed number of frames, so that a running camera allocates none. Safe from any goroutine.
type Pool struct {
	free   chan *Frame
	done   chan struct{}
	mu     sync.Mutex // guards closed, and Put against Close
	closed bool
}

// NewPool makes a pool of n empty frames, n at least 1.
func NewPool(n int) (*Pool, error) {
	if n < 1 {
		return nil, fmt.Errorf("frame pool of %d: at least 1 is needed", n)
	}
	p := &Pool{free: make(chan *Frame, n), done: make(chan struct{})}
	for range n {
		p.free <- NewFrame()
	}
	return p, nil
}

// Get waits for a frame as long as ctx allows; the caller owns it until Put. Its pixels are those of its last use.
func (p *Pool) Get(ctx context.Context) (*Frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return nil, ErrClosed
	default:
	}
	select {
	case f := <-p.free:
		return f, nil
	case <-p.done:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Put gives a frame back, and never waits. A frame that comes after Close is freed. It panics if a frame is put back
// twice, since then somebody uses a frame that it does not own.
func (p *Pool) Put(f *Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = f.Close()
		return
	}
	select {
	case p.free <- f:
	default:
		panic("pipeline: a frame was put back twice")
	}
}

// Close frees the frames, and those that come back later. It is an error if one is missing: somebody still uses it, or
// it has leaked. It may be called twice.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	close(p.done)
	var err error
	missing := cap(p.free) - len(p.free)
	if missing > 0 {
		err = fmt.Errorf("close frame pool: %d of %d frames were not given back", missing, cap(p.free))
	}
	for range len(p.free) {
		err = errors.Join(err, (<-p.free).Close())
	}
	return err
}
