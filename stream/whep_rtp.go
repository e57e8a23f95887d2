package stream

import (
	"math/rand/v2"
	"strings"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
)

// videoClock is the RTP clock of all video formats, Hz.
const videoClock = 90_000

// rtpStream numbers and stamps the packets of one viewer. It belongs to one goroutine.
type rtpStream struct {
	track  *webrtc.TrackLocalStaticRTP
	seq    uint16
	failed uint64 // packets that the network did not take
}

// newRTPStream starts at a random number, as RFC 3550 5.1 asks.
func newRTPStream(track *webrtc.TrackLocalStaticRTP) *rtpStream {
	return &rtpStream{track: track, seq: uint16(rand.Uint32())}
}

// write sends a unit. A packet that cannot be sent is a lost packet: the receiver asks for it again, and a connection
// that is gone ends the session elsewhere.
func (s *rtpStream) write(u *unit) {
	for i, payload := range u.payloads {
		s.seq++
		p := rtp.Packet{
			Header: rtp.Header{
				Version:        2,
				Marker:         i == len(u.payloads)-1,
				SequenceNumber: s.seq,
				Timestamp:      u.ts,
			},
			Payload: payload,
		}
		if err := s.track.WriteRTP(&p); err != nil {
			s.failed++
		}
	}
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
