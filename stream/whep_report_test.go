package stream_test

import (
	"image"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v3"
	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/tracker"
)

const playoutDelayURI = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

// newFullPeer is a peer that reports arrival times and losses as browsers do, and takes playout delays.
func newFullPeer(b *bench, path string) *peer {
	b.t.Helper()
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		b.t.Fatal(err)
	}
	delay := webrtc.RTPHeaderExtensionCapability{URI: playoutDelayURI}
	if err := media.RegisterHeaderExtension(delay, webrtc.RTPCodecTypeVideo); err != nil {
		b.t.Fatal(err)
	}
	registry := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
		b.t.Fatal(err)
	}
	p := newPeerWith(b, webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry))
	p.path = path
	return p
}

// extension is the id of a header extension, 0 if it was not agreed on.
func (p *peer) extension(uri string) uint8 {
	for _, t := range p.pc.GetTransceivers() {
		for _, e := range t.Receiver().GetParameters().HeaderExtensions {
			if e.URI == uri {
				return uint8(e.ID)
			}
		}
	}
	return 0
}

// TestSenderReports: from a sender report and a timestamp a receiver knows when a picture was captured, though it was
// sent later, and at another delay each time.
func TestSenderReports(t *testing.T) {
	var mu sync.Mutex
	var captured []time.Time
	cam := stream.NewBroadcaster(stream.BroadcasterConfig{Name: "door", FPS: 8, Encoders: stream.Encoders{H264: openh264.New}, Log: zerolog.Nop()})
	defer cam.Close()
	b := newBench(t, func(c *stream.WHEPConfig) { c.Cameras = func(string) *stream.Broadcaster { return cam } })
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		f := pipeline.NewFrame()
		defer f.Close()
		if err := f.Prepare(pipeline.I420, image.Pt(160, 120)); err != nil {
			t.Error(err)
		}
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(110+n%3*30) * time.Millisecond):
			}
			f.Seq, f.At = uint64(n+1), time.Now().Add(-time.Duration(40+n%2*15)*time.Millisecond)
			mu.Lock()
			captured = append(captured, f.At)
			mu.Unlock()
			paint(f, n)
			if err := cam.Write(f, nil); err != nil {
				t.Error(err)
			}
		}
	}()
	defer func() {
		close(stop)
		<-done
	}()
	p := newFullPeer(b, endpoint)
	reports := make(chan *rtcp.SenderReport, 100)
	p.pc.OnTrack(func(track *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		p.readers.Add(2)
		go func() {
			defer p.readers.Done()
			for {
				packets, _, err := r.ReadRTCP()
				if err != nil {
					return
				}
				if len(packets) != 2 || packets[1].DestinationSSRC()[0] != uint32(track.SSRC()) {
					t.Errorf("report %v", packets)
				}
				if sr, ok := packets[0].(*rtcp.SenderReport); ok {
					reports <- sr
				}
			}
		}()
		defer p.readers.Done()
		for {
			pkt, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			p.packets <- pkt
		}
	})
	p.watch()
	first := <-reports // with the first picture
	count := uint32(0)
	for n := range 30 {
		pkt := p.next()
		for !pkt.Marker {
			pkt = p.next()
			count++
		}
		count++
		sr := first
		if n > 15 {
			sr = lastOf(reports, first)
		}
		at := wall(sr).Add(time.Duration(int32(pkt.Timestamp-sr.RTPTime)) * time.Second / 90_000)
		mu.Lock()
		nearest := time.Hour
		for _, c := range captured {
			nearest = min(nearest, at.Sub(c).Abs())
		}
		mu.Unlock()
		if nearest > 20*time.Millisecond {
			t.Errorf("picture %d: capture time off by %v", n, nearest)
		}
	}
	if sr := lastOf(reports, first); sr.PacketCount == 0 || sr.PacketCount > count+5 || sr.OctetCount <= sr.PacketCount {
		t.Errorf("report counts %d packets and %d bytes, %d packets came", sr.PacketCount, sr.OctetCount, count)
	}
	p.leave()
}

func wall(sr *rtcp.SenderReport) time.Time {
	return time.Unix(int64(sr.NTPTime>>32)-2_208_988_800, int64(sr.NTPTime&0xffff_ffff*1e9>>32))
}

func lastOf(reports chan *rtcp.SenderReport, last *rtcp.SenderReport) *rtcp.SenderReport {
	for len(reports) > 0 {
		last = <-reports
	}
	return last
}

func TestPlayoutDelay(t *testing.T) {
	const interval, latency = 100 * time.Millisecond, 43 * time.Millisecond
	for _, tc := range []struct {
		name        string
		mode        string
		most        time.Duration
		least, high uint16 // of the extension, 10 ms
	}{
		{"low latency", "", 100 * time.Millisecond, 0, 10},
		{"at once", "&mode=low_latency", 0, 0, 0},
		{"exact", "&mode=exact", 100 * time.Millisecond, 15, 15},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, func(c *stream.WHEPConfig) { c.MaxPlayoutDelay = tc.most })
			b.cam.latency.Store(int64(latency))
			b.cam.b.Detected(&tracker.Snapshot{Time: time.Now(), Interval: interval}, image.Pt(320, 240))
			p := newFullPeer(b, endpoint+"?rendition=annotated"+tc.mode)
			p.watch()
			p.expectDelay(tc.least, tc.high)
			if tc.mode == "&mode=exact" {
				b.cam.latency.Store(int64(latency + 10*time.Millisecond)) // too little to tell
				for range 40 {
					p.expectDelay(15, 15)
				}
				b.cam.latency.Store(int64(3 * latency))
				waitFor(t, "a new delay", func() bool { l, _ := p.delay(); return l == 23 })
			}
			p.leave()
		})
	}
}

// delay is that of the next picture.
func (p *peer) delay() (least, most uint16) {
	p.b.t.Helper()
	var pkt *rtp.Packet
	for begin := false; ; begin = pkt.Marker {
		pkt = p.next()
		data := pkt.GetExtension(p.extension(playoutDelayURI))
		if len(data) == 0 {
			if begin {
				p.b.t.Fatal("a picture without a playout delay")
			}
			continue
		}
		var d rtp.PlayoutDelayExtension
		if err := d.Unmarshal(data); err != nil {
			p.b.t.Fatal(err)
		}
		return d.MinDelay, d.MaxDelay
	}
}

func (p *peer) expectDelay(least, most uint16) {
	p.b.t.Helper()
	if l, m := p.delay(); l != least || m != most {
		p.b.t.Fatalf("playout delay %d to %d, want %d to %d", l, m, least, most)
	}
}
