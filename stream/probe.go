package stream

import (
	"math"
	"time"
)

// A viewer that was moved to the small picture is sent so little that its estimate cannot rise to what the full picture
// needs: gcc believes in 1.5 times what arrives at most. So its path is probed as libwebrtc does it (probe clusters, and
// padding packets where there is no stream of retransmissions): for a moment more is sent, padding that the receiver drops,
// and feedback tells whether all of it arrived at the pace at which it left.

const (
	// probeSpan is how long more is sent: long enough that a receiver's coarse clock tells the pace, and so short that a
	// path that carries half of it has a queue of probeSpan at the end.
	probeSpan = 100 * time.Millisecond
	// probeStep is the time between packets that leave together.
	probeStep = 5 * time.Millisecond
	// probeGain is how much more than the estimate is tried at once (libwebrtc also doubles).
	probeGain = 2
	// probeShare of the full picture's bitrate is what is tried at most: goodShare, and a margin for the measurement.
	probeShare = 1.08 * goodShare
	// probeArrived is the part of the packets, and of the pace, that must arrive for a path to carry the whole.
	probeArrived = 0.9
	// probeBack is what is believed of a pace that was measured on a full path (libwebrtc's too).
	probeBack = 0.95
	// probeWait is how long feedback is awaited.
	probeWait = time.Second

	// probeFirst is the time from the move to the first try, probeNext from a good one to the next, and probeHold
	// that between tries that only show that it is still so.
	probeFirst = 2 * time.Second
	probeNext  = 500 * time.Millisecond
	probeHold  = 2500 * time.Millisecond
	// A bad try doubles the time before the next, from leastProbeRest to mostProbeRest: each delays pictures a little.
	leastProbeRest = time.Second
	mostProbeRest  = 4 * time.Second

	// paddingSize is the padding of one packet, bytes: what its last byte can count (RFC 3550, 5.1), and a little less.
	paddingSize = 240
)

// probePlan decides when a path is probed, and how hard. It belongs to one goroutine.
type probePlan struct {
	next   time.Time     // no try before; zero: the viewer was not on the small picture
	rest   time.Duration // after the next bad one
	failed int           // in a row
}

// rate is what to try now, bits per second; 0: nothing. sought is the bitrate of the full picture, 0 if the viewer has it.
func (p *probePlan) rate(now time.Time, sought, carries int, calm bool) int {
	switch {
	case sought <= 0:
		*p = probePlan{}
		return 0
	case p.next.IsZero():
		p.next, p.rest = now.Add(probeFirst), leastProbeRest
		return 0
	case now.Before(p.next) || !calm:
		return 0
	}
	return int(min(probeGain*float64(carries), probeShare*float64(sought), math.MaxInt32))
}

// took notes how a try ended: whether all arrived, and whether that is all that is asked of the path.
func (p *probePlan) took(now time.Time, passed, enough bool) {
	if passed {
		p.failed = 0
	}
	switch {
	case !passed:
		p.failed++
		p.next = now.Add(p.rest)
		p.rest = min(2*p.rest, mostProbeRest)
	case enough:
		p.next, p.rest = now.Add(probeHold), leastProbeRest
	default:
		p.next, p.rest = now.Add(probeNext), leastProbeRest
	}
}

// probes tries what the path carries while the viewer is on the small picture.
func (s *session) probes(v *viewer) {
	if !s.measures {
		return
	}
	tick := time.NewTicker(probeNext / 2)
	defer tick.Stop()
	var plan probePlan
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		sought := int(v.sought.Load())
		calm := sought > 0 && s.estimator.calm() && s.pacer.admits(0) // most viewers need no look
		bps := plan.rate(time.Now(), sought, s.estimator.estimate(), calm)
		if bps == 0 {
			continue
		}
		passed := s.estimator.probed(s.probe(bps), bps, plan.failed > 0)
		plan.took(time.Now(), passed, float64(bps) >= goodShare*float64(sought))
	}
}

// probe sends padding for a moment, and waits for what is told of it.
func (s *session) probe(bps int) probeReading {
	m := s.estimator.meter
	told := m.beginProbe()
	tick := time.NewTicker(probeStep)
	begin := time.Now()
	for sent := 0; ; {
		since := min(time.Since(begin), probeSpan)
		for want := int(float64(bps) / 8 * since.Seconds()); sent < want; {
			sent += s.rtp.pad()
		}
		if since == probeSpan || s.ctx.Err() != nil {
			break
		}
		<-tick.C
	}
	tick.Stop()
	m.sealProbe()
	timeout := time.NewTimer(probeWait)
	defer timeout.Stop()
	select {
	case <-told:
	case <-timeout.C:
	case <-s.ctx.Done():
	}
	return m.endProbe()
}

