package stream

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"go.uber.org/goleak"
)

// paceBench drives a pacer on a clock of its own.
type paceBench struct {
	*pacer
	t     testing.TB
	clock time.Time
	due   time.Time // when flush is to run; zero if it is not
	sent  []paced
	wrote map[uint16]time.Time
	seq   uint16
}

// paced is a packet that left.
type paced struct {
	seq  uint16
	at   time.Time
	size int
	body byte
}

const paceSSRC = 7

func newPaceBench(t testing.TB, bps int) *paceBench {
	b := &paceBench{t: t, clock: time.Unix(1000, 0), wrote: map[uint16]time.Time{}, seq: 65_000} // it wraps early
	b.pacer = newPacer(bps)
	b.now = func() time.Time { return b.clock }
	b.filled = b.clock
	b.wake = func(d time.Duration) { b.due = b.clock.Add(d) }
	b.AddStream(paceSSRC, interceptor.RTPWriterFunc(func(h *rtp.Header, p []byte, _ interceptor.Attributes) (int, error) {
		b.sent = append(b.sent, paced{h.SequenceNumber, b.clock, h.MarshalSize() + len(p), p[0]})
		return len(p), nil
	}))
	return b
}

// run lets time pass.
func (b *paceBench) run(d time.Duration) {
	end := b.clock.Add(d)
	for !b.due.IsZero() && !b.due.After(end) {
		b.clock, b.due = b.due, time.Time{}
		b.flush()
	}
	b.clock = end
}

// unit writes a picture of so many packets, if it is admitted. The memory is used again at once, as pion does.
func (b *paceBench) unit(packets, size int) bool {
	if !b.admits(packets * (size + 12)) {
		return false
	}
	buf := make([]byte, size)
	for range packets {
		b.seq++
		buf[0] = byte(b.seq)
		b.wrote[b.seq] = b.clock
		h := rtp.Header{Version: 2, SSRC: paceSSRC, SequenceNumber: b.seq}
		if _, err := b.Write(&h, buf, nil); err != nil {
			b.t.Fatal(err)
		}
		buf[0] = 255
	}
	return true
}

// again writes a retransmission and says whether it was taken.
func (b *paceBench) again(seq uint16) bool {
	h := rtp.Header{Version: 2, SSRC: paceSSRC, SequenceNumber: seq}
	_, err := b.Write(&h, []byte{byte(seq), 1}, nil)
	return err == nil
}

func TestPacerHoldsNoOrdinaryPicture(t *testing.T) {
	b := newPaceBench(t, 1_000_000)
	for n := range 300 {
		b.unit(4, 1000) // 4 kB 30 times a second: 0.97 Mbit/s
		if len(b.sent) != 4*(n+1) {
			t.Fatalf("picture %d was held", n)
		}
		b.run(time.Second / 30)
	}
	if !b.due.IsZero() {
		t.Error("the timer is set with nothing held")
	}
}

// TestPacerProperties: whatever comes, order, completeness and the longest hold are kept.
func TestPacerProperties(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := newPaceBench(t, 200_000+r.IntN(3_000_000))
		first, skipped := b.seq+1, 0
		for range 600 {
			switch r.IntN(20) {
			case 0:
				b.SetTargetBitrate(50_000 + r.IntN(4_000_000))
			case 1:
				if !b.unit(20+r.IntN(60), 1180) { // a key picture
					skipped++
				}
			case 2:
				b.again(b.seq - uint16(r.IntN(10)))
			default:
				if !b.unit(1+r.IntN(8), 100+r.IntN(1080)) {
					skipped++
				}
			}
			b.run(time.Duration(r.IntN(60)) * time.Millisecond)
		}
		b.run(time.Second)
		next, worst := first, time.Duration(0)
		for _, p := range b.sent {
			if p.body != byte(p.seq) {
				t.Fatalf("seed %d: packet %d has another's payload", seed, p.seq)
			}
			if p.size == 14 {
				continue // again
			}
			if p.seq != next {
				t.Fatalf("seed %d: %d left, want %d", seed, p.seq, next)
			}
			next++
			worst = max(worst, p.at.Sub(b.wrote[p.seq]))
		}
		if next != b.seq+1 {
			t.Errorf("seed %d: %d packets never left", seed, b.seq+1-next)
		}
		if limit := paceHold + 2*paceTick; worst > limit {
			t.Errorf("seed %d: a packet was held %v, more than %v", seed, worst, limit)
		}
		if b.bytes != 0 || len(b.held) != 0 || b.drain != 0 {
			t.Errorf("seed %d: %d bytes and %d packets are left", seed, b.bytes, len(b.held))
		}
	}
}

