package stream

import (
	"context"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"yfv2d/pipeline"
)

// queueSpan is how far behind a viewer may be before it skips to the next key picture.
const queueSpan = 300 * time.Millisecond

// unit is an access unit cut into RTP payloads; all viewers share it and nobody writes to it.
type unit struct {
	at       time.Time // capture time
	ts       uint32    // RTP timestamp: at on the camera's clock, see Broadcaster.rtpTime
	key      bool
	codec    pipeline.Codec
	payloads [][]byte
}

// viewing is what a viewer asks of a camera.
type viewing struct {
	rendition string         // clean, annotated or small
	codec     pipeline.Codec // as negotiated
	profiles  []uint8        // H.264 profile_idc that the viewer takes, for a camera's own stream
}

// viewer is one reader of a rendition with its own bounded queue.
type viewer struct {
	r       *rendition
	queue   chan *unit
	done    chan struct{}
	endOnce sync.Once
	starved atomic.Bool // units are left out until the next key picture
	missed  atomic.Uint64
	path    atomic.Int64 // bits per second that the path carries; 0: not known yet
	asked   viewing
	begun   bool // a unit went in; under the broadcaster's turn
}

func newViewer(r *rendition, fps float64, w viewing) *viewer {
	n := max(3, int(math.Ceil(fps*queueSpan.Seconds())))
	v := &viewer{r: r, asked: w, queue: make(chan *unit, n), done: make(chan struct{})}
	v.starved.Store(true)
	return v
}

// offer puts a unit into the queue or drops it; it never waits. Only the goroutine that has the broadcaster's turn calls it.
func (v *viewer) offer(u *unit) {
	if v.starved.Load() && !u.key {
		v.miss()
		return
	}
	// A key picture clears the mark before it can be taken, so that the taker does not ask for another.
	v.starved.Store(false)
	select {
	case v.queue <- u:
		v.begun = true
	default:
		v.starved.Store(true)
		v.miss()
	}
}

// miss counts a unit left out, except before the viewer's first.
func (v *viewer) miss() {
	if v.begun {
		v.missed.Add(1)
	}
}

// next waits for the next unit: the first is a key picture, and so is the first after a gap. io.EOF says that the
// broadcaster closed. One goroutine calls it.
func (v *viewer) next(ctx context.Context) (*unit, error) {
	select {
	case u := <-v.queue:
		return u, nil
	default:
	}
	if v.starved.Load() {
		v.r.askKey() // asked only now, when it can be used: a stuck viewer costs the others no key pictures
	}
	select {
	case u := <-v.queue:
		return u, nil
	case <-v.done:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// askKey asks for a key picture, for a receiver that lost packets.
func (v *viewer) askKey() { v.r.askKey() }

// estimate tells what the viewer's path carries now, in bits per second. It never blocks.
func (v *viewer) estimate(bps int) { v.path.Store(int64(bps)) }

// skip leaves units out until the next key picture: the viewer's path is full.
func (v *viewer) skip() {
	v.starved.Store(true)
	v.missed.Add(1)
}

// rendition is the name of what the viewer gets now.
func (v *viewer) rendition() string { return v.asked.rendition }

// sent notes that u has left.
func (v *viewer) sent(u *unit) { v.r.b.toSent.Observe(time.Since(u.at)) }

// leave ends the viewer; the last one to leave stops the encoder. It may be called twice.
func (v *viewer) leave() {
	v.end()
	v.r.leave(v)
}

func (v *viewer) end() { v.endOnce.Do(func() { close(v.done) }) }
