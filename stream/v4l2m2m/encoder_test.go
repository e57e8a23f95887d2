package v4l2m2m

import (
	"errors"
	"image"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/encodertest"
)

var vga = image.Pt(640, 480)

func contract(b *board) encodertest.Contract {
	return encodertest.Contract{
		New:   func(cfg stream.EncoderConfig) (stream.Encoder, error) { return newEncoder(b.machine(), cfg) },
		Codec: pipeline.H264, Closed: ErrClosed, Bitrates: [2]int{minBitrate, maxBitrate}, Smallest: image.Pt(32, 32),
		Threads: 2, // calls are made on goroutines, and may need threads of their own
	}
}

// TestContract holds the encoder to the contract over the model of the Raspberry Pi's driver.
func TestContract(t *testing.T) {
	b := newBoard(t)
	encodertest.Run(t, contract(b))
	b.checkClosed()
}

// checkClosed: all that was opened is closed.
func (b *board) checkClosed() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened != b.closed || b.mapped != 0 {
		b.t.Errorf("%d handles opened, %d closed, %d buffers mapped", b.opened, b.closed, b.mapped)
	}
}

func (b *board) encoder(size image.Point) (stream.Encoder, error) {
	return newEncoder(b.machine(), stream.EncoderConfig{Size: size, FPS: 30, Bitrate: 1_000_000})
}

// film codes n pictures and compares what comes out with them.
func film(t *testing.T, e stream.Encoder, size image.Point, n int) {
	t.Helper()
	d, err := encodertest.NewDecoder(pipeline.H264)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f := encodertest.NewFrame(t, size)
	for i := range n {
		encodertest.Paint(f, i)
		au, err := e.Encode(f, i == n/2)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if au.Key != (i == 0 || i == n/2) {
			t.Fatalf("frame %d: key %v", i, au.Key)
		}
		want := "1"
		if au.Key {
			want = "785"
		}
		types := ""
		for _, k := range encodertest.NALTypes(au.Data) {
			types += string(rune('0' + k))
		}
		if types != want {
			t.Fatalf("frame %d: NAL units %s, want %s", i, types, want)
		}
		p, err := d.Decode(au.Data)
		if err != nil || p.Size != size {
			t.Fatalf("frame %d: %v, %v", i, p.Size, err)
		}
		if db := encodertest.PSNR(f.Pix(), p.Pix); db < 30 {
			t.Fatalf("frame %d: PSNR %.1f dB", i, db)
		}
	}
}

// TestDrivers: what other drivers do, or this one in other versions.
func TestDrivers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		size   image.Point
		change func(*board)
	}{
		{"as it is", vga, func(*board) {}},
		{"rows of 32", image.Pt(322, 246), func(b *board) { b.align = 32 }},
		{"rows of 256", image.Pt(322, 246), func(b *board) { b.align = 256 }},
		{"rows without padding", image.Pt(322, 246), func(b *board) { b.align = 2 }},
		{"blocks of 16 rows", image.Pt(322, 246), func(b *board) { b.tall = true }},
		{"full hd in blocks of 16 rows", image.Pt(1920, 1080), func(b *board) { b.tall = true }},
		{"headers apart", vga, func(b *board) { b.headers = "apart" }},
		{"headers once", vga, func(b *board) { b.headers = "once" }},
		{"no control to repeat headers", vga, func(b *board) { b.without = map[uint32]bool{ctrlRepeatHeaders: true, ctrlHeaderMode: true} }},
		{"the least controls", vga, func(b *board) {
			b.without = map[uint32]bool{ctrlLevel: true, ctrlBitrateMode: true, ctrlBFrames: true, ctrlGOPSize: true, ctrlIPeriod: true}
		}},
		{"no frame rate", vga, func(b *board) { b.rate = unix.ENOTTY }},
		{"keeps an input buffer", vga, func(b *board) { b.keepsInput = true }},
		{"delimiters and padding", vga, func(b *board) { b.extra = true }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBoard(t)
			tc.change(b)
			e, err := b.encoder(tc.size)
			if err != nil {
				t.Fatal(err)
			}
			film(t, e, tc.size, 8)
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			b.checkClosed()
		})
	}
}

