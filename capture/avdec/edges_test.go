package avdec_test

import (
	"bytes"
	"errors"
	"image"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"yfv2d/capture/avdec"
	"yfv2d/pipeline"
)

func TestClosed(t *testing.T) {
	d, err := avdec.New(pipeline.H264)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, ok, received := d.Receive()
	for i, err := range []error{d.Send([]byte{1}, 1), d.Drain(), received, d.Convert(newFrame(t))} {
		if !errors.Is(err, avdec.ErrClosed) {
			t.Errorf("call %d after close: %v", i, err)
		}
	}
	d.Flush()
	d.Skip(avdec.SkipNonKey)
	d.Strict(false)
	if ok || d.Delay() != 0 {
		t.Error("a closed decoder gives pictures")
	}
}

func TestRefuses(t *testing.T) {
	if _, err := avdec.New("vp8"); err == nil || !strings.Contains(err.Error(), "h264, h265 and jpeg") {
		t.Errorf("vp8: %v", err)
	}
	if avdec.Supports("mpeg4") || !avdec.Supports(pipeline.H265) {
		t.Error("Supports is wrong")
	}
	d := newDecoder(t, pipeline.H264)
	if err := d.Send(nil, 1); err == nil {
		t.Error("an empty unit was taken")
	}
	if err := d.Convert(newFrame(t)); err == nil {
		t.Error("nothing was converted")
	}
}

// TestSkip: left-out pictures do not come out, and the others do.
func TestSkip(t *testing.T) {
	for _, tc := range []struct {
		name string
		clip string
		skip avdec.Skip
		want int
	}{
		{"all", "bframes.h264", avdec.SkipNone, 50}, {"key", "plain.h264", avdec.SkipNonKey, 2}, {"key of H.265", "plain.h265", avdec.SkipNonKey, 2},
		{"none to leave out", "plain.h264", avdec.SkipNonRef, 50},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := readClip(t, tc.clip)
			d := newDecoder(t, c.codec)
			d.Skip(tc.skip)
			if n := pictures(t, d, c.units); n != tc.want {
				t.Errorf("%d pictures, want %d", n, tc.want)
			}
		})
	}
	c := readClip(t, "bframes.h264")
	d := newDecoder(t, c.codec)
	d.Skip(avdec.SkipNonRef)
	if n := pictures(t, d, c.units); n < 15 || n > 40 {
		t.Errorf("%d of 50 pictures are referred to", n)
	}
}

// pictures decodes units and counts what comes out.
func pictures(t *testing.T, d *avdec.Decoder, units [][]byte) (n int) {
	t.Helper()
	take := func() {
		for {
			_, ok, err := d.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return
			}
			n++
		}
	}
	for i, u := range units {
		if err := d.Send(u, int64(i)); err != nil {
			t.Fatal(err)
		}
		take()
	}
	if err := d.Drain(); err != nil {
		t.Fatal(err)
	}
	take()
	return n
}

// TestReuse: after a drain or a flush the decoder starts at a key unit as if it were new.
func TestReuse(t *testing.T) {
	c := readClip(t, "bframes.h264")
	d := newDecoder(t, c.codec)
	for range 3 {
		if n := pictures(t, d, c.units); n != 50 {
			t.Fatalf("%d pictures", n)
		}
	}
	for i := range 10 {
		if err := d.Send(c.units[i], int64(i)); err != nil {
			t.Fatal(err)
		}
		_, _, _ = d.Receive()
	}
	d.Flush()
	if n := pictures(t, d, c.units); n != 50 {
		t.Errorf("%d pictures after a flush", n)
	}
}

// TestSizeChange: a key unit with new parameter sets changes the size.
func TestSizeChange(t *testing.T) {
	big, small := readClip(t, "plain.h264"), readClip(t, "formats/420.h264")
	d, f := newDecoder(t, pipeline.H264), newFrame(t)
	for i, u := range [][]byte{big.units[0], big.units[1], small.units[0], small.units[1], big.units[0], small.units[0]} {
		if err := d.Send(u, int64(i)); err != nil {
			t.Fatalf("unit %d: %v", i, err)
		}
		p, ok, err := d.Receive()
		if err != nil || !ok || p.Damaged || p.Tag != int64(i) {
			t.Fatalf("unit %d: picture %v %+v, %v", i, ok, p, err)
		}
		if err := d.Convert(f); err != nil {
			t.Fatal(err)
		}
		want := image.Pt(320, 240)
		if i == 2 || i == 3 || i == 5 {
			want = image.Pt(64, 48)
		}
		if f.Size() != want {
			t.Errorf("unit %d: %v, want %v", i, f.Size(), want)
		}
	}
}

// bits writes numbers as H.264 does.
type bits struct {
	out  []byte
	free int
}

func (b *bits) put(v uint32, n int) {
	for i := n - 1; i >= 0; i-- {
		if b.free == 0 {
			b.out, b.free = append(b.out, 0), 8
		}
		b.free--
		b.out[len(b.out)-1] |= byte(v>>i&1) << b.free
	}
}

func (b *bits) golomb(v uint32) {
	n := 0
	for (v+1)>>(n+1) != 0 {
		n++
	}
	b.put(0, n)
	b.put(v+1, n+1)
}

// announce puts a parameter set of that many macroblocks a side, of which 16 pictures are to be kept, in place of a unit's.
func announce(unit []byte, side uint32) []byte {
	start := []byte{0, 0, 0, 1}
	parts := bytes.Split(unit, start)
	for i, p := range parts {
		if len(p) > 0 && p[0]&0x1f == 7 {
			parts[i] = hugeSPS(side)
		}
	}
	return bytes.Join(parts, start)
}

