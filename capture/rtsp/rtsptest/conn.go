package rtsptest

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// ail is what is wrong with a connection.
type ail uint8

const (
	healthy ail = iota
	halve       // half of what is written next goes out, then nothing
	dribble     // a byte a second goes out
)

// smallest is the size of what is worth halving.
const smallest = 40

// listen makes the listener of up.
func (s *Server) listen(network, address string) (net.Listener, error) {
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	s.addr = ln.Addr().String()
	return listener{ln, s}, nil
}

type listener struct {
	net.Listener
	s *Server
}

func (l listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, s: l.s, healed: make(chan struct{}), gone: make(chan struct{})}
	l.s.mu.Lock()
	l.s.conns[c] = struct{}{}
	l.s.mu.Unlock()
	return c, nil
}

// each does something with all connections.
func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		f(c)
	}
}

// conn is a connection that can fall ill.
type conn struct {
	net.Conn
	s     *Server
	write sync.Mutex // held for each write, so that what is injected comes between two
	gone  chan struct{}
	once  sync.Once

	mu     sync.Mutex
	ail    ail           // guarded by mu
	healed chan struct{} // guarded by mu; closed and replaced by heal
}

func (c *conn) set(a ail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ail = a
}

func (c *conn) heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ail = healthy
	close(c.healed)
	c.healed = make(chan struct{})
}

func (c *conn) state() (ail, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ail, c.healed
}

// wait waits while the camera is frozen.
func (c *conn) wait() {
	if thaw := c.s.freezing(); thaw != nil {
		select {
		case <-thaw:
		case <-c.gone:
		}
	}
}

// Read holds back what comes while the camera is frozen.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		c.wait()
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if a, _ := c.state(); a != halve || len(b) < smallest {
		c.wait()
	}
	c.write.Lock()
	defer c.write.Unlock()
	a, healed := c.state()
	switch {
	case a == halve && len(b) >= smallest:
		n, err := c.Conn.Write(b[:len(b)/2])
		if err != nil {
			return n, err
		}
		c.s.freezeAfter(c)
		c.wait()
		m, err := c.Conn.Write(b[n:])
		return n + m, err
	case a == dribble:
		return c.drip(b, healed)
	}
	return c.Conn.Write(b)
}

// freezeAfter is Freeze, unless the connection was healed in the meantime.
func (s *Server) freezeAfter(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, _ := c.state(); a == halve && s.frozen == nil {
		s.frozen = make(chan struct{})
	}
	c.set(healthy)
}

// drip writes a byte a second until the connection is healed or gone.
func (c *conn) drip(b []byte, healed <-chan struct{}) (int, error) {
	_ = c.SetWriteDeadline(time.Time{})
	for i := range b {
		select {
		case <-time.After(time.Second):
		case <-healed:
			n, err := c.Conn.Write(b[i:])
			return i + n, err
		case <-c.gone:
			return i, net.ErrClosed
		}
		if _, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// inject writes between two writes of the server.
func (c *conn) inject(b []byte) {
	c.write.Lock()
	defer c.write.Unlock()
	_, _ = c.Conn.Write(b)
}

func (c *conn) garbage(n int) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	c.inject(b)
}

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.gone)
		c.s.mu.Lock()
		delete(c.s.conns, c)
		c.s.mu.Unlock()
	})
	return c.Conn.Close()
}
