package capture

import (
	"context"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"yfv2d/pipeline"
)

// encloses says whether a closed outline winds around a point, by the sum of the angles under which it sees the sides.
func encloses(m []Point, p Point) bool {
	sum := 0.0
	for i, a := range m {
		b := m[(i+1)%len(m)]
		ax, ay, bx, by := a.X-p.X, a.Y-p.Y, b.X-p.X, b.Y-p.Y
		sum += math.Atan2(ax*by-ay*bx, ax*bx+ay*by)
	}
	return math.Abs(sum) > math.Pi
}

// distance is that of a point from an outline.
func distance(m []Point, p Point) float64 {
	least := math.Inf(1)
	for i, a := range m {
		b := m[(i+1)%len(m)]
		dx, dy := b.X-a.X, b.Y-a.Y
		t := 0.0
		if l := dx*dx + dy*dy; l > 0 {
			t = min(max(((p.X-a.X)*dx+(p.Y-a.Y)*dy)/l, 0), 1)
		}
		least = min(least, math.Hypot(a.X+t*dx-p.X, a.Y+t*dy-p.Y))
	}
	return least
}

// inPixels are the masks in pixels of a picture.
func inPixels(masks [][]Point, size image.Point) [][]Point {
	out := make([][]Point, len(masks))
	for i, m := range masks {
		for _, p := range m {
			out[i] = append(out[i], Point{p.X * float64(size.X), p.Y * float64(size.Y)})
		}
	}
	return out
}

// probes are places inside a pixel, in steps of a pixel's side, up to its rim.
var probes = []float64{0.001, 0.2, 0.4, 0.5, 0.6, 0.8, 0.999}

// touched says by trial whether a polygon reaches into a pixel; sure is false where the trial does not decide.
func touched(masks [][]Point, x, y int) (yes, sure bool) {
	sure = true
	for _, m := range masks {
		near := math.Inf(1)
		for _, dy := range probes {
			for _, dx := range probes {
				p := Point{float64(x) + dx, float64(y) + dy}
				if encloses(m, p) {
					return true, true
				}
				near = min(near, distance(m, p))
			}
		}
		if near < 0.15 { // an outline may pass between the probes
			sure = false
		}
	}
	return false, sure
}

// checkCover compares what is black in f with a trial of each pixel, and chroma with its pixels.
func checkCover(t *testing.T, f *pipeline.Frame, masks [][]Point) {
	t.Helper()
	size := f.Size()
	pixels := inPixels(masks, size)
	black := blackOf(f)
	covered, unsure := 0, 0
	for y := range size.Y {
		for x := range size.X {
			got := black(x, y)
			want, sure := touched(pixels, x, y)
			if sure && got != want {
				t.Fatalf("pixel %d,%d of %v: covered is %v, want %v", x, y, size, got, want)
			}
			if got {
				covered++
			}
			if !sure {
				unsure++
			}
		}
	}
	if covered == 0 {
		t.Error("nothing is covered")
	}
	if unsure > size.X*size.Y/4 {
		t.Errorf("%d of %d pixels were not decided", unsure, size.X*size.Y)
	}
	if f.Format == pipeline.I420 {
		checkChroma(t, f, black)
	}
}

func blackOf(f *pipeline.Frame) func(x, y int) bool {
	w := f.Size().X
	if f.Format == pipeline.BGR {
		pix := f.Pix()
		return func(x, y int) bool { i := (y*w + x) * 3; return pix[i] == 0 && pix[i+1] == 0 && pix[i+2] == 0 }
	}
	luma, _, _ := f.Planes()
	return func(x, y int) bool { return luma[y*w+x] == maskLuma }
}

func checkChroma(t *testing.T, f *pipeline.Frame, black func(x, y int) bool) {
	t.Helper()
	w := f.Size().X
	_, u, v := f.Planes()
	for i := range u {
		x, y := i%(w/2)*2, i/(w/2)*2
		want := black(x, y) || black(x+1, y) || black(x, y+1) || black(x+1, y+1)
		if got := u[i] == maskChroma && v[i] == maskChroma; got != want {
			t.Fatalf("chroma of %d,%d: covered is %v, want %v", x, y, got, want)
		}
	}
}

