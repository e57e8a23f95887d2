package stream_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v3"
	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/stream/vpx"
)

// camera is a broadcaster that gets frames of a moving picture, 30 a second.
type camera struct {
	b       *stream.Broadcaster
	stop    context.CancelFunc
	done    chan struct{}
	latency atomic.Int64 // of detection
}

func newCamera(t testing.TB, size image.Point) *camera {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &camera{stop: cancel, done: make(chan struct{})}
	c.b = stream.NewBroadcaster(stream.BroadcasterConfig{
		Name: "door", FPS: 30, Encoders: stream.Encoders{H264: openh264.New, VP8: vpx.New}, Log: zerolog.Nop(),
		Latency: func() time.Duration { return time.Duration(c.latency.Load()) },
	})
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
			if err := c.b.Write(f, nil); err != nil && !errors.Is(err, pipeline.ErrSkipped) {
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
	cfg := stream.WHEPConfig{IncludeLoopback: true, TCP: true, Log: zerolog.Nop(), Cameras: func(name string) *stream.Broadcaster {
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
	return b.send(req)
}

func (b *bench) send(req *http.Request) (int, http.Header, string) {
	b.t.Helper()
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
	path     string // of the endpoint, with the query
	pc       *webrtc.PeerConnection
	location string
	etag     string
	packets  chan *rtp.Packet
	readers  sync.WaitGroup
	ssrc     webrtc.SSRC
	once     sync.Once
}

func newPeer(b *bench) *peer {
	b.t.Helper()
	return newPeerWith(b)
}

func newPeerWith(b *bench, options ...func(*webrtc.API)) *peer {
	b.t.Helper()
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	return newPeerAs(b, settings, options...)
}

func newPeerAs(b *bench, settings webrtc.SettingEngine, options ...func(*webrtc.API)) *peer {
	b.t.Helper()
	if len(options) == 0 {
		media := &webrtc.MediaEngine{}
		if err := media.RegisterDefaultCodecs(); err != nil {
			b.t.Fatal(err)
		}
		options = append(options, webrtc.WithMediaEngine(media))
	}
	pc, err := webrtc.NewAPI(append(options, webrtc.WithSettingEngine(settings))...).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		b.t.Fatal(err)
	}
	p := &peer{b: b, path: endpoint, pc: pc, packets: make(chan *rtp.Packet, 4096)}
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
	p.take(p.post(p.offer()))
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
