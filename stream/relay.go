package stream

import (
	"image"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp/codecs"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

const (
	// relayQuiet is how long a camera's own stream may be silent while frames come, until its viewers get an encode.
	relayQuiet = 2 * time.Second
	// keySoon is how near the camera's next key picture must be for a viewer that needs one to wait for it.
	keySoon = time.Second
	// probePath is what a path is taken to carry before it is measured, as a multiple of the stream's bitrate.
	probePath = 1.5
	// tooFast is how much faster than the viewers' rate a camera may be and still be relayed: cameras are a little off
	// their nominal rate.
	tooFast = 1.05
)

// relay hands a camera's own H.264 stream on to viewers, without decoding or encoding it.
type relay struct {
	lane
	b *Broadcaster

	in   sync.Mutex // held while a unit comes in, and taken before b.mu; over what follows
	look streamLook

	// Under b.mu.
	on       bool
	reason   string // why not on
	set      setFacts
	gop      gop
	meter    rateMeter
	last     time.Time     // capture time of the newest unit
	lastTS   uint32        // its RTP timestamp
	interval time.Duration // between the newest two key pictures; 0: unknown
	broken   bool          // pictures were lost since the newest key picture
}

func newRelay(b *Broadcaster, never string) *relay {
	r := &relay{lane: newLane(cleanName, pipeline.H264), b: b, reason: never}
	r.relay = true
	if never == "" {
		r.reason = reasonNoStream
	}
	return r
}

// payloadsOf makes RTP payloads of NAL units. Each parameter set has its own packet: pion's aggregate takes one of each kind, and
// some cameras have more.
func payloadsOf(nals [][]byte) (payloads [][]byte) {
	h264 := codecs.H264Payloader{DisableStapA: true}
	for _, n := range nals {
		payloads = append(payloads, h264.Payload(maxPayload, n)...)
	}
	return payloads
}

// pack cuts a unit if that was not done yet. b.mu is held.
func (u *gopUnit) pack() {
	if u.payloads == nil {
		u.payloads, u.nals = payloadsOf(u.nals), nil
	}
}

// Unit takes the camera's own stream as it comes in, for viewers of the clean picture who can have it as it is. It never
// blocks and does not write to u. It may keep the data, which nobody may write to any more.
func (b *Broadcaster) Unit(u *pipeline.AccessUnit) {
	if b.cfg.NoRelay != "" || len(u.Data) == 0 {
		return
	}
	r := b.relay
	r.in.Lock()
	defer r.in.Unlock()
	if u.Codec != pipeline.H264 {
		b.mu.Lock()
		r.turn("the camera's stream is "+string(u.Codec), setFacts{}, false)
		b.mu.Unlock()
		return
	}
	facts := r.look.look(u.Data)
	if !facts.picture {
		return
	}
	in := &gopUnit{unit: unit{at: u.At, key: facts.key, codec: pipeline.H264}, nals: facts.nals}
	for _, n := range facts.nals {
		in.bytes += len(n)
	}
	if r.take(in, facts.lost) {
		in.pack()
		b.tell(in)
	}
	r.hand(in)
}

// take enters a unit in the books, and says whether anybody watches. r.in is held, here and below.
func (r *relay) take(in *gopUnit, lost bool) (watched bool) {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if r.b.closed {
		return false
	}
	in.ts = r.b.rtpTime(in.at)
	if !r.last.IsZero() && int32(in.ts-r.lastTS) <= 0 {
		in.ts = r.lastTS + 1
	}
	if lost || in.at.Sub(r.last) > relayQuiet {
		r.lose()
	}
	if in.key {
		r.broken = false
		if r.interval = in.at.Sub(r.lastKey); r.lastKey.IsZero() || r.interval < 0 {
			r.interval = 0
		}
		r.lastKey = in.at
	}
	r.meter.add(in.at, in.bytes)
	r.last, r.lastTS = in.at, in.ts
	r.turn(r.verdict(), r.look.set, in.key)
	r.b.came()
	r.b.steer(in.at)
	return r.on && !r.broken && r.serves(in.key)
}

// serves says whether anybody gets a unit.
func (r *relay) serves(key bool) bool {
	for v := range r.members {
		if v.cur == &r.lane || key && v.awaits(&r.lane) {
			return true
		}
	}
	return false
}

// lose leaves units out until the next key picture: some before them are missing. b.mu is held, here and below.
func (r *relay) lose() {
	r.broken = true
	r.gop.drop()
	for v := range r.members {
		if v.cur == &r.lane {
			v.starve()
			v.poke()
		}
	}
}

// verdict is why the stream may not be relayed now; empty if it may.
func (r *relay) verdict() string {
	if why := r.look.verdict(); why != "" {
		return why
	}
	if r.b.cfg.RelayFPS <= 0 {
		return ""
	}
	switch _, fps := r.meter.rates(); {
	case fps == 0:
		return reasonRate
	case fps > r.b.cfg.RelayFPS*tooFast:
		return "the camera gives more frames a second than preview_fps allows"
	}
	return ""
}

// turn turns the relay on, at a key picture and if there is no reason against it, or off.
func (r *relay) turn(why string, set setFacts, key bool) {
	on := why == "" && (r.on || key)
	if why == "" && !on {
		why = reasonNoKey
	}
	changed := on != r.on || on && set.profile != r.set.profile
	r.on, r.reason, r.set = on, why, set
	if !on {
		r.gop.drop()
	}
	if !changed {
		return
	}
	r.b.cfg.Log.Debug().Str("camera", r.b.cfg.Name).Bool("on", on).Str("reason", why).Uint8("profile", set.profile).
		Msg("relay of the camera's own stream")
	for v := range r.b.viewers {
		r.b.place(v)
		if v.cur == &r.lane && v.home != v.cur {
			v.cur, v.from = nil, nil // it cannot have this any more
			r.b.settle(v)
		}
	}
}

// hand keeps a unit for those who come later, and gives it to those who are there.
func (r *relay) hand(in *gopUnit) {
	r.b.mu.Lock()
	if !r.on || r.broken || r.b.closed {
		r.b.mu.Unlock()
		return
	}
	r.gop.add(in)
	var took []*viewer
	if r.serves(in.key) {
		in.pack()
		took = r.b.offer(&r.lane, &in.unit)
	}
	r.b.mu.Unlock()
	for _, v := range took {
		v.poke()
	}
}

// tell tells live listeners of a picture that is about to be relayed.
func (b *Broadcaster) tell(in *gopUnit) {
	size := b.relay.look.set.size
	size = image.Pt(size.X&^1, size.Y&^1) // as frames are
	var tracks []tracker.Track
	if b.cfg.Tracks != nil {
		tracks = b.cfg.Tracks(in.at, size)
	}
	b.feed.frame(in.at, in.ts, size, tracks)
}

// suits says whether a viewer can have the camera's own stream.
func (r *relay) suits(v *viewer) bool {
	return r.on && v.asked.rendition == cleanName && v.asked.codec == pipeline.H264 && slices.Contains(v.asked.profiles, r.set.profile)
}

// bitrate is the stream's; 0 if it is off or that is not known yet.
func (r *relay) bitrate() int {
	if !r.on {
		return 0
	}
	bps, _ := r.meter.rates()
	return bps
}

// expected is the bitrate of what viewers of the clean picture may get of the camera's own stream, now or once it is known
// to suit them; 0 if they may not. Before it is measured it is guessed from the picture's size.
func (r *relay) expected() int {
	if !r.on && r.reason != reasonUnproven && r.reason != reasonNoKey && r.reason != reasonRate {
		return 0
	}
	if bps, _ := r.meter.rates(); bps > 0 {
		return bps
	}
	return bitrateFor(r.set.size, defaultFPS)
}

// keySoon says whether the camera's next key picture is expected soon.
func (r *relay) keySoon() bool {
	wait := r.lastKey.Add(r.interval).Sub(r.last)
	return r.interval > 0 && wait.Abs() <= keySoon
}

// begin serves a viewer that comes between two key pictures: what came since the last one if its path carries that soon
// enough, else the small picture until the next.
func (r *relay) begin(v *viewer) {
	carries := int(v.path.Load())
	late := v.begun || time.Since(r.b.last) > relayQuiet // times of what is kept must not go back
	if carries == 0 {
		nominal := r.b.encodeOf(cleanName, pipeline.H264).nominal(r.set.size)
		carries = int(probePath * float64(max(r.bitrate(), nominal)))
	}
	if late || !r.gop.fits(carries) {
		v.interim = &r.b.encodeOf(smallName, v.asked.codec).lane
		return
	}
	for _, u := range r.gop.units {
		u.pack()
	}
	v.cur, v.starved = &r.lane, false
	for _, u := range r.gop.replay() {
		v.push(u)
	}
}
