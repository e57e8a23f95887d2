package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yfv2d/pipeline"
)

const (
	// queueSpan is how far behind a viewer may be before it skips to the next key picture.
	queueSpan = 300 * time.Millisecond
	// leastQueue is the units that a queue holds at least, for slow cameras.
	leastQueue = 3
)

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

// viewer is one reader of a camera with its own bounded queue. It may be moved between lanes of its codec; each move is at
// a key picture of the new lane, and no unit of the old one comes after it.
type viewer struct {
	b       *Broadcaster
	asked   viewing
	wake    chan struct{} // tells next that something changed
	done    chan struct{}
	endOnce sync.Once
	path    atomic.Int64 // bits per second that the path carries; 0: not known yet
	sought  atomic.Int64 // bits per second of the full picture while the path is too poor for it; else 0
	missed  atomic.Uint64

	// Under b.mu.
	home    *lane // where it belongs
	interim *lane // what serves it until home gives a key picture; nil if nothing does
	cur     *lane // whose units it gets; nil before the first
	from    *lane // what it got before it was taken off for the sake of a key picture that is under way
	watch   pathWatch
	queue   []*unit
	starved bool   // units of cur are left out until its next key picture
	begun   bool   // a unit went in
	last    uint32 // RTP timestamp of the newest
	lastAt  time.Time
	gone    bool
}

// ErrNoRendition is returned to a viewer that asks for what the camera does not have.
var ErrNoRendition = errors.New("no such rendition")

// join adds a viewer; its first unit will be a key picture.
func (b *Broadcaster) join(w viewing) (*viewer, error) {
	if !slices.Contains(renditionNames, w.rendition) {
		return nil, fmt.Errorf("%w: there are %s", ErrNoRendition, strings.Join(renditionNames, ", "))
	}
	if !slices.Contains(b.codecs(), w.codec) {
		return nil, fmt.Errorf("%w in %s: no encoder is configured", ErrNoRendition, w.codec)
	}
	v := &viewer{b: b, asked: w, wake: make(chan struct{}, 1), done: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrBroadcasterClosed
	}
	b.viewers[v] = struct{}{}
	b.place(v)
	return v, nil
}

// concerns says whether a lane's units may go to the viewer. b.mu is held, here and below.
func (v *viewer) concerns(l *lane) bool {
	return !v.gone && (l == v.home || l == v.interim || l == v.cur || l == v.from)
}

// awaits says whether the viewer goes to a lane with its next key picture.
func (v *viewer) awaits(l *lane) bool {
	return l != v.cur && (l == v.home || l == v.interim)
}

// isNew says whether a timestamp comes after all that the viewer has.
func (v *viewer) isNew(ts uint32) bool { return !v.begun || int32(ts-v.last) > 0 }

// offer puts a unit into the queue or leaves it out.
func (v *viewer) offer(l *lane, u *unit) bool {
	switch {
	case l != v.cur && !(u.key && v.awaits(l)), !v.isNew(u.ts) && l != v.cur:
		return false
	case l != v.cur:
		v.turnTo(l)
	case v.starved && !u.key, !v.isNew(u.ts):
		v.starve()
		v.miss(1)
		return false
	}
	full := len(v.queue) >= leastQueue && u.at.Sub(v.queue[0].at) >= queueSpan
	if full && !u.key {
		v.starve()
		v.miss(1)
		return false
	}
	if full { // what comes with a key picture is newer, and needs nothing of it
		v.miss(len(v.queue))
		v.clear()
	}
	if u.key && l == v.home && v.interim != nil {
		v.turnTo(l) // it need not go elsewhere for a key picture
	}
	if u.key {
		v.starved = false
	}
	v.push(u)
	return true
}

func (v *viewer) push(u *unit) {
	v.queue = append(v.queue, u)
	v.begun, v.last, v.lastAt = true, u.ts, u.at
}

// turnTo makes the viewer get a lane's units from now on.
func (v *viewer) turnTo(l *lane) {
	v.cur, v.from = l, nil
	if l == v.home {
		v.interim = nil
	}
	v.b.settle(v)
}