func hugeSPS(side uint32) []byte {
	var b bits
	b.put(0x67, 8)
	b.put(66, 8) // baseline
	b.put(0, 8)
	b.put(62, 8) // the highest level
	b.golomb(0)  // id
	b.golomb(0)  // frame_num of 4 bits
	b.golomb(2)  // no picture order count
	b.golomb(16) // reference pictures
	b.put(0, 1)
	b.golomb(side - 1)
	b.golomb(side - 1)
	b.put(1, 1) // frames only
	b.put(1, 1)
	b.put(0, 1) // no crop
	b.put(0, 1) // no VUI
	b.put(1, 1)
	return b.out
}

// TestHostileSize: forty bytes that announce a picture beyond all measure are refused, and cost no memory.
func TestHostileSize(t *testing.T) {
	c := readClip(t, "slices.h264")
	for _, side := range []uint32{400, 1000, 8000, 32000} {
		d := newDecoder(t, pipeline.H264)
		hostile := announce(c.units[0], side)
		before := peak(t)
		for range 20 {
			err := d.Send(hostile, 1)
			_, ok, _ := d.Receive()
			if err == nil && ok {
				t.Errorf("a picture of %d macroblocks a side came out", side)
			}
		}
		if grown := peak(t) - before; grown > 128<<20 {
			t.Errorf("%d macroblocks a side: %d MB more", side, grown>>20)
		}
		if err := d.Send(c.units[0], 2); err != nil {
			t.Errorf("after %d macroblocks a side: %v", side, err)
		}
	}
}

// TestMemoryBound: a decoder that would hold more than it may gives errors, and goes on as soon as it holds less.
func TestMemoryBound(t *testing.T) {
	big, small := readClip(t, "plain.h264"), readClip(t, "formats/420.h264")
	d, err := avdec.Limited(pipeline.H264, 1<<20, 100_000) // less than one of 320x240, more than three of 64x48
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 3 {
		for i, u := range big.units[:5] {
			err := d.Send(u, int64(i))
			if _, ok, _ := d.Receive(); err == nil || ok {
				t.Fatalf("unit %d: error %v, picture %v", i, err, ok)
			}
		}
		if err := d.Send(small.units[0], 9); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := d.Receive(); !ok || err != nil {
			t.Fatalf("no picture of a size that fits: %v", err)
		}
	}
}

// peak is the most memory this process ever had, in bytes.
func peak(t *testing.T) int64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return int64(u.Maxrss) << 10
}

// TestQuiet: a decoder writes nothing to standard error, whatever it is given.
func TestQuiet(t *testing.T) {
	old, err := syscall.Dup(2)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := syscall.Dup3(int(out.Fd()), 2, 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"plain.h264", "bframes.h265", "plain.mjpeg"} {
		c := readClip(t, name)
		d := newDecoder(t, c.codec)
		for i, u := range c.units[1:] {
			u = bytes.Clone(u)
			u[len(u)/2] ^= 0x55
			_ = d.Send(u[:len(u)-i%9], int64(i))
			_, _, _ = d.Receive()
		}
	}
	_ = newDecoder(t, pipeline.H264).Send(announce(readClip(t, "slices.h264").units[0], 1000), 1)
	_ = syscall.Dup3(old, 2, 0)
	_ = syscall.Close(old)
	text, err := os.ReadFile(out.Name())
	if err != nil || len(text) > 0 {
		t.Errorf("%d bytes on standard error, %v: %.200s", len(text), err, text)
	}
}

// resident is this process's memory, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var total, pages int64
	for i, field := range strings.Fields(string(data)) {
		var n int64
		for _, c := range field {
			n = n*10 + int64(c-'0')
		}
		if i == 0 {
			total = n
		}
		if i == 1 {
			pages = n
		}
	}
	if total == 0 {
		t.Skip("no /proc/self/statm")
	}
	return pages * int64(os.Getpagesize())
}

// TestFlatMemory: 10 000 units, some damaged, with size changes, flushes and new decoders, leave memory as it was.
func TestFlatMemory(t *testing.T) {
	runtime.LockOSThread() // the C allocator keeps an arena for each thread that ever allocated
	defer runtime.UnlockOSThread()
	clips := []clip{readClip(t, "plain.h264"), readClip(t, "formats/420.h264"), readClip(t, "plain.h265"), readClip(t, "plain.mjpeg")}
	f := newFrame(t)
	round := func(units int) {
		for n := 0; n < units; {
			for _, codec := range []pipeline.Codec{pipeline.H264, pipeline.H265, pipeline.JPEG} {
				d, err := avdec.New(codec)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range clips {
					if c.codec != codec {
						continue
					}
					for i, u := range c.units {
						if n++; n%31 == 0 {
							u = bytes.Clone(u)
							u[len(u)/2] ^= 0xff
						}
						_ = d.Send(u, int64(i))
						if _, ok, err := d.Receive(); ok && err == nil {
							_ = d.Convert(f)
						}
					}
					d.Flush()
				}
				_ = d.Close()
			}
		}
	}
	round(2000)
	before := resident(t)
	round(10000)
	if grown := resident(t) - before; grown > 8<<20 {
		t.Errorf("%d kB more after 10 000 units", grown>>10)
	}
}
