package rtsp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// TestStrays: a few packets that do not fit are nothing, but if no others come, the stream has changed unannounced.
func TestStrays(t *testing.T) {
	stream, err := live.NewStream(live.StreamConfig{Codec: pipeline.H264})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	cfg, err := Parse("rtsp://cam/stream")
	if err != nil {
		t.Fatal(err)
	}
	s := &session{cfg: cfg, stream: stream, start: time.Now()}
	s.playing.Store(true)
	wrong := errors.New("received packet with wrong SSRC 7, expected 8")
	readFor := func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		f := pipeline.NewFrame()
		defer f.Close()
		return stream.Read(ctx, f)
	}
	for range 100 {
		s.stray(wrong)
	}
	if err := readFor(time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("after a few: %v", err)
	}
	s.start = s.start.Add(-misfits - time.Second) // as if so much time had passed
	s.strays.Store(0)                             // a packet that fits
	s.stray(wrong)
	if err := readFor(time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("after one that fits: %v", err)
	}
	s.start = s.start.Add(-misfits - time.Second)
	s.stray(wrong)
	if err := readFor(time.Minute); err == nil || !strings.HasSuffix(err.Error(), "/stream: the camera sends other packets than it announced: "+wrong.Error()) {
		t.Errorf("error %v", err)
	}
}

// BenchmarkDepacketizer puts together a second of each pattern clip, in packets of 1.2 kB.
func BenchmarkDepacketizer(b *testing.B) {
	for name, c := range clips {
		b.Run(name, func(b *testing.B) {
			pkts, _ := packets(b, c, 1200)
			total := 0
			for _, p := range pkts {
				total += len(p.Payload)
			}
			b.SetBytes(int64(total))
			b.ReportAllocs()
			d := newDepacketizer(form{codec: c.Codec}, 1<<20, func([]byte, uint32, time.Time) {})
			now := time.Now()
			for b.Loop() {
				d.started = false
				for _, p := range pkts {
					d.packet(p, now)
				}
			}
		})
	}
}

func BenchmarkClock(b *testing.B) {
	c, now := newClock(90000), time.Now()
	ts := uint32(0)
	for b.Loop() {
		ts, now = ts+3600, now.Add(40*time.Millisecond)
		c.at(ts, now)
	}
}
