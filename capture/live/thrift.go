package live

import (
	"math"
	"time"

	"yfv2d/pipeline"
)

const (
	// The units since the last key unit that are kept to catch up from: 24 s of 25 a second, and of 5 Mbit/s.
	maxGroupUnits = 600
	maxGroupBytes = 16 << 20
	// slack is how much later than planned a picture may be, in parts of the time between two, if that lets all before it be
	// left out. The plan itself does not move, so that the mean rate holds.
	slack = 0.25
	// slowest is the longest time between pictures, however few are needed, unless key units are further apart: a source
	// shows by them that it lives.
	slowest = 2 * time.Second
	// crowded is how much slower than needed the pictures of a kind may come and still be enough by themselves: cameras are a
	// little off their nominal rate.
	crowded = 1.05
	// aloneGain is the weight of the newest unit in a running mean.
	aloneGain = 1.0 / 16
)

// thrift decides what need not be decoded, and keeps what may be needed after all. A stream joined where no key unit stands
// is decoded whole.
type thrift struct {
	whole bool   // group is all units since the last key unit that others may need
	group []unit // from the key unit on
	bytes int    // in group
	fed   int    // how many of them the decoder has

	key0    time.Time // capture time of the last key unit
	alone   float64   // which part of the units lately no other needs
	nextDue time.Time // when the next picture is due; zero before the first
	lastDue time.Time // capture time of the last one that was
}

// behind says whether the decoder lacks units that the next one may need.
func (t *thrift) behind() bool { return t.fed < len(t.group) }

// forget drops what is kept.
func (t *thrift) forget() {
	clear(t.group)
	t.whole, t.group, t.bytes, t.fed = false, t.group[:0], 0, 0
}

// begin starts a group at a key unit. Nothing is kept while all pictures are needed.
func (t *thrift) begin(at time.Time, all bool) {
	t.forget()
	t.whole, t.key0 = !all, at
}

// keep adds a unit to the group. If it is full, the units that the decoder lacks are gone for good, and it returns false.
func (t *thrift) keep(u unit) bool {
	if !t.whole {
		return true
	}
	if len(t.group) >= maxGroupUnits || t.bytes+len(u.Data) > maxGroupBytes {
		lacks := t.behind()
		t.forget()
		return !lacks
	}
	t.group = append(t.group, u)
	t.bytes += len(u.Data)
	return true
}

// has keeps a unit that the decoder is about to get.
func (t *thrift) has(u unit) {
	if t.keep(u) && t.whole {
		t.fed++
	}
}

// rhythm is what a stream's pace has been lately, and how far apart pictures may be; every is 0 if all are needed.
type rhythm struct{ every, interval, key time.Duration }

func (s *Stream) rhythm() rhythm {
	need := s.cfg.needed()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := rhythm{interval: s.pulse.interval(), key: s.pulse.keyInterval()}
	if math.IsInf(need, 1) {
		return r
	}
	r.every = max(slowest, r.key)
	if need > 0 && 1/need < r.every.Seconds() {
		r.every = time.Duration(float64(time.Second) / need)
	}
	return r
}

// keysDo says whether key units alone are as many pictures as are needed.
func (r rhythm) keysDo() bool { return r.key > 0 && float64(r.key) <= crowded*float64(r.every) }

// wants says whether a unit's picture is needed, now or for those that follow.
func (t *thrift) wants(u unit, r rhythm) bool {
	t.alone -= t.alone * aloneGain
	if !u.ref {
		t.alone += aloneGain
	}
	if r.every == 0 {
		t.nextDue = time.Time{}
		return true
	}
	return !t.spares(u, r)
}

// spares says whether a unit can be left out.
func (t *thrift) spares(u unit, r rhythm) bool {
	switch {
	case u.Codec == pipeline.JPEG:
		return u.At.Before(t.nextDue.Add(-r.interval / 2))
	case t.whole && r.keysDo():
		return u.join != joinKey || u.At.Before(t.nextDue.Add(-r.key/2))
	case !u.ref && float64(r.interval) <= crowded*float64(r.every)*(1-t.alone):
		return true
	case u.At.Before(t.lastDue): // shown before a picture that is decoded already: later it would be out of order
		return false
	}
	return t.whole && r.key > 0 && t.keyServes(u, r)
}

// keyServes says whether the key unit that is expected next comes early enough for the next picture. It is no longer waited
// for when it is late itself.
func (t *thrift) keyServes(u unit, r rhythm) bool {
	next := t.key0.Add(r.key)
	return !next.After(t.nextDue.Add(time.Duration(slack*float64(r.every)))) && !u.At.After(next.Add(2*r.interval))
}

// picked moves the plan on if a unit that is decoded gives the picture that is due.
func (t *thrift) picked(u unit, r rhythm) {
	early := r.interval / 2
	if u.join == joinKey {
		early = max(early, time.Duration(slack*float64(r.every)))
	}
	if r.keysDo() {
		early = r.key / 2
	}
	if r.every == 0 || u.At.Before(t.nextDue.Add(-early)) {
		return
	}
	t.nextDue, t.lastDue = t.nextDue.Add(r.every), u.At
	if !t.nextDue.After(u.At) {
		t.nextDue = u.At.Add(r.every)
	}
}