// TestControls: what the driver is told.
func TestControls(t *testing.T) {
	b := newBoard(t)
	m := b.machine()
	var c *codec
	open := m.open
	m.open = func(path string) (device, error) {
		dev, err := open(path)
		c = dev.(*codec)
		return dev, err
	}
	e, err := newEncoder(m, stream.EncoderConfig{Size: image.Pt(1280, 720), FPS: 29.97, Bitrate: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, w := range []struct {
		name string
		id   uint32
		want int32
	}{
		{"profile", ctrlProfile, profileConstrained}, {"level", ctrlLevel, 9}, {"mode", ctrlBitrateMode, modeCBR},
		{"bitrate, raised to the floor", ctrlBitrate, 200_000}, {"headers", ctrlRepeatHeaders, 1}, {"gop", ctrlGOPSize, longestPeriod},
		{"i period", ctrlIPeriod, longestPeriod},
	} {
		if c.controls[w.id] != w.want {
			t.Errorf("%s is %d, want %d", w.name, c.controls[w.id], w.want)
		}
	}
	if c.parm.Num != 1000 || c.parm.Den != 29_970 {
		t.Errorf("a frame takes %d/%d s", c.parm.Num, c.parm.Den)
	}
	f := c.in.f
	if f.ColorSpace != colorSMPTE170M || f.Quantization != limitedRange || f.YCbCrEnc != encoding601 {
		t.Errorf("colours %d, %d, %d", f.ColorSpace, f.Quantization, f.YCbCrEnc)
	}
	for _, tc := range []struct{ ask, want int }{{1_000_000, 1_000_000}, {10_000, 200_000}, {100_000_000, 25_000_000}} {
		if err := e.SetBitrate(tc.ask); err != nil || int(c.controls[ctrlBitrate]) != tc.want {
			t.Errorf("bitrate %d became %d, %v; want %d", tc.ask, c.controls[ctrlBitrate], err, tc.want)
		}
	}
}

// TestRefused: devices that cannot be used say why, and nothing stays open.
func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		size   image.Point
		change func(*board)
		says   string
	}{
		{"too small", image.Pt(16, 16), func(b *board) { b.noCrop = true }, "code 16x16 pixels of a larger frame"},
		{"too large", image.Pt(2560, 1440), func(*board) {}, "1920x1440"},
		{"cannot crop", image.Pt(322, 246), func(b *board) { b.tall, b.noCrop = true, true }, "larger frame"},
		{"takes no I420", vga, func(b *board) { b.input = fourCC("NV12") }, "no H.264 encoder"},
		{"no profile", vga, func(b *board) { b.without = map[uint32]bool{ctrlProfile: true} }, "profile"},
		{"no bitrate", vga, func(b *board) { b.without = map[uint32]bool{ctrlBitrate: true} }, "bitrate"},
		{"format fails", vga, func(b *board) { b.on, b.times, b.fault = setFormat, 1, unix.EBUSY }, "resource busy"},
		{"no memory", vga, func(b *board) { b.on, b.times, b.fault = reqBufs, 1, unix.ENOMEM }, "cannot allocate memory"},
		{"no buffer", vga, func(b *board) { b.on, b.times, b.fault = queryBuf, 1, unix.EINVAL }, "look at buffer 0"},
		{"buffer not taken", vga, func(b *board) { b.on, b.times, b.fault = queueBuf, 1, unix.EIO }, "give buffer 0"},
		{"does not start", vga, func(b *board) { b.on, b.times, b.fault = streamOn, 1, unix.EPIPE }, "start the queue"},
		{"control fails", vga, func(b *board) { b.on, b.times, b.fault = setControl, 2, unix.EIO }, "input/output error"},
		{"frame rate fails", vga, func(b *board) { b.rate = unix.EIO }, "frames a second"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBoard(t)
			tc.change(b)
			e, err := b.encoder(tc.size)
			if err == nil {
				_ = e.Close()
				t.Fatal("taken")
			}
			if !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "v4l2m2m: ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v\nwant %q in it", err, tc.says)
			}
			b.checkClosed()
		})
	}
}

// TestRestart: a device that hangs or fails is opened again once, and the frame is not lost.
func TestRestart(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(*board)
		ok    bool // after the restart
		says  string
	}{
		{"hangs once", func(b *board) { b.hang = 1 }, true, ""},
		{"hangs twice", func(b *board) { b.hang = 2 }, false, "gives nothing back within 300ms; opened again: the device gives nothing"},
		{"queue broken", func(b *board) { b.on, b.times, b.fault = dequeueBuf, 1, unix.EPIPE }, true, ""},
		{"queue broken for good", func(b *board) { b.on, b.times, b.fault = dequeueBuf, 9, unix.EPIPE }, false, "broken pipe"},
		{"frame not taken", func(b *board) { b.on, b.times, b.fault = queueBuf, 1, unix.EIO }, true, ""},
		{"unplugged", func(b *board) { b.on, b.times, b.fault = queueBuf, 99, unix.ENODEV }, false, "no such device"},
		{"damaged picture", func(b *board) { b.flags = bufFlagError }, true, ""},
		{"end of stream", func(b *board) { b.flags = bufFlagLast }, true, ""},
		{"nothing yet", func(b *board) { b.on, b.times, b.fault = dequeueBuf, 1, unix.EAGAIN }, true, "same"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBoard(t)
			e, err := b.encoder(vga)
			if err != nil {
				t.Fatal(err)
			}
			film(t, e, vga, 4)
			b.mu.Lock()
			tc.fault(b)
			b.mu.Unlock()
			f := encodertest.NewFrame(t, vga)
			encodertest.Paint(f, 9)
			au, err := e.Encode(f, false)
			if tc.ok != (err == nil) {
				t.Fatalf("then %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v\nwant %q in it", err, tc.says)
			}
			if err == nil && au.Key != (tc.says == "") { // a device that was opened again begins with a key picture
				t.Errorf("key %v", au.Key)
			}
			_, again := e.Encode(f, false)
			if (again == nil) != tc.ok || !tc.ok && again.Error() != err.Error() {
				t.Errorf("the next frame: %v", again)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
			if _, err := e.Encode(f, false); !errors.Is(err, ErrClosed) {
				t.Errorf("closed: %v", err)
			}
			b.checkClosed()
		})
	}
}

// TestRestartOnce: a device that fails again soon is given up; one that works for long may be restarted again.
func TestRestartOnce(t *testing.T) {
	b := newBoard(t)
	size := image.Pt(64, 48)
	e, err := b.encoder(size)
	if err != nil {
		t.Fatal(err)
	}
	f := encodertest.NewFrame(t, size)
	n := 0
	run := func(frames int) error {
		for range frames {
			encodertest.Paint(f, n)
			n++
			if _, err := e.Encode(f, false); err != nil {
				return err
			}
		}
		return nil
	}
	for i, frames := range []int{healthy + 1, healthy + 1} {
		b.mu.Lock()
		b.hang = 1
		b.mu.Unlock()
		if err := run(frames); err != nil {
			t.Fatalf("hang %d: %v", i, err)
		}
	}
	b.mu.Lock()
	b.hang = 1
	b.mu.Unlock()
	if err := run(2); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.hang = 1
	b.mu.Unlock()
	if err := run(1); err == nil || !errors.Is(err, errHangs) {
		t.Errorf("soon after a restart: %v", err)
	}
	if err := e.SetBitrate(500_000); err == nil || errors.Is(err, ErrClosed) {
		t.Errorf("bitrate of a failed encoder: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	b.checkClosed()
}

// TestTooLarge: a picture that fills its buffer may be cut off.
func TestTooLarge(t *testing.T) {
	b := newBoard(t)
	b.room = 4096
	e, err := b.encoder(vga)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	f := encodertest.NewFrame(t, vga)
	encodertest.Paint(f, 0)
	if _, err := e.Encode(f, false); err == nil || !strings.Contains(err.Error(), "does not fit into 4096 bytes") {
		t.Errorf("%v", err)
	}
}

const frozenLimit = 200 * time.Millisecond

// TestFrozen: a call that never returns holds up nobody; what it held is freed if it returns after all.
func TestFrozen(t *testing.T) {
	for _, tc := range []struct {
		name    string
		request uintptr
		opening bool
	}{
		{"while opening", setFormat, true},
		{"with a frame", queueBuf, false},
		{"at the picture", dequeueBuf, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBoard(t)
			freeze := make(chan struct{})
			set := func() {
				b.mu.Lock()
				b.on, b.times, b.freeze = tc.request, 2, freeze
				b.mu.Unlock()
			}
			if tc.opening {
				set()
				m := b.machine()
				m.callLimit = frozenLimit
				if _, err := newEncoder(m, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1e6}); !errors.Is(err, errStuck) {
					t.Errorf("opened: %v", err)
				}
			} else {
				e, err := b.encoder(vga)
				if err != nil {
					t.Fatal(err)
				}
				film(t, e, vga, 4)
				e.(*Encoder).machine.callLimit = frozenLimit
				set()
				f := encodertest.NewFrame(t, vga)
				encodertest.Paint(f, 9)
				if _, err := e.Encode(f, false); !errors.Is(err, errStuck) {
					t.Errorf("encoded: %v", err)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
			if stuck.Load() == 0 {
				t.Error("no call is counted as stuck")
			}
			close(freeze)
			for end := time.Now().Add(10 * time.Second); stuck.Load() != 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%d calls are still counted", stuck.Load())
				}
			}
			b.checkClosed()
		})
	}
}