// padding is the payload of all such packets; nobody writes to it.
var padding = append(make([]byte, paddingSize-1), paddingSize)

// pad sends a packet of padding, and gives its size in bytes. Padding may only stand between pictures, which write sees
// to, and has the last one's timestamp.
func (s *rtpStream) pad() int {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.seq++
	h := s.header(s.last)
	h.Padding = true
	s.put(h, padding)
	return paddingSize + packetHead
}

// probeReading is what became of a probe. Paces are in bits per second.
type probeReading struct {
	sent    int     // the pace at which it left: less than was meant if the machine is busy
	bps     int     // the pace at which it arrived
	arrived float64 // part of its packets
}

// passed says whether a path carries what was sent.
func (r probeReading) passed() bool {
	return r.arrived >= probeArrived && r.sent > 0 && float64(r.bps) >= probeArrived*float64(r.sent)
}

// meterProbe is a probe under way: all packets with transport-wide numbers from first to last, pictures included.
type meterProbe struct {
	on, begun, sealed bool
	first, last       uint16
	left, arrived     probeFlow
	told              chan struct{} // closed when feedback tells of the last
}

// probeFlow is packets that pass a place.
type probeFlow struct {
	packets, bytes int
	from, to       time.Duration // times of the first and the last
	fromSize       int           // bytes of the first, which say nothing of the pace
}

func (f *probeFlow) see(at time.Duration, size int) {
	if f.packets == 0 || at < f.from {
		f.from, f.fromSize = at, size
	}
	if f.packets == 0 || at > f.to {
		f.to = at
	}
	f.packets++
	f.bytes += size
}

// pace is in bits per second, 0 if it cannot be told.
func (f *probeFlow) pace() int {
	span := f.to - f.from
	if span <= 0 {
		return 0
	}
	return int(min(float64((f.bytes-f.fromSize)*8)/span.Seconds(), math.MaxInt32))
}

// beginProbe makes what is sent from now on part of a probe. The channel closes when all of it is told of.
func (m *pathMeter) beginProbe() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probe = meterProbe{on: true, told: make(chan struct{})}
	return m.probe.told
}

// sealProbe ends what belongs to the probe.
func (m *pathMeter) sealProbe() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.probe.sealed = true
}

// endProbe gives what is known of the probe.
func (m *pathMeter) endProbe() probeReading {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.probe
	m.probe = meterProbe{}
	if p.left.packets == 0 {
		return probeReading{}
	}
	return probeReading{
		sent: p.left.pace(), bps: p.arrived.pace(), arrived: float64(p.arrived.packets) / float64(p.left.packets),
	}
}

// sent notes a packet.
func (p *meterProbe) sent(number uint16, at time.Duration, size int) {
	if !p.on || p.sealed {
		return
	}
	if !p.begun {
		p.first, p.begun = number, true
	}
	p.last = number
	p.left.see(at, size)
}

// note takes what became of a packet of so many bytes.
func (p *meterProbe) note(number uint16, size int, came bool, arrival time.Duration) {
	if !p.on || !p.begun || int16(number-p.first) < 0 || int16(p.last-number) < 0 {
		return
	}
	if came {
		p.arrived.see(arrival, size)
	}
	if p.sealed && number == p.last && p.told != nil {
		close(p.told)
		p.told = nil
	}
}

// calm says whether the path shows no congestion now.
func (e *estimator) calm() bool { return !e.meter.read(e.now()).congested() }

// probed takes what came of a probe, and says whether the path carries it all. A bad one is believed only if the one before
// it was bad too: a receiver that was busy for a moment looks like a path that is full. gcc begins anew where that tells
// more than it knows.
func (e *estimator) probed(r probeReading, bps int, again bool) bool {
	e.feeding.Lock()
	defer e.feeding.Unlock()
	passed := r.passed()
	if e.closed {
		return passed
	}
	if !e.believe(r, bps, again) {
		return passed
	}
	// A gcc that cannot be made leaves the old one to work from its own number.
	if old := e.gcc; e.begin() == nil {
		_ = old.Close()
	}
	return passed
}

// believe changes the estimate by what a probe showed, if that changes anything.
func (e *estimator) believe(r probeReading, bps int, again bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := e.told
	switch {
	case r.passed():
		told = max(told, min(bps, r.sent))
	case r.bps > 0 && again:
		told = min(told, max(int(probeBack*float64(r.bps)), leastPath))
	}
	if told == e.told {
		return false
	}
	e.told = told
	if told > e.most { // such as the camera's own stream needs
		e.most = int(min(headroom*float64(told), math.MaxInt32))
	}
	e.pacer.SetTargetBitrate(told)
	e.tell(told, e.most)
	return true
}
