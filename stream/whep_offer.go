package stream

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// maxMedia is the media sections of an offer that are looked at; a WHEP client sends one or two.
const maxMedia = 8

// maxCandidates of an offer. Each is an address that we knock at some times, so that a long list would make us a tool
// against others.
const maxCandidates = 64

// checkOffer says what is wrong with an SDP offer before anything is made for it: it must want to receive one H.264
// video (constrained baseline, packetization mode 1). Audio sections are allowed and will be rejected in the answer.
func checkOffer(offer string) error {
	var s sdp.SessionDescription
	if err := s.Unmarshal([]byte(offer)); err != nil {
		return fail(http.StatusBadRequest, "the body is not an SDP offer")
	}
	if len(s.MediaDescriptions) > maxMedia {
		return fail(http.StatusBadRequest, "SDP offer has %d media sections: at most %d", len(s.MediaDescriptions), maxMedia)
	}
	var video *sdp.MediaDescription
	for _, m := range s.MediaDescriptions {
		switch m.MediaName.Media {
		case "audio":
		case "video":
			if video != nil {
				return fail(http.StatusBadRequest, "SDP offer has more than one video section: offer one")
			}
			video = m
		default:
			return fail(http.StatusBadRequest, "SDP offer has a section of %q: offer one video section", clip(m.MediaName.Media))
		}
	}
	if video == nil {
		return fail(http.StatusBadRequest, "SDP offer has no video section")
	}
	return checkVideo(&s, video)
}

func checkVideo(s *sdp.SessionDescription, m *sdp.MediaDescription) error {
	for _, a := range m.Attributes {
		if a.Key == sdp.AttrKeySendOnly || a.Key == sdp.AttrKeyInactive {
			return fail(http.StatusBadRequest, "SDP offer's video is %s: offer recvonly", a.Key)
		}
	}
	if n := countCandidates(s); n > maxCandidates {
		return fail(http.StatusBadRequest, "SDP offer has %d candidates: at most %d", n, maxCandidates)
	}
	for _, key := range []string{"ice-ufrag", "ice-pwd", "fingerprint"} {
		_, inMedia := m.Attribute(key)
		_, inSession := s.Attribute(key)
		if !inMedia && !inSession {
			return fail(http.StatusBadRequest, "SDP offer has no %s", key)
		}
	}
	if !offersH264(m) {
		return fail(http.StatusNotAcceptable,
			"SDP offer has no H.264 with packetization-mode=1 and a baseline profile, and the cameras send nothing else")
	}
	return nil
}

// offersH264 looks for a payload type that is H.264 in packetization mode 1 and a baseline profile (RFC 6184, 8.1).
func offersH264(m *sdp.MediaDescription) bool {
	h264 := map[string]bool{}
	for _, a := range m.Attributes {
		pt, rest, _ := strings.Cut(a.Value, " ")
		if a.Key == "rtpmap" && strings.HasPrefix(strings.ToLower(rest), "h264/90000") {
			h264[pt] = true
		}
	}
	for _, a := range m.Attributes {
		pt, rest, _ := strings.Cut(a.Value, " ")
		if a.Key == "fmtp" && h264[pt] && isBaseline(rest) {
			return true
		}
	}
	return false
}

// isBaseline reads a fmtp value. The profile-level-id's first byte is the profile: 66 is baseline, and every decoder of
// it takes constrained baseline; the second byte's 0x40 makes main and extended streams constrained baseline, too.
func isBaseline(fmtp string) bool {
	mode, profile := "0", uint64(0x42<<16) // the defaults of RFC 6184
	for _, p := range strings.Split(fmtp, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "packetization-mode":
			mode = strings.TrimSpace(value)
		case "profile-level-id":
			n, err := strconv.ParseUint(strings.TrimSpace(value), 16, 24)
			if err != nil {
				return false
			}
			profile = n
		}
	}
	return mode == "1" && profile>>16 == 0x42
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
