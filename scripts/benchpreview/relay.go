package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// path is a way through a network, the same in both directions.
type path struct {
	loss  float64       // share of the packets that do not arrive
	delay time.Duration // of those that do; they keep their order
	seed  uint64        // of which are lost
}

// relay carries UDP packets between those who send to its address and one target, over a path.
type relay struct {
	path  path
	front *net.UDPConn
	to    *net.UDPAddr
	wg    sync.WaitGroup

	carried, dropped atomic.Uint64

	mu     sync.Mutex // guards what follows
	closed bool
	lanes  map[netip.AddrPort]*lane // by who sends
}

// lane is one sender's way to the target and back.
type lane struct {
	back        *net.UDPConn
	there, here *line
}

// newRelay listens on the target's own address, at a port of its own. The caller closes it.
func newRelay(target netip.AddrPort, p path) (*relay, error) {
	front, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(target.Addr(), 0)))
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	r := &relay{path: p, front: front, to: net.UDPAddrFromAddrPort(target), lanes: map[netip.AddrPort]*lane{}}
	r.wg.Add(1)
	go r.serve()
	return r, nil
}

func (r *relay) port() int { return r.front.LocalAddr().(*net.UDPAddr).Port }

// serve takes packets for the target until the relay closes.
func (r *relay) serve() {
	defer r.wg.Done()
	buf := make([]byte, 1<<16)
	for {
		n, from, err := r.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if l := r.lane(from); l != nil {
			l.there.put(buf[:n])
		}
	}
}

// lane finds a sender's lane or makes it; nil if that cannot be, and the packet is lost.
func (r *relay) lane(from netip.AddrPort) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lanes[from]; l != nil || r.closed {
		return l
	}
	back, err := net.DialUDP("udp", nil, r.to)
	if err != nil {
		return nil
	}
	l := &lane{back: back}
	stream := uint64(2 * len(r.lanes))
	l.there = r.newLine(stream, func(p []byte) { _, _ = back.Write(p) }) // what cannot be sent is lost, as on a network
	l.here = r.newLine(stream+1, func(p []byte) { _, _ = r.front.WriteToUDPAddrPort(p, from) })
	r.lanes[from] = l
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		buf := make([]byte, 1<<16)
		for {
			n, err := back.Read(buf)
			if err != nil {
				return
			}
			l.here.put(buf[:n])
		}
	}()
	return l
}

// close ends all lanes and waits. It may be called twice.
func (r *relay) close() {
	r.mu.Lock()
	first := !r.closed
	r.closed = true
	lanes := r.lanes
	r.mu.Unlock()
	if !first {
		return
	}
	r.front.Close()
	for _, l := range lanes {
		l.back.Close()
		close(l.there.stop)
		close(l.here.stop)
	}
	r.wg.Wait()
}

// line is one direction of a lane: packets go in, and come out later or not at all. One goroutine puts.
type line struct {
	r     *relay
	rng   *rand.Rand
	queue chan parcel
	stop  chan struct{}
}

type parcel struct {
	due  time.Time
	data []byte
}

// lineRoom is the packets under way in a direction: 40 ms at far more than any preview sends.
const lineRoom = 4096

func (r *relay) newLine(stream uint64, send func([]byte)) *line {
	l := &line{r: r, rng: rand.New(rand.NewPCG(r.path.seed, stream)), queue: make(chan parcel, lineRoom), stop: make(chan struct{})}
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		for {
			select {
			case p := <-l.queue:
				time.Sleep(time.Until(p.due))
				send(p.data)
			case <-l.stop:
				return
			}
		}
	}()
	return l
}

func (l *line) put(data []byte) {
	if l.rng.Float64() < l.r.path.loss {
		l.r.dropped.Add(1)
		return
	}
	select {
	case l.queue <- parcel{time.Now().Add(l.r.path.delay), append([]byte{}, data...)}:
		l.r.carried.Add(1)
	default:
		l.r.dropped.Add(1)
	}
}
