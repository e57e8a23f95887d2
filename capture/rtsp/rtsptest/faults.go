package rtsptest

import (
	"net"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/pion/rtcp"
)

// order has the player do something between two pictures, and waits until it is done.
func (s *Server) order(f func(*player)) {
	done := make(chan struct{})
	select {
	case s.orders <- func(p *player) { f(p); close(done) }:
		<-done
	case <-s.stop:
	}
}

// freezing is the channel that Thaw closes, nil if nothing is frozen.
func (s *Server) freezing() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}

// Freeze makes the camera fall silent as if its process had been stopped: connections stay, new ones are taken in, but
// nothing is sent or answered until Thaw.
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
	for c := range s.conns {
		c.heal() // first: a connection that is woken must not find itself ill
	}
	if s.frozen != nil {
		close(s.frozen)
		s.frozen = nil
	}
}

// HalfFrame sends the first half of the next picture, on a TCP connection to the middle of its first packet, and Freezes.
func (s *Server) HalfFrame() {
	s.order(func(p *player) {
		p.half = true
		s.each(func(c *conn) { c.set(halve) })
		p.picture()
	})
}

// SlowLoris lets a byte a second through on each connection that is open now, and no UDP, until Thaw.
func (s *Server) SlowLoris() { s.each(func(c *conn) { c.set(dribble) }) }

// Garbage puts n random bytes between two packets of each TCP connection.
func (s *Server) Garbage(n int) { s.each(func(c *conn) { c.garbage(n) }) }

// Hangup closes all connections in good order.
func (s *Server) Hangup() { s.each(func(c *conn) { _ = c.Close() }) }

// Reset closes all connections with RST.
func (s *Server) Reset() {
	s.each(func(c *conn) {
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	})
}

// Teardown tells all readers that their session ends, and leaves it to them to close the connection.
func (s *Server) Teardown() {
	req := base.Request{Method: base.Teardown, URL: &base.URL{Scheme: "rtsp", Host: s.addr, Path: "/" + s.cfg.Path},
		Header: base.Header{"CSeq": base.HeaderValue{"1"}}}
	s.request(req)
}

// Ask sends each client a request, as some cameras do to see whether it is alive.
func (s *Server) Ask(m base.Method) {
	s.request(base.Request{Method: m, URL: &base.URL{Scheme: "rtsp", Host: s.addr, Path: "/" + s.cfg.Path},
		Header: base.Header{"CSeq": base.HeaderValue{"77"}}})
}

func (s *Server) request(req base.Request) {
	raw, err := req.Marshal()
	if err != nil {
		s.t.Errorf("marshal %s: %v", req.Method, err)
		return
	}
	s.each(func(c *conn) { c.inject(raw) })
}

// Bye sends RTCP BYE and no further packet until Thaw.
func (s *Server) Bye() {
	s.order(func(p *player) {
		s.mu.Lock()
		stream, tracks := s.stream, s.tracks
		s.mu.Unlock()
		if stream == nil {
			return
		}
		t := tracks[p.track]
		_ = stream.WritePacketRTCP(t.media, &rtcp.Goodbye{Sources: []uint32{stream.Stats().Medias[t.media].Formats[t.format].LocalSSRC}})
	})
}

// Stop takes the camera off the network: connections are closed, new ones refused, until Restart.
func (s *Server) Stop() { s.order(func(*player) { s.down() }) }

// Restart brings the camera back at its old address.
func (s *Server) Restart() {
	s.order(func(p *player) {
		s.mu.Lock()
		up := s.srv != nil
		s.mu.Unlock()
		if up {
			return
		}
		var err error
		for range 50 { // the port may take a moment to be free
			if err = s.up(); err == nil {
				p.track, p.next, p.held = 0, 0, nil
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		s.t.Errorf("restart at %s: %v", s.addr, err)
	})
}

// Down is Stop, a pause of d, and Restart; it returns when the camera is back.
func (s *Server) Down(d time.Duration) {
	s.Stop()
	select {
	case <-time.After(d):
	case <-s.stop:
	}
	s.Restart()
}

// SetPassword changes the password for requests to come.
func (s *Server) SetPassword(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// SetClip plays another clip from now on, as a camera does whose owner changes its settings: sessions end, and the next
// DESCRIBE tells the new codec and size, and also the further clips for Switch.
func (s *Server) SetClip(c Clip, also ...Clip) {
	s.order(func(p *player) {
		s.down()
		s.cfg.Clip, s.cfg.Also = c, also
		p.track, p.next, p.held = 0, 0, nil
		if err := s.up(); err != nil {
			s.t.Errorf("another clip: %v", err)
		}
	})
}

// Resize plays a clip of the same codec from now on in the sessions that there are: a size change in mid-stream.
func (s *Server) Resize(c Clip) {
	s.order(func(p *player) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cfg.Clip = c
		if len(s.tracks) > 0 {
			t := *s.tracks[0]
			t.clip = c
			s.tracks = append([]*track{&t}, s.tracks[1:]...)
		}
		p.next = 0
	})
}

// Switch goes on, in the same sessions, with the nth of the clips announced: 0 is Clip, 1 the first of Also.
func (s *Server) Switch(n int) { s.order(func(p *player) { p.track, p.next = n, 0 }) }

// JumpRTP moves the RTP clock by d, forward or back.
func (s *Server) JumpRTP(d time.Duration) {
	s.order(func(p *player) { p.rtp += uint32(int64(d.Seconds() * clockRate)) })
}

// Lose leaves out every nth RTP packet; 0 none.
func (s *Server) Lose(n int) { s.packets(func(f *packetFault) { f.lose = n }) }

// Duplicate sends every nth RTP packet twice; 0 none.
func (s *Server) Duplicate(n int) { s.packets(func(f *packetFault) { f.repeat = n }) }

// Swap sends every nth RTP packet after its successor; 0 none.
func (s *Server) Swap(n int) { s.packets(func(f *packetFault) { f.swap = n }) }

func (s *Server) packets(set func(*packetFault)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set(&s.fault)
}
