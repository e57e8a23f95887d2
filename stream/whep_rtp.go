package stream

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// videoClock is the RTP clock of all video formats, Hz.
const videoClock = 90_000

// packetHead is what a packet has beside its payload, bytes: RTP header and header extensions, generously.
const packetHead = 28

// rtpStream numbers and stamps the packets of one viewer.
type rtpStream struct {
	track   *webrtc.TrackLocalStaticRTP
	turn    sync.Mutex    // held while a picture or padding is sent, so that they do not mix; guards seq, last, failed
	seq     uint16        // of the newest packet
	last    uint32        // timestamp of the newest picture
	failed  uint64        // packets that the network did not take
	packets atomic.Uint32 // sent, for sender reports; both wrap
	octets  atomic.Uint32 // of payload
	delayID uint8         // of the playout-delay header extension; 0: the viewer has none
	delay   atomic.Uint32 // playout delay, see setDelay
}

// newRTPStream starts at a random number, as RFC 3550 5.1 asks.
func newRTPStream(track *webrtc.TrackLocalStaticRTP) *rtpStream {
	return &rtpStream{track: track, seq: uint16(rand.Uint32())}
}

// setDelay tells the receiver how long to wait before it shows a picture, from the next picture on; the extension
// counts in 10 ms, of which it has 12 bits.
func (s *rtpStream) setDelay(least, most time.Duration) {
	const step, limit = 10 * time.Millisecond, 1<<12 - 1
	up := func(d time.Duration) uint32 { return uint32(min(max((d+step-1)/step, 0), limit)) }
	s.delay.Store(up(least)<<12 | up(most))
}

// size is the bytes that a unit is in packets.
func (u *unit) size() int {
	n := 0
	for _, p := range u.payloads {
		n += len(p) + packetHead
	}
	return n
}

// write sends a unit, and tells began first which number it begins with; began may be nil.
func (s *rtpStream) write(u *unit, began func(seq uint16)) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if began != nil {
		began(s.seq + 1)
	}
	s.last = u.ts
	for i, payload := range u.payloads {
		s.seq++
		h := s.header(u.ts)
		h.Marker = i == len(u.payloads)-1
		if i == 0 && s.delayID != 0 {
			d := s.delay.Load()
			_ = h.SetExtension(s.delayID, []byte{byte(d >> 16), byte(d >> 8), byte(d)}) // the id was checked
		}
		s.put(h, payload)
	}
}

func (s *rtpStream) header(ts uint32) rtp.Header {
	return rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: ts}
}

// put sends a packet. One that cannot be sent is a lost packet: the receiver asks for it again, and a connection that is
// gone ends the session elsewhere.
func (s *rtpStream) put(h rtp.Header, payload []byte) {
	if err := s.track.WriteRTP(&rtp.Packet{Header: h, Payload: payload}); err != nil {
		s.failed++
		return
	}
	s.packets.Add(1)
	if !h.Padding { // which the octet count leaves out (RFC 3550, 6.4.1)
		s.octets.Add(uint32(len(payload)))
	}
}

// report is a sender report (RFC 3550, 6.4.1) that ties now to the camera's RTP clock. So the receiver knows each
// picture's capture time, whenever it was sent.
func (s *rtpStream) report(ssrc, now uint32, wall time.Time, cname string) []rtcp.Packet {
	return []rtcp.Packet{
		&rtcp.SenderReport{
			SSRC: ssrc, NTPTime: ntpTime(wall), RTPTime: now,
			PacketCount: s.packets.Load(), OctetCount: s.octets.Load(),
		},
		rtcp.NewCNAMESourceDescription(ssrc, cname),
	}
}

// ntpTime is seconds since 1900 with 32 bits of fraction (RFC 5905).
func ntpTime(t time.Time) uint64 {
	const since1900 = 2_208_988_800 // of the Unix epoch, seconds
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// oneLine makes a message of pion's fit for a person: its lists of errors have one a line.
func oneLine(err error) string { return clipLine(strings.Join(strings.Fields(err.Error()), " ")) }

func clipLine(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
