package stream

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"yfv2d/pipeline"
)

func TestChoose(t *testing.T) {
	const mode1 = ";packetization-mode=1"
	both := []pipeline.Codec{pipeline.H264, pipeline.VP8}
	for _, tc := range []struct {
		name    string
		formats []string // "pt name fmtp"
		encoded []pipeline.Codec
		relay   uint8
		want    int // payload type; 0: refused
		profile []uint8
	}{
		{"h264 before vp8", []string{"96 VP8", "102 H264 profile-level-id=42e01f" + mode1}, both, 0, 102, []uint8{66}},
		{"vp8 if the viewer has no h264", []string{"96 VP8"}, both, 0, 96, nil},
		{"vp8 if h264 cannot be encoded", []string{"96 VP8", "102 H264 profile-level-id=42e01f" + mode1}, both[1:], 0, 96, []uint8{66}},
		{"nothing in common", []string{"98 VP9", "45 AV1"}, both, 0, 0, nil},
		{"h264 only and vp8 offered", []string{"96 VP8"}, both[:1], 0, 0, nil},
		{"packetization mode 0", []string{"102 H264 profile-level-id=42e01f;packetization-mode=0"}, both, 0, 0, nil},
		{"mode 0 is the default", []string{"102 H264 profile-level-id=42e01f"}, both, 0, 0, nil},
		{"constrained before plain baseline", []string{"102 H264 profile-level-id=42001f" + mode1, "104 H264 profile-level-id=42e01f" + mode1}, both, 0, 104, []uint8{66}},
		{"plain baseline", []string{"102 H264 profile-level-id=42001f" + mode1}, both, 0, 102, []uint8{66}},
		{"baseline before main and high", []string{"106 H264 profile-level-id=640c1f" + mode1, "104 H264 profile-level-id=4d001f" + mode1, "102 H264 profile-level-id=42001f" + mode1}, both, 0, 102, []uint8{100, 77, 66}},
		{"only high", []string{"106 H264 profile-level-id=64001f" + mode1}, both, 0, 106, []uint8{100}},
		{"relay of main", []string{"102 H264 profile-level-id=42e01f" + mode1, "104 H264 profile-level-id=4d001f" + mode1}, both, 77, 104, []uint8{66, 77}},
		{"relay of high that is not taken", []string{"102 H264 profile-level-id=42e01f" + mode1}, both, 100, 102, []uint8{66}},
		{"extended profile", []string{"102 H264 profile-level-id=58001f" + mode1}, both, 0, 0, nil},
		{"damaged profile", []string{"102 H264 profile-level-id=xyz" + mode1}, both, 0, 0, nil},
		{"damaged payload type", []string{"300 H264 profile-level-id=42e01f" + mode1}, both, 0, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := readSDP(offerOf(tc.formats))
			if err != nil {
				t.Fatal(err)
			}
			if got := o.profiles(); !slices.Equal(got, tc.profile) {
				t.Errorf("profiles %v, want %v", got, tc.profile)
			}
			f, err := o.choose(tc.encoded, tc.relay)
			var e *refusal
			if tc.want == 0 {
				if !errors.As(err, &e) || e.status != http.StatusNotAcceptable {
					t.Errorf("chose %+v, error %v", f, err)
				}
			} else if err != nil || int(f.payloadType) != tc.want {
				t.Errorf("chose %+v, error %v, want %d", f, err, tc.want)
			}
		})
	}
}

// offerOf is an offer of one video section.
func offerOf(formats []string) string {
	var pts []string
	var lines strings.Builder
	for _, f := range formats {
		pt, rest, _ := strings.Cut(f, " ")
		name, fmtp, _ := strings.Cut(rest, " ")
		pts = append(pts, pt)
		fmt.Fprintf(&lines, "a=rtpmap:%s %s/90000\r\n", pt, name)
		if fmtp != "" {
			fmt.Fprintf(&lines, "a=fmtp:%s %s\r\n", pt, fmtp)
		}
	}
	return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF " + strings.Join(pts, " ") +
		"\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n" +
		"a=fingerprint:sha-256 00\r\n" + lines.String()
}

// TestDay: RTP timestamps follow the capture clock over a day, through the wrap of their 32 bits every 13 hours.
func TestDay(t *testing.T) {
	start := time.Now()
	b := &Broadcaster{rtpBase: 0xffff_0000, rtpStart: start}
	var ticks uint64 // as a receiver counts them
	last := b.rtpTime(start)
	const frame = time.Second / 30
	for at := frame; at <= 24*time.Hour; at += frame {
		now := b.rtpTime(start.Add(at))
		ticks += uint64(now - last)
		last = now
		if off := time.Duration(ticks)*time.Second/videoClock - at; off.Abs() > 100*time.Microsecond {
			t.Fatalf("off by %v after %v", off, at)
		}
	}
}

func TestNTP(t *testing.T) {
	if got := ntpTime(time.Unix(0, 500_000_000)); got != 2_208_988_800<<32|1<<31 {
		t.Errorf("%x", got)
	}
}
