package stream_test

import (
	"errors"
	"image"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/stream/openh264/decoder"
)

// TestMovesDecode takes a viewer from a camera's own stream to the small picture and back, to the encode, to small and back,
// with real coders: each picture can be decoded and is the one of its timestamp.
func TestMovesDecode(t *testing.T) {
	size := image.Pt(160, 120)
	own, err := openh264.New(stream.EncoderConfig{Size: size, FPS: 30, Bitrate: 400_000})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	dec, err := decoder.New()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	b := stream.NewBroadcaster(stream.BroadcasterConfig{
		Name: "door", FPS: 30, Bitrate: 400_000, Encoders: stream.Encoders{H264: openh264.New}, Log: zerolog.Nop(),
	})
	defer b.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		t.Fatal(err)
	}
	m := &moves{t: t, dec: dec, truth: f, start: time.Now(), sizes: map[image.Point]int{}}
	relays := true
	step := func(n int) {
		paint(f, n)
		f.Seq, f.At = uint64(n+1), m.start.Add(time.Duration(n)*time.Second/30)
		if relays {
			au, err := own.Encode(f, n%150 == 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(au.Data) > 0 {
				b.Unit(&au)
			}
		}
		if b.Wants() == 0 {
			return
		}
		if err := b.Write(f, nil); err != nil && !errors.Is(err, pipeline.ErrSkipped) {
			t.Fatal(err)
		}
	}
	step(0)
	v, err := b.JoinForTest("clean", pipeline.H264, 66)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Leave()
	was := []string{}
	for n := 1; n < 1200; n++ {
		switch n {
		case 40:
			v.AskKey() // the next one is far: small, until frame 150
		case 200:
			relays = false // silence, and nothing that would be encoded: the viewer asks for a key picture
			b.Unit(&pipeline.AccessUnit{At: f.At, Codec: pipeline.H265, Data: []byte{1}})
		case 300:
			v.Estimate(100_000)
		case 500:
			v.Estimate(1_000_000)
		}
		step(n)
		m.see(n, v.Drain())
		if r := v.Rendition(); len(was) == 0 || was[len(was)-1] != r {
			was = append(was, r)
		}
	}
	if len(was) != 5 || was[1] != "small" || was[3] != "small" {
		t.Errorf("the viewer got %v", was)
	}
	if m.sizes[size] < 300 || m.sizes[image.Pt(80, 60)] < 300 || m.pictures < 1100 {
		t.Errorf("%d pictures, by size %v", m.pictures, m.sizes)
	}
}

// moves decodes what a viewer gets.
type moves struct {
	t        *testing.T
	dec      *decoder.Decoder
	truth    *pipeline.Frame
	start    time.Time
	sizes    map[image.Point]int
	pictures int
	last     uint32
}

func (m *moves) see(n int, units []stream.TestUnit) {
	m.t.Helper()
	for i, u := range units {
		var data []byte
		var h264 codecs.H264Packet
		for _, p := range u.Payloads {
			part, err := h264.Unmarshal(p)
			if err != nil {
				m.t.Fatal(err)
			}
			data = append(data, part...)
		}
		pix, size, err := m.dec.Decode(data)
		if err != nil {
			m.t.Fatalf("at frame %d: %v", n, err)
		}
		if m.pictures > 0 && int32(u.TS-m.last) <= 0 {
			m.t.Fatalf("at frame %d: the timestamp does not rise", n)
		}
		m.last = u.TS
		m.pictures++
		m.sizes[size]++
		if i == len(units)-1 && size == m.truth.Size() {
			m.compare(n, pix)
		}
	}
}

// compare looks whether a picture is that of the newest frame.
func (m *moves) compare(n int, pix []byte) {
	m.t.Helper()
	paint(m.truth, n)
	y, _, _ := m.truth.Planes()
	sum := 0
	for i, want := range y {
		d := int(pix[i]) - int(want)
		sum += max(d, -d)
	}
	if mean := sum / len(y); mean > 12 {
		m.t.Fatalf("frame %d is off by %d grey values", n, mean)
	}
}
