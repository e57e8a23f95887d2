package capture

import (
	"context"
	"fmt"
	"image"
	"slices"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/pipeline"
	"yfv2d/yuv"
)

func TestStampReadsBack(t *testing.T) {
	for _, spec := range []string{"test:?size=32x32&frames=40", "test:?size=66x50&frames=40", "test:?size=640x480&frames=40",
		"test:?size=1280x720&frames=40", "test:?size=1000x300&fps=7.5&frames=40"} {
		t.Run(spec, func(t *testing.T) {
			next := uint32(0)
			n, err := readAll(t, spec, Options{Speed: Max}, func(f *pipeline.Frame) {
				counter, at, ok := ReadStamp(f)
				if !ok || counter != next || at.UnixMilli() != f.At.UnixMilli() {
					t.Errorf("stamp %d, %v, %v; want %d, %v", counter, at, ok, next, f.At)
				}
				next++
			})
			if err != nil || n != 40 {
				t.Fatalf("%d frames, %v", n, err)
			}
		})
	}
}

// testdata/stamp.mp4 is the pattern coded by x264 (ultrafast) at 1 Mbit/s.
func TestStampSurvivesCodingAndScaling(t *testing.T) {
	half := pipeline.NewFrame()
	defer half.Close()
	next := uint32(0)
	n, err := readAll(t, "testdata/stamp.mp4", Options{Speed: Max}, func(f *pipeline.Frame) {
		if counter, _, ok := ReadStamp(f); !ok || counter != next {
			t.Errorf("frame %d reads as %d, %v", next, counter, ok)
		}
		size := f.Size().Div(2)
		if err := half.Prepare(pipeline.I420, size); err != nil {
			t.Fatal(err)
		}
		if err := yuv.Scale(half.Pix(), size, f.Pix(), f.Size()); err != nil {
			t.Fatal(err)
		}
		if counter, _, ok := ReadStamp(half); !ok || counter != next {
			t.Errorf("half of frame %d reads as %d, %v", next, counter, ok)
		}
		next++
	})
	if err != nil || n != 20 {
		t.Fatalf("%d frames, %v", n, err)
	}
}

func TestStampOfOtherPictures(t *testing.T) {
	f := pipeline.NewFrame()
	defer f.Close()
	if _, _, ok := ReadStamp(f); ok {
		t.Error("an empty frame has a stamp")
	}
	for _, luma := range []byte{0, 16, 125, 126, 235, 255} {
		if err := f.Prepare(pipeline.I420, image.Pt(320, 240)); err != nil {
			t.Fatal(err)
		}
		fill(f.Pix(), luma)
		if c, at, ok := ReadStamp(f); ok {
			t.Errorf("a picture of luma %d reads as %d, %v", luma, c, at)
		}
	}
	if err := f.Prepare(pipeline.BGR, image.Pt(320, 240)); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := ReadStamp(f); ok {
		t.Error("a BGR frame has a stamp")
	}
}

func TestTestObjectsAreWhereTheySay(t *testing.T) {
	for _, size := range []image.Point{{X: 32, Y: 32}, {X: 640, Y: 480}, {X: 1280, Y: 720}, {X: 320, Y: 1024}} {
		for n := range maxObjects + 1 {
			p := newPattern(patternConfig{size: size, fps: 3, objects: n, frames: 30}, Max, newFakeClock())
			f := pipeline.NewFrame()
			for range 30 {
				if err := p.Read(context.Background(), f); err != nil {
					t.Fatal(err)
				}
				objects := TestObjects(size, n, time.UnixMilli(f.At.UnixMilli()))
				if len(objects) != n {
					t.Fatalf("%d objects, want %d", len(objects), n)
				}
				for i, d := range objects {
					checkObject(t, f, i, d)
				}
			}
			_ = f.Close()
		}
	}
}

