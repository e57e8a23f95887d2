package stream

import (
	"sync"
	"time"

	"github.com/pion/rtcp"
)

const (
	// idleShare: a viewer that is sent less than this part of the estimate does not show what its path carries.
	idleShare = 0.8
	// idleQueue is the delay by a path's queue that means congestion at any rate; half of it is a radio's jitter.
	idleQueue = 25 * time.Millisecond
	// idleLoss is the part of packets lost that means congestion (draft-ietf-rmcat-gcc-02, 6).
	idleLoss = 0.1

	meterStep  = 100 * time.Millisecond
	meterSteps = 10              // over which rates are taken
	meterBase  = 5 * time.Second // half of the time over which the shortest way is remembered
	meterSent  = 1024            // packets remembered until feedback tells of them, a power of two
)

// pathMeter sees what is sent to one viewer and when it arrives, by transport-wide sequence numbers.
type pathMeter struct {
	mu      sync.Mutex // guards all
	epoch   time.Time
	packets [meterSent]struct {
		number uint16
		known  bool
		size   int
		at     time.Duration // since epoch
	}
	steps [meterSteps]meterCount
	step  int64 // number of the newest
	ref   int64 // of the newest feedback, in 64 ms, unwrapped
	begun bool

	// Ways are arrival less departure: between two clocks, so that only differences mean anything.
	base  [2]time.Duration // shortest of this meterBase and of the one before
	baseN int64            // number of this meterBase

	probe meterProbe
}

// meterCount is what one step saw.
type meterCount struct {
	bytes, got, lost int
	way              time.Duration // the shortest of the packets that arrived; valid if got > 0
}

func newPathMeter() *pathMeter { return &pathMeter{epoch: time.Now()} }

// sent notes a packet.
func (m *pathMeter) sent(now time.Time, number uint16, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &m.packets[number%meterSent]
	p.number, p.known, p.size, p.at = number, true, size, now.Sub(m.epoch)
	m.probe.sent(number, p.at, size)
	m.at(now).bytes += size
}

// at is the step of now; steps in between saw nothing.
func (m *pathMeter) at(now time.Time) *meterCount {
	n := int64(now.Sub(m.epoch) / meterStep)
	for i := max(m.step+1, n-meterSteps+1); i <= n; i++ {
		m.steps[i%meterSteps] = meterCount{}
	}
	m.step = max(m.step, n)
	return &m.steps[m.step%meterSteps]
}

// arrived notes feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1).
func (m *pathMeter) arrived(now time.Time, fb *rtcp.TransportLayerCC) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := int64(fb.ReferenceTime & 0xff_ffff)
	if m.begun { // 24 bits wrap every 12 days
		ref = m.ref + (ref-m.ref+1<<23)&0xff_ffff - 1<<23
	}
	m.ref, m.begun = ref, true
	c, number, left := m.at(now), fb.BaseSequenceNumber, fb.PacketStatusCount
	time64, deltas := time.Duration(ref)*64*time.Millisecond, fb.RecvDeltas
	see := func(symbol uint16) bool {
		if left == 0 {
			return false
		}
		left--
		came := symbol == rtcp.TypeTCCPacketReceivedSmallDelta || symbol == rtcp.TypeTCCPacketReceivedLargeDelta
		if came {
			if len(deltas) == 0 {
				return false // damaged
			}
			time64 += time.Duration(deltas[0].Delta) * time.Microsecond
			deltas = deltas[1:]
		}
		m.note(now, c, number, came, time64)
		number++
		return true
	}
	for _, chunk := range fb.PacketChunks {
		switch chunk := chunk.(type) {
		case *rtcp.RunLengthChunk:
			for range chunk.RunLength {
				if !see(chunk.PacketStatusSymbol) {
					return
				}
			}
		case *rtcp.StatusVectorChunk:
			for _, symbol := range chunk.SymbolList {
				if !see(symbol) {
					return
				}
			}
		}
	}
}

// note takes what became of one packet.
func (m *pathMeter) note(now time.Time, c *meterCount, number uint16, came bool, arrival time.Duration) {
	p := &m.packets[number%meterSent]
	if !p.known || p.number != number {
		return
	}
	m.probe.note(number, p.size, came, arrival)
	if !came {
		c.lost++ // it may be told of again, as arrived
		return
	}
	p.known = false
	way := arrival - p.at
	if c.got == 0 || way < c.way {
		c.way = way
	}
	c.got++
	n := int64(now.Sub(m.epoch)/meterBase) + 1
	switch {
	case n == m.baseN:
		m.base[0] = min(m.base[0], way)
	case n == m.baseN+1 && m.baseN > 0:
		m.base, m.baseN = [2]time.Duration{way, m.base[0]}, n
	default: // the first, or the first for long
		m.base, m.baseN = [2]time.Duration{way, way}, n
	}
}

// pathReading is a path's condition over the last second.
type pathReading struct {
	bps   int           // sent
	queue time.Duration // delay beyond the shortest
	loss  float64       // part of the packets that feedback tells of
}

func (m *pathMeter) read(now time.Time) pathReading {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at(now)
	var r pathReading
	var sum meterCount
	newest := int64(-1)
	for i := range m.steps {
		c := &m.steps[i]
		sum.bytes, sum.got, sum.lost = sum.bytes+c.bytes, sum.got+c.got, sum.lost+c.lost
		// The number of the step in this place of the ring.
		if n := m.step - (m.step-int64(i)+meterSteps)%meterSteps; c.got > 0 && n > newest {
			newest, r.queue = n, c.way-min(m.base[0], m.base[1])
		}
	}
	r.bps = int(float64(sum.bytes*8) / (meterSteps * meterStep).Seconds())
	if told := sum.got + sum.lost; told > 0 {
		r.loss = float64(sum.lost) / float64(told)
	}
	return r
}

// idle says whether a path that is thought to carry so much is sent too little to show what it carries, and shows no
// congestion at that.
func (r pathReading) idle(estimate int) bool {
	return float64(r.bps) < idleShare*float64(estimate) && !r.congested()
}

// congested says whether the path is full, whatever is sent.
func (r pathReading) congested() bool { return r.queue >= idleQueue || r.loss >= idleLoss }
