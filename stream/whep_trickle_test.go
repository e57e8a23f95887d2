package stream_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v3"

	"yfv2d/stream"
)

const fragType = "application/trickle-ice-sdpfrag"

// patch sends a fragment to the viewer.
func (p *peer) patch(contentType, match, body string) (int, http.Header, string) {
	p.b.t.Helper()
	req, err := http.NewRequest(http.MethodPatch, p.b.http.URL+p.location, strings.NewReader(body))
	if err != nil {
		p.b.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if match != "" {
		req.Header.Set("If-Match", match)
	}
	return p.b.send(req)
}

// bare is an offer without candidates.
func (p *peer) bare() string {
	var keep []string
	for _, l := range strings.Split(p.offer(), "\r\n") {
		if !strings.HasPrefix(l, "a=candidate") && !strings.HasPrefix(l, "a=end-of-candidates") {
			keep = append(keep, l)
		}
	}
	return strings.Join(keep, "\r\n")
}

// post starts a viewer and does not connect it.
func (p *peer) post(offer string) (answer string) {
	p.b.t.Helper()
	code, header, answer := p.b.do(http.MethodPost, p.path, "application/sdp", offer)
	if code != http.StatusCreated {
		p.b.t.Fatalf("POST: %d %s", code, answer)
	}
	p.location, p.etag = header.Get("Location"), header.Get("ETag")
	return answer
}

func (p *peer) take(answer string) {
	p.b.t.Helper()
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		p.b.t.Fatal(err)
	}
}

// iceOf is what an SDP says of ICE, as a fragment.
func iceOf(sdp string) string {
	var b strings.Builder
	for _, l := range strings.Split(sdp, "\r\n") {
		for _, key := range []string{"a=ice-ufrag", "a=ice-pwd", "a=candidate", "m=video", "a=mid"} {
			if strings.HasPrefix(l, key) {
				b.WriteString(l + "\r\n")
			}
		}
	}
	return b.String()
}

func without(sdp, prefix string) string {
	var keep []string
	for _, l := range strings.Split(sdp, "\r\n") {
		if !strings.HasPrefix(l, prefix) {
			keep = append(keep, l)
		}
	}
	return strings.Join(keep, "\r\n")
}

// TestTrickle: the answer without our candidates can only work if the trickled ones do.
func TestTrickle(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	offer := p.bare()
	answer := p.post(offer)
	p.take(without(answer, "a=candidate"))
	whole := p.pc.LocalDescription().SDP
	if code, _, body := p.patch(fragType, p.etag, iceOf(whole)+"a=end-of-candidates\r\n"); code != http.StatusNoContent || body != "" {
		t.Fatalf("PATCH: %d %s", code, body)
	}
	if !p.picture().key() {
		t.Error("the first picture is no key picture")
	}
	p.leave()
}

// TestNoCandidates: a browser may ask before it knows its own addresses; then it calls us.
func TestNoCandidates(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	p.take(p.post(p.bare()))
	p.picture()
	p.leave()
}

// TestRestart: a viewer whose network changed goes on with the same picture.
func TestRestart(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	answer := p.post(p.offer())
	p.take(answer)
	last := p.picture()
	for range 2 {
		offer, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.pc.SetLocalDescription(offer); err != nil {
			t.Fatal(err)
		}
		<-webrtc.GatheringCompletePromise(p.pc)
		code, header, body := p.patch(fragType, "*", iceOf(p.pc.LocalDescription().SDP))
		if code != http.StatusOK || header.Get("Content-Type") != fragType || header.Get("ETag") == "" || header.Get("ETag") == p.etag {
			t.Fatalf("PATCH: %d %v %s", code, header, body)
		}
		if code, _, _ := p.patch(fragType, p.etag, "a=end-of-candidates\r\n"); code != http.StatusPreconditionFailed {
			t.Errorf("PATCH with the old ETag: %d", code)
		}
		p.etag = header.Get("ETag")
		if code, _, text := p.patch(fragType, p.etag, "a=end-of-candidates\r\n"); code != http.StatusNoContent {
			t.Errorf("PATCH with the new ETag: %d %s", code, text)
		}
		p.take(restarted(t, answer, body))
		// What follows must come over the new path: the old one's ports are closed to the old credentials.
		for len(p.packets) > 0 {
			<-p.packets
		}
		time.Sleep(100 * time.Millisecond)
		for range 30 {
			last = p.picture()
		}
	}
	if st := b.cam.b.Stats(); st.Viewers != 1 || last.ts == 0 {
		t.Errorf("after restarts: %+v", st)
	}
	p.leave()
}

// restarted is the first answer with the credentials and candidates of a fragment.
func restarted(t *testing.T, answer, fragment string) string {
	t.Helper()
	for _, key := range []string{"a=ice-ufrag:", "a=ice-pwd:"} {
		at := strings.Index(fragment, key)
		if at < 0 {
			t.Fatalf("no %s in %s", key, fragment)
		}
		line, _, _ := strings.Cut(fragment[at:], "\r\n")
		old := answer[strings.Index(answer, key):]
		old, _, _ = strings.Cut(old, "\r\n")
		answer = strings.ReplaceAll(answer, old, line)
	}
	var candidates strings.Builder
	for _, l := range strings.Split(fragment, "\r\n") {
		if strings.HasPrefix(l, "a=candidate") {
			candidates.WriteString(l + "\r\n")
		}
	}
	if candidates.Len() == 0 {
		t.Fatal("no candidates in " + fragment)
	}
	return strings.Replace(without(answer, "a=candidate"), "a=end-of-candidates", candidates.String()+"a=end-of-candidates", 1)
}

func TestPatches(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	p.post(p.offer())
	const candidate = "a=candidate:1 1 udp 2130706431 192.0.2.1 9999 typ host\r\n"
	for _, tc := range []struct {
		name, contentType, match, body string
		code                           int
		says                           string
	}{
		{"candidate", fragType, p.etag, candidate, 204, ""},
		{"parameters of the type", fragType + "; charset=utf-8", p.etag, candidate, 204, ""},
		{"end", fragType, p.etag, "a=end-of-candidates\r\n", 204, ""},
		{"bare newlines", fragType, p.etag, strings.ReplaceAll(candidate, "\r", ""), 204, ""},
		{"hidden address", fragType, p.etag, "a=candidate:1 1 udp 2113937151 0a1b2c3d-0000-4000-8000-1234567890ab.local 5353 typ host\r\n", 204, ""},
		{"active TCP", fragType, p.etag, "a=candidate:1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n", 204, ""},
		{"any ETag", fragType, "*", candidate, 204, ""},
		{"no ETag", fragType, "", candidate, 428, "If-Match"},
		{"other ETag", fragType, `"0000"`, candidate, 412, "ETag"},
		{"no type", "", p.etag, candidate, 415, fragType},
		{"sdp", "application/sdp", p.etag, candidate, 415, fragType},
		{"empty", fragType, p.etag, "", 400, "no ICE fragment"},
		{"damaged candidate", fragType, p.etag, "a=candidate:1 1 udp\r\n", 400, "candidate"},
		{"half the credentials", fragType, "*", "a=ice-ufrag:abcdef\r\n", 400, "ice-pwd"},
		{"short credentials", fragType, "*", "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n", 400, "ice-pwd"},
		{"too large", fragType, p.etag, strings.Repeat(candidate, 300), 413, "16384"},
		{"too many", fragType, p.etag, strings.Repeat(candidate, 65), 400, "more than 64"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, _, body := p.patch(tc.contentType, tc.match, tc.body)
			if code != tc.code {
				t.Fatalf("%d %s, want %d", code, body, tc.code)
			}
			if tc.says != "" && !strings.Contains(errorOf(t, body), tc.says) {
				t.Errorf("error %q does not say %q", body, tc.says)
			}
		})
	}
}

// TestICEServers: servers for viewers stand in Link headers.
func TestICEServers(t *testing.T) {
	b := newBench(t, func(c *stream.WHEPConfig) {
		c.ICEServers = []stream.ICEServer{
			{URLs: []string{"stun:stun.example.org:3478"}},
			{URLs: []string{"turn:turn.example.org:3478?transport=udp"}, Username: "u", Credential: `p"w`},
		}
	})
	want := []string{
		`<stun:stun.example.org:3478>; rel="ice-server"`,
		`<turn:turn.example.org:3478?transport=udp>; rel="ice-server"; username="u"; credential="p\"w"; credential-type="password"`,
	}
	_, options, _ := b.do(http.MethodOptions, endpoint, "", "")
	code, posted, _ := b.do(http.MethodPost, endpoint, "application/sdp", newPeer(b).offer())
	if code != http.StatusCreated {
		t.Fatal(code)
	}
	for _, h := range []http.Header{options, posted} {
		if got := h.Values("Link"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("links %q, want %q", got, want)
		}
		if h.Get("Accept-Patch") != fragType {
			t.Errorf("accepts %q", h.Get("Accept-Patch"))
		}
	}
	if posted.Get("ETag") == "" {
		t.Error("no ETag")
	}
}

// TestTCP: where UDP is blocked the same port takes TCP.
func TestTCP(t *testing.T) {
	b := newBench(t, nil)
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	p := newPeerAs(b, settings)
	answer := p.post(p.offer())
	if want := fmt.Sprintf(" 127.0.0.1 %d typ host tcptype passive", b.whep.Port()); !strings.Contains(answer, want) {
		t.Fatalf("no %q in\n%s", want, answer)
	}
	p.take(answer)
	for range 30 {
		p.picture()
	}
	p.leave()
}

// TestPublicIPs: addresses of a router in front are offered beside our own, which still work.
func TestPublicIPs(t *testing.T) {
	b := newBench(t, func(c *stream.WHEPConfig) { c.PublicIPs = []string{"192.0.2.7", "2001:db8::7"} })
	p := newPeer(b)
	answer := p.post(p.offer())
	for _, want := range []string{"192.0.2.7", "2001:db8::7", "127.0.0.1"} {
		for _, kind := range []string{"typ host\r\n", "typ host tcptype passive\r\n"} {
			if line := fmt.Sprintf(" %s %d %s", want, b.whep.Port(), kind); !strings.Contains(answer, line) {
				t.Errorf("no %q in\n%s", line, answer)
			}
		}
	}
	p.take(answer)
	p.picture()
	p.leave()
}
