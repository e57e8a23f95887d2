package stream_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pion/webrtc/v3"

	"yfv2d/stream"
)

func freeUDPPort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// sdpLines replaces text in an offer.
func sdpLines(offer string, pairs ...string) string {
	return strings.NewReplacer(pairs...).Replace(offer)
}

func TestRequests(t *testing.T) {
	b := newBench(t, nil)
	offer := newPeer(b).offer()
	neither := func() string {
		var keep []string
		for _, l := range strings.Split(offer, "\r\n") {
			if !strings.Contains(l, "H264") && !strings.Contains(l, "VP8") {
				keep = append(keep, l)
			}
		}
		return strings.Join(keep, "\r\n")
	}()
	for _, tc := range []struct {
		name, method, path, contentType, body string
		code                                  int
		says                                  string // in the error
		header, value                         string
	}{
		{"options", "OPTIONS", endpoint, "", "", 204, "", "Accept-Post", "application/sdp"},
		{"options says methods", "OPTIONS", endpoint, "", "", 204, "", "Allow", "POST, OPTIONS"},
		{"options of a viewer", "OPTIONS", endpoint + "/abc", "", "", 204, "", "Allow", "PATCH, DELETE, OPTIONS"},
		{"get", "GET", endpoint, "", "", 405, "POST", "Allow", "POST, OPTIONS"},
		{"put", "PUT", endpoint, "application/sdp", offer, 405, "POST", "Allow", "POST, OPTIONS"},
		{"patch of no viewer", "PATCH", endpoint + "/abc", "application/trickle-ice-sdpfrag", "x", 404, "no such viewer", "", ""},
		{"no such rendition", "POST", endpoint + "?rendition=huge", "application/sdp", offer, 404, "annotated, clean, small", "", ""},
		{"no such mode", "POST", endpoint + "?mode=fast", "application/sdp", offer, 400, "low_latency, exact", "", ""},
		{"post to a viewer", "POST", endpoint + "/abc", "application/sdp", offer, 405, "DELETE", "Allow", "PATCH, DELETE, OPTIONS"},
		{"delete of no viewer", "DELETE", endpoint + "/abc", "", "", 404, "no such viewer", "", ""},
		{"no such camera", "POST", "/api/cameras/cellar/whep", "application/sdp", offer, 404, `"cellar"`, "", ""},
		{"long name", "POST", "/api/cameras/" + strings.Repeat("a", 999) + "/whep", "application/sdp", offer, 404, "aaa...", "", ""},
		{"no content type", "POST", endpoint, "", offer, 415, "application/sdp", "", ""},
		{"json", "POST", endpoint, "application/json", offer, 415, "application/sdp", "", ""},
		{"damaged content type", "POST", endpoint, "application/sdp; ;", offer, 415, "application/sdp", "", ""},
		{"too large", "POST", endpoint, "application/sdp", offer + strings.Repeat("a=x\r\n", 14000), 413, "65536", "", ""},
		{"empty", "POST", endpoint, "application/sdp", "", 400, "SDP", "", ""},
		{"no sdp", "POST", endpoint, "application/sdp", "hello\r\n", 400, "SDP", "", ""},
		{"no media", "POST", endpoint, "application/sdp", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", 400, "no video", "", ""},
		{"sendonly", "POST", endpoint, "application/sdp", sdpLines(offer, "a=recvonly", "a=sendonly"), 400, "recvonly", "", ""},
		{"data channel", "POST", endpoint, "application/sdp",
			offer + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:9\r\n", 400, `"application"`, "", ""},
		{"two videos", "POST", endpoint, "application/sdp", offer + offer[strings.Index(offer, "m=video"):], 400, "more than one", "", ""},
		{"no ice", "POST", endpoint, "application/sdp", sdpLines(offer, "a=ice-ufrag:", "a=x:"), 400, "ice-ufrag", "", ""},
		{"no fingerprint", "POST", endpoint, "application/sdp", sdpLines(offer, "a=fingerprint:", "a=x:"), 400, "fingerprint", "", ""},
		{"bad fingerprint", "POST", endpoint, "application/sdp", sdpLines(offer, "a=fingerprint:sha-256 ", "a=fingerprint:"), 400, "SDP", "", ""},
		{"many candidates", "POST", endpoint, "application/sdp",
			offer + strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", 65), 400, "candidates", "", ""},
		{"neither codec", "POST", endpoint, "application/sdp", neither, 406, "H.264", "", ""},
		{"only mode 0", "POST", endpoint, "application/sdp", sdpLines(offer, "packetization-mode=1", "packetization-mode=0", "VP8", "VP7"), 406, "H.264", "", ""},
		{"only extended profile", "POST", endpoint, "application/sdp",
			sdpLines(offer, "profile-level-id=42", "profile-level-id=58", "profile-level-id=64", "profile-level-id=58", "profile-level-id=4d", "profile-level-id=58", "VP8", "VP7"), 406, "H.264", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, header, body := b.do(tc.method, tc.path, tc.contentType, tc.body)
			if code != tc.code {
				t.Fatalf("%d %s, want %d", code, body, tc.code)
			}
			if tc.header != "" && header.Get(tc.header) != tc.value {
				t.Errorf("%s: %q, want %q", tc.header, header.Get(tc.header), tc.value)
			}
			if tc.says != "" && !strings.Contains(errorOf(t, body), tc.says) {
				t.Errorf("error %q does not say %q", body, tc.says)
			}
		})
	}
	if n := b.whep.Viewers("door"); n != 0 {
		t.Errorf("%d viewers after requests that were refused", n)
	}
}

func TestFull(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*stream.WHEPConfig)
	}{
		{"camera", func(c *stream.WHEPConfig) { c.MaxPerCamera = 1 }},
		{"all", func(c *stream.WHEPConfig) { c.MaxViewers = 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, tc.change)
			p := newPeer(b)
			p.watch()
			code, header, body := b.do("POST", endpoint, "application/sdp", newPeer(b).offer())
			if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(errorOf(t, body), "taken") {
				t.Errorf("second viewer: %d %s", code, body)
			}
			p.leave()
			p = newPeer(b)
			p.watch()
			p.leave()
		})
	}
}

