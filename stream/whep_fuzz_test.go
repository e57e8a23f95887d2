package stream

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// FuzzOffer sends offers through the whole endpoint, pion included; nothing may panic, hang or be left over. What pion's
// goroutines run differs from time to time, so that the fuzzer minimizes in vain: run it with -fuzzminimizetime=10x.
func FuzzOffer(f *testing.F) {
	offer, err := os.ReadFile("testdata/offers/chromium.sdp")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(offer))
	f.Add(strings.Replace(string(offer), "m=video", "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\nm=video", 1))
	f.Add("")
	f.Add("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 102\r\n")
	b := NewBroadcaster(BroadcasterConfig{Name: "door", Encoders: fuzzEncoders, Log: zerolog.Nop()})
	f.Cleanup(func() { _ = b.Close() })
	w, err := NewWHEP(WHEPConfig{
		Cameras:         func(string) *Broadcaster { return b },
		Interfaces:      []string{"lo"},
		IncludeLoopback: true,
		Log:             zerolog.Nop(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = w.Close() })
	w.doors = newDoors(1<<20, 1<<20) // the limit of an address is not what is tried here
	f.Fuzz(func(t *testing.T, offer string) {
		b.mu.Lock()
		b.last = time.Now() // as if the camera gave frames
		b.mu.Unlock()
		r := httptest.NewRequest(http.MethodPost, "/api/cameras/door/whep", strings.NewReader(offer))
		r.SetPathValue("name", "door")
		r.Header.Set("Content-Type", "application/sdp")
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if rec.Code == http.StatusCreated {
			r = httptest.NewRequest(http.MethodDelete, rec.Header().Get("Location"), nil)
			r.SetPathValue("name", "door")
			r.SetPathValue("id", rec.Header().Get("Location")[len("/api/cameras/door/whep/"):])
			rec = httptest.NewRecorder()
			w.ServeHTTP(rec, r)
			if rec.Code != http.StatusOK {
				t.Errorf("DELETE gave %d", rec.Code)
			}
		} else if rec.Code/100 != 4 {
			t.Errorf("gave %d: %s", rec.Code, rec.Body)
		}
		if n := w.Viewers("door"); n != 0 {
			t.Errorf("%d viewers left", n)
		}
	})
}

// fuzzEncoders say that there are encoders; none is made.
var fuzzEncoders = Encoders{
	H264: func(EncoderConfig) (Encoder, error) { return nil, errors.New("none") },
	VP8:  func(EncoderConfig) (Encoder, error) { return nil, errors.New("none") },
}

// fragmentsPerViewer is how many runs one viewer is used for: to make one takes longer than what is tried on it.
const fragmentsPerViewer = 50

// FuzzFragment sends fragments to a viewer that has its answer: candidates and restarts, pion included.
func FuzzFragment(f *testing.F) {
	offer, err := os.ReadFile("testdata/offers/chromium.sdp")
	if err != nil {
		f.Fatal(err)
	}
	const candidate = "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
	const credentials = "a=ice-ufrag:abcdefgh\r\na=ice-pwd:0123456789012345678901\r\n"
	f.Add(candidate, true)
	f.Add(credentials+"m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"+candidate+"a=end-of-candidates\r\n", true)
	f.Add("a=candidate:1 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active\r\n", false)
	f.Add("", true)
	b := NewBroadcaster(BroadcasterConfig{Name: "door", Encoders: fuzzEncoders, Log: zerolog.Nop()})
	f.Cleanup(func() { _ = b.Close() })
	w, err := NewWHEP(WHEPConfig{
		Cameras:    func(string) *Broadcaster { return b },
		Interfaces: []string{"lo"}, IncludeLoopback: true, TCP: true, Log: zerolog.Nop(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = w.Close() })
	w.doors = newDoors(1<<20, 1<<20)
	ask := func(method, id, kind, body string, any bool) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/api/cameras/door/whep/"+id, strings.NewReader(body))
		r.SetPathValue("name", "door")
		r.SetPathValue("id", id)
		r.Header.Set("Content-Type", kind)
		if any {
			r.Header.Set("If-Match", "*")
		}
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		return rec
	}
	id, uses := "", 0
	f.Fuzz(func(t *testing.T, body string, any bool) {
		b.mu.Lock()
		b.last = time.Now() // as if the camera gave frames
		b.mu.Unlock()
		if id == "" {
			rec := ask(http.MethodPost, "", offerType, string(offer), false)
			if rec.Code != http.StatusCreated {
				t.Fatalf("POST gave %d: %s", rec.Code, rec.Body)
			}
			id = rec.Header().Get("Location")
			id = id[strings.LastIndexByte(id, '/')+1:]
		}
		for range 2 {
			rec := ask(http.MethodPatch, id, trickleType, body, any)
			if rec.Code == http.StatusNotFound { // nothing has connected within the limit
				id, uses = "", 0
				return
			}
			if rec.Code/100 != 2 && rec.Code/100 != 4 {
				t.Errorf("PATCH gave %d: %s", rec.Code, rec.Body)
			}
		}
		if uses++; uses < fragmentsPerViewer {
			return
		}
		if rec := ask(http.MethodDelete, id, "", "", false); rec.Code != http.StatusOK && rec.Code != http.StatusNotFound {
			t.Errorf("DELETE gave %d", rec.Code)
		}
		id, uses = "", 0
	})
}

// FuzzReoffer: whatever fragment is taken, the offer made of it is one.
func FuzzReoffer(f *testing.F) {
	offer, err := os.ReadFile("testdata/offers/chromium.sdp")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a=ice-ufrag:abcdefgh\r\na=ice-pwd:0123456789012345678901\r\na=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n")
	f.Add("a=candidate:1 1 udp 2113937151 x.local 5353 typ host\n")
	f.Add("a=ice-ufrag:\ra=b\r\na=ice-pwd:0123456789012345678901\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		fragment, err := readFragment(body)
		if err != nil {
			if statusOf(err) != http.StatusBadRequest {
				t.Errorf("refused with %v", err)
			}
			return
		}
		text, err := reoffer(string(offer), fragment)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		o, err := readSDP(text)
		if err != nil && len(fragment.candidates) <= maxCandidates {
			t.Fatalf("%q gives an offer that is none: %v\n%s", body, err, text)
		}
		if err == nil && fragment.ufrag != "" && (o.ufrag != fragment.ufrag || o.pwd != fragment.pwd) {
			t.Errorf("%q: credentials %q %q, want %q %q", body, o.ufrag, o.pwd, fragment.ufrag, fragment.pwd)
		}
	})
}