// part takes the viewer off its lane: the frame at hand will be a key picture of another that it awaits.
func (v *viewer) part() {
	if v.cur != nil {
		v.cur, v.from = nil, v.cur
	}
}

// unpart takes the viewer back to its lane, since the key picture did not come.
func (v *viewer) unpart() {
	if v.from != nil {
		v.cur, v.from = v.from, nil
		v.starve()
	}
}

// starve leaves units out until the next key picture.
func (v *viewer) starve() { v.starved = true }

func (v *viewer) clear() {
	clear(v.queue)
	v.queue = v.queue[:0]
}

// miss counts units left out, except before the viewer's first.
func (v *viewer) miss(n int) {
	if v.begun {
		v.missed.Add(uint64(n))
	}
}

// poke wakes next.
func (v *viewer) poke() {
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

// next waits for the next unit: the first is a key picture, and so is the first after a gap or a move. io.EOF says that the
// broadcaster closed. One goroutine calls it.
func (v *viewer) next(ctx context.Context) (*unit, error) {
	for {
		u := v.take()
		v.b.sweep()
		if u != nil {
			return u, nil
		}
		select {
		case <-v.wake:
		case <-v.done:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take gives the oldest unit, or nil and asks for a key picture if that is what is missing: only now, when it can be used,
// so that a stuck viewer costs the others no key pictures.
func (v *viewer) take() *unit {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	if len(v.queue) == 0 {
		if v.starved {
			v.b.plead(v)
		}
		return nil
	}
	u := v.queue[0]
	v.queue = slices.Delete(v.queue, 0, 1)
	return u
}

// askKey asks for a key picture, for a receiver that lost packets.
func (v *viewer) askKey() {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	v.b.plead(v)
}

// estimate tells what the viewer's path carries now, in bits per second. It never blocks.
func (v *viewer) estimate(bps int) {
	v.path.Store(int64(max(bps, 0)))
}

// skip leaves units out until the next key picture: the viewer's path is full.
func (v *viewer) skip() {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	if v.cur == &v.b.relay.lane && !v.watch.small { // a camera's own stream does not follow a path down
		v.watch.fall(v.lastAt)
		v.b.place(v)
	}
	left := slices.IndexFunc(v.queue, func(u *unit) bool { return u.key })
	if left < 0 {
		v.miss(1 + len(v.queue))
		v.clear()
		v.starve()
		return
	}
	v.miss(1 + left)
	v.queue = slices.Delete(v.queue, 0, left)
}

// rendition is the name of what the viewer gets now, or will get first.
func (v *viewer) rendition() string {
	v.b.mu.Lock()
	defer v.b.mu.Unlock()
	if l := v.now(); l != nil {
		return l.name
	}
	return v.asked.rendition
}

// now is the lane that the viewer gets, or will get first; nil after its end. b.mu is held.
func (v *viewer) now() *lane {
	for _, l := range []*lane{v.cur, v.from, v.interim, v.home} {
		if l != nil && !v.gone {
			return l
		}
	}
	return nil
}

// sent notes that u has left.
func (v *viewer) sent(u *unit) { v.b.toSent.Observe(time.Since(u.at)) }

// leave ends the viewer; the last one of a rendition stops its encoder. It may be called twice.
func (v *viewer) leave() {
	v.end()
	v.b.mu.Lock()
	v.b.remove(v)
	v.b.mu.Unlock()
	if !v.b.idle.Load() {
		return
	}
	v.b.turn.Lock()
	v.b.stopIdle()
	v.b.turn.Unlock()
}

// remove takes a viewer out of all lanes. b.mu is held.
func (b *Broadcaster) remove(v *viewer) {
	if v.gone {
		return
	}
	v.gone = true
	v.clear()
	b.lagged += v.missed.Load()
	delete(b.viewers, v)
	b.settle(v)
}

func (v *viewer) end() { v.endOnce.Do(func() { close(v.done) }) }
