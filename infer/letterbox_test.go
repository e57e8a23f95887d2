package infer

import (
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func randomSize(r *rand.Rand, limit int) image.Point {
	return image.Pt(1+r.IntN(limit), 1+r.IntN(limit))
}

func randomInput(r *rand.Rand) image.Point {
	return image.Pt(InputStep*(1+r.IntN(20)), InputStep*(1+r.IntN(20)))
}

func TestLetterboxProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		in, out := randomSize(r, 4000), randomInput(r)
		l := NewLetterbox(in, out)
		c := l.Content
		checkContent(t, l)
		checkContent(t, NewStillLetterbox(in, out))
		for _, v := range [...]int{c.Min.X, c.Min.Y, c.Dx(), c.Dy()} {
			if v%2 != 0 {
				t.Fatalf("%v on %v: content %v is not even", in, out, c)
			}
		}
	}
}

func checkContent(t *testing.T, l Letterbox) {
	t.Helper()
	c, out := l.Content, l.Out
	if c.Empty() || !c.In(image.Rectangle{Max: out}) {
		t.Fatalf("%v on %v: content %v lies outside", l.In, out, c)
	}
	if c.Dx() < out.X && c.Dy() < out.Y {
		t.Fatalf("%v on %v: content %v touches neither side", l.In, out, c)
	}
	if off := c.Min.X - (out.X - c.Max.X); off < -3 || off > 0 {
		t.Fatalf("%v on %v: content %v is not in the middle", l.In, out, c)
	}
}

func TestUnmapIsTheInverseOfMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20000 {
		in, out := image.Pt(16+r.IntN(4000), 16+r.IntN(4000)), randomInput(r)
		for _, l := range [...]Letterbox{
			NewFit(ResizeLetterbox, in, out), NewFit(ResizeStretch, in, out), NewStillFit(ResizeLetterbox, in, out), NewStillFit(ResizeStretch, in, out),
		} {
			x, y := r.Float32()*float32(in.X), r.Float32()*float32(in.Y)
			b := Box{x, y, x + r.Float32()*float32(in.X), y + r.Float32()*float32(in.Y)}
			got := l.Unmap(l.Map(b))
			for i, d := range [...]float32{got.X0 - b.X0, got.Y0 - b.Y0, got.X1 - b.X1, got.Y1 - b.Y1} {
				if math.Abs(float64(d)) > 0.5 {
					t.Fatalf("%+v: corner %d of %v came back as %v", l, i, b, got)
				}
			}
		}
	}
}

func TestMapPutsTheWholePictureOnTheContent(t *testing.T) {
	l := NewLetterbox(image.Pt(1280, 720), image.Pt(352, 352))
	if want := image.Rect(0, 76, 352, 274); l.Content != want {
		t.Errorf("content %v, want %v", l.Content, want)
	}
	if got, want := l.Map(Box{0, 0, 1280, 720}), (Box{0, 76, 352, 274}); got != want {
		t.Errorf("mapped to %v, want %v", got, want)
	}
	if got, want := NewStillLetterbox(image.Pt(640, 427), image.Pt(352, 352)).Content, image.Rect(0, 58, 352, 293); got != want {
		t.Errorf("a still's content is %v, want %v", got, want)
	}
	if got := NewStretch(image.Pt(500, 334), image.Pt(352, 352)).Map(Box{0, 0, 500, 334}); got != (Box{0, 0, 352, 352}) {
		t.Errorf("stretched to %v", got)
	}
}

func TestAutoInput(t *testing.T) {
	for _, row := range []struct {
		name         string
		camera, want image.Point
	}{
		{"vga", image.Pt(640, 480), image.Pt(416, 320)},
		{"full hd", image.Pt(1920, 1080), image.Pt(480, 256)},
		{"hd", image.Pt(1280, 720), image.Pt(480, 256)},
		{"wide road camera", image.Pt(1224, 370), image.Pt(640, 192)},
		{"square", image.Pt(500, 500), image.Pt(352, 352)},
		{"portrait", image.Pt(1080, 1920), image.Pt(256, 480)},
		{"unknown", image.Point{}, image.Pt(352, 352)},
		{"line", image.Pt(100000, 1), image.Pt(MaxInput, MinInput)},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := AutoInput(row.camera)
			if got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
			if err := CheckInput(got); err != nil {
				t.Error(err)
			}
			if f := InputFor(image.Point{}, row.camera); f != got {
				t.Errorf("InputFor auto gave %v", f)
			}
			if f := InputFor(image.Pt(64, 96), row.camera); f != image.Pt(64, 96) {
				t.Errorf("InputFor a fixed size gave %v", f)
			}
		})
	}
}

func TestParseInput(t *testing.T) {
	for _, row := range []struct {
		in   string
		want image.Point
		err  string
	}{
		{in: "auto"},
		{in: "352x352", want: image.Pt(352, 352)},
		{in: "640x192", want: image.Pt(640, 192)},
		{in: "", err: "WIDTHxHEIGHT"},
		{in: "352", err: "WIDTHxHEIGHT"},
		{in: "axb", err: "WIDTHxHEIGHT"},
		{in: "350x352", err: "multiples of 32"},
		{in: "0x32", err: "multiples of 32"},
		{in: "-32x32", err: "multiples of 32"},
		{in: "4096x32", err: "to 2048"},
	} {
		t.Run(row.in, func(t *testing.T) {
			got, err := ParseInput(row.in)
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) {
					t.Fatalf("error %v, want one with %q", err, row.err)
				}
				return
			}
			if err != nil || got != row.want {
				t.Fatalf("got %v, %v; want %v", got, err, row.want)
			}
		})
	}
}

func TestParseResize(t *testing.T) {
	for _, r := range [...]Resize{ResizeLetterbox, ResizeStretch} {
		if got, err := ParseResize(r.String()); err != nil || got != r {
			t.Errorf("%v came back as %v, %v", r, got, err)
		}
	}
	if _, err := ParseResize("crop"); err == nil {
		t.Error("crop was taken")
	}
}
