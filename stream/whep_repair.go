package stream

import (
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
)

const (
	// repairTime is how long a receiver may ask for a packet before the pictures that need it are given up: by then three
	// retransmissions got lost on a usual path. Browsers wait for seconds before they ask for a key picture themselves.
	repairTime = 400 * time.Millisecond
	// maxRepairs is how many packets are watched; who lacks more needs a key picture.
	maxRepairs = 64
)

// repairs watches whether what a receiver lacks can be sent again in time. If not, the pictures up to the next key picture are
// of no use to it, and they would only fill a path that is too full.
type repairs struct {
	key  atomic.Uint32 // number of the newest key picture's first packet; what is older is of no use any more
	lost atomic.Bool   // the pictures since key are given up

	asked map[uint16]time.Time // when a packet was first asked for; belongs to the reader of feedback
	since uint16               // key that asked is about
}

// began notes that a key picture is sent, from this number on.
func (r *repairs) began(seq uint16) {
	r.key.Store(uint32(seq))
	r.lost.Store(false)
}

// worth says whether a packet is still of use to the receiver.
func (r *repairs) worth(seq uint16) bool { return int16(seq-uint16(r.key.Load())) >= 0 }

// refused notes that a packet cannot be sent again now.
func (r *repairs) refused(seq uint16) {
	if r.worth(seq) {
		r.lost.Store(true)
	}
}

// nack takes what the receiver asks for.
func (r *repairs) nack(now time.Time, n *rtcp.TransportLayerNack) {
	if key := uint16(r.key.Load()); r.asked == nil || key != r.since {
		r.asked, r.since = map[uint16]time.Time{}, key
	}
	for i := range n.Nacks {
		n.Nacks[i].Range(func(seq uint16) bool {
			r.lacks(now, seq)
			return true
		})
	}
}

func (r *repairs) lacks(now time.Time, seq uint16) {
	if !r.worth(seq) {
		return
	}
	first, again := r.asked[seq]
	switch {
	case again && now.Sub(first) > repairTime, !again && len(r.asked) >= maxRepairs:
		r.lost.Store(true)
		clear(r.asked)
	case !again:
		r.asked[seq] = now
	}
}
