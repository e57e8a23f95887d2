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
	for v := range b.viewers {
		if v.asked.rendition != cleanName {
			continue
		}
		_, needs := b.full(v)
		if v.watch.see(at, int(v.path.Load()), needs) {
			b.place(v)
		}
	}
}

// full is the lane that a viewer belongs to on a path that carries it, and that lane's bitrate, 0 if not known yet.
func (b *Broadcaster) full(v *viewer) (*lane, int) {
	r := b.encodeOf(v.asked.rendition, v.asked.codec)
	return &r.lane, r.goal
}

// place puts a viewer where it belongs now. b.mu is held.
func (b *Broadcaster) place(v *viewer) {
	home, _ := b.full(v)
	if v.watch.small {
		home = &b.encodeOf(smallName, v.asked.codec).lane
	}
	if home != v.home {
		b.assign(v, home, nil)
	}
}
