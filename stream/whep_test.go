package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/stream/openh264/decoder"
)

// camera is a broadcaster that gets frames of a moving picture, 30 a second.
type camera struct {
	b    *stream.Broadcaster
	stop context.CancelFunc
	done chan struct{}
}

func newCamera(t testing.TB, size image.Point) *camera {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &camera{stop: cancel, done: make(chan struct{}), b: stream.NewBroadcaster(stream.BroadcasterConfig{
		Name: "door", FPS: 30, NewEncoder: openh264.New, Log: zerolog.Nop(),
	})}
	f := pipeline.NewFrame()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		defer f.Close()
		tick := time.NewTicker(time.Second / 30)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			f.Seq, f.At = uint64(n+1), time.Now()
			if c.b.Wants() == 0 {
				continue
			}
			paint(f, n)
			if err := c.b.Write(f, nil); err != nil {
				t.Errorf("frame %d: %v", n, err)
			}
		}
	}()
	return c
}

func (c *camera) close() {
	c.stop()
	<-c.done
	_ = c.b.Close()
}

// paint draws vertical stripes that move with n.
func paint(f *pipeline.Frame, n int) {
	y, u, v := f.Planes()
	w := f.Size().X
	for i := range y {
		y[i] = byte(60 + (i%w+n*2)%128)
	}
	for i := range u {
		u[i], v[i] = 100, 150
	}
}

// bench is a WHEP endpoint behind an HTTP server with one camera, "door".
type bench struct {
	t    testing.TB
	cam  *camera
	whep *stream.WHEP
	http *httptest.Server
}

func newBench(t testing.TB, change func(*stream.WHEPConfig)) *bench {
	t.Helper()
	b := &bench{t: t, cam: newCamera(t, image.Pt(320, 240))}
	cfg := stream.WHEPConfig{IncludeLoopback: true, Log: zerolog.Nop(), Cameras: func(name string) *stream.Broadcaster {
		if name != "door" {
			return nil
		}
		return b.cam.b
	}}
	if change != nil {
		change(&cfg)
	}
	var err error
	if b.whep, err = stream.NewWHEP(cfg); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/cameras/{name}/whep", b.whep)
	mux.Handle("/api/cameras/{name}/whep/{id}", b.whep)
	b.http = httptest.NewServer(mux)
	t.Cleanup(b.close)
	return b
}

func (b *bench) close() {
	_ = b.whep.Close()
	b.cam.close()
	b.http.CloseClientConnections()
	b.http.Close()
}

const endpoint = "/api/cameras/door/whep"

// do sends a request and returns status, header and body.
func (b *bench) do(method, path, contentType, body string) (int, http.Header, string) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.http.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := b.http.Client().Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

// peer watches the camera as a browser does.
type peer struct {
	b        *bench
	pc       *webrtc.PeerConnection
	location string
	packets  chan *rtp.Packet
	readers  sync.WaitGroup
	ssrc     webrtc.SSRC
	once     sync.Once
}

func newPeer(b *bench) *peer {
	b.t.Helper()
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		b.t.Fatal(err)
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings)).
		NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		b.t.Fatal(err)
	}
	p := &peer{b: b, pc: pc, packets: make(chan *rtp.Packet, 4096)}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		p.ssrc = track.SSRC()
		p.readers.Add(1)
		defer p.readers.Done()
		for {
			pkt, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			select {
			case p.packets <- pkt:
			default: // the test looks at the beginning only
			}
		}
	})
	b.t.Cleanup(p.close)
	return p
}

// offer makes an offer with all candidates in it.
func (p *peer) offer() string {
	p.b.t.Helper()
	init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	if _, err := p.pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, init); err != nil {
		p.b.t.Fatal(err)
	}
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		p.b.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(offer); err != nil {
		p.b.t.Fatal(err)
	}
	<-gathered
	return p.pc.LocalDescription().SDP
}

