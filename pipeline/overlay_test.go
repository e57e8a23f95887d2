package pipeline

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"yfv2d/infer"
	"yfv2d/tracker"
	"yfv2d/yuv"
)

var update = flag.Bool("update", false, "write the golden pictures anew")

var testClasses = []string{"person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
	"traffic light", "fire hydrant", "stop sign", "cat", "dog", "Größe\n"}

func track(id, class int, score float32, x0, y0, x1, y1 float32, predicted bool) tracker.Track {
	return tracker.Track{ID: id, State: tracker.Confirmed, Predicted: predicted,
		Detection: infer.Detection{Box: infer.Box{X0: x0, Y0: y0, X1: x1, Y1: y1}, Class: class, Score: score}}
}

// scene is what the golden pictures show: boxes on dark and bright ground, at odd places, over every edge, held ones.
var scene = []tracker.Track{
	track(12, 0, 0.874, 31, 61, 151, 331, false),
	track(3, 2, 0.91, 181.4, 121.6, 330.2, 222.9, false),
	track(1234, 7, 0.555, 361, 83, 511, 203, true),
	track(5, 13, 1, 560, 3, 700, 120, false),      // no room above
	track(0, 12, 0.62, 531, 181, 601, 301, false), // no identity
	track(8, 1, 0.3, -50, 341, 60, 420, false),    // over the left edge and the bottom
	track(9, 5, 0.49, 221, 261, 241, 275, false),  // small
	track(10, 14, 0.7, 380, 250, 490, 340, true),  // a name with an umlaut and a line break
	track(11, 40, 0.8, 640, 310, 719, 399, false), // a class without a name, at the right edge
	track(13, 3, 0.8, 900, 10, 1000, 99, false),   // outside
	track(14, 3, 0.8, float32(math.NaN()), 10, 1000, 99, false),
}

// ground fills f with a ramp from black to white under faint stripes of colour.
func ground(t testing.TB, f *Frame, format Format, size image.Point) {
	t.Helper()
	bgr := make([]byte, size.X*size.Y*3)
	for y := range size.Y {
		for x := range size.X {
			v := x * 255 / size.X
			p := bgr[(y*size.X+x)*3:]
			p[0], p[1], p[2] = uint8(min(255, v+y/8%2*16)), uint8(v), uint8(min(255, v+x/16%2*16))
		}
	}
	if err := f.Prepare(format, size); err != nil {
		t.Fatal(err)
	}
	if format == BGR {
		copy(f.Pix(), bgr)
	} else if err := yuv.FromBGR(f.Pix(), bgr, size.X*3, size); err != nil {
		t.Fatal(err)
	}
}

// toI420 converts a BGR frame.
func toI420(t testing.TB, dst, src *Frame) {
	t.Helper()
	if err := yuv.FromBGR(dst.Pix(), src.Pix(), src.Size().X*3, src.Size()); err != nil {
		t.Fatal(err)
	}
}

// picture is f as Go's image package sees it.
func picture(t testing.TB, f *Frame) *image.RGBA {
	t.Helper()
	size, bgr := f.Size(), f.Pix()
	if f.Format == I420 {
		bgr = make([]byte, size.X*size.Y*3)
		if err := yuv.ToBGR(bgr, size.X*3, f.Pix(), size); err != nil {
			t.Fatal(err)
		}
	}
	img := image.NewRGBA(image.Rectangle{Max: size})
	for i := range size.X * size.Y {
		img.SetRGBA(i%size.X, i/size.X, color.RGBA{bgr[i*3+2], bgr[i*3+1], bgr[i*3], 255})
	}
	return img
}

func newFrame(t testing.TB) *Frame {
	f := NewFrame()
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func newOverlay(t testing.TB) *Overlay {
	t.Helper()
	o, err := NewOverlay(testClasses)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOverlayGolden(t *testing.T) {
	for _, format := range []Format{I420, BGR} {
		t.Run(format.String(), func(t *testing.T) {
			f := newFrame(t)
			ground(t, f, format, image.Pt(720, 400))
			if err := newOverlay(t).Draw(f, scene); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, picture(t, f), filepath.Join("testdata", "overlay-"+format.String()+".png"))
		})
	}
}

// compareGolden allows for libyuv's conversions, which differ by a few steps between versions and machines.
func compareGolden(t *testing.T, got *image.RGBA, path string) {
	t.Helper()
	if *update {
		var b bytes.Buffer
		if err := png.Encode(&b, got); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want, err := png.Decode(r)
	if err != nil {
		t.Fatal(err)
	}
	if want.Bounds() != got.Bounds() {
		t.Fatalf("picture is %v, want %v", got.Bounds(), want.Bounds())
	}
	far := 0
	for y := range got.Rect.Dy() {
		for x := range got.Rect.Dx() {
			w := color.RGBAModel.Convert(want.At(x, y)).(color.RGBA)
			g := got.RGBAAt(x, y)
			if max(diff(w.R, g.R), diff(w.G, g.G), diff(w.B, g.B)) > 8 {
				far++
			}
		}
	}
	if far > 0 {
		t.Errorf("%s: %d pixels differ by more than 8; look at the picture and run the test with -update if it is meant", path, far)
	}
}

func diff(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }
