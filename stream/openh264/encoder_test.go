package openh264_test

import (
	"bytes"
	"errors"
	"image"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/stream/openh264/decoder"
)

var vga = image.Pt(640, 480)

// newFrame makes a frame that is freed with the test.
func newFrame(t testing.TB, size image.Point) *pipeline.Frame {
	t.Helper()
	f := pipeline.NewFrame()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// paint draws picture n of a scene that moves: a textured ground that pans and a disc that crosses it.
func paint(f *pipeline.Frame, n int) {
	s := f.Size()
	y, u, v := f.Planes()
	cx, cy, r := (n*5)%s.X, s.Y/2, s.Y/6
	wave := make([]int, s.X)
	for i := range wave {
		wave[i] = int(50 * math.Sin(float64(i+n)/17))
	}
	for j := range s.Y {
		row, swell := y[j*s.X:(j+1)*s.X], int(64*math.Cos(float64(j)/13))
		for i := range row {
			row[i] = byte(110 + wave[i]*swell/64 + ((i+n)*7+j*3)%11)
		}
		for i := max(cx-r, 0); i < min(cx+r, s.X); i++ {
			if dx, dy := i-cx, j-cy; dx*dx+dy*dy < r*r {
				row[i] = 210
			}
		}
	}
	for j := range s.Y / 2 {
		for i := range s.X / 2 {
			u[j*s.X/2+i] = byte(90 + (i+n/2)*60/s.X)
			v[j*s.X/2+i] = byte(120 + j*60/s.Y)
		}
	}
	f.Seq = uint64(n + 1)
	f.At = time.Unix(1000, 0).Add(time.Duration(n) * time.Second / 30)
}

func newEncoder(t testing.TB, cfg stream.EncoderConfig) stream.Encoder {
	t.Helper()
	e, err := openh264.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// nalTypes lists the types of the NAL units in an Annex B access unit.
func nalTypes(data []byte) []int {
	var types []int
	for _, part := range bytes.Split(data, []byte{0, 0, 1})[1:] {
		types = append(types, int(part[0]&0x1f))
	}
	return types
}

func psnr(a, b []byte) float64 {
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/max(sum, 1e-9))
}

func TestDecodesBack(t *testing.T) {
	for _, tc := range []struct {
		name string
		size image.Point
		bps  int
	}{
		{"vga", vga, 1_000_000},
		{"hd", image.Pt(1280, 720), 2_000_000},
		{"sides not of 16", image.Pt(322, 246), 1_000_000},
		{"smallest", image.Pt(16, 16), 100_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			enc := newEncoder(t, stream.EncoderConfig{Size: tc.size, FPS: 30, Bitrate: tc.bps})
			dec, err := decoder.New()
			if err != nil {
				t.Fatal(err)
			}
			defer dec.Close()
			f := newFrame(t, tc.size)
			worst, sum, coded, bytesOut := math.Inf(1), 0.0, 0, 0
			for n := range 45 {
				paint(f, n)
				au, err := enc.Encode(f, false)
				if err != nil {
					t.Fatal(err)
				}
				if au.Seq != f.Seq || !au.At.Equal(f.At) || au.Codec != pipeline.H264 || au.Key != (n == 0) {
					t.Fatalf("unit of frame %d: seq %d, at %v, codec %s, key %v", n, au.Seq, au.At, au.Codec, au.Key)
				}
				if len(au.Data) == 0 {
					continue
				}
				pix, size, err := dec.Decode(au.Data)
				if err != nil || size != tc.size {
					t.Fatalf("frame %d: %v of size %v", n, err, size)
				}
				p := psnr(f.Pix(), pix)
				worst, sum, coded, bytesOut = min(worst, p), sum+p, coded+1, bytesOut+len(au.Data)
			}
			t.Logf("%d of 45 frames coded, PSNR mean %.1f dB, worst %.1f dB, %d kbit/s",
				coded, sum/float64(coded), worst, bytesOut*8/1500)
			if mean := sum / float64(coded); mean < 32 || coded < 40 {
				t.Errorf("mean PSNR %.1f dB over %d frames, want at least 32 over 40", mean, coded)
			}
		})
	}
}

