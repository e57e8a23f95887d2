package stream

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"github.com/pion/rtcp"
)

const (
	// reportEvery is the time between sender reports; receivers line pictures up by the newest two.
	reportEvery = time.Second
	// delaySlack is how far the delay of an exact viewer may be off before it is told anew: each change makes the
	// picture run faster or slower for a while.
	delaySlack = 20 * time.Millisecond
	// maxBadFeedback in a row ends a session: a receiver that sends nothing else is none.
	maxBadFeedback = 100
)

// run lives until the viewer leaves, is lost, or the server stops.
func (s *session) run() {
	log := s.w.cfg.Log.With().Str("camera", s.name).Str("viewer", s.id[:8]).Logger()
	defer s.discard()
	timeout := time.NewTimer(connectTimeout)
	defer timeout.Stop()
	select {
	case <-s.connected:
	case <-timeout.C:
		log.Info().Dur("after", connectTimeout).Msg("viewer did not connect")
		return
	case <-s.ctx.Done():
		return
	}
	log.Debug().Str("codec", codecName(s.format.codec)).Str("rendition", s.asked.rendition).Msg("viewer connected")
	err := s.play()
	log.Debug().AnErr("reason", err).Uint64("lost_writes", s.rtp.failed).
		Uint64("resends_dropped", s.pacer.dropped.Load()).Msg("viewer left")
}

// play sends what the broadcaster gives until the session ends.
func (s *session) play() error {
	v, err := s.b.join(viewing{rendition: s.asked.rendition, codec: s.format.codec, profiles: s.offer.profiles()})
	if err != nil {
		return err
	}
	s.viewer.Store(v)
	v.estimate(int(s.path.Load())) // what came before
	var helpers sync.WaitGroup
	helpers.Add(3)
	go func() {
		defer helpers.Done()
		s.readFeedback(v)
	}()
	go func() {
		defer helpers.Done()
		s.reports()
	}()
	go func() {
		defer helpers.Done()
		s.probes(v)
	}()
	defer helpers.Wait() // after discard, which ends them
	defer s.discard()
	defer v.leave() // first, so that the encoder stops at once
	return s.send(v)
}

// send numbers and sends units. What the pacer does not admit is never numbered, so that the receiver sees no gap and
// asks for nothing that was never sent.
func (s *session) send(v *viewer) error {
	first, starved := true, true
	for {
		u, err := v.next(s.ctx)
		if err != nil {
			return err
		}
		if starved && !u.key {
			continue // was in the viewer's queue before the gap
		}
		if s.repairs.lost.Load() && !u.key || !s.pacer.admits(u.size()) {
			v.skip()
			starved = true
			s.pacer.drained(s.ctx) // a key picture would not be admitted before
			continue
		}
		starved = false
		if u.key {
			s.rtp.write(u, s.repairs.began)
		} else {
			s.rtp.write(u, nil)
		}
		v.sent(u)
		if first {
			s.report()
			first = false
		}
	}
}

// reports sends sender reports and keeps the delay of an exact viewer right.
func (s *session) reports() {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var told time.Duration
	for {
		if d := s.lag(); (d - told).Abs() > delaySlack {
			told = d
			s.setDelay(d)
		}
		select {
		case <-tick.C:
			s.report()
		case <-s.ctx.Done():
			return
		}
	}
}

// report sends a sender report if anything was sent.
func (s *session) report() {
	if s.rtp.packets.Load() == 0 {
		return
	}
	now := time.Now()
	// A report that is lost is replaced by the next.
	_ = s.pc.WriteRTCP(s.rtp.report(s.ssrc, s.b.rtpTime(now), now, s.name))
}

// lag is how long an exact viewer's pictures wait: until what is seen on both sides of one is known. 0 for others, and
// before the first detection.
func (s *session) lag() time.Duration {
	if !s.asked.exact {
		return 0
	}
	return s.b.feed.lag()
}

// setDelay tells the receiver how long to hold pictures: exactly lag, or as it likes within the configured bound if lag
// is 0.
func (s *session) setDelay(lag time.Duration) {
	if lag > 0 {
		s.rtp.setDelay(lag, lag)
		return
	}
	s.rtp.setDelay(0, s.w.cfg.MaxPlayoutDelay)
}

// readFeedback passes the receiver's wishes for a key picture on. It ends with the connection.
func (s *session) readFeedback(v *viewer) {
	buf := make([]byte, 1500)
	for bad := 0; bad < maxBadFeedback; {
		n, _, err := s.sender.Read(buf)
		if s.ctx.Err() != nil || isEnd(err) {
			break
		}
		if err != nil { // the interceptors read it too, and some reports are not to be understood
			bad++
			continue
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			bad++
			continue // one damaged report says nothing about the next
		}
		bad = 0
		for _, p := range packets {
			s.heed(v, p)
		}
	}
	s.cancel()
}

func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, context.Canceled)
}

// heed does what one packet of feedback asks. Losses and arrival times are the interceptors' to read.
func (s *session) heed(v *viewer, p rtcp.Packet) {
	switch p := p.(type) {
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		v.askKey()
	case *rtcp.TransportLayerNack:
		s.repairs.nack(time.Now(), p)
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		if !s.measures { // the receiver's own estimate, from those that report no arrival times
			s.pacer.SetTargetBitrate(int(min(p.Bitrate, math.MaxInt32)))
			s.estimated(int(min(p.Bitrate, math.MaxInt32)), math.MaxInt32)
		}
	}
}
