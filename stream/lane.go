package stream

import (
	"image"
	"time"

	"yfv2d/pipeline"
)

// Names of what a viewer may ask for.
const (
	cleanName     = "clean"
	smallName     = "small"
	annotatedName = "annotated"
)

// renditionNames are all names that a viewer may ask for.
var renditionNames = []string{annotatedName, cleanName, smallName}

// lane is one way of a camera's picture to its viewers: an encode of ours or the camera's own stream. Its fields are
// guarded by Broadcaster.mu.
type lane struct {
	name     string // of the rendition
	codec    pipeline.Codec
	relay    bool                 // it is the camera's own stream: nobody can ask it for a key picture
	members  map[*viewer]struct{} // who gets it, will from its next key picture on, or has just left it for another
	keyAsked bool
	lastKey  time.Time // capture time of the newest key picture
	coded    image.Point
	units    uint64
	keys     uint64
}

func newLane(name string, codec pipeline.Codec) lane {
	return lane{name: name, codec: codec, members: map[*viewer]struct{}{}}
}

// deliver puts a unit into the queue of each viewer that this lane serves, and never waits.
func (b *Broadcaster) deliver(l *lane, u *unit) {
	b.mu.Lock()
	took := b.offer(l, u)
	b.mu.Unlock()
	for _, v := range took {
		v.poke()
	}
}

// offer gives a unit to a lane's viewers, and says who took it and is to be woken. b.mu is held.
func (b *Broadcaster) offer(l *lane, u *unit) []*viewer {
	l.units++
	if u.key {
		l.keys++
		l.lastKey = u.at
		l.keyAsked = false // everybody in members gets this one; who comes later asks again
	}
	took := make([]*viewer, 0, len(l.members))
	for v := range l.members {
		if v.offer(l, u) {
			took = append(took, v)
		}
	}
	return took
}

// settle puts a viewer into the lanes that concern it, and takes it out of all others. b.mu is held.
func (b *Broadcaster) settle(v *viewer) {
	for _, l := range b.lanes {
		_, in := l.members[v]
		switch on := v.concerns(l); {
		case on && !in:
			l.members[v] = struct{}{}
		case in && !on:
			delete(l.members, v)
			if len(l.members) == 0 && !l.relay {
				b.idle.Store(true)
			}
		}
	}
	b.refresh()
}

// wanted is the part of a frame's work that a lane asks for.
func (l *lane) wanted() pipeline.Wanted {
	switch {
	case l.relay || len(l.members) == 0:
		return 0
	case l.name == cleanName:
		return pipeline.WantClean
	case l.name == smallName:
		return pipeline.WantSmall
	}
	return pipeline.WantAnnotated
}

// keyAllowed says whether the lane's newest key picture is long enough ago at a frame's time. b.mu is held.
func (l *lane) keyAllowed(at time.Time) bool {
	since := at.Sub(l.lastKey)
	return l.lastKey.IsZero() || since >= keyInterval || since < 0
}

// keyDue says whether the frame of this capture time should be a key picture. b.mu is held.
func (l *lane) keyDue(at time.Time, ts uint32) bool {
	if !l.keyAllowed(at) {
		return false
	}
	if l.keyAsked {
		return true
	}
	for v := range l.members {
		if v.awaits(l) && v.isNew(ts) {
			return true
		}
	}
	return false
}
