package encodertest

import (
	"bytes"
	"image"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

// times: a camera's clock may stand, jump or go back; the encoder goes on.
func (c Contract) times(t *testing.T) {
	e, d, f := c.open(t, vga, 1_000_000), c.decoder(t), NewFrame(t, vga)
	at := time.Unix(1000, 0)
	for n, step := range []time.Duration{0, 33, 33, 0, 0, -500, 33, 5000, 33, 3_600_000, 33, -3_600_000, 33, 1, 33, 33} {
		Paint(f, n)
		at = at.Add(step * time.Millisecond)
		f.At = at
		au := encode(t, e, f, n == 8)
		if !au.At.Equal(at) {
			t.Fatalf("frame %d at %v became %v", n, at, au.At)
		}
		if len(au.Data) == 0 {
			continue
		}
		if _, err := d.Decode(au.Data); err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
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

// resident is the process's memory in kB. What Go keeps of access units is not what is looked for.
func resident(t *testing.T) int {
	debug.FreeOSMemory()
	return status(t, "VmRSS")
}

func (c Contract) leavesNothing(t *testing.T) {
	runtime.LockOSThread() // the C allocator keeps an arena for each thread that ever allocated
	defer runtime.UnlockOSThread()
	f := NewFrame(t, image.Pt(320, 240))
	Paint(f, 0)
	round := func() {
		e, err := c.New(stream.EncoderConfig{Size: f.Size(), FPS: 30, Bitrate: 1e6})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			encode(t, e, f, true)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	settles(t, 3072, "100 encoders", func() { // one of this size holds about 1 MB; a thirtieth of each would show
		for range 100 {
			round()
		}
	})
}

// settles: doing something again and again grows the process by no more than so many kB. What grows at first only (caches,
// an arena of the C allocator for each thread) is no leak.
func settles(t *testing.T, limit int, what string, do func()) {
	t.Helper()
	const rounds = 6
	before := resident(t)
	for i := range rounds {
		do()
		after := resident(t)
		t.Logf("resident %d kB, then %d kB after %s", before, after, what)
		if i > 0 && after-before <= limit {
			return
		}
		before = after
	}
	t.Errorf("the process grows with all %s", what)
}

// flat: thousands of frames, key pictures and changes of bitrate do not grow the process.
func (c Contract) flat(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const frames = 2000
	e := c.open(t, image.Pt(160, 128), 300_000)
	scene := make([]*pipeline.Frame, 20)
	for n := range scene {
		scene[n] = NewFrame(t, image.Pt(160, 128))
		Paint(scene[n], n)
	}
	at := time.Unix(1000, 0)
	part := func() {
		for n := range frames {
			f := scene[n%len(scene)]
			at = at.Add(time.Second / 30)
			f.At = at
			encode(t, e, f, n%150 == 0)
			if n%50 == 0 {
				if err := e.SetBitrate(250_000 + n*50); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	settles(t, 1024, "2000 frames", part) // half a kilobyte of each would show
}

func (c Contract) noThread(t *testing.T) {
	f := NewFrame(t, hd)
	Paint(f, 0)
	before := status(t, "Threads")
	e := c.open(t, hd, 2e6)
	for range 5 {
		encode(t, e, f, true)
	}
	// The Go runtime may start one of its own (a cgo call that lasts).
	if after := status(t, "Threads"); after > before+1+c.Threads {
		t.Errorf("%d threads before the encoder, %d with it", before, after)
	}
}

// manyAtOnce: encoders of several cameras share nothing, and one may go from goroutine to goroutine.
func (c Contract) manyAtOnce(t *testing.T) {
	size := image.Pt(160, 128)
	frames := make([]*pipeline.Frame, 4)
	encoders := make([]stream.Encoder, len(frames))
	for i := range frames {
		frames[i], encoders[i] = NewFrame(t, size), c.open(t, size, 300_000)
	}
	first := make([][]byte, len(frames))
	for range 3 {
		var wg sync.WaitGroup
		for i := range frames {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for n := range 20 {
					Paint(frames[i], n)
					au, err := encoders[i].Encode(frames[i], n == 0)
					if err != nil {
						t.Error(err)
						return
					}
					if first[i] == nil {
						first[i] = au.Data
					}
				}
			}()
		}
		wg.Wait()
	}
	for i := range first {
		if !bytes.Equal(first[i], first[0]) || len(first[i]) == 0 {
			t.Errorf("encoder %d made %d bytes of a frame of which the first made %d", i, len(first[i]), len(first[0]))
		}
	}
}

// baseline: what every browser decodes.
func (c Contract) baseline(t *testing.T) {
	for _, tc := range []struct {
		name  string
		size  image.Point
		level byte // least that holds 30 frames/s, H.264 table A-1
	}{
		{"vga", vga, 30},
		{"hd", hd, 31},
		{"full hd", image.Pt(1920, 1080), 40},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := NewFrame(t, tc.size)
			Paint(f, 0)
			sps := bytes.Split(encode(t, c.open(t, tc.size, 1_000_000), f, true).Data, []byte{0, 0, 1})[1]
			if sps[1] != 66 || sps[2]&0x40 == 0 || sps[3] > tc.level {
				t.Errorf("profile %d, constraints %08b, level %d; want 66 with set 1 and a level up to %d", sps[1], sps[2], sps[3], tc.level)
			}
		})
	}
}
