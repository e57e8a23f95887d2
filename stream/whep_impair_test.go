package stream_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"yfv2d/stream"
)

// badPath stands between one viewer and the server, and loses and delays packets both ways.
type badPath struct {
	t      testing.TB
	near   *net.UDPConn // where the viewer sends to
	far    *net.UDPConn // where the server is reached from
	server *net.UDPAddr
	loss   float64
	delay  time.Duration
	mu     sync.Mutex // guards what follows
	limit  int        // bits per second to the viewer; 0: none
	free   time.Time  // when all that is queued is through
	viewer *net.UDPAddr
	r      *rand.Rand
	lost   int
	wg     sync.WaitGroup
}

func newBadPath(t testing.TB, port int, loss float64, delay time.Duration) *badPath {
	t.Helper()
	p := &badPath{t: t, loss: loss, delay: delay, server: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}, r: rand.New(rand.NewPCG(1, 2))}
	for _, c := range []**net.UDPConn{&p.near, &p.far} {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		*c = conn
	}
	p.wg.Add(2)
	go p.carry(p.near, func(from *net.UDPAddr, b []byte) {
		p.mu.Lock()
		p.viewer = from
		p.mu.Unlock()
		_, _ = p.far.WriteToUDP(b, p.server)
	})
	go p.carry(p.far, func(_ *net.UDPAddr, b []byte) {
		p.mu.Lock()
		to := p.viewer
		p.mu.Unlock()
		if to != nil {
			_, _ = p.near.WriteToUDP(b, to)
		}
	})
	t.Cleanup(p.close)
	return p
}

func (p *badPath) carry(c *net.UDPConn, on func(*net.UDPAddr, []byte)) {
	defer p.wg.Done()
	type packet struct {
		due  time.Time
		from *net.UDPAddr
		data []byte
	}
	line := make(chan packet, 10_000)
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		for q := range line {
			time.Sleep(time.Until(q.due))
			on(q.from, q.data)
		}
	}()
	defer close(line)
	for {
		buf := make([]byte, 1600)
		n, from, err := c.ReadFromUDP(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		lose := p.r.Float64() < p.loss
		if lose {
			p.lost++
		}
		p.mu.Unlock()
		if due, room := p.due(c == p.far, n); !lose && room {
			line <- packet{due, from, buf[:n]}
		}
	}
}

// due is when a packet arrives, and whether the limited path's queue of 300 ms has room for it.
func (p *badPath) due(down bool, size int) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := time.Now()
	if !down || p.limit == 0 {
		return at.Add(p.delay), true
	}
	if p.free.Before(at) {
		p.free = at
	}
	if p.free.Sub(at) > 300*time.Millisecond {
		return at, false
	}
	p.free = p.free.Add(time.Duration(size*8) * time.Second / time.Duration(p.limit))
	return p.free.Add(p.delay), true
}

func (p *badPath) setLimit(bps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = bps
}

func (p *badPath) losses() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (p *badPath) close() {
	_ = p.near.Close()
	_ = p.far.Close()
	p.wg.Wait()
}

// through makes an answer lead over the path and nowhere else.
func (p *badPath) through(answer string) string {
	line := fmt.Sprintf("a=candidate:1 1 udp 2130706431 127.0.0.1 %d typ host\r\n", p.near.LocalAddr().(*net.UDPAddr).Port)
	return strings.Replace(without(answer, "a=candidate"), "a=end-of-candidates", line+"a=end-of-candidates", 1)
}

// TestLossAndDelay: on a path that loses 2 % and takes 40 ms each way, what is lost comes again, so that the picture needs
// no new key pictures and stays as good as it was.
func TestLossAndDelay(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	p := newFullPeer(b, endpoint)
	path := newBadPath(t, b.whep.Port(), 0.02, 40*time.Millisecond)
	p.take(path.through(p.post(p.bare())))
	const enough = 280 // packets, about 10 s
	var first, newest uint16
	seen := map[uint16]bool{}
	released := time.Time{} // when the picture last went on
	var next uint16         // that the picture waits for
	var worst time.Duration
	for len(seen) < enough || path.losses() < 5 {
		pkt := p.next()
		if len(seen) == 0 {
			first, newest, next, released = pkt.SequenceNumber, pkt.SequenceNumber, pkt.SequenceNumber, time.Now()
		}
		seen[pkt.SequenceNumber] = true
		if int16(pkt.SequenceNumber-newest) > 0 {
			newest = pkt.SequenceNumber
		}
		for seen[next] {
			next++
			worst = max(worst, time.Since(released))
			released = time.Now()
		}
	}
	sent := int(newest-first) + 1
	missing := 0
	for n := range sent - 60 { // the newest may still come
		if !seen[first+uint16(n)] {
			missing++
		}
	}
	st := b.cam.b.Stats()
	lost := path.losses()
	t.Logf("%d packets, %d lost on the way both ways, %d missing for good, longest halt %v, %d key pictures, %d bit/s", sent, lost, missing, worst, st.Keys, st.BitrateBPS)
	if missing > 0 {
		t.Errorf("%d packets of %d are missing for good, %d were lost on the way", missing, sent, lost)
	}
	if st.Keys > 2 {
		t.Errorf("%d key pictures: losses were not made good", st.Keys)
	}
	if st.BitrateBPS < 200_000 {
		t.Errorf("the picture was taken down to %d bit/s on a path with room", st.BitrateBPS)
	}
	p.leave()
}

// TestBackFromSmall: a viewer whose path becomes too poor for the full picture gets the small one, and the full one again
// when there is room for it: padding finds that out, which the picture does not show.
func TestBackFromSmall(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	p := newFullPeer(b, endpoint+"?rendition=clean")
	path := newBadPath(t, b.whep.Port(), 0, 10*time.Millisecond)
	p.take(path.through(p.post(p.bare())))
	seen := func(name string) (st stream.RenditionStats) {
		for _, r := range b.cam.b.Stats().Renditions {
			if r.Name == name {
				st = r
			}
		}
		return st
	}
	watching := func(name string) func() bool {
		return func() bool {
			p.next()
			return seen(name).Viewers == 1
		}
	}
	waitFor(t, "the full picture", watching("clean"))
	nominal := seen("clean").BitrateBPS
	path.setLimit(nominal / 4)
	waitFor(t, "the small picture", watching("small"))
	moved := time.Now()
	path.setLimit(0)
	padding, pictures := 0, 0
	for seen("clean").Viewers == 0 {
		if pkt := p.next(); len(pkt.Payload) == 0 {
			padding++
		} else {
			pictures++
		}
		if time.Since(moved) > 60*time.Second {
			t.Fatalf("still on the small picture after %v, %d packets of pictures and %d of padding", time.Since(moved), pictures, padding)
		}
	}
	t.Logf("back after %v, %d packets of pictures and %d of padding; %d bit/s were nominal, now %d",
		time.Since(moved), pictures, padding, nominal, seen("clean").BitrateBPS)
	if padding == 0 {
		t.Error("no padding was seen")
	}
	p.leave()
}
