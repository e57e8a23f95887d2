package pipeline

import (
	"errors"
	"image"
	"strings"
	"testing"

	"yfv2d/infer"
)

func newBoxer(t testing.TB, input image.Point, r infer.Resize) *Letterboxer {
	t.Helper()
	l, err := NewLetterboxer(input, r)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newCanvas(t testing.TB) *Canvas {
	c := NewCanvas()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Both ways to the canvas, from the planes and from BGR, give nearly the same picture, padded where the letterbox says.
func TestLetterboxFormatsAgree(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   image.Point
		input  image.Point
		resize infer.Resize
	}{
		{"640x480 auto", image.Pt(640, 480), image.Point{}, infer.ResizeLetterbox},
		{"1280x720 auto", image.Pt(1280, 720), image.Point{}, infer.ResizeLetterbox},
		{"wide to square", image.Pt(640, 360), image.Pt(352, 352), infer.ResizeLetterbox},
		{"tall to square", image.Pt(360, 640), image.Pt(352, 352), infer.ResizeLetterbox},
		{"stretch", image.Pt(640, 480), image.Pt(352, 352), infer.ResizeStretch},
		{"same size", image.Pt(416, 320), image.Pt(416, 320), infer.ResizeLetterbox},
		{"enlarged", image.Pt(100, 80), image.Pt(352, 352), infer.ResizeLetterbox},
		{"flat strip", image.Pt(1600, 128), image.Pt(352, 352), infer.ResizeLetterbox},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, planes, pixels, f := newBoxer(t, c.input, c.resize), newCanvas(t), newCanvas(t), newFrame(t)
			smooth(t, f, I420, c.size)
			f.Seq, f.At = 7, epoch
			if err := l.Make(planes, f); err != nil {
				t.Fatal(err)
			}
			smooth(t, f, BGR, c.size)
			if err := l.Make(pixels, f); err != nil {
				t.Fatal(err)
			}
			if planes.Seq != 7 || planes.At != epoch || planes.Letterbox.In != c.size {
				t.Errorf("canvas says frame %d, %v, %+v", planes.Seq, planes.At, planes.Letterbox)
			}
			if want := infer.NewFit(c.resize, c.size, infer.InputFor(c.input, c.size)); planes.Letterbox != want {
				t.Errorf("letterbox %+v, want %+v", planes.Letterbox, want)
			}
			if want := infer.NewStillFit(c.resize, c.size, infer.InputFor(c.input, c.size)); pixels.Letterbox != want {
				t.Errorf("letterbox of a still %+v, want %+v", pixels.Letterbox, want)
			}
			compareCanvases(t, planes, pixels)
		})
	}
}

// smooth fills f with slow ramps, which both interpolations render alike.
func smooth(t testing.TB, f *Frame, format Format, size image.Point) {
	t.Helper()
	ground(t, f, format, size)
	bgr := f
	if format == I420 {
		bgr = newFrame(t)
		if err := bgr.Prepare(BGR, size); err != nil {
			t.Fatal(err)
		}
	}
	for y := range size.Y {
		for x := range size.X {
			p := bgr.Pix()[(y*size.X+x)*3:]
			p[0], p[1], p[2] = uint8(40+x*100/size.X), uint8(80+y*100/size.Y), uint8(60+(size.X-x)*80/size.X)
		}
	}
	if format == I420 {
		toI420(t, f, bgr)
	}
}

func compareCanvases(t *testing.T, a, b *Canvas) {
	t.Helper()
	if len(a.Pix) != a.Size.X*a.Size.Y*3 || len(a.Pix) != len(b.Pix) {
		t.Fatalf("canvases of %d and %d bytes for %v", len(a.Pix), len(b.Pix), a.Size)
	}
	sum, worst, inside := 0, 0, 0
	for i := range a.Pix {
		p := image.Pt(i/3%a.Size.X, i/3/a.Size.X)
		inA, inB := p.In(a.Letterbox.Content), p.In(b.Letterbox.Content)
		if !inA && a.Pix[i] != infer.PadValue || !inB && b.Pix[i] != infer.PadValue {
			t.Fatalf("padding at %v is %d and %d", p, a.Pix[i], b.Pix[i])
		}
		if !inA || !inB { // layouts of stills need not be even, and so may differ by a pixel
			continue
		}
		d := diff(a.Pix[i], b.Pix[i])
		sum, worst, inside = sum+d, max(worst, d), inside+1
	}
	if mean := float64(sum) / float64(inside); mean > 1.5 || worst > 12 {
		t.Errorf("planes and BGR differ by %.2f in the mean and %d at worst", mean, worst)
	}
}

// A canvas that held another layout is padded anew, and keeps its memory while its own size stays.
func TestCanvasIsUsedAgain(t *testing.T) {
	l, c, f := newBoxer(t, image.Pt(352, 352), infer.ResizeLetterbox), newCanvas(t), newFrame(t)
	fresh := newCanvas(t)
	for _, size := range []image.Point{{640, 360}, {360, 640}, {352, 352}, {640, 360}} {
		smooth(t, f, I420, size)
		if err := l.Make(c, f); err != nil {
			t.Fatal(err)
		}
		first := &c.Pix[0]
		if err := l.Make(c, f); err != nil || &c.Pix[0] != first {
			t.Errorf("%v: made again: %v, memory moved: %v", size, err, &c.Pix[0] != first)
		}
		if err := l.Make(fresh, f); err != nil {
			t.Fatal(err)
		}
		compareCanvases(t, c, fresh)
		_ = fresh.Close()
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestLetterboxerRefuses(t *testing.T) {
	if _, err := NewLetterboxer(image.Pt(352, 0), infer.ResizeLetterbox); err == nil {
		t.Error("an input of no height was taken")
	}
	err := newBoxer(t, image.Point{}, infer.ResizeLetterbox).Make(newCanvas(t), newFrame(t))
	if err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty frame: %v", err)
	}
}

func TestLetterboxAllocatesNothing(t *testing.T) {
	l, c, f := newBoxer(t, image.Point{}, infer.ResizeLetterbox), newCanvas(t), newFrame(t)
	ground(t, f, I420, image.Pt(640, 480))
	if n := testing.AllocsPerRun(10, func() { _ = l.Make(c, f) }); n > 0 {
		t.Errorf("%.0f allocations a canvas", n)
	}
}

func BenchmarkLetterbox(b *testing.B) {
	for _, c := range []struct {
		name   string
		format Format
		size   image.Point
	}{
		{"I420-640x480-416x320", I420, image.Pt(640, 480)},
		{"I420-1280x720-480x256", I420, image.Pt(1280, 720)},
		{"I420-1920x1080-480x256", I420, image.Pt(1920, 1080)},
		{"BGR-640x480-416x320", BGR, image.Pt(640, 480)},
	} {
		b.Run(c.name, func(b *testing.B) {
			l, cv, f := newBoxer(b, image.Point{}, infer.ResizeLetterbox), newCanvas(b), newFrame(b)
			ground(b, f, c.format, c.size)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Make(cv, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
