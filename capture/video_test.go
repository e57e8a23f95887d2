package capture

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
)

// Whatever OpenCV makes of a picture size that changes within a file (4.6 throws at the first, and goes on in the first
// size in the others), the program goes on, with frames or with an error.
func TestVideoSizeChanges(t *testing.T) {
	for _, path := range []string{"testdata/sizes.h264", "testdata/grows.ts", "testdata/shrinks.ts"} {
		t.Run(path, func(t *testing.T) {
			n, err := readAll(t, path, Options{Speed: Max}, nil)
			if err != nil {
				t.Logf("refused: %v", err)
				return
			}
			if n == 0 {
				t.Error("no frame and no error")
			}
		})
	}
}

// readAll reads a source to its end and counts its frames.
func readAll(t *testing.T, spec string, opt Options, visit func(*pipeline.Frame)) (int, error) {
	t.Helper()
	src, err := Open(context.Background(), spec, opt)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for n := 0; ; n++ {
		if err := src.Read(context.Background(), f); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
		if visit != nil {
			visit(f)
		}
	}
}

// The clip has B-frames, so that decoding order and timestamps differ from showing order.
func TestVideoTimes(t *testing.T) {
	clock := newFakeClock()
	start := clock.now
	var times []time.Duration
	if _, err := readAll(t, "testdata/clip.mp4", Options{Speed: Max, Clock: clock}, func(f *pipeline.Frame) {
		times = append(times, f.At.Sub(start))
	}); err != nil {
		t.Fatal(err)
	}
	for i, at := range times {
		if want := time.Duration(i) * 40 * time.Millisecond; (at - want).Abs() > time.Millisecond {
			t.Errorf("frame %d at %v, want %v", i, at, want)
		}
	}
	if len(clock.waits) > 0 {
		t.Errorf("waited at full speed: %v", clock.waits)
	}
}

func TestVideoPaced(t *testing.T) {
	clock := newFakeClock()
	start := clock.now
	n, err := readAll(t, "testdata/clip.mp4", Options{Clock: clock}, func(f *pipeline.Frame) {
		if !f.At.Equal(clock.now) {
			t.Errorf("a frame of %v is given at %v", f.At.Sub(start), clock.now.Sub(start))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if passed := clock.now.Sub(start); n != 10 || (passed-360*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("%d frames in %v, want 10 in 360ms", n, passed)
	}
}

func TestVideoSaysOnce(t *testing.T) {
	var log bytes.Buffer
	if _, err := readAll(t, "testdata/odd.avi", Options{Speed: Max, Log: zerolog.New(&log)}, nil); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "65x49 cropped to 64x48"); n != 1 {
		t.Errorf("cropping is said %d times: %s", n, log.String())
	}
}

func TestVideoCutShortSaysSo(t *testing.T) {
	demo, err := os.ReadFile("../testdata/videos/demo-640x480.mp4")
	if err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, t.TempDir(), "half.mp4", demo[:len(demo)/2])
	var log bytes.Buffer
	n, err := readAll(t, path, Options{Speed: Max, Log: zerolog.New(&log)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 || n >= 300 || !strings.Contains(log.String(), "damaged or cut short") {
		t.Errorf("%d frames, said %q", n, log.String())
	}
}

// A demo clip comes back in its own length, and its loop has no seam.
func TestVideoLoopHasNoSeam(t *testing.T) {
	clock := newFakeClock()
	src, err := Open(context.Background(), "testdata/clip.mp4", Options{Loop: true, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	var last time.Time
	for n := range 35 {
		if err := src.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		if step := f.At.Sub(last); n > 0 && (step-40*time.Millisecond).Abs() > time.Millisecond {
			t.Errorf("step to frame %d is %v, want 40ms", n, step)
		}
		last = f.At
	}
	if got := src.(Namer).Name(); got != "testdata/clip.mp4" {
		t.Errorf("name %q", got)
	}
}

func TestMediaClock(t *testing.T) {
	const ms = time.Millisecond
	rows := []struct {
		name string
		fps  float64
		in   []float64 // ms
		want []time.Duration
	}{
		{"even", 25, []float64{0, 40, 80}, []time.Duration{0, 40 * ms, 80 * ms}},
		{"starts late", 25, []float64{5000, 5040}, []time.Duration{0, 40 * ms}},
		{"variable", 25, []float64{0, 10, 500}, []time.Duration{0, 10 * ms, 500 * ms}},
		{"all zero", 25, []float64{0, 0, 0}, []time.Duration{0, 40 * ms, 80 * ms}},
		{"backwards", 25, []float64{0, 40, 20, 60}, []time.Duration{0, 40 * ms, 80 * ms, 120 * ms}},
		{"not a number", 25, []float64{math.NaN(), math.NaN(), 40, 80}, []time.Duration{0, 40 * ms, 80 * ms, 120 * ms}},
		{"infinite", 25, []float64{0, math.Inf(1), math.Inf(1), 40}, []time.Duration{0, 40 * ms, 80 * ms, 120 * ms}},
		{"a leap", 25, []float64{0, 40, 3.6e6, 3.6e6 + 40}, []time.Duration{0, 40 * ms, 80 * ms, 120 * ms}},
		{"slow film", 0.1, []float64{0, 20000}, []time.Duration{0, 20 * time.Second}},
		{"no rate", 0, []float64{0, 0}, []time.Duration{0, time.Second / 30}},
		{"absurd rate", 90000, []float64{0, 0}, []time.Duration{0, time.Second / 30}},
		{"rate is no number", math.NaN(), []float64{0, 0}, []time.Duration{0, time.Second / 30}},
		{"too small a step", 25, []float64{0, 1e-9}, []time.Duration{0, 1}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			m := newMediaClock(r.fps)
			for i, ms := range r.in {
				if got := m.next(ms); (got - r.want[i]).Abs() > time.Microsecond {
					t.Errorf("frame %d (%v ms): %v, want %v", i, ms, got, r.want[i])
				}
			}
		})
	}
}

// A source that cannot be read in real time plays slowly instead of falling ever further behind.
func TestPacedDoesNotFallBehind(t *testing.T) {
	clock := newFakeClock()
	src := NewPaced(&slow{clock: clock, at: clock.now}, clock)
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for n := range 100 {
		if err := src.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		if lag := clock.now.Sub(f.At); lag > maxLag || lag < 0 {
			t.Fatalf("frame %d lags by %v", n, lag)
		}
	}
}

// slow takes 100 ms for frames that are 40 ms apart.
type slow struct {
	clock *fakeClock
	at    time.Time
}

func (s *slow) Read(_ context.Context, f *pipeline.Frame) error {
	s.clock.now = s.clock.now.Add(100 * time.Millisecond)
	s.at = s.at.Add(40 * time.Millisecond)
	f.At = s.at
	return nil
}

func (s *slow) Close() error { return nil }
