package stream

import (
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
	b := NewBroadcaster(BroadcasterConfig{Name: "door", Log: zerolog.Nop()})
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
