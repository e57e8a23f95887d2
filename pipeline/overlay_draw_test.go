package pipeline

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

func TestOverlayLeavesTheRestAlone(t *testing.T) {
	tr := track(3, 0, 0.9, 101, 81, 180, 160, false)
	near := image.Rect(101, 81, 180, 160).Inset(-3)
	label := image.Rect(98, 60, 240, 84)
	hollow := image.Rect(101, 81, 180, 160).Inset(6)
	for _, format := range []Format{I420, BGR} {
		t.Run(format.String(), func(t *testing.T) {
			f := newFrame(t)
			ground(t, f, format, image.Pt(320, 240))
			before := picture(t, f)
			if err := newOverlay(t).Draw(f, []tracker.Track{tr}); err != nil {
				t.Fatal(err)
			}
			after, drawn := picture(t, f), 0
			for y := range 240 {
				for x := range 320 {
					p := image.Pt(x, y)
					if before.RGBAAt(x, y) == after.RGBAAt(x, y) {
						continue
					}
					drawn++
					if !p.In(label) && (!p.In(near) || p.In(hollow)) {
						t.Fatalf("pixel %v was changed", p)
					}
				}
			}
			if drawn < 1500 {
				t.Errorf("only %d pixels were drawn", drawn)
			}
			if c := after.RGBAAt(140, 82); diff(c.G, 225) > 40 || c.R > 80 {
				t.Errorf("the upper line is %v, want the person's green", c)
			}
		})
	}
}

func TestOverlayDrawsNothing(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name string
		box  infer.Box
	}{
		{"left of it", infer.Box{X0: -90, Y0: 10, X1: -10, Y1: 50}},
		{"below it", infer.Box{X0: 10, Y0: 100, X1: 50, Y1: 150}},
		{"inside out", infer.Box{X0: 50, Y0: 50, X1: 20, Y1: 20}},
		{"empty", infer.Box{X0: 50, Y0: 50, X1: 50, Y1: 60}},
		{"less than a pixel", infer.Box{X0: 50.1, Y0: 50, X1: 50.2, Y1: 60}},
		{"not a number", infer.Box{X0: nan, Y0: nan, X1: nan, Y1: nan}},
		{"half a number", infer.Box{X0: 1, Y0: 1, X1: nan, Y1: 9}},
		{"far away", infer.Box{X0: 1e30, Y0: 1, X1: inf, Y1: 9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFrame(t)
			ground(t, f, I420, image.Pt(96, 64))
			before := slices.Clone(f.Pix())
			if err := newOverlay(t).Draw(f, []tracker.Track{{ID: 1, Detection: infer.Detection{Box: c.box, Score: 0.5}}}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(before, f.Pix()) {
				t.Error("the picture was changed")
			}
		})
	}
}

