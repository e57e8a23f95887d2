package stream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Limits of what waits for one subscriber. Half of it is about a second of a camera: 30 frames and some detections.
const (
	queueBase       = 32
	queuePerCamera  = 32
	maxQueueCameras = 32
	maxQueueBytes   = 1 << 20
)

// liveQueue is what one subscriber has not taken yet. When it is full the oldest frame message goes, or the oldest
// detection if there is no frame message; a pong overtakes all, and of hellos only the newest stays. Safe from any
// goroutine; put never waits.
type liveQueue struct {
	dropped *[liveKinds]atomic.Uint64 // counts what was left out, of all queues
	ready   chan struct{}             // holds a token while list may have something

	mu    sync.Mutex // guards what follows
	limit int        // messages
	list  []liveMessage
	bytes int
}

func newLiveQueue(dropped *[liveKinds]atomic.Uint64) *liveQueue {
	return &liveQueue{dropped: dropped, ready: make(chan struct{}, 1), limit: queueBase + queuePerCamera}
}

// fit sets the limit for so many cameras.
func (q *liveQueue) fit(cameras int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = queueBase + queuePerCamera*min(max(cameras, 1), maxQueueCameras)
}

// put adds m, and leaves out what there is no room for.
func (q *liveQueue) put(m liveMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch m.kind {
	case livePong:
		q.list = slices.Insert(q.list, 0, m)
	case liveHello:
		if i := q.oldest(liveHello); i >= 0 {
			q.cut(i)
		}
		q.add(m)
	default:
		q.add(m)
		for len(q.list) > q.limit || q.bytes > maxQueueBytes {
			if !q.dropOldest() {
				break
			}
		}
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *liveQueue) add(m liveMessage) {
	q.list = append(q.list, m)
	q.bytes += len(m.text)
}

func (q *liveQueue) oldest(kind liveKind) int {
	return slices.IndexFunc(q.list, func(m liveMessage) bool { return m.kind == kind })
}

func (q *liveQueue) cut(i int) liveMessage {
	m := q.list[i]
	q.list = slices.Delete(q.list, i, i+1)
	q.bytes -= len(m.text)
	return m
}

// dropOldest is false if all that waits must stay: at most one hello, and pongs, whose number the rate of pings bounds.
func (q *liveQueue) dropOldest() bool {
	for _, kind := range []liveKind{liveFrame, liveDetect} {
		if i := q.oldest(kind); i >= 0 {
			q.cut(i)
			q.dropped[kind].Add(1)
			return true
		}
	}
	return false
}

// take waits for the next message. One goroutine calls it.
func (q *liveQueue) take(ctx context.Context) (liveMessage, error) {
	for {
		if m, ok := q.next(); ok {
			return m, nil
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return liveMessage{}, context.Cause(ctx)
		}
	}
}

func (q *liveQueue) next() (liveMessage, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return liveMessage{}, false
	}
	return q.cut(0), true
}