func (p *peer) watch() {
	p.b.t.Helper()
	code, header, answer := p.b.do(http.MethodPost, endpoint, "application/sdp", p.offer())
	if code != http.StatusCreated || header.Get("Content-Type") != "application/sdp" {
		p.b.t.Fatalf("POST: %d %s", code, answer)
	}
	p.location = header.Get("Location")
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
	if err != nil {
		p.b.t.Fatal(err)
	}
}

// next waits for a packet.
func (p *peer) next() *rtp.Packet {
	p.b.t.Helper()
	select {
	case pkt := <-p.packets:
		return pkt
	case <-time.After(20 * time.Second):
		p.b.t.Fatal("no packet within 20 s")
		return nil
	}
}

// picture is one access unit as it came over the network.
type picture struct {
	data []byte // Annex B
	ts   uint32
	when time.Time
	seqs []uint16
}

func (p *peer) picture() picture {
	p.b.t.Helper()
	var pic picture
	var depacketizer codecs.H264Packet
	for {
		pkt := p.next()
		data, err := depacketizer.Unmarshal(pkt.Payload)
		if err != nil {
			p.b.t.Fatal(err)
		}
		pic.data = append(pic.data, data...)
		pic.ts, pic.seqs = pkt.Timestamp, append(pic.seqs, pkt.SequenceNumber)
		if pkt.Marker {
			pic.when = time.Now()
			return pic
		}
	}
}

func (p picture) key() bool { return bytes.Contains(p.data, []byte{0, 0, 1, 0x65}) }

func (p *peer) close() {
	p.once.Do(func() {
		_ = p.pc.GracefulClose()
		p.readers.Wait()
	})
}

func (p *peer) leave() {
	p.b.t.Helper()
	if code, _, body := p.b.do(http.MethodDelete, p.location, "", ""); code != http.StatusOK {
		p.b.t.Fatalf("DELETE %s: %d %s", p.location, code, body)
	}
	p.close()
}

// waitFor polls until ok, for at most 20 s.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", what)
}

func TestPlays(t *testing.T) {
	b := newBench(t, nil)
	p := newPeer(b)
	p.watch()
	dec, err := decoder.New()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var first, last picture
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
			first = pic
			if !pic.key() {
				t.Error("the first picture is no key picture")
			}
		} else {
			if got, want := pic.seqs[0], last.seqs[len(last.seqs)-1]+1; got != want {
				t.Errorf("picture %d begins with packet %d, want %d", n, got, want)
			}
			if d := pic.ts - last.ts; d == 0 || d > 90_000 {
				t.Errorf("picture %d is %d ticks after the one before", n, d)
			}
		}
		last = pic
	}
	// Timestamps follow the capture clock, so they span as much as the arrivals do, give or take the network.
	ticks, wall := time.Duration(last.ts-first.ts)*time.Second/90_000, last.when.Sub(first.when)
	if d := (ticks - wall).Abs(); d > 500*time.Millisecond {
		t.Errorf("59 intervals are %v by timestamps and %v by arrival", ticks, wall)
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

func TestRoundsLeaveNothing(t *testing.T) {
	b := newBench(t, nil)
	before, files := goleak.IgnoreCurrent(), openFiles(t)
	for range 20 {
		p := newPeer(b)
		p.watch()
		p.picture()
		p.leave()
	}
	b.http.CloseClientConnections()
	b.http.Client().CloseIdleConnections()
	goleak.VerifyNone(t, before)
	waitFor(t, "descriptors to be closed", func() bool { return openFiles(t) <= files })
	if n := b.cam.b.Stats().Viewers; n != 0 {
		t.Errorf("%d viewers left", n)
	}
}

// openFiles is the number of this process's file descriptors, sockets included.
func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	return len(list)
}

// TestVanished: a viewer that goes without a word is noticed.
func TestVanished(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 12 s")
	}
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
	b := newBench(t, func(c *stream.WHEPConfig) { c.UDPPort = freeUDPPort(t) })
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