func checkObject(t *testing.T, f *pipeline.Frame, i int, d infer.Detection) {
	t.Helper()
	s := f.Size()
	r := image.Rect(int(d.Box.X0), int(d.Box.Y0), int(d.Box.X1), int(d.Box.Y1))
	if r.Empty() || !r.In(image.Rect(0, stampHeight(s.Y), s.X, s.Y)) || d.Class != i {
		t.Fatalf("object %d at %v of %v", i, d, s)
	}
	y, u, v := f.Planes()
	for _, p := range []image.Point{r.Min, {X: r.Max.X - 1, Y: r.Max.Y - 1}} {
		c := [3]byte{y[p.Y*s.X+p.X], u[p.Y/2*s.X/2+p.X/2], v[p.Y/2*s.X/2+p.X/2]}
		if c != objectColours[i] {
			t.Fatalf("object %d of %v has colour %v at %v", i, d.Box, c, p)
		}
	}
}

// TestPatternGrain: grain is about the picture without, within its limits, and another in each frame; the stamp has none.
func TestPatternGrain(t *testing.T) {
	const size, grain = "test:?size=320x240&objects=0&frames=3", 8
	clock := newFakeClock()
	var plain [][]byte
	keep := func(f *pipeline.Frame) { plain = append(plain, slices.Clone(f.Pix())) }
	if _, err := readAll(t, size, Options{Speed: Max, Clock: clock}, keep); err != nil {
		t.Fatal(err)
	}
	var before []int
	n := 0
	_, err := readAll(t, fmt.Sprintf("%s&grain=%d", size, grain), Options{Speed: Max, Clock: clock}, func(f *pipeline.Frame) {
		if c, _, ok := ReadStamp(f); !ok || c != uint32(n) {
			t.Errorf("stamp %d, %v of frame %d", c, ok, n)
		}
		var off []int
		most, moved := 0, 0
		for i := 320 * stampHeight(240); i < 320*240; i++ {
			d := int(f.Pix()[i]) - int(plain[n][i])
			if off = append(off, d); before != nil && d != before[len(off)-1] {
				moved++
			}
			most = max(most, d, -d)
		}
		if most != grain || before != nil && moved < len(off)*9/10 {
			t.Errorf("frame %d: grain up to %d, %d of %d pixels have other grain than before", n, most, moved, len(off))
		}
		before = off
		n++
	})
	if err != nil || n != 3 {
		t.Errorf("%d frames, %v", n, err)
	}
}

// A reader that comes late misses frames, as with a camera, and sees a gap in the counter.
func TestPatternSkipsForALateReader(t *testing.T) {
	clock := newFakeClock()
	src, err := Open(context.Background(), "test:?size=64x48&fps=10", Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for _, r := range []struct {
		pause time.Duration
		want  uint32
	}{{0, 0}, {0, 1}, {50 * time.Millisecond, 2}, {450 * time.Millisecond, 6}, {0, 7}, {10 * time.Second, 107}} {
		clock.now = clock.now.Add(r.pause)
		if err := src.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		counter, _, ok := ReadStamp(f)
		if !ok || counter != r.want {
			t.Errorf("after %v: frame %d, %v, want %d", r.pause, counter, ok, r.want)
		}
		if lag := clock.now.Sub(f.At); lag < 0 || lag > 100*time.Millisecond {
			t.Errorf("frame %d lags by %v", counter, lag)
		}
	}
}

func BenchmarkPattern(b *testing.B) {
	for _, spec := range []string{"test:?size=640x480", "test:?size=1280x720"} {
		b.Run(spec, func(b *testing.B) {
			src, err := Open(context.Background(), spec, Options{Speed: Max})
			if err != nil {
				b.Fatal(err)
			}
			defer src.Close()
			benchmarkRead(b, src)
		})
	}
}

func BenchmarkVideo(b *testing.B) {
	for _, clip := range []string{"demo-640x480.mp4", "demo-1280x720.mp4"} {
		b.Run(clip, func(b *testing.B) {
			src, err := Open(context.Background(), "file:../testdata/videos/"+clip, Options{Speed: Max, Loop: true})
			if err != nil {
				b.Fatal(err)
			}
			defer src.Close()
			benchmarkRead(b, src)
		})
	}
}

func benchmarkRead(b *testing.B, src pipeline.Source) {
	f := pipeline.NewFrame()
	defer f.Close()
	for b.Loop() {
		if err := src.Read(context.Background(), f); err != nil {
			b.Fatal(err)
		}
	}
}