func TestNoPicture(t *testing.T) {
	b := newBench(t, nil)
	b.cam.stop()
	<-b.cam.done
	code, header, body := b.do("POST", endpoint, "application/sdp", newPeer(b).offer())
	if code != http.StatusConflict || header.Get("Retry-After") == "" || !strings.Contains(errorOf(t, body), "no picture") {
		t.Errorf("%d %s", code, body)
	}
	if n := b.whep.Viewers("door"); n != 0 {
		t.Errorf("%d viewers", n)
	}
}

// TestAudioToo: a player that also offers to receive audio gets the video.
func TestAudioToo(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err := p.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio, init); err != nil {
		t.Fatal(err)
	}
	p.watch()
	p.picture()
	p.leave()
}

func TestAnswer(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	code, header, answer := b.do("POST", endpoint, "application/sdp; charset=utf-8", p.offer())
	if code != http.StatusCreated {
		t.Fatalf("%d %s", code, answer)
	}
	if !strings.HasPrefix(header.Get("Location"), endpoint+"/") {
		t.Errorf("location %q", header.Get("Location"))
	}
	for _, want := range []string{"a=sendonly", "H264/90000", "packetization-mode=1", "profile-level-id=42e01f", " nack pli", "typ host"} {
		if !strings.Contains(answer, want) {
			t.Errorf("answer has no %q:\n%s", want, answer)
		}
	}
	for _, no := range []string{"VP8", "m=audio", "m=application", ".local"} {
		if strings.Contains(answer, no) {
			t.Errorf("answer has %q:\n%s", no, answer)
		}
	}
	if _, _, body := b.do("DELETE", "/api/cameras/cellar/whep/"+header.Get("Location")[len(endpoint)+1:], "", ""); !strings.Contains(body, "cellar") {
		t.Errorf("another camera's path ended the viewer: %s", body)
	}
	if n := b.whep.Viewers("door"); n != 1 {
		t.Errorf("%d viewers who connect, want 1", n)
	}
}

func TestBadConfig(t *testing.T) {
	find := func(string) *stream.Broadcaster { return nil }
	taken, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, tc := range []struct {
		name string
		cfg  stream.WHEPConfig
	}{
		{"no cameras", stream.WHEPConfig{}},
		{"interface pattern", stream.WHEPConfig{Cameras: find, Interfaces: []string{"eth["}}},
		{"public name", stream.WHEPConfig{Cameras: find, PublicIPs: []string{"example.org"}}},
		{"port taken", stream.WHEPConfig{Cameras: find, Port: taken.LocalAddr().(*net.UDPAddr).Port, IncludeLoopback: true}},
		{"port taken by TCP", stream.WHEPConfig{Cameras: find, Port: listener.Addr().(*net.TCPAddr).Port, TCP: true, IncludeLoopback: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, err := stream.NewWHEP(tc.cfg)
			if err == nil {
				_ = w.Close()
				t.Fatal("taken")
			}
			if strings.Contains(fmt.Sprint(err), "\n") {
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}