func TestKeyOnDemand(t *testing.T) {
	enc := newEncoder(t, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1_000_000})
	f := newFrame(t, vga)
	wait := 0 // frames since a key picture was asked for and the rate control skipped
	for n := range 120 {
		paint(f, n)
		ask := n == 0 || n%40 == 20 || wait > 0
		au, err := enc.Encode(f, ask)
		if err != nil {
			t.Fatal(err)
		}
		if ask && len(au.Data) == 0 {
			if wait++; wait > 10 {
				t.Fatalf("frame %d: no key picture after %d asks", n, wait)
			}
			continue
		}
		if au.Key != ask {
			t.Fatalf("frame %d: key %v, want %v", n, au.Key, ask)
		}
		wait = 0
		types := nalTypes(au.Data)
		if ask && (len(types) != 3 || types[0] != 7 || types[1] != 8 || types[2] != 5) {
			t.Fatalf("frame %d: NAL units %v, want SPS, PPS, IDR", n, types)
		}
		if !ask && len(au.Data) > 0 && (len(types) != 1 || types[0] != 1) {
			t.Fatalf("frame %d: NAL units %v, want one slice", n, types)
		}
	}
}

func TestConstrainedBaseline(t *testing.T) {
	for _, tc := range []struct {
		name  string
		size  image.Point
		level byte // least that holds 30 frames/s, H.264 table A-1
	}{
		{"vga", vga, 30},
		{"hd", image.Pt(1280, 720), 31},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFrame(t, tc.size)
			paint(f, 0)
			au, err := newEncoder(t, stream.EncoderConfig{Size: tc.size, FPS: 30, Bitrate: 1_000_000}).Encode(f, true)
			if err != nil {
				t.Fatal(err)
			}
			sps := bytes.Split(au.Data, []byte{0, 0, 1})[1]
			if sps[1] != 66 || sps[2]&0x40 == 0 || sps[3] > tc.level {
				t.Errorf("profile %d, constraints %08b, level %d; want 66 with set 1 and a level up to %d", sps[1], sps[2], sps[3], tc.level)
			}
		})
	}
}

// rate encodes n pictures from number at on and returns bits per second.
func rate(t *testing.T, enc stream.Encoder, f *pipeline.Frame, at, n int) int {
	t.Helper()
	sum := 0
	for i := range n {
		paint(f, at+i)
		au, err := enc.Encode(f, false)
		if err != nil {
			t.Fatal(err)
		}
		sum += len(au.Data)
	}
	return sum * 8 * 30 / n
}

func TestBitrateChanges(t *testing.T) {
	enc := newEncoder(t, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1_500_000})
	f := newFrame(t, vga)
	rate(t, enc, f, 0, 60) // settle
	high := rate(t, enc, f, 60, 90)
	if err := enc.SetBitrate(300_000); err != nil {
		t.Fatal(err)
	}
	rate(t, enc, f, 150, 30)
	low := rate(t, enc, f, 180, 90)
	if err := enc.SetBitrate(2_000_000); err != nil {
		t.Fatal(err)
	}
	rate(t, enc, f, 270, 30)
	again := rate(t, enc, f, 300, 90)
	t.Logf("%d, then %d, then %d bit/s", high, low, again)
	if low > high/2 || again < low*2 || low > 450_000 {
		t.Errorf("%d, then %d, then %d bit/s for 1.5 M, 300 k and 2 M", high, low, again)
	}
	for _, bps := range []int{0, -1, 9_999, 200_000_000} {
		if err := enc.SetBitrate(bps); err == nil {
			t.Errorf("bitrate of %d was taken", bps)
		}
	}
}

func TestRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  stream.EncoderConfig
	}{
		{"odd width", stream.EncoderConfig{Size: image.Pt(641, 480), FPS: 30, Bitrate: 1e6}},
		{"no size", stream.EncoderConfig{FPS: 30, Bitrate: 1e6}},
		{"negative", stream.EncoderConfig{Size: image.Pt(-640, -480), FPS: 30, Bitrate: 1e6}},
		{"too small", stream.EncoderConfig{Size: image.Pt(8, 8), FPS: 30, Bitrate: 1e6}},
		{"too large", stream.EncoderConfig{Size: image.Pt(8192, 8192), FPS: 30, Bitrate: 1e6}},
		{"area overflows", stream.EncoderConfig{Size: image.Pt(1<<31, 1<<33), FPS: 30, Bitrate: 1e6}},
		{"no rate", stream.EncoderConfig{Size: vga, Bitrate: 1e6}},
		{"rate not a number", stream.EncoderConfig{Size: vga, FPS: math.NaN(), Bitrate: 1e6}},
		{"no bitrate", stream.EncoderConfig{Size: vga, FPS: 30}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := openh264.New(tc.cfg)
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

func TestWrongFrame(t *testing.T) {
	enc := newEncoder(t, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1e6})
	f := newFrame(t, image.Pt(320, 240))
	if _, err := enc.Encode(f, false); err == nil {
		t.Error("a frame of another size was taken")
	}
	if err := f.Prepare(pipeline.BGR, vga); err != nil {
		t.Fatal(err)
	}
	if _, err := enc.Encode(f, false); err == nil {
		t.Error("a BGR frame was taken")
	}
	if _, err := enc.Encode(pipeline.NewFrame(), false); err == nil {
		t.Error("an empty frame was taken")
	}
}

func TestClose(t *testing.T) {
	enc := newEncoder(t, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1e6})
	f := newFrame(t, vga)
	paint(f, 0)
	for range 2 {
		if err := enc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := enc.Encode(f, true); !errors.Is(err, openh264.ErrClosed) {
		t.Errorf("encode after close: %v", err)
	}
	if err := enc.SetBitrate(1e6); !errors.Is(err, openh264.ErrClosed) {
		t.Errorf("bitrate after close: %v", err)
	}
}

// status reads a number from /proc/self/status.
func status(t *testing.T, key string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s in /proc/self/status", key)
	return 0
}

func TestLeavesNothing(t *testing.T) {
	runtime.LockOSThread() // the C allocator keeps an arena for each thread that ever allocated
	defer runtime.UnlockOSThread()
	f := newFrame(t, image.Pt(320, 240))
	paint(f, 0)
	round := func() {
		enc, err := openh264.New(stream.EncoderConfig{Size: f.Size(), FPS: 30, Bitrate: 1e6})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := enc.Encode(f, true); err != nil {
				t.Fatal(err)
			}
		}
		_ = enc.Close()
	}
	for range 30 {
		round()
	}
	debug.FreeOSMemory() // what Go keeps of the access units is not what is looked for
	before := status(t, "VmRSS")
	for range 300 {
		round()
	}
	debug.FreeOSMemory()
	after := status(t, "VmRSS")
	t.Logf("resident %d kB, then %d kB after 300 encoders", before, after)
	if after-before > 4096 { // one encoder of this size holds about 1 MB; 300 of them would show
		t.Errorf("300 encoders grew the process from %d to %d kB", before, after)
	}
}

func TestNoThread(t *testing.T) {
	f := newFrame(t, image.Pt(1280, 720))
	paint(f, 0)
	before := status(t, "Threads")
	enc := newEncoder(t, stream.EncoderConfig{Size: f.Size(), FPS: 30, Bitrate: 2e6})
	for range 5 {
		if _, err := enc.Encode(f, true); err != nil {
			t.Fatal(err)
		}
	}
	// The Go runtime may start one of its own (a cgo call that lasts).
	if after := status(t, "Threads"); after > before+1 {
		t.Errorf("%d threads before the encoder, %d with it", before, after)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, bc := range []struct {
		name string
		size image.Point
		bps  int
	}{{"640x480", vga, 1_000_000}, {"1280x720", image.Pt(1280, 720), 2_500_000}} {
		b.Run(bc.name, func(b *testing.B) {
			enc := newEncoder(b, stream.EncoderConfig{Size: bc.size, FPS: 30, Bitrate: bc.bps})
			frames := make([]*pipeline.Frame, 30)
			for n := range frames {
				frames[n] = newFrame(b, bc.size)
				paint(frames[n], n)
			}
			at := time.Unix(1000, 0)
			b.ResetTimer()
			for n := range b.N {
				f := frames[n%len(frames)]
				f.At = at.Add(time.Duration(n) * time.Second / 30)
				if _, err := enc.Encode(f, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
