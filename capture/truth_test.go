package capture

import (
	"context"
	"image"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/pipeline"
)

func TestTruthIsForThePattern(t *testing.T) {
	for _, row := range []struct {
		name, spec string
		view       View
		want       bool
	}{
		{"asked for", "test:?size=64x48&truth=1", View{}, true},
		{"not asked for", "test:?size=64x48", View{}, false},
		{"asked not to", "test:?truth=0", View{}, false},
		{"another source", "rtsp://cam/x?truth=1", View{}, false},
		{"a file", "file:clip.mp4?truth=1", View{}, false},
		{"no source", "test:?truth=2", View{}, false},
		{"bad view", "test:?truth=1", View{Rotate: 45}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Truth(row.spec, row.view) != nil; got != row.want {
				t.Errorf("truth %t, want %t", got, row.want)
			}
		})
	}
}

// TestTruthIsWhereThePixelsAre looks for the objects' colours in pictures of many views.
func TestTruthIsWhereThePixelsAre(t *testing.T) {
	const spec = "test:?size=320x240&objects=3&fps=10&truth=1"
	for _, row := range []struct {
		name string
		view View
		size image.Point
	}{
		{"as it comes", View{}, image.Pt(320, 240)},
		{"quarter turn", View{Rotate: 90}, image.Pt(240, 320)},
		{"half turn", View{Rotate: 180}, image.Pt(320, 240)},
		{"quarter turn back", View{Rotate: 270}, image.Pt(240, 320)},
		{"mirrored", View{FlipX: true}, image.Pt(320, 240)},
		{"upside down", View{FlipY: true}, image.Pt(320, 240)},
		{"turned and mirrored", View{Rotate: 90, FlipX: true}, image.Pt(240, 320)},
		{"cropped", View{Crop: [4]float64{0.25, 0.4, 0.5, 0.5}}, image.Pt(160, 120)},
		{"cropped, turned and upside down", View{Crop: [4]float64{0.25, 0.4, 0.5, 0.5}, Rotate: 270, FlipY: true}, image.Pt(120, 160)},
	} {
		t.Run(row.name, func(t *testing.T) {
			truth := Truth(spec, row.view)
			src, err := Open(context.Background(), spec, Options{Speed: Max, View: row.view})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			f := pipeline.NewFrame()
			defer f.Close()
			told := 0
			for range 40 {
				if err := src.Read(context.Background(), f); err != nil || f.Size() != row.size {
					t.Fatalf("picture of %v: %v", f.Size(), err)
				}
				for _, d := range truth(f.At) {
					told++
					checkEdges(t, f, d)
				}
			}
			if told < 40 {
				t.Errorf("only %d objects in 40 pictures", told)
			}
		})
	}
}

// checkEdges wants the object's colour in all of its box and not beside it.
func checkEdges(t *testing.T, f *pipeline.Frame, d infer.Detection) {
	t.Helper()
	size := f.Size()
	_, u, v := f.Planes()
	colour := objectColours[d.Class]
	is := func(x, y int) bool {
		i := y/2*(size.X/2) + x/2
		return u[i] == colour[1] && v[i] == colour[2]
	}
	b := image.Rect(int(d.Box.X0), int(d.Box.Y0), int(d.Box.X1), int(d.Box.Y1))
	if b.Empty() || !b.In(image.Rectangle{Max: size}) {
		t.Fatalf("object %d at %v, picture %v", d.Class, b, size)
	}
	for _, p := range []image.Point{b.Min, {b.Max.X - 1, b.Min.Y}, {b.Min.X, b.Max.Y - 1}, b.Max.Sub(image.Pt(1, 1))} {
		if !is(p.X, p.Y) {
			t.Errorf("object %d at %v: its corner %v has another colour", d.Class, b, p)
		}
	}
	for _, p := range []image.Point{{b.Min.X - 2, b.Min.Y}, {b.Max.X + 1, b.Min.Y}, {b.Min.X, b.Min.Y - 2}, {b.Min.X, b.Max.Y + 1}} {
		if p.In(image.Rectangle{Max: size}) && is(p.X, p.Y) {
			t.Errorf("object %d at %v: beside it, at %v, is its colour too", d.Class, b, p)
		}
	}
}

func TestTruthNeedsNoClock(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	got := Truth("test:?size=640x480&objects=2&truth=1", View{})(at)
	want := TestObjects(image.Pt(640, 480), 2, at)
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, want %v", got, want)
	}
}
