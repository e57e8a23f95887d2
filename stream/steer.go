package stream

import (
	"time"

	"yfv2d/pipeline"
)

// encodeOf is an encode of a codec.
func (b *Broadcaster) encodeOf(name string, codec pipeline.Codec) *rendition {
	for _, r := range b.renditions {
		if r.name == name && r.codec == codec {
			return r
		}
	}
	return nil
}

// steer looks at all viewers' paths at a frame's capture time and moves those that need it. b.mu is held.
func (b *Broadcaster) steer(at time.Time) {
	if r := b.relay; r.on && at.Sub(r.last) > relayQuiet {
		r.turn("the camera's stream has stalled", r.set, false)
	}
	for v := range b.viewers {
		if v.asked.rendition != cleanName {
			continue
		}
		_, needs := b.full(v)
		if v.watch.see(at, int(v.path.Load()), needs) {
			b.place(v)
		}
		v.sought.Store(0)
		if v.watch.small {
			v.sought.Store(int64(needs))
		}
	}
}

// full is the lane that a viewer belongs to on a path that carries it, and that lane's bitrate, 0 if not known yet.
func (b *Broadcaster) full(v *viewer) (*lane, int) {
	if b.relay.suits(v) {
		return &b.relay.lane, b.relay.bitrate()
	}
	r := b.encodeOf(v.asked.rendition, v.asked.codec)
	return &r.lane, r.goal
}

// place puts a viewer where it belongs now. b.mu is held.
func (b *Broadcaster) place(v *viewer) {
	home, _ := b.full(v)
	if v.watch.small {
		home = &b.encodeOf(smallName, v.asked.codec).lane
	}
	if home == v.home {
		return
	}
	v.home, v.interim = home, nil
	if home == &b.relay.lane && v.now() == home {
		b.relay.begin(v)
	}
	b.settle(v)
}

// plead asks for a key picture on a viewer's behalf. One who awaits another lane's gets that anyway. Nobody can ask a
// camera: if its next one is far, the small picture serves until then. b.mu is held.
func (b *Broadcaster) plead(v *viewer) {
	switch {
	case v.gone || v.cur == nil:
	case v.cur != &b.relay.lane:
		v.cur.keyAsked = true
	case v.interim == nil && !b.relay.keySoon():
		v.interim = &b.encodeOf(smallName, v.asked.codec).lane
		b.settle(v)
	}
}
