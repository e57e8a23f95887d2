package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/capturetest"
	"yfv2d/pipeline"
)

// scripted is a source of noise in the sizes that it is told, over and over, with a pulse, units and a name.
type scripted struct {
	format pipeline.Format
	sizes  []image.Point
	n      int
	closed int
	err    error
}

func (s *scripted) Read(_ context.Context, f *pipeline.Frame) error {
	if s.err != nil {
		return s.err
	}
	if err := f.Prepare(s.format, s.sizes[s.n%len(s.sizes)]); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(uint64(s.n), 5))
	pix := f.Pix()
	for i := range pix {
		pix[i] = byte(20 + r.Uint32N(80)) // never what a mask paints
	}
	s.n++
	f.At = time.Unix(int64(s.n), 0)
	return nil
}

func (s *scripted) Name() string                    { return "clip" }
func (s *scripted) Pulse() pipeline.Pulse           { return pipeline.Pulse{Interval: time.Second} }
func (s *scripted) UnitCounts() pipeline.UnitCounts { return pipeline.UnitCounts{Units: 7} }
func (s *scripted) Close() error                    { s.closed++; return nil }

func readView(t *testing.T, src pipeline.Source, v View) *pipeline.Frame {
	t.Helper()
	s, f := NewView(src, v), pipeline.NewFrame()
	t.Cleanup(func() { _, _ = s.Close(), f.Close() })
	if err := s.Read(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	return f
}

// picture is a plain picture: the samples of each plane by place, and each plane's size.
type picture struct {
	size   image.Point
	planes []plane
}

type plane struct {
	size image.Point
	at   map[image.Point]string
}

func read(f *pipeline.Frame) picture {
	p := picture{size: f.Size()}
	add := func(pix []byte, size image.Point, step int) {
		pl := plane{size, map[image.Point]string{}}
		for i := 0; i+step <= len(pix); i += step {
			pl.at[image.Pt(i/step%size.X, i/step/size.X)] = string(pix[i : i+step])
		}
		p.planes = append(p.planes, pl)
	}
	if f.Format == pipeline.BGR {
		add(f.Pix(), p.size, 3)
		return p
	}
	y, u, v := f.Planes()
	add(y, p.size, 1)
	add(u, p.size.Div(2), 1)
	add(v, p.size.Div(2), 1)
	return p
}

// mapped moves every sample to where to says, in planes of that size.
func (p plane) mapped(size image.Point, to func(image.Point) image.Point) plane {
	out := plane{size, map[image.Point]string{}}
	for at, s := range p.at {
		if q := to(at); q.In(image.Rectangle{Max: size}) {
			out.at[q] = s
		}
	}
	return out
}

func (p plane) quarter() plane {
	return p.mapped(image.Pt(p.size.Y, p.size.X), func(q image.Point) image.Point { return image.Pt(p.size.Y-1-q.Y, q.X) })
}

func (p plane) flipX() plane {
	return p.mapped(p.size, func(q image.Point) image.Point { return image.Pt(p.size.X-1-q.X, q.Y) })
}

func (p plane) flipY() plane {
	return p.mapped(p.size, func(q image.Point) image.Point { return image.Pt(q.X, p.size.Y-1-q.Y) })
}

func (p plane) crop(r image.Rectangle) plane {
	return p.mapped(r.Size(), func(q image.Point) image.Point { return q.Sub(r.Min) })
}

func (p plane) equal(o plane) bool {
	if p.size != o.size || len(p.at) != len(o.at) {
		return false
	}
	for at, s := range p.at {
		if o.at[at] != s {
			return false
		}
	}
	return true
}

// Every turn, flip and crop gives what the same steps give one after the other on single samples.
func TestViewAgainstPlainSteps(t *testing.T) {
	for _, format := range []pipeline.Format{pipeline.I420, pipeline.BGR} {
		for _, c := range []struct {
			name string
			size image.Point
			crop [4]float64
			part image.Rectangle // that crop should give of an I420 picture
			bgr  image.Rectangle
		}{
			{"all", image.Pt(38, 22), [4]float64{}, image.Rect(0, 0, 38, 22), image.Rect(0, 0, 38, 22)},
			{"all, said", image.Pt(38, 22), wholePicture, image.Rect(0, 0, 38, 22), image.Rect(0, 0, 38, 22)},
			{"odd crop", image.Pt(62, 58), [4]float64{0.11, 0.23, 0.61, 0.51}, image.Rect(6, 14, 44, 42), image.Rect(7, 13, 45, 43)},
			{"lower right", image.Pt(62, 58), [4]float64{0.7, 0.7, 0.3, 0.3}, image.Rect(44, 40, 62, 58), image.Rect(43, 41, 62, 58)},
			{"thirds", image.Pt(60, 60), [4]float64{1. / 3, 1. / 3, 1. / 3, 2. / 3}, image.Rect(20, 20, 40, 60), image.Rect(20, 20, 40, 60)},
		} {
			if format == pipeline.BGR {
				c.part = c.bgr
			}
			plain := read(readView(t, &scripted{format: format, sizes: []image.Point{c.size}}, View{}))
			for i := range 16 {
				v := View{Rotate: i / 4 * 90, FlipX: i%2 == 1, FlipY: i%4 >= 2, Crop: c.crop}
				t.Run(fmt.Sprintf("%v %s %d %v %v", format, c.name, v.Rotate, v.FlipX, v.FlipY), func(t *testing.T) {
					got := read(readView(t, &scripted{format: format, sizes: []image.Point{c.size}}, v))
					for n, p := range plain.planes {
						part := c.part
						if n > 0 {
							part = image.Rect(part.Min.X/2, part.Min.Y/2, part.Max.X/2, part.Max.Y/2)
						}
						p = p.crop(part)
						for range v.Rotate / 90 {
							p = p.quarter()
						}
						if v.FlipX {
							p = p.flipX()
						}
						if v.FlipY {
							p = p.flipY()
						}
						if !p.equal(got.planes[n]) {
							t.Errorf("plane %d differs; size %v, want %v", n, got.planes[n].size, p.size)
						}
					}
				})
			}
		}
	}
}

func TestFourQuarterViewsAreNone(t *testing.T) {
	for _, format := range []pipeline.Format{pipeline.I420, pipeline.BGR} {
		for _, v := range []View{{Rotate: 90}, {Rotate: 270}, {Rotate: 180}, {FlipX: true}, {FlipY: true}, {Rotate: 90, FlipX: true}} {
			script := func() *scripted { return &scripted{format: format, sizes: []image.Point{{34, 18}}} }
			want := bytes.Clone(readView(t, script(), View{}).Pix())
			src := pipeline.Source(script())
			for range 4 {
				src = NewView(src, v)
			}
			if got := readView(t, src, View{}); got.Size() != image.Pt(34, 18) || !bytes.Equal(got.Pix(), want) {
				t.Errorf("%v: four times %+v changes the picture", format, v)
			}
		}
	}
}

// The time is the source's, sizes may change, and the frame that is lent may hold anything.
func TestViewFollowsTheSource(t *testing.T) {
	src := &scripted{sizes: []image.Point{{64, 48}, {64, 48}, {96, 32}}}
	s, f := NewView(src, View{Rotate: 90, Masks: [][]Point{triangle}}), pipeline.NewFrame()
	defer f.Close()
	for i := range 9 {
		if err := s.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
		from := src.sizes[i%3]
		if f.Size() != image.Pt(from.Y, from.X) || !f.At.Equal(time.Unix(int64(i+1), 0)) {
			t.Fatalf("frame %d: %v of %v", i, f.Size(), f.At)
		}
		checkCover(t, f, [][]Point{triangle})
	}
	if nameOf(s) != "clip" || s.(pipeline.Pulser).Pulse().Interval != time.Second || s.(pipeline.UnitCounter).UnitCounts().Units != 7 {
		t.Error("name, pulse or counts are not passed on")
	}
	src.err = io.EOF
	if err := s.Read(context.Background(), f); err != io.EOF {
		t.Errorf("end of the source: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := s.Read(context.Background(), f); !errors.Is(err, pipeline.ErrClosed) || src.closed != 1 {
		t.Errorf("after Close: %v, source closed %d times", err, src.closed)
	}
}

func TestViewOfASourceWithoutMore(t *testing.T) {
	s := NewView(&blackout{}, View{FlipX: true})
	defer s.Close()
	if nameOf(s) != "" || s.(pipeline.Pulser).Pulse() != (pipeline.Pulse{}) ||
		s.(pipeline.UnitCounter).UnitCounts() != (pipeline.UnitCounts{}) {
		t.Error("it tells what the source does not know")
	}
}

// blackout is a source that is nothing more.
type blackout struct{}

func (*blackout) Read(context.Context, *pipeline.Frame) error { return io.EOF }
func (*blackout) Close() error                                { return nil }

func TestZeroView(t *testing.T) {
	src := &scripted{}
	for _, v := range []View{{}, {Crop: wholePicture}, {Masks: [][]Point{}}} {
		if !v.Zero() || NewView(src, v) != pipeline.Source(src) {
			t.Errorf("%+v is not zero", v)
		}
	}
	for _, v := range []View{{Rotate: 90}, {FlipX: true}, {FlipY: true}, {Crop: [4]float64{0, 0, 1, 0.5}}, {Masks: [][]Point{triangle}}} {
		if v.Zero() || NewView(src, v) == pipeline.Source(src) {
			t.Errorf("%+v is zero", v)
		}
		if err := v.Check(); err != nil {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

var triangle = []Point{{0.2, 0.1}, {0.9, 0.4}, {0.3, 0.8}}

func TestViewCheck(t *testing.T) {
	nan := math.NaN()
	corners := make([]Point, maxCorners+1)
	for _, c := range []struct {
		name string
		view View
		want string
	}{
		{"turn by half a quarter", View{Rotate: 45}, "rotate 45: must be 0, 90, 180 or 270"},
		{"turn back", View{Rotate: -90}, "rotate -90"},
		{"turn in full", View{Rotate: 360}, "rotate 360"},
		{"crop in pixels", View{Crop: [4]float64{0, 0, 320, 240}}, "from 0 to 1"},
		{"crop before the picture", View{Crop: [4]float64{-0.1, 0, 1, 1}}, "from 0 to 1"},
		{"crop of nothing", View{Crop: [4]float64{0.5, 0.5, 0, 0.5}}, "at least 0.01"},
		{"crop beyond the right", View{Crop: [4]float64{0.6, 0, 0.5, 1}}, "reaches out"},
		{"crop beyond the bottom", View{Crop: [4]float64{0, 0.6, 1, 0.5}}, "reaches out"},
		{"crop of no number", View{Crop: [4]float64{0, 0, nan, 1}}, "from 0 to 1"},
		{"line as a mask", View{Masks: [][]Point{triangle, {{0, 0}, {1, 1}}}}, "mask 2: it has 2 corners"},
		{"empty mask", View{Masks: [][]Point{{}}}, "mask 1: it has 0 corners"},
		{"mask in pixels", View{Masks: [][]Point{{{0, 0}, {0, 1}, {320, 240}}}}, "mask 1: corner 3 is (320, 240)"},
		{"mask of no number", View{Masks: [][]Point{{{0, 0}, {0, nan}, {1, 1}}}}, "corner 2"},
		{"too many corners", View{Masks: [][]Point{corners}}, "257 corners"},
		{"too many masks", View{Masks: make([][]Point, maxMasks+1)}, "65 masks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.view.Check()
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			s := NewView(&scripted{}, c.view)
			defer s.Close()
			if e := s.Read(context.Background(), nil); e == nil || e.Error() != err.Error() {
				t.Errorf("Read says %v", e)
			}
		})
	}
	if err := (View{Crop: [4]float64{0.7, 0.9, 0.3, 0.1}}).Check(); err != nil {
		t.Errorf("0.7+0.3 is refused: %v", err)
	}
}

func TestCropThatLeavesTooLittle(t *testing.T) {
	s, f := NewView(&scripted{sizes: []image.Point{{640, 480}}}, View{Crop: [4]float64{0.5, 0.5, 0.02, 0.5}}), pipeline.NewFrame()
	defer s.Close()
	defer f.Close()
	err := s.Read(context.Background(), f)
	if err == nil || !strings.Contains(err.Error(), "leaves 12x240 of the camera's 640x480 pixels: at least 16x16") {
		t.Error(err)
	}
}

func TestViewContract(t *testing.T) {
	odd := View{Rotate: 90, FlipX: true, Crop: [4]float64{0.1, 0, 0.53, 1}, Masks: [][]Point{triangle}}
	masked := View{Masks: [][]Point{triangle}}
	view := func(spec string, opt Options, v View) func(testing.TB) pipeline.Source {
		open := mustOpen(spec, opt)
		return func(t testing.TB) pipeline.Source { return NewView(open(t), v) }
	}
	dir, once := folder(t), Options{Speed: Max}
	for _, r := range []struct {
		name string
		c    capturetest.Contract
	}{
		{"video", capturetest.Contract{Open: view("file:testdata/clip.mp4", once, odd), Frames: 10}},
		{"video, only masks", capturetest.Contract{Open: view("file:testdata/clip.mp4", once, masked), Frames: 10}},
		{"pattern in real time", capturetest.Contract{Open: view("test:?size=64x48&fps=100", Options{}, odd)}},
		{"pictures", capturetest.Contract{Open: view("file:"+dir, once, View{Rotate: 270, Masks: masked.Masks}), Frames: 3,
			Format: pipeline.BGR, Sizes: []image.Point{{X: 10, Y: 20}, {X: 20, Y: 30}}}},
		{"beneath reopening", capturetest.Contract{Frames: 10, Open: func(t testing.TB) pipeline.Source {
			return NewReopening(func(context.Context) (pipeline.Source, error) {
				return view("file:testdata/clip.mp4", once, odd)(t), nil
			}, ReopeningOptions{})
		}}},
	} {
		t.Run(r.name, func(t *testing.T) { capturetest.Run(t, r.c) })
	}
}