// A rectangle between pixels covers these and no more, whatever fractions say its corners.
func TestMaskOnPixelEdges(t *testing.T) {
	for _, c := range []struct {
		name string
		size image.Point
		r    image.Rectangle
	}{
		{"half", image.Pt(64, 48), image.Rect(32, 0, 64, 48)},
		{"all", image.Pt(64, 48), image.Rect(0, 0, 64, 48)},
		{"tenth", image.Pt(640, 480), image.Rect(64, 48, 128, 96)},
		{"odd", image.Pt(62, 34), image.Rect(7, 3, 11, 20)},
		{"one pixel", image.Pt(62, 34), image.Rect(61, 33, 62, 34)},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := func(x, y int) Point { return Point{float64(x) / float64(c.size.X), float64(y) / float64(c.size.Y)} }
			m := []Point{at(c.r.Min.X, c.r.Min.Y), at(c.r.Max.X, c.r.Min.Y), at(c.r.Max.X, c.r.Max.Y), at(c.r.Min.X, c.r.Max.Y)}
			f := readView(t, &scripted{sizes: []image.Point{c.size}}, View{Masks: [][]Point{m}})
			black := blackOf(f)
			for y := range c.size.Y {
				for x := range c.size.X {
					if black(x, y) != image.Pt(x, y).In(c.r) {
						t.Fatalf("pixel %d,%d: covered is %v", x, y, black(x, y))
					}
				}
			}
			checkChroma(t, f, black)
		})
	}
}

func TestMasksByTrial(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	at := func() Point { return Point{r.Float64(), r.Float64()} }
	ring := func(n int, radius float64) (m []Point) {
		for i := range n {
			a := 2 * math.Pi * float64(i*2%n) / float64(n) // every other corner: a star where n is odd
			m = append(m, Point{0.5 + radius*math.Cos(a), 0.5 + radius*math.Sin(a)})
		}
		return m
	}
	shapes := []struct {
		name  string
		masks [][]Point
	}{
		{"triangle", [][]Point{triangle}},
		{"star, its middle too", [][]Point{ring(5, 0.45)}},
		{"bow tie", [][]Point{{{0.1, 0.1}, {0.9, 0.9}, {0.9, 0.1}, {0.1, 0.9}}}},
		{"hook", [][]Point{{{0.1, 0.1}, {0.9, 0.1}, {0.9, 0.9}, {0.6, 0.9}, {0.6, 0.35}, {0.1, 0.35}}}},
		{"two that overlap, in opposite directions", [][]Point{
			{{0.1, 0.1}, {0.6, 0.1}, {0.6, 0.6}, {0.1, 0.6}}, {{0.4, 0.4}, {0.4, 0.9}, {0.9, 0.9}, {0.9, 0.4}}}},
		{"corner twice", [][]Point{{{0.1, 0.1}, {0.1, 0.1}, {0.9, 0.3}, {0.4, 0.9}}}},
		{"beyond no edge", [][]Point{{{0, 0}, {1, 0.03}, {0.97, 1}, {0.02, 0.6}}}},
	}
	for i := range 12 {
		m := []Point{at(), at(), at()}
		for range r.IntN(5) {
			m = append(m, at())
		}
		shapes = append(shapes, struct {
			name  string
			masks [][]Point
		}{fmt.Sprintf("random %d", i), [][]Point{m}})
	}
	for _, s := range shapes {
		for _, format := range []pipeline.Format{pipeline.I420, pipeline.BGR} {
			t.Run(fmt.Sprintf("%s %v", s.name, format), func(t *testing.T) {
				checkCover(t, readView(t, &scripted{format: format, sizes: []image.Point{{48, 36}}}, View{Masks: s.masks}), s.masks)
			})
		}
	}
}

// A line between the places that a trial looks at is covered too: every pixel on its way.
func TestThinMask(t *testing.T) {
	m := []Point{{0.05, 0.1}, {0.95, 0.83}, {0.95, 0.8301}}
	size := image.Pt(64, 48)
	black := blackOf(readView(t, &scripted{sizes: []image.Point{size}}, View{Masks: [][]Point{m}}))
	for i := range 10000 {
		k := float64(i) / 9999
		x, y := (m[0].X+k*(m[1].X-m[0].X))*float64(size.X), (m[0].Y+k*(m[1].Y-m[0].Y))*float64(size.Y)
		if !black(int(x), int(y)) {
			t.Fatalf("pixel %d,%d on the line is not covered", int(x), int(y))
		}
	}
}

