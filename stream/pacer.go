package stream

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
)

const (
	// paceFactor is how much faster than the estimate a pacer sends: a picture five times as large as the average leaves
	// within two frames, and the path's own queue grows slowly enough for the estimator to see it (libwebrtc has 2.5 too).
	paceFactor = 2.5
	// paceBurst is what leaves at once, as time at the estimate: two frames at 30 a second, so that an ordinary one is
	// never held.
	paceBurst = time.Second / 15
	// paceLeast is the least burst, bytes: six packets.
	paceLeast = 6 * 1200
	// paceHold is the longest that a pacer holds anything.
	paceHold = 300 * time.Millisecond
	// paceTick is the least sleep while something is held: timers are not finer than this.
	paceTick = time.Millisecond
)

var (
	errPacerFull   = errors.New("the pacer is full")
	errPacerStream = errors.New("the pacer does not know this stream")
)

// pacer spreads one viewer's packets in time, and is bounded where gcc's own is not: what it holds is gone within
// paceHold. New pictures are admitted whole, before they are numbered; a retransmission that does not fit is dropped.
// Packets leave in the order in which they came. It is a gcc.Pacer, safe from any goroutine.
type pacer struct {
	target  atomic.Int64  // bits per second that the path carries
	dropped atomic.Uint64 // retransmissions
	now     func() time.Time
	wake    func(time.Duration)   // runs flush later; once at a time
	worth   func(seq uint16) bool // whether a retransmission is still of use; nil: always
	refused func(seq uint16)      // a retransmission did not fit; nil: nobody wants to know. Both must not block

	// turn is held while packets are sent, so that they leave in order. The rest of the fields are under it.
	turn    sync.Mutex
	writers map[uint32]interceptor.RTPWriter
	newest  map[uint32]uint16 // sequence number of the newest packet that was taken
	budget  float64           // bytes that may leave now; below 0 after a packet that was larger
	filled  time.Time         // when budget was last filled
	drain   float64           // bytes per second at which what is held is gone in time; 0 if nothing is held
	held    []heldPacket      // oldest first
	bytes   int               // of held
	timer   *time.Timer       // runs flush; armed only while something is held
	idle    chan struct{}     // closed when nothing is held any more; nil if nobody waits
	closed  bool
}

// heldPacket owns its memory, unlike what Write is lent.
type heldPacket struct {
	header  rtp.Header
	payload *[]byte
}

func (p heldPacket) size() int { return p.header.MarshalSize() + len(*p.payload) }

// payloads is the memory of held packets of all viewers.
var payloads = sync.Pool{New: func() any {
	b := make([]byte, 0, 1500)
	return &b
}}

func newPacer(bps int) *pacer {
	p := &pacer{writers: map[uint32]interceptor.RTPWriter{}, newest: map[uint32]uint16{}, now: time.Now}
	p.wake = p.setTimer
	p.SetTargetBitrate(bps)
	p.filled, p.budget = p.now(), p.burst()
	return p
}

// AddStream says where the packets of a stream go.
func (p *pacer) AddStream(ssrc uint32, w interceptor.RTPWriter) {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.writers[ssrc] = w
}

// SetTargetBitrate takes what the path carries, bits per second. It never waits.
func (p *pacer) SetTargetBitrate(bps int) { p.target.Store(int64(max(bps, 10_000))) }

// rate is in bytes per second.
func (p *pacer) rate() float64 { return float64(p.target.Load()) * paceFactor / 8 }

// burst is in bytes.
func (p *pacer) burst() float64 {
	return max(float64(p.target.Load())/8*paceBurst.Seconds(), paceLeast)
}

// admits says whether a new picture of so many bytes may be numbered and written. If nothing is held any picture may:
// a key picture that is larger than all that is allowed would never leave otherwise.
func (p *pacer) admits(bytes int) bool {
	p.turn.Lock()
	defer p.turn.Unlock()
	return len(p.held) == 0 || p.fits(bytes)
}

