package stream

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"yfv2d/pipeline"
)

// maxMedia is the media sections of an offer that are looked at; a WHEP client sends one or two.
const maxMedia = 8

// maxCandidates of a viewer. Each is an address that we knock at some times, so that a long list would make us a tool
// against others.
const maxCandidates = 64

// H.264 profile_idc values of RFC 6184, 8.1.
const (
	profileBaseline = 66
	profileMain     = 77
	profileHigh     = 100
)

// offered is what an SDP offer says that matters to us.
type offered struct {
	formats    []format // of the video, those that we could send, in the offer's order
	candidates int
	ufrag, pwd string
}

// format is one payload type of an offer.
type format struct {
	payloadType uint8
	codec       pipeline.Codec
	fmtp        string
	profile     uint8 // profile_idc of H.264
	constrained bool  // H.264 constrained baseline by its flags
}

// readSDP says what is wrong with an SDP offer before anything is made for it: it must want to receive one video. Audio
// sections are allowed and will be rejected in the answer. An offer of a data channel is refused whole: nothing of ours
// speaks over one, and an SCTP association is code that a stranger could reach.
func readSDP(offer string) (offered, error) {
	var s sdp.SessionDescription
	if err := s.Unmarshal([]byte(offer)); err != nil {
		return offered{}, fail(http.StatusBadRequest, "the body is not an SDP offer")
	}
	if len(s.MediaDescriptions) > maxMedia {
		return offered{}, fail(http.StatusBadRequest, "SDP offer has %d media sections: at most %d", len(s.MediaDescriptions), maxMedia)
	}
	var video *sdp.MediaDescription
	for _, m := range s.MediaDescriptions {
		switch m.MediaName.Media {
		case "audio":
		case "video":
			if video != nil {
				return offered{}, fail(http.StatusBadRequest, "SDP offer has more than one video section: offer one")
			}
			video = m
		case "application":
			return offered{}, fail(http.StatusBadRequest, `SDP offer has an "application" section: there is no data channel here; what is seen comes over /api/live`)
		default:
			return offered{}, fail(http.StatusBadRequest, "SDP offer has a section of %q: offer one video section", clip(m.MediaName.Media))
		}
	}
	if video == nil {
		return offered{}, fail(http.StatusBadRequest, "SDP offer has no video section")
	}
	return readVideo(&s, video)
}

func readVideo(s *sdp.SessionDescription, m *sdp.MediaDescription) (offered, error) {
	var o offered
	for _, a := range m.Attributes {
		if a.Key == sdp.AttrKeySendOnly || a.Key == sdp.AttrKeyInactive {
			return o, fail(http.StatusBadRequest, "SDP offer's video is %s: offer recvonly", a.Key)
		}
	}
	if o.candidates = countCandidates(s); o.candidates > maxCandidates {
		return o, fail(http.StatusBadRequest, "SDP offer has %d candidates: at most %d", o.candidates, maxCandidates)
	}
	for _, a := range []struct {
		key string
		to  *string
	}{{"ice-ufrag", &o.ufrag}, {"ice-pwd", &o.pwd}, {"fingerprint", new(string)}} {
		value, found := m.Attribute(a.key)
		if !found {
			value, found = s.Attribute(a.key)
		}
		if !found {
			return o, fail(http.StatusBadRequest, "SDP offer has no %s", a.key)
		}
		*a.to = value
	}
	o.formats = readFormats(m)
	return o, nil
}

// readFormats finds the payload types that are VP8, or H.264 in packetization mode 1.
func readFormats(m *sdp.MediaDescription) []format {
	names, fmtps := map[string]string{}, map[string]string{}
	for _, a := range m.Attributes {
		pt, rest, _ := strings.Cut(a.Value, " ")
		switch a.Key {
		case "rtpmap":
			names[pt] = strings.ToLower(rest)
		case "fmtp":
			fmtps[pt] = rest
		}
	}
	var out []format
	for _, pt := range m.MediaName.Formats {
		n, err := strconv.ParseUint(pt, 10, 7)
		if err != nil {
			continue
		}
		f := format{payloadType: uint8(n), fmtp: fmtps[pt]}
		switch {
		case strings.HasPrefix(names[pt], "vp8/90000"):
			f.codec = pipeline.VP8
		case strings.HasPrefix(names[pt], "h264/90000") && f.readH264():
			f.codec = pipeline.H264
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}

// readH264 takes profile-level-id from the fmtp line and says whether we could send it. The first byte is the profile;
// the second byte's 0x40 makes baseline streams constrained baseline.
func (f *format) readH264() bool {
	mode, id := "0", uint64(profileBaseline<<16) // the defaults of RFC 6184
	for _, p := range strings.Split(f.fmtp, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "packetization-mode":
			mode = strings.TrimSpace(value)
		case "profile-level-id":
			n, err := strconv.ParseUint(strings.TrimSpace(value), 16, 24)
			if err != nil {
				return false
			}
			id = n
		}
	}
	f.profile = uint8(id >> 16)
	f.constrained = f.profile == profileBaseline && id>>8&0x40 != 0
	return mode == "1" && slices.Contains([]uint8{profileBaseline, profileMain, profileHigh}, f.profile)
}

// profiles are the H.264 profiles that the offer takes, each once.
func (o *offered) profiles() []uint8 {
	var out []uint8
	for _, f := range o.formats {
		if f.codec == pipeline.H264 && !slices.Contains(out, f.profile) {
			out = append(out, f.profile)
		}
	}
	return out
}

// choose takes the format to send: H.264 before VP8, of what can be encoded. relay is the profile of the camera's own
// stream, 0 if that is not sent. What we encode is constrained baseline, which decoders of every profile take.
func (o *offered) choose(encoded []pipeline.Codec, relay uint8) (format, error) {
	for _, codec := range []pipeline.Codec{pipeline.H264, pipeline.VP8} {
		if !slices.Contains(encoded, codec) {
			continue
		}
		best, rank := format{}, 0
		for _, f := range o.formats {
			if r := f.rank(relay); f.codec == codec && r > rank {
				best, rank = f, r
			}
		}
		if rank > 0 {
			return best, nil
		}
	}
	var can []string
	for _, c := range encoded {
		can = append(can, codecName(c))
	}
	return format{}, fail(http.StatusNotAcceptable, "SDP offer has nothing that this camera can be sent as: it is sent as %s "+
		"(H.264 with packetization-mode=1)", strings.Join(can, " or "))
}

// rank orders the formats of one codec, best highest.
func (f *format) rank(relay uint8) int {
	switch {
	case f.codec == pipeline.H264 && relay != 0 && f.profile == relay:
		return 5
	case f.constrained || f.codec == pipeline.VP8:
		return 4
	case f.profile == profileBaseline:
		return 3
	case f.profile == profileMain:
		return 2
	}
	return 1
}

func codecName(c pipeline.Codec) string {
	if c == pipeline.VP8 {
		return "VP8"
	}
	return "H.264"
}

func countCandidates(s *sdp.SessionDescription) int {
	n := 0
	count := func(attributes []sdp.Attribute) {
		for _, a := range attributes {
			if a.IsICECandidate() {
				n++
			}
		}
	}
	count(s.Attributes)
	for _, m := range s.MediaDescriptions {
		count(m.Attributes)
	}
	return n
}
