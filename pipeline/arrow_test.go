package pipeline

import (
	"image"
	"math"
	"path/filepath"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// moving is a track of that velocity, px/s.
func moving(tr tracker.Track, vx, vy float32) tracker.Track {
	tr.VX, tr.VY = vx, vy
	return tr
}

// standingFor is a track that has stood still for so long.
func standingFor(tr tracker.Track, d time.Duration) tracker.Track {
	tr.FirstSeen = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	tr.Age = d + time.Second
	tr.StationarySince = tr.FirstSeen.Add(time.Second)
	return tr
}

// motionScene has arrows in all directions, over the picture's edge and fading, and labels of what stands.
func motionScene() []tracker.Track {
	all := []tracker.Track{
		standingFor(track(2, 2, 0.83, 12, 232, 190, 330, false), 2*time.Minute+15*time.Second),
		standingFor(track(7, 0, 0.91, 430, 260, 500, 420, false), 7*time.Second),
		standingFor(track(31, 7, 0.64, 210, 350, 400, 460, true), time.Hour+2*time.Minute+3*time.Second), // held
		moving(track(8, 0, 0.77, 560, 250, 630, 420, false), 250, 40),                                    // leaves the picture
		moving(track(9, 0, 0.77, 250, 250, 290, 330, false), 17, 0),                                      // faint
		moving(track(10, 0, 0.77, 330, 250, 370, 330, false), 5, 0),                                      // hardly moves
		moving(track(11, 1, 0.5, 120, 380, 180, 460, true), 90, 0),                                       // held
	}
	for i := range 10 {
		angle := float64(i) * math.Pi / 5
		x, y := float32(20+i%5*125), float32(30+i/5*100)
		tr := track(20+i, i, 0.8, x, y, x+60, y+60, false)
		all = append(all, moving(tr, float32(100*math.Cos(angle)), float32(100*math.Sin(angle))))
	}
	return all
}

func TestOverlayMotionGolden(t *testing.T) {
	for _, format := range []Format{I420, BGR} {
		t.Run(format.String(), func(t *testing.T) {
			f := newFrame(t)
			ground(t, f, format, image.Pt(640, 480))
			if err := newOverlay(t).Draw(f, motionScene()); err != nil {
				t.Fatal(err)
			}
			compareGolden(t, picture(t, f), filepath.Join("testdata", "overlay-motion-"+format.String()+".png"))
		})
	}
}

// An arrow tells where the middle of the box will be in half a second, and only for what clearly moves.
func TestArrow(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	walker := track(1, 0, 0.9, 100, 100, 160, 240, false) // its size is 100
	still, held := standingFor(walker, time.Minute), walker
	held.Predicted = true
	for _, c := range []struct {
		name  string
		tr    tracker.Track
		ok    bool
		to    vector
		alpha int
	}{
		{"walks", moving(walker, 80, -60), true, vector{170, 140}, opaque},
		{"slowly", moving(walker, 0, 25), true, vector{130, 182.5}, opaque / 2},
		{"hardly", moving(walker, 10, 10), false, vector{}, 0},
		{"stands, its box jitters", moving(still, 50, 0), false, vector{}, 0},
		{"is held", moving(held, 80, 0), false, vector{}, 0},
		{"at a wild speed", moving(walker, 0, 1e9), true, vector{130, 650}, opaque},
		{"speed not a number", moving(walker, nan, 3), false, vector{}, 0},
		{"speed infinite", moving(walker, inf, 3), false, vector{}, 0},
		{"a few pixels", moving(track(1, 0, 0.9, 100, 100, 106, 106, false), 5, 0), false, vector{}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, ok := arrowOf(&c.tr, image.Pt(640, 480), 2)
			if ok != c.ok {
				t.Fatalf("drawn: %v, want %v", ok, c.ok)
			}
			if ok && (math.Hypot(a.to.x-c.to.x, a.to.y-c.to.y) > 0.01 || a.alpha < c.alpha-1 || a.alpha > c.alpha+1) {
				t.Errorf("to %v at %d of %d, want %v at %d", a.to, a.alpha, opaque, c.to, c.alpha)
			}
		})
	}
}

// A stroke is one band without gaps or pixels drawn twice, as thick as asked for across its main direction.
func TestStroke(t *testing.T) {
	bounds := image.Rect(0, 0, 100, 100)
	for _, c := range []struct {
		name   string
		a, b   vector
		pixels int
	}{
		{"to the right", vector{10, 50}, vector{59.9, 50}, 50 * 3},
		{"to the left", vector{59.9, 50}, vector{10, 50}, 50 * 3},
		{"down", vector{50, 10}, vector{50, 59.9}, 50 * 3},
		{"sloping", vector{10, 10}, vector{59.9, 23}, 50 * 3},
		{"steep", vector{10, 10}, vector{23, 59.9}, 50 * 3},
		{"diagonal", vector{10, 10}, vector{59.9, 59.9}, 50 * 3},
		{"a point", vector{10.2, 10.2}, vector{10.2, 10.2}, 3},
		{"through the picture", vector{-1e6, 50}, vector{1e6, 50}, 100 * 3},
		{"beside it", vector{-50, 50}, vector{-10, 50}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			drawn := map[image.Point]bool{}
			var last image.Rectangle
			n := 0
			stroke(bounds, c.a, c.b, 3, func(r image.Rectangle) {
				if n++; n > 1 && r.Inset(-1).Intersect(last).Empty() {
					t.Errorf("a gap between %v and %v", last, r)
				}
				last = r
				for y := r.Min.Y; y < r.Max.Y; y++ {
					for x := r.Min.X; x < r.Max.X; x++ {
						p := image.Pt(x, y)
						if drawn[p] {
							t.Fatalf("%v is drawn twice", p)
						}
						drawn[p] = true
					}
				}
			})
			if len(drawn) != c.pixels {
				t.Errorf("%d pixels, want %d", len(drawn), c.pixels)
			}
		})
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0:00"}, {0, "0:00"}, {7900 * time.Millisecond, "0:07"}, {2*time.Minute + 15*time.Second, "2:15"},
		{time.Hour - 1, "59:59"}, {time.Hour, "1:00:00"}, {26*time.Hour + 3*time.Minute + 4*time.Second, "26:03:04"},
	} {
		if got := string(appendClock(nil, c.d)); got != c.want {
			t.Errorf("%v is written %s, want %s", c.d, got, c.want)
		}
	}
	tr := standingFor(track(12, 0, 0.874, 0, 0, 1, 1, false), 135*time.Second)
	if got := string(newOverlay(t).letters.labelText("person", &tr)); got != "person 12 · 2:15  87%" {
		t.Errorf("label %q", got)
	}
}

// An overlay on a picture draws arrows of any kind without leaving it (a write outside a slice panics).
func TestArrowsOnAnything(t *testing.T) {
	o, f := newOverlay(t), newFrame(t)
	for _, format := range []Format{I420, BGR} {
		if err := f.Prepare(format, image.Pt(64, 48)); err != nil {
			t.Fatal(err)
		}
		for i := range 2000 {
			angle, far := float64(i), float64(i%7-1)*20
			x, y := float32(32+far*math.Cos(angle*1.7)), float32(24+far*math.Sin(angle*1.7))
			tr := track(1, 0, 0.5, x-8, y-8, x+8, y+8, false)
			tr = moving(tr, float32(math.Exp(float64(i%20))*math.Cos(angle)), float32(math.Exp(float64(i%20))*math.Sin(angle)))
			if err := o.Draw(f, []tracker.Track{tr, {Detection: infer.Detection{Box: tr.Box}, VX: 1e30}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