// Masks lie in the picture as it is shown: the same polygon covers the same part of it however the camera hangs.
func TestMasksFollowTheView(t *testing.T) {
	for i := range 16 {
		v := View{Rotate: i / 4 * 90, FlipX: i%2 == 1, FlipY: i%4 >= 2, Crop: [4]float64{0.2, 0, 0.8, 0.9}, Masks: [][]Point{triangle}}
		checkCover(t, readView(t, &scripted{sizes: []image.Point{{60, 48}}}, v), v.Masks)
	}
}

var benchViews = []struct {
	name string
	view View
}{
	{"masks", View{Masks: [][]Point{triangle}}},
	{"crop", View{Crop: [4]float64{0.1, 0.1, 0.8, 0.8}}},
	{"half turn", View{Rotate: 180}},
	{"quarter turn and masks", View{Rotate: 90, Masks: [][]Point{triangle}}},
}

// still gives the same picture again and again at no cost.
type still struct{ blackout }

func (*still) Read(_ context.Context, f *pipeline.Frame) error {
	return f.Prepare(pipeline.I420, image.Pt(1280, 720))
}

func TestViewAllocatesNothing(t *testing.T) {
	for _, c := range benchViews {
		s, f := NewView(&still{}, c.view), pipeline.NewFrame()
		ctx := context.Background()
		if n := testing.AllocsPerRun(20, func() { _ = s.Read(ctx, f) }); n > 0 {
			t.Errorf("%s: %v allocations a frame", c.name, n)
		}
		_, _ = s.Close(), f.Close()
	}
}

func BenchmarkView(b *testing.B) {
	for _, c := range benchViews {
		b.Run(c.name, func(b *testing.B) {
			s, f := NewView(&still{}, c.view), pipeline.NewFrame()
			b.ReportAllocs()
			for range b.N {
				if err := s.Read(context.Background(), f); err != nil {
					b.Fatal(err)
				}
			}
			_, _ = s.Close(), f.Close()
		})
	}
}

// FuzzView takes any turn, crop and polygon: what Check takes can be shown, and covers only pixels of the picture, in order.
func FuzzView(f *testing.F) {
	f.Add(90, true, 0.1, 0.2, 0.5, 0.6, []byte{10, 10, 200, 30, 90, 250})
	f.Add(0, false, 0.0, 0.0, 0.0, 0.0, []byte{0, 0, 255, 0, 255, 255, 0, 255})
	f.Add(45, false, -1.0, math.Inf(1), math.NaN(), 0.0, []byte{1})
	f.Fuzz(func(t *testing.T, rotate int, flip bool, x, y, w, h float64, corners []byte) {
		var m []Point
		for i := 0; i+1 < len(corners); i += 2 {
			m = append(m, Point{float64(corners[i]) / 255, float64(corners[i+1]) / 255})
		}
		v := View{Rotate: rotate, FlipX: flip, FlipY: !flip, Crop: [4]float64{x, y, w, h}, Masks: [][]Point{m, {{x, y}, {w, h}, {y, x}}}}
		if v.Check() != nil {
			return
		}
		size := image.Pt(70, 52)
		for _, format := range []pipeline.Format{pipeline.I420, pipeline.BGR} {
			s, fr := NewView(&scripted{format: format, sizes: []image.Point{size}}, v), pipeline.NewFrame()
			err := s.Read(context.Background(), fr)
			if part, partErr := v.part(format, size); (err != nil) != (partErr != nil) {
				t.Errorf("part %v, %v; Read says %v", part, partErr, err)
			}
			last := span{y: -1}
			for _, c := range s.(*viewed).cover.rows {
				if c.x0 < 0 || c.x0 >= c.x1 || c.x1 > fr.Size().X || c.y >= fr.Size().Y || c.y < last.y || c.y == last.y && c.x0 <= last.x1 {
					t.Fatalf("span %+v after %+v in a picture of %v", c, last, fr.Size())
				}
				last = c
			}
			_, _ = s.Close(), fr.Close()
		}
	})
}