// Any box, class, id and score on any frame: no panic, no write outside the picture (a write outside a slice panics).
func TestOverlayOnAnything(t *testing.T) {
	o, f := newOverlay(t), newFrame(t)
	inf := float32(math.Inf(1))
	odd := []float32{-inf, -1e9, -3, -0.5, 0, 0.5, 1, 2, 1e9, inf, float32(math.NaN())}
	side := func(n int) float32 {
		if rand.IntN(3) == 0 {
			return odd[rand.IntN(len(odd))]
		}
		return rand.Float32() * float32(n) * 1.2
	}
	for range 3000 {
		format, size := Format(rand.IntN(2)), image.Pt(2*rand.IntN(60)+2, 2*rand.IntN(60)+2)
		if rand.IntN(50) == 0 {
			size = image.Pt(1280, 720)
		}
		if format == BGR {
			size = size.Sub(image.Pt(rand.IntN(2), rand.IntN(2)))
		}
		if err := f.Prepare(format, size); err != nil {
			t.Fatal(err)
		}
		tr := track(rand.IntN(3)*rand.IntN(100000), rand.IntN(30)-5, side(1), side(size.X), side(size.Y), side(size.X), side(size.Y), rand.IntN(2) == 0)
		if err := o.Draw(f, []tracker.Track{tr}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOverlayLabels(t *testing.T) {
	o := newOverlay(t)
	long, err := NewOverlay([]string{strings.Repeat("x", 500), "a\tb\x00\u202e"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		o     *Overlay
		id    int
		class int
		score float32
		want  string
	}{
		{"with id", o, 12, 0, 0.874, "person 12  87%"},
		{"without id", o, 0, 2, 0.5, "car  50%"},
		{"unknown class", o, 1, 99, 1, "class 99 1  100%"},
		{"negative class", o, 0, -1, 0, "class -1  0%"},
		{"score beyond 1", o, 0, 0, 7, "person  100%"},
		{"line break in the name", o, 0, 14, 0.3, "Größe   30%"},
		{"long name", long, 0, 0, 0.3, strings.Repeat("x", maxName) + "…  30%"},
		{"control characters", long, 0, 1, 0.3, "a b    30%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := track(c.id, c.class, c.score, 0, 0, 1, 1, false)
			if got := string(c.o.letters.labelText(c.o.name(c.class), &tr)); got != c.want {
				t.Errorf("label %q, want %q", got, c.want)
			}
		})
	}
}

// A label is wholly inside the frame wherever the box is, if it fits at all.
func TestOverlayLabelStaysInside(t *testing.T) {
	for _, c := range []struct {
		name string
		box  infer.Box
		at   image.Point // where the label's ground must be
	}{
		{"above the box", infer.Box{X0: 100, Y0: 100, X1: 200, Y1: 200}, image.Pt(101, 90)},
		{"at the top", infer.Box{X0: 100, Y0: 0, X1: 200, Y1: 100}, image.Pt(101, 5)},
		{"at the right", infer.Box{X0: 310, Y0: 100, X1: 330, Y1: 200}, image.Pt(317, 90)},
		{"over the left edge", infer.Box{X0: -300, Y0: 100, X1: 20, Y1: 200}, image.Pt(1, 90)},
		{"at the bottom", infer.Box{X0: 100, Y0: 236, X1: 200, Y1: 300}, image.Pt(101, 225)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFrame(t)
			if err := f.Prepare(BGR, image.Pt(320, 240)); err != nil {
				t.Fatal(err)
			}
			clear(f.Pix())
			o := newOverlay(t)
			if err := o.Draw(f, []tracker.Track{{ID: 1, Detection: infer.Detection{Box: c.box, Score: 0.5}}}); err != nil {
				t.Fatal(err)
			}
			want := o.ink(0)
			if p := f.Pix()[(c.at.Y*320+c.at.X)*3:]; p[0] != want.b || p[1] != want.g || p[2] != want.r {
				t.Errorf("no label at %v", c.at)
			}
		})
	}
}

// Letters on labels have the contrast that WCAG 2.1 wants of normal text, and neighbouring classes differ.
func TestClassColours(t *testing.T) {
	linear := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	luminance := func(c ink) float64 { return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b) }
	text := luminance(textInk)
	for i := range 1000 {
		c := classInk(i)
		if contrast := (luminance(c) + 0.05) / (text + 0.05); contrast < 4.5 {
			t.Errorf("class %d: contrast of letters and label is %.1f", i, contrast)
		}
		for j := max(0, i-8); j < i; j++ {
			o := classInk(j)
			if d := diff(c.r, o.r) + diff(c.g, o.g) + diff(c.b, o.b); d < 40 {
				t.Errorf("classes %d and %d look alike: %v %v", j, i, o, c)
			}
		}
	}
}

func TestOverlayRefusesAnEmptyFrame(t *testing.T) {
	if err := newOverlay(t).Draw(newFrame(t), scene); err == nil {
		t.Error("an empty frame was drawn on")
	}
}

// tenTracks are three that stand, three that walk, two that hardly move and two that are held.
func tenTracks(size image.Point) []tracker.Track {
	var all []tracker.Track
	for i := range 10 {
		x, y := float32(i*size.X/11), float32(i*size.Y/20)
		tr := track(i+1, i, 0.5, x, y, x+float32(size.X/6), y+float32(size.Y/2), i%4 == 3)
		switch i % 4 {
		case 0:
			tr.StationarySince, tr.Age = tr.FirstSeen.Add(time.Second), 2*time.Minute
		case 1: // walking
			angle := float64(i)
			tr.VX, tr.VY = float32(math.Cos(angle))*float32(size.X)/6, float32(math.Sin(angle))*float32(size.X)/6
		}
		all = append(all, tr)
	}
	return all
}

func TestOverlayAllocatesNothing(t *testing.T) {
	o, f := newOverlay(t), newFrame(t)
	for _, format := range []Format{I420, BGR} {
		ground(t, f, format, image.Pt(640, 480))
		tracks := tenTracks(image.Pt(640, 480))
		if n := testing.AllocsPerRun(10, func() { _ = o.Draw(f, tracks) }); n > 0 {
			t.Errorf("%v: %.0f allocations a frame", format, n)
		}
	}
}

func BenchmarkOverlay(b *testing.B) {
	for _, format := range []Format{I420, BGR} {
		b.Run(format.String()+"-1280x720-10", func(b *testing.B) {
			o, f := newOverlay(b), newFrame(b)
			ground(b, f, format, image.Pt(1280, 720))
			tracks := tenTracks(image.Pt(1280, 720))
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Draw(f, tracks); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