// fits says whether so many bytes more can leave in time at the rate. The turn is held.
func (p *pacer) fits(bytes int) bool { return p.owed()+float64(bytes) <= p.rate()*paceHold.Seconds() }

// owed is the bytes to be sent before anything new may leave. The turn is held.
func (p *pacer) owed() float64 { return float64(p.bytes) - min(p.budget, 0) }

// Write sends a packet now or later. It keeps nothing that it was lent.
func (p *pacer) Write(header *rtp.Header, payload []byte, attributes interceptor.Attributes) (int, error) {
	size := header.MarshalSize() + len(payload)
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	w, known := p.writers[header.SSRC]
	if !known {
		return 0, errPacerStream
	}
	again := p.again(header)
	if again && p.worth != nil && !p.worth(header.SequenceNumber) {
		return size, nil
	}
	p.fill()
	if len(p.held) == 0 && p.budget > 0 {
		p.budget -= float64(size)
		return w.Write(header, payload, attributes)
	}
	if again && !p.fits(size) {
		p.dropped.Add(1)
		if p.refused != nil {
			p.refused(header.SequenceNumber)
		}
		return 0, errPacerFull
	}
	p.hold(header, payload, size)
	return size, nil
}

// again says whether a packet was sent before: a retransmission has a number that is not newer than the newest.
func (p *pacer) again(h *rtp.Header) bool {
	newest, any := p.newest[h.SSRC]
	if any && int16(h.SequenceNumber-newest) <= 0 {
		return true
	}
	p.newest[h.SSRC] = h.SequenceNumber
	return false
}

// fill adds what the time since the last call allows.
func (p *pacer) fill() {
	now := p.now()
	p.budget = min(p.budget+now.Sub(p.filled).Seconds()*max(p.rate(), p.drain), p.burst())
	p.filled = now
}

func (p *pacer) hold(header *rtp.Header, payload []byte, size int) {
	buf := payloads.Get().(*[]byte)
	*buf = append((*buf)[:0], payload...)
	p.held = append(p.held, heldPacket{header.Clone(), buf})
	p.bytes += size
	// A picture that is larger than what the rate allows in time, or a rate that fell since, must not make this one late.
	p.drain = max(p.drain, p.owed()/paceHold.Seconds())
	if len(p.held) == 1 {
		p.arm()
	}
}

// arm asks to be woken at the moment when the oldest held packet may leave.
func (p *pacer) arm() {
	wait := time.Duration(math.Ceil(max(-p.budget, 1) / max(p.rate(), p.drain) * 1e9))
	p.wake(min(max(wait, paceTick), paceHold))
}

func (p *pacer) setTimer(wait time.Duration) {
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.flush)
		return
	}
	p.timer.Reset(wait)
}

// flush sends what may leave now of what is held.
func (p *pacer) flush() {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.closed {
		return
	}
	p.fill()
	n := 0
	for ; n < len(p.held) && p.budget > 0; n++ {
		h := &p.held[n]
		size := h.size()
		p.budget -= float64(size)
		p.bytes -= size
		// A packet that the network does not take is a lost packet; the receiver asks for it again.
		_, _ = p.writers[h.header.SSRC].Write(&h.header, *h.payload, nil)
		payloads.Put(h.payload)
	}
	rest := copy(p.held, p.held[n:])
	clear(p.held[rest:])
	p.held = p.held[:rest]
	if rest == 0 {
		p.rest()
		return
	}
	p.arm()
}

// rest notes that nothing is held any more. The turn is held.
func (p *pacer) rest() {
	p.drain = 0
	if p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// drained waits until nothing is held, at most paceHold.
func (p *pacer) drained(ctx context.Context) {
	p.turn.Lock()
	if len(p.held) == 0 {
		p.turn.Unlock()
		return
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.turn.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// Close drops what is held. It may be called twice.
func (p *pacer) Close() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for i := range p.held {
		payloads.Put(p.held[i].payload)
	}
	p.held, p.bytes = nil, 0
	p.rest()
	return nil
}
