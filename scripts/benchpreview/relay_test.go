package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// echo answers each packet with itself.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestRelay(t *testing.T) {
	const sent = 200 // a socket has room for so many at once
	for _, row := range []struct {
		name        string
		path        path
		least, most int // packets that come back
	}{
		{"a perfect path", path{}, sent, sent},
		{"delay", path{delay: 40 * time.Millisecond}, sent, sent},
		{"a fifth lost each way", path{loss: 0.2, seed: 1}, 87, 169}, // 0.64 of all, within six standard deviations
		{"all lost", path{loss: 1}, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := newRelay(echo(t), row.path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			c, err := net.Dial("udp", r.front.LocalAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			start := time.Now()
			back := make(chan int)
			go func() { back <- countInOrder(t, c, start, 2*row.path.delay) }()
			for i := range uint32(sent) {
				if _, err := c.Write(binary.BigEndian.AppendUint32(nil, i)); err != nil {
					t.Fatal(err)
				}
			}
			if n := <-back; n < row.least || n > row.most {
				t.Errorf("%d of %d came back, want %d to %d", n, sent, row.least, row.most)
			}
			if carried, dropped := r.carried.Load(), r.dropped.Load(); carried+dropped < sent {
				t.Errorf("%d carried and %d dropped of %d", carried, dropped, sent)
			}
		})
	}
}

// countInOrder counts packets until none comes any more. The first may not come sooner than after the delay.
func countInOrder(t *testing.T, c net.Conn, start time.Time, delay time.Duration) int {
	buf := make([]byte, 1500)
	last := -1
	for n := 0; ; n++ {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(buf); err != nil {
			return n
		}
		if n == 0 && time.Since(start) < delay {
			t.Errorf("the first packet came after %v, want at least %v", time.Since(start), delay)
		}
		if i := int(binary.BigEndian.Uint32(buf)); i <= last {
			t.Errorf("packet %d after %d", i, last)
		} else {
			last = i
		}
	}
}
