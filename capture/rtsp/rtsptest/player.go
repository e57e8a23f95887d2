package rtsptest

import (
	"math/rand/v2"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"yfv2d/pipeline"
)

// packetFault says what happens to RTP packets; a zero field means never.
type packetFault struct {
	lose, repeat, swap int // every nth packet is left out, sent twice, sent after the next one
}

// player plays the clips. Its fields belong to its goroutine.
type player struct {
	s        *Server
	track    int
	next     int       // unit
	at       time.Time // when it is due
	rtp      uint32    // its timestamp
	reported time.Time
	packets  int // so far
	octets   int
	held     *rtp.Packet // swapped with the next
	half     bool        // the next unit stops in its middle, and the camera freezes
	fraction float64     // of an RTP tick, so that no rate drifts
}

func newPlayer(s *Server) (*player, error) {
	return &player{s: s, rtp: rand.Uint32(), at: time.Now()}, nil
}

func (p *player) run() {
	defer p.s.played.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.s.stop:
			return
		case order := <-p.s.orders:
			order(p)
			continue
		case <-timer.C:
		}
		if thaw := p.s.freezing(); thaw != nil {
			select {
			case <-thaw:
			case <-p.s.stop:
				return
			case order := <-p.s.orders:
				order(p)
			}
			timer.Reset(0)
			continue
		}
		p.picture()
		timer.Reset(time.Until(p.at))
	}
}

// picture sends one unit if the server is up, and moves on: also nobody's camera runs.
func (p *player) picture() {
	now := time.Now()
	if now.Sub(p.at) > time.Second { // it was frozen: a camera does not catch up
		p.advance(now.Sub(p.at))
		p.at = now
	}
	p.s.mu.Lock()
	srv, stream, tracks, fault := p.s.srv, p.s.stream, p.s.tracks, p.s.fault
	if srv != nil {
		p.s.pictures++
	}
	p.s.mu.Unlock()
	interval := p.s.cfg.Clip.Interval
	if srv != nil {
		if p.track >= len(tracks) {
			p.track, p.next = 0, 0
		}
		t := tracks[p.track]
		if p.next >= len(t.clip.Units) {
			p.next = 0
		}
		interval = t.clip.Interval
		p.send(stream, t, fault)
		p.report(stream, t, now)
		p.next++
	}
	p.at = p.at.Add(interval)
	p.advance(interval)
}

// advance moves the RTP clock.
func (p *player) advance(d time.Duration) {
	ticks := d.Seconds()*clockRate + p.fraction
	p.rtp += uint32(int64(ticks))
	p.fraction = ticks - float64(int64(ticks))
}

// send sends the unit that is next, as packets.
func (p *player) send(stream *gortsplib.ServerStream, t *track, fault packetFault) {
	u := t.clip.Units[p.next]
	if p.s.cfg.OutOfBand && t.clip.Codec != pipeline.JPEG {
		u = withoutSets(t.clip.Codec, u)
	}
	pkts, err := t.packets(u)
	if err != nil {
		p.s.t.Errorf("packets of unit %d: %v", p.next, err)
		return
	}
	if p.half {
		pkts = pkts[:(len(pkts)+1)/2]
		pkts[len(pkts)-1].Marker = false
		p.half = false
		defer p.s.Freeze()
	}
	for _, pkt := range pkts {
		pkt.Timestamp = p.rtp
		p.packets++
		p.octets += len(pkt.Payload)
		p.packet(stream, t, pkt, fault)
	}
}

// packet sends one packet, with what befalls it on the way. A reader that is gone is no fault of ours.
func (p *player) packet(stream *gortsplib.ServerStream, t *track, pkt *rtp.Packet, fault packetFault) {
	nth := func(n int) bool { return n > 0 && p.packets%n == 0 }
	if nth(fault.lose) {
		return
	}
	if nth(fault.swap) && p.held == nil {
		p.held = pkt
		return
	}
	_ = stream.WritePacketRTP(t.media, pkt)
	if nth(fault.repeat) {
		_ = stream.WritePacketRTP(t.media, pkt)
	}
	if p.held != nil {
		_ = stream.WritePacketRTP(t.media, p.held)
		p.held = nil
	}
}

// report sends a sender report when one is due: the camera's clock at the present moment and the RTP time of it.
func (p *player) report(stream *gortsplib.ServerStream, t *track, now time.Time) {
	every := p.s.cfg.ReportEvery
	if every < 0 || now.Sub(p.reported) < every {
		return
	}
	p.reported = now
	ntp := now
	if p.s.cfg.NTP != nil {
		ntp = p.s.cfg.NTP()
	}
	_ = stream.WritePacketRTCP(t.media, &rtcp.SenderReport{
		SSRC: stream.Stats().Medias[t.media].Formats[t.format].LocalSSRC, NTPTime: ntpOf(ntp),
		RTPTime:     p.rtp + uint32(int64(now.Sub(p.at).Seconds()*clockRate)),
		PacketCount: uint32(p.packets), OctetCount: uint32(p.octets),
	})
}

// ntpOf is a time as seconds since 1900 with 32 bits of fraction.
func ntpOf(t time.Time) uint64 {
	const from1900to1970 = 2208988800
	return uint64(t.Unix()+from1900to1970)<<32 | uint64(t.Nanosecond())<<32/1e9
}