// TestFrozenOften: a driver that swallows calls is left alone after a few.
func TestFrozenOften(t *testing.T) {
	b := newBoard(t)
	freeze := make(chan struct{})
	b.on, b.times, b.freeze = setFormat, 1000, freeze
	m := b.machine()
	m.callLimit = frozenLimit / 10
	for i := range 10 {
		_, err := newEncoder(m, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1e6})
		if err == nil || errors.Is(err, errStuck) != (i < maxStuck) {
			t.Errorf("encoder %d: %v", i, err)
		}
	}
	close(freeze)
	for end := time.Now().Add(10 * time.Second); stuck.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d calls are still counted", stuck.Load())
		}
	}
	if b.opened != maxStuck {
		t.Errorf("opened %d times", b.opened)
	}
	b.checkClosed()
}

// TestFind: the first node that encodes, and why there is none.
func TestFind(t *testing.T) {
	b := newBoard(t)
	m := b.machine()
	open := m.open
	m.nodes = func() []string { return []string{"/dev/video0", "/dev/video1", "/dev/video11"} }
	m.open = func(path string) (device, error) {
		switch path {
		case "/dev/video0":
			return nil, unix.EACCES
		case "/dev/video1":
			return nil, unix.ENODEV
		}
		return open(path)
	}
	dev, name, err := m.find()
	if err != nil || name != "bcm2835-codec-encode" {
		t.Fatalf("%q, %v", name, err)
	}
	_ = dev.close()
	m.nodes = func() []string { return []string{"/dev/video0", "/dev/video1"} }
	if _, _, err := m.find(); err == nil || !strings.Contains(err.Error(), "/dev/video0 may not be opened: is the user in the group video?") {
		t.Errorf("not allowed: %v", err)
	}
	m.nodes = func() []string { return nil }
	if _, _, err := m.find(); err == nil || !strings.Contains(err.Error(), "no H.264 encoder") {
		t.Errorf("nothing: %v", err)
	}
	b.checkClosed()
}

// TestNoDevice: the real calls, on what is no encoder.
func TestNoDevice(t *testing.T) {
	m := thisMachine
	m.nodes = func() []string { return []string{"/dev/null", "/dev/nothing-here"} }
	if _, err := newEncoder(m, stream.EncoderConfig{Size: vga, FPS: 30, Bitrate: 1e6}); err == nil || !strings.Contains(err.Error(), "no H.264 encoder") {
		t.Errorf("%v", err)
	}
}

func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		name    string
		size    image.Point
		fps     float64
		bitrate int
		want    int
	}{
		{"small", image.Pt(320, 240), 30, 500_000, 5},
		{"vga", vga, 30, 1_000_000, 8},
		{"hd", image.Pt(1280, 720), 30, 2_500_000, 9},
		{"full hd", image.Pt(1920, 1080), 30, 6_000_000, 11},
		{"full hd, fast", image.Pt(1920, 1080), 60, 6_000_000, 13},
		{"more than there is", image.Pt(3840, 2160), 60, 100_000_000, 15},
	} {
		if got := level(setup{size: tc.size, fps: tc.fps, bitrate: tc.bitrate}); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// FuzzAssemble: what a driver gives may be anything.
func FuzzAssemble(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x67, 66, 0, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 9}, []byte(nil))
	f.Add([]byte{0, 0, 1, 0x41, 9, 0, 0, 0}, []byte{0, 0, 0, 1, 0x67, 66})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 1, 0, 0, 1}, []byte{1})
	f.Fuzz(func(t *testing.T, data, headers []byte) {
		unit, newest := assemble(data, headers)
		again, _ := assemble(unit, newest)
		if isKey(unit) != isKey(data) && len(headers) == 0 {
			t.Errorf("key %v of %x became %v", isKey(data), data, isKey(unit))
		}
		if !isKey(unit) && string(again) != string(unit) {
			t.Errorf("%x became %x and then %x", data, unit, again)
		}
	})
}
