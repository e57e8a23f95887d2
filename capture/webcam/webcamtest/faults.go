package webcamtest

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Freeze makes the camera fall silent as if its process had been stopped: connections stay, new ones are taken in, but nothing is
// sent or answered until Thaw.
func (s *Server) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		s.frozen = make(chan struct{})
	}
}

// Thaw ends Freeze, HalfFrame and SlowLoris for whoever is still connected.
func (s *Server) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen != nil {
		close(s.frozen)
		s.frozen = nil
	}
	for c := range s.conns {
		c.heal()
	}
}

// freezing is the channel that Thaw closes, nil if nothing is frozen.
func (s *Server) freezing() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}

// HalfFrame sends the first half of the next picture and then Freezes.
func (s *Server) HalfFrame() { s.set(func() { s.halve = true }) }

// Garbage puts n random bytes before the next part of a stream.
func (s *Server) Garbage(n int) { s.set(func() { s.garbage = n }) }

// SlowLoris lets a byte a second through on each connection that is open now, until Thaw.
func (s *Server) SlowLoris() { s.each((*conn).dribble) }

// Hangup closes all connections in good order.
func (s *Server) Hangup() { s.each(func(c *conn) { _ = c.Close() }) }

// Reset closes all connections with RST.
func (s *Server) Reset() {
	s.each(func(c *conn) {
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
}

// SetPassword changes the password for requests to come.
func (s *Server) SetPassword(password string) { s.set(func() { s.cfg.Password = password }) }

// SetPictures shows other pictures from now on, of any size.
func (s *Server) SetPictures(p [][]byte) { s.set(func() { s.cfg.Pictures = p }) }

// SetContentType is what answers to come say they are: text/html makes a page of the picture too.
func (s *Server) SetContentType(kind string) { s.set(func() { s.cfg.ContentType = kind }) }

func (s *Server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Stop takes the camera off the network: connections are closed, new ones refused, until Restart.
func (s *Server) Stop() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv == nil {
		return
	}
	_ = srv.Close()
	s.Hangup() // those of streams, which the server gave away
	s.served.Wait()
}

// Restart brings the camera back at its old address.
func (s *Server) Restart() {
	var err error
	for range 50 { // the port may take a moment to be free
		if err = s.up(); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Errorf("restart at %s: %v", s.Addr(), err)
}

// Down is Stop, a pause of d, and Restart; it returns when the camera is back.
func (s *Server) Down(d time.Duration) {
	s.Stop()
	time.Sleep(d)
	s.Restart()
}

// noise is n random bytes.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
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
	l.s.set(func() { l.s.conns[c] = struct{}{} })
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
	s    *Server
	gone chan struct{}
	once sync.Once

	mu     sync.Mutex
	drips  bool          // guarded by mu
	healed chan struct{} // guarded by mu; closed and replaced by heal
}

func (c *conn) dribble() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drips = true
}

func (c *conn) heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drips = false
	close(c.healed)
	c.healed = make(chan struct{})
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
	c.wait()
	c.mu.Lock()
	drips, healed := c.drips, c.healed
	c.mu.Unlock()
	if !drips {
		return c.Conn.Write(b)
	}
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

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.gone)
		c.s.set(func() { delete(c.s.conns, c) })
	})
	return c.Conn.Close()
}
