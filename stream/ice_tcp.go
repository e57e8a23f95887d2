package stream

import (
	"net"
	"net/netip"
	"sync"
)

// iceListener bounds what the TCP port takes in: connections in all, half as many from one address, and only on
// addresses that we are to be reached on. What is too much is closed at once.
type iceListener struct {
	net.Listener
	most int
	has  func(netip.Addr) bool

	mu    sync.Mutex // guards what follows
	total int
	from  map[netip.Addr]int
}

func newICEListener(l net.Listener, most int, has func(netip.Addr) bool) *iceListener {
	return &iceListener{Listener: l, most: most, has: has, from: map[netip.Addr]int{}}
}

// Accept waits for the next connection that is taken.
func (l *iceListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		remote, local := addrOf(c.RemoteAddr()), addrOf(c.LocalAddr())
		if !l.has(local) || !l.enter(remote) {
			_ = c.Close()
			continue
		}
		if t, ok := c.(*net.TCPConn); ok {
			// What waits in the system is late, not lost: keep little. An error leaves the system's default.
			_ = t.SetWriteBuffer(tcpBuffer)
		}
		return &iceConn{Conn: c, leave: func() { l.leave(remote) }}, nil
	}
}

func (l *iceListener) enter(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.most || l.from[a] >= max(l.most/2, 1) {
		return false
	}
	l.total++
	l.from[a]++
	return true
}

func (l *iceListener) leave(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.from[a]--; l.from[a] == 0 {
		delete(l.from, a)
	}
}

// iceConn is counted until it is closed.
type iceConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close may be called twice.
func (c *iceConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

// addrOf is the address without port; the zero Addr if there is none.
func addrOf(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}
