// Package encodertest is the contract that every stream.Encoder keeps, as a test to be run by each of them.
package encodertest

import (
	"bytes"
	"errors"
	"image"
	"math"
	"strings"
	"testing"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

var (
	vga = image.Pt(640, 480)
	hd  = image.Pt(1280, 720)
)

// Contract describes an encoder to Run.
type Contract struct {
	New    func(stream.EncoderConfig) (stream.Encoder, error)
	Codec  pipeline.Codec
	Closed error // what a closed encoder answers
	// Bitrates are the least and the greatest that are taken, bits a second.
	Bitrates [2]int
	// Smallest is the smallest picture; zero is 16x16.
	Smallest image.Point
	// Threads is how many an encoder may have of its own.
	Threads int
}

// Run tests the contract. Each part is a subtest.
func Run(t *testing.T, c Contract) {
	t.Run("decodes back", c.decodesBack)
	t.Run("demo clip", c.demo)
	t.Run("key on demand", c.keyOnDemand)
	t.Run("joins at any key", c.joins)
	t.Run("key is not too large", c.keySize)
	t.Run("bitrate changes", c.bitrateChanges)
	t.Run("bitrate refused", c.bitrateRefused)
	t.Run("refuses", c.refuses)
	t.Run("wrong frame", c.wrongFrame)
	t.Run("times", c.times)
	t.Run("close", c.close)
	t.Run("close unused", c.closeUnused)
	t.Run("no thread", c.noThread)
	t.Run("many at once", c.manyAtOnce)
	t.Run("encoders leave nothing", c.leavesNothing)
	t.Run("frames leave nothing", c.flat)
	if c.Codec == pipeline.H264 {
		t.Run("constrained baseline", c.baseline)
	}
}

// open makes an encoder that is closed with the test.
func (c Contract) open(t testing.TB, size image.Point, bps int) stream.Encoder {
	t.Helper()
	e, err := c.New(stream.EncoderConfig{Size: size, FPS: 30, Bitrate: bps})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func (c Contract) decoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := NewDecoder(c.Codec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func encode(t testing.TB, e stream.Encoder, f *pipeline.Frame, key bool) pipeline.AccessUnit {
	t.Helper()
	au, err := e.Encode(f, key)
	if err != nil {
		t.Fatal(err)
	}
	return au
}

// decodesBack: each unit gives its picture at once, of the right size and near to what was put in.
func (c Contract) decodesBack(t *testing.T) {
	least := c.Smallest
	if least == (image.Point{}) {
		least = image.Pt(16, 16)
	}
	for _, tc := range []struct {
		name string
		size image.Point
		bps  int
	}{
		{"vga", vga, 1_000_000},
		{"hd", hd, 2_000_000},
		{"sides not of 16", image.Pt(322, 246), 1_000_000},
		{"portrait", image.Pt(270, 480), 1_000_000},
		{"smallest", least, 200_000},
		{"small, not of 16", least.Add(image.Pt(18, 2)), 200_000},
	} {
		t.Run(tc.name, func(t *testing.T) { c.roundTrip(t, tc.size, tc.bps) })
	}
}

func (c Contract) roundTrip(t *testing.T, size image.Point, bps int) {
	const frames = 45
	e, d, f := c.open(t, size, bps), c.decoder(t), NewFrame(t, size)
	sum, worst, coded, bytesOut := 0.0, math.Inf(1), 0, 0
	for n := range frames {
		Paint(f, n)
		au := encode(t, e, f, false)
		if au.Seq != f.Seq || !au.At.Equal(f.At) || au.Codec != c.Codec || au.Key != (n == 0) {
			t.Fatalf("unit of frame %d: seq %d, at %v, codec %s, key %v", n, au.Seq, au.At, au.Codec, au.Key)
		}
		if n == 0 && len(au.Data) == 0 {
			t.Fatal("the first frame was skipped")
		}
		if len(au.Data) == 0 {
			continue
		}
		p, err := d.Decode(au.Data)
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		c.check(t, n, p, size)
		db := PSNR(f.Pix(), p.Pix)
		sum, worst, coded, bytesOut = sum+db, min(worst, db), coded+1, bytesOut+len(au.Data)
	}
	mean := sum / float64(coded)
	t.Logf("%d of %d frames coded, PSNR mean %.1f dB, worst %.1f dB, %d kbit/s", coded, frames, mean, worst, bytesOut*8*30/frames/1000)
	if mean < 32 || coded < frames*8/9 {
		t.Errorf("mean PSNR %.1f dB over %d frames, want at least 32 over %d", mean, coded, frames*8/9)
	}
}

// check looks at what a picture says of itself.
func (c Contract) check(t *testing.T, n int, p Picture, size image.Point) {
	t.Helper()
	want := byte('P')
	if n == 0 {
		want = 'I'
	}
	if p.Size != size || p.Type != want || p.FullRange {
		t.Fatalf("frame %d: picture of %v, type %c, full range %v; want %v, %c", n, p.Size, p.Type, p.FullRange, size, want)
	}
	if p.Matrix != 2 && p.Matrix != 5 && p.Matrix != 6 {
		t.Fatalf("frame %d: matrix %d is not BT.601", n, p.Matrix)
	}
}

func (c Contract) keyOnDemand(t *testing.T) {
	e, f := c.open(t, vga, 1_000_000), NewFrame(t, vga)
	wait := 0 // frames since a key picture was asked for and the rate control skipped
	for n := range 120 {
		Paint(f, n)
		ask := n == 0 || n%40 == 20 || wait > 0
		au := encode(t, e, f, ask)
		if ask && len(au.Data) == 0 {
			if wait++; wait > 10 {
				t.Fatalf("frame %d: no key picture after %d asks", n, wait)
			}
			continue
		}
		wait = 0
		if au.Key != ask {
			t.Fatalf("frame %d: key %v, want %v", n, au.Key, ask)
		}
		if len(au.Data) > 0 {
			c.checkUnit(t, n, au)
		}
	}
}

// checkUnit: a key picture has its parameter sets before it, and there is one picture in a unit.
func (c Contract) checkUnit(t *testing.T, n int, au pipeline.AccessUnit) {
	t.Helper()
	if c.Codec == pipeline.VP8 {
		if key := au.Data[0]&1 == 0; key != au.Key { // RFC 6386 9.1
			t.Fatalf("frame %d: key %v, its header says %v", n, au.Key, key)
		}
		return
	}
	types := NALTypes(au.Data)
	if !bytes.HasPrefix(au.Data, []byte{0, 0, 0, 1}) {
		t.Fatalf("frame %d begins with %x, want a start code of four bytes", n, au.Data[:4])
	}
	if au.Key && (len(types) != 3 || types[0] != 7 || types[1] != 8 || types[2] != 5) {
		t.Fatalf("frame %d: NAL units %v, want SPS, PPS, IDR", n, types)
	}
	if !au.Key && (len(types) != 1 || types[0] != 1) {
		t.Fatalf("frame %d: NAL units %v, want one slice", n, types)
	}
}

// joins: somebody who comes later sees the picture from the next key on, and it does not refer to what was before.
func (c Contract) joins(t *testing.T) {
	e, f := c.open(t, vga, 1_000_000), NewFrame(t, vga)
	var d *Decoder
	for n := range 60 {
		Paint(f, n)
		au := encode(t, e, f, n >= 20 && d == nil)
		if d == nil && n >= 20 && au.Key {
			d = c.decoder(t)
		}
		if d == nil || len(au.Data) == 0 {
			continue
		}
		p, err := d.Decode(au.Data)
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		if db := PSNR(f.Pix(), p.Pix); db < 28 {
			t.Fatalf("frame %d: PSNR %.1f dB", n, db)
		}
	}
	if d == nil {
		t.Fatal("no key picture")
	}
}

// keySize: a key picture of a busy scene at 1 Mbit/s is sent within half a second, later ones too.
func (c Contract) keySize(t *testing.T) {
	const bps = 1_000_000
	e, f := c.open(t, vga, bps), NewFrame(t, vga)
	keys := 0
	for n := range 90 {
		Paint(f, n)
		Roughen(f, n, 24)
		au := encode(t, e, f, n%30 == 29)
		if !au.Key || len(au.Data) == 0 {
			continue
		}
		keys++
		t.Logf("frame %d: key picture of %d kB, %.0f ms", n, len(au.Data)/1000, 8000*float64(len(au.Data))/bps)
		if keys > 1 && len(au.Data)*8 > bps/2 || len(au.Data)*8 > bps {
			t.Errorf("frame %d: key picture of %d bytes", n, len(au.Data))
		}
	}
	if keys < 3 {
		t.Errorf("%d key pictures, want 4 or one less", keys)
	}
}

// rate encodes n pictures from number at on and returns bits per second.
func rate(t *testing.T, e stream.Encoder, f *pipeline.Frame, at, n int) int {
	t.Helper()
	sum := 0
	for i := range n {
		Paint(f, at+i)
		Roughen(f, at+i, 6)
		sum += len(encode(t, e, f, false).Data)
	}
	return sum * 8 * 30 / n
}

func (c Contract) bitrateChanges(t *testing.T) {
	e, f := c.open(t, vga, 300_000), NewFrame(t, vga) // a fifth of the first change
	at := 0
	for _, bps := range []int{1_500_000, 400_000, 2_000_000, 700_000} {
		if err := e.SetBitrate(bps); err != nil {
			t.Fatal(err)
		}
		rate(t, e, f, at, 60) // settle
		got := rate(t, e, f, at+60, 120)
		at += 180
		t.Logf("%d bit/s for %d", got, bps)
		if float64(got) > 1.15*float64(bps) || float64(got) < 0.75*float64(bps) {
			t.Errorf("%d bit/s for %d", got, bps)
		}
	}
}

func (c Contract) bitrateRefused(t *testing.T) {
	e := c.open(t, vga, 1_000_000)
	for _, bps := range []int{0, -1, c.Bitrates[0] - 1, c.Bitrates[1] + 1, math.MaxInt32, math.MaxInt64, math.MinInt64} {
		if err := e.SetBitrate(bps); err == nil {
			t.Errorf("bitrate of %d was taken", bps)
		}
	}
	for _, bps := range []int{c.Bitrates[0], c.Bitrates[1], c.Bitrates[1]} {
		if err := e.SetBitrate(bps); err != nil {
			t.Errorf("bitrate of %d: %v", bps, err)
		}
	}
	f := NewFrame(t, vga)
	Paint(f, 0)
	if au := encode(t, e, f, true); len(au.Data) == 0 {
		t.Error("the first frame was skipped")
	}
}

func (c Contract) refuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  stream.EncoderConfig
	}{
		{"odd width", stream.EncoderConfig{Size: image.Pt(641, 480), FPS: 30, Bitrate: 1e6}},
		{"odd height", stream.EncoderConfig{Size: image.Pt(640, 481), FPS: 30, Bitrate: 1e6}},
		{"no size", stream.EncoderConfig{FPS: 30, Bitrate: 1e6}},
		{"negative", stream.EncoderConfig{Size: image.Pt(-640, -480), FPS: 30, Bitrate: 1e6}},
		{"too small", stream.EncoderConfig{Size: image.Pt(8, 8), FPS: 30, Bitrate: 1e6}},
		{"too large", stream.EncoderConfig{Size: image.Pt(8192, 8192), FPS: 30, Bitrate: 1e6}},
		{"area overflows", stream.EncoderConfig{Size: image.Pt(1<<31, 1<<33), FPS: 30, Bitrate: 1e6}},
		{"no rate", stream.EncoderConfig{Size: vga, Bitrate: 1e6}},
		{"rate not a number", stream.EncoderConfig{Size: vga, FPS: math.NaN(), Bitrate: 1e6}},
		{"no bitrate", stream.EncoderConfig{Size: vga, FPS: 30}},
		{"bitrate overflows", stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1 << 40}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := c.New(tc.cfg)
			if err == nil {
				_ = e.Close()
				t.Fatal("taken")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// wrongFrame: what does not fit is an error, and the encoder goes on with what does.
func (c Contract) wrongFrame(t *testing.T) {
	e := c.open(t, vga, 1_000_000)
	f := NewFrame(t, image.Pt(320, 240))
	if _, err := e.Encode(f, false); err == nil {
		t.Error("a frame of another size was taken")
	}
	if err := f.Prepare(pipeline.BGR, vga); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Encode(f, false); err == nil {
		t.Error("a BGR frame was taken")
	}
	if _, err := e.Encode(pipeline.NewFrame(), false); err == nil {
		t.Error("an empty frame was taken")
	}
	if err := f.Prepare(pipeline.I420, vga); err != nil {
		t.Fatal(err)
	}
	Paint(f, 0)
	if au := encode(t, e, f, false); !au.Key || len(au.Data) == 0 {
		t.Errorf("then a good frame gives key %v, %d bytes", au.Key, len(au.Data))
	}
}

func (c Contract) close(t *testing.T) {
	e, f := c.open(t, vga, 1_000_000), NewFrame(t, vga)
	Paint(f, 0)
	encode(t, e, f, true)
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Encode(f, true); !errors.Is(err, c.Closed) {
		t.Errorf("encode after close: %v", err)
	}
	if err := e.SetBitrate(1e6); !errors.Is(err, c.Closed) {
		t.Errorf("bitrate after close: %v", err)
	}
}

func (c Contract) closeUnused(t *testing.T) {
	if err := c.open(t, vga, 1_000_000).Close(); err != nil {
		t.Error(err)
	}
}