// TestPacerRate: more than the path carries is refused before it is numbered, and what is sent keeps to the rate.
func TestPacerRate(t *testing.T) {
	const bps = 400_000
	b := newPaceBench(t, bps)
	start, skipped := b.clock, 0
	for range 300 {
		if !b.unit(10, 1000) { // 2.4 Mbit/s
			skipped++
		}
		b.run(time.Second / 30)
	}
	bytes := 0
	for _, p := range b.sent {
		bytes += p.size
		most := b.burst() + bps*paceFactor/8*p.at.Sub(start).Seconds() + 1013
		if float64(bytes) > most {
			t.Fatalf("%d bytes after %v, want at most %.0f", bytes, p.at.Sub(start), most)
		}
	}
	if rate := float64(bytes) * 8 / 10; skipped < 100 || rate < 0.9*bps*paceFactor {
		t.Errorf("%d skipped, %.0f bit/s sent", skipped, rate)
	}
}

func TestPacerDropsResendsThatDoNotFit(t *testing.T) {
	b := newPaceBench(t, 100_000)
	b.unit(60, 1180) // 2 s at the estimate
	if b.again(b.seq - 3) {
		t.Error("a retransmission was taken that does not fit")
	}
	if b.admits(100) {
		t.Error("a picture is admitted behind one that fills the pacer")
	}
	if n := b.dropped.Load(); n != 1 {
		t.Errorf("%d counted", n)
	}
	b.run(paceHold + paceTick)
	if !b.again(b.seq-3) || !b.admits(100) {
		t.Error("nothing is taken after the pacer has drained")
	}
}

// TestPacerTimer: the real timer sends what is held, and nothing runs afterwards.
func TestPacerTimer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p := newPacer(1_000_000)
	left := make(chan uint16, 100)
	p.AddStream(paceSSRC, interceptor.RTPWriterFunc(func(h *rtp.Header, _ []byte, _ interceptor.Attributes) (int, error) {
		left <- h.SequenceNumber
		return 0, nil
	}))
	for n := range uint16(50) {
		if _, err := p.Write(&rtp.Header{SSRC: paceSSRC, SequenceNumber: n}, make([]byte, 1000), nil); err != nil {
			t.Fatal(err)
		}
	}
	p.drained(context.Background())
	for n := range uint16(50) {
		if got := <-left; got != n {
			t.Fatalf("%d left, want %d", got, n)
		}
	}
	if _, err := p.Write(&rtp.Header{SSRC: 8}, nil, nil); err == nil {
		t.Error("an unknown stream was taken")
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Write(&rtp.Header{SSRC: paceSSRC}, nil, nil); err == nil {
		t.Error("a closed pacer took a packet")
	}
}

func BenchmarkPacer(b *testing.B) {
	p := newPacer(1e12)
	p.AddStream(paceSSRC, interceptor.RTPWriterFunc(func(*rtp.Header, []byte, interceptor.Attributes) (int, error) { return 0, nil }))
	payload := make([]byte, 1180)
	b.ReportAllocs()
	for n := range b.N {
		h := rtp.Header{SSRC: paceSSRC, SequenceNumber: uint16(n)}
		if _, err := p.Write(&h, payload, nil); err != nil {
			b.Fatal(err)
		}
	}
}
