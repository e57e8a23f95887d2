package stream_test

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"go.uber.org/goleak"

	"yfv2d/stream"
	"yfv2d/stream/openh264/decoder"
)

func TestPlays(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	p.watch()
	dec, err := decoder.New()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var last picture
	for n := range 60 {
		pic := p.picture()
		pix, size, err := dec.Decode(pic.data)
		if err != nil || size != image.Pt(320, 240) {
			t.Fatalf("picture %d of %v: %v", n, size, err)
		}
		if u := pix[320*240]; u < 95 || u > 105 {
			t.Fatalf("picture %d: U is %d, want 100", n, u)
		}
		if n == 0 {
			if !pic.key() {
				t.Error("the first picture is no key picture")
			}
		} else {
			if got, want := pic.seqs[0], last.seqs[len(last.seqs)-1]+1; got != want {
				t.Errorf("picture %d begins with packet %d, want %d", n, got, want)
			}
			if d := pic.ts - last.ts; d == 0 || d > 20*90_000 {
				t.Errorf("picture %d is %d ticks after the one before", n, d)
			}
		}
		last = pic
	}
	st := b.cam.b.Stats()
	if st.ToSent.Count < 59 || st.ToEncoded.Count < 60 || // the last may be noted a moment after it came
		st.Viewers != 1 || !strings.HasPrefix(st.Encoder, "openh264 ") {
		t.Errorf("stats %+v", st)
	}
	p.leave()
	if st := b.cam.b.Stats(); st.EncoderRunning || st.Viewers != 0 || b.whep.Viewers("door") != 0 {
		t.Errorf("after leaving: %+v", st)
	}
	if code, _, _ := b.do(http.MethodDelete, p.location, "", ""); code != http.StatusNotFound {
		t.Errorf("second DELETE: %d", code)
	}
}

func TestPictureLossGivesKey(t *testing.T) {
	for _, tc := range []struct {
		name string
		ask  func(ssrc uint32) rtcp.Packet
	}{
		{"PLI", func(s uint32) rtcp.Packet { return &rtcp.PictureLossIndication{MediaSSRC: s} }},
		{"FIR", func(s uint32) rtcp.Packet {
			return &rtcp.FullIntraRequest{MediaSSRC: s, FIR: []rtcp.FIREntry{{SSRC: s, SequenceNumber: 1}}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, nil)
			p := newPeer(b)
			p.watch()
			if !p.picture().key() {
				t.Fatal("the first picture is no key picture")
			}
			for range 20 { // longer than the least time between key pictures
				if p.picture().key() {
					t.Fatal("a key picture that nobody asked for")
				}
			}
			if err := p.pc.WriteRTCP([]rtcp.Packet{tc.ask(uint32(p.ssrc))}); err != nil {
				t.Fatal(err)
			}
			for range 30 {
				if p.picture().key() {
					return
				}
			}
			t.Error("no key picture within 30 pictures")
		})
	}
}

func TestTwoViewersOneEncode(t *testing.T) {
	b := newBench(t, nil)
	p1, p2 := newPeer(b), newPeer(b)
	p1.watch()
	p1.picture()
	p2.watch()
	if !p2.picture().key() {
		t.Error("the second viewer does not begin with a key picture")
	}
	before := b.cam.b.Stats().Encodes
	for range 15 {
		p1.picture()
		p2.picture()
	}
	if n := b.cam.b.Stats().Encodes - before; n > 30 {
		t.Errorf("%d encodes for about 15 frames and two viewers", n)
	}
	p1.leave()
	if !b.cam.b.Stats().EncoderRunning {
		t.Error("the encoder stopped with a viewer left")
	}
	p2.leave()
	if b.cam.b.Stats().EncoderRunning {
		t.Error("the encoder runs without viewers")
	}
}

// TestGivenUpOffersLeaveNothing: a client that goes away before it has its answer leaves nothing behind, whatever the server was
// about to do.
func TestGivenUpOffersLeaveNothing(t *testing.T) {
	b := newBench(t, nil)
	offer := newPeer(b).offer()
	before := goleak.IgnoreCurrent()
	for i := range 60 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%20)*250*time.Microsecond)
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(offer))
		r.SetPathValue("name", "door")
		r.Header.Set("Content-Type", "application/sdp")
		r.RemoteAddr = fmt.Sprintf("198.51.100.%d:4000", i)
		w := httptest.NewRecorder()
		b.whep.ServeHTTP(w, r)
		cancel()
		if w.Code == http.StatusCreated { // just in time
			b.do(http.MethodDelete, w.Header().Get("Location"), "", "")
		}
	}
	b.http.CloseClientConnections()
	b.http.Client().CloseIdleConnections()
	goleak.VerifyNone(t, before)
}

// openFiles is the number of this process's file descriptors, sockets included.
func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestVanished: a viewer that goes without a word is noticed.
func TestVanished(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	p := newPeer(b)
	p.watch()
	p.picture()
	p.close()
	waitFor(t, "the viewer's end", func() bool { return b.whep.Viewers("door") == 0 })
	if b.cam.b.Stats().EncoderRunning {
		t.Error("the encoder still runs")
	}
}

// TestNeverConnects: a viewer that gets its answer and does nothing is given up.
func TestNeverConnects(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 15 s")
	}
	t.Parallel()
	b := newBench(t, nil)
	if code, _, body := b.do(http.MethodPost, endpoint, "application/sdp", newPeer(b).offer()); code != http.StatusCreated {
		t.Fatalf("%d %s", code, body)
	}
	waitFor(t, "the viewer's end", func() bool { return b.whep.Viewers("door") == 0 })
	if st := b.cam.b.Stats(); st.Encodes != 0 {
		t.Errorf("%d encodes for a viewer that never connected", st.Encodes)
	}
}

func TestOnePort(t *testing.T) {
	b := newBench(t, func(c *stream.WHEPConfig) { c.Port = freeUDPPort(t) })
	for range 2 {
		p := newPeer(b)
		p.watch()
		p.picture()
		p.leave()
	}
}

func TestCloseWhileWatching(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	p.watch()
	p.picture()
	for range 2 {
		if err := b.whep.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if st := b.cam.b.Stats(); st.Viewers != 0 || st.EncoderRunning {
		t.Errorf("after close: %+v", st)
	}
	code, header, _ := b.do(http.MethodPost, endpoint, "application/sdp", newPeer(b).offer())
	if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("POST after close: %d", code)
	}
}

func TestCameraGone(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	p.watch()
	p.picture()
	b.cam.stop()
	<-b.cam.done
	if err := b.cam.b.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the viewer's end", func() bool { return b.whep.Viewers("door") == 0 })
}

// errorOf reads the API's error shape.
func errorOf(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error == "" || strings.Contains(e.Error, "\n") {
		t.Errorf("body %q is no one-line error: %v", body, err)
	}
	return e.Error
}
