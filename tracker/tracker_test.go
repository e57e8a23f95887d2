package tracker

import (
	"math"
	"math/rand"
	"reflect"
	"testing"
	"time"

	"yfv2d/infer"
)

var t0 = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func sec(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }

// person is a detection of 40 x 100 px with its centre at x, y.
func person(x, y, score float64) infer.Detection {
	return infer.Detection{Box: infer.Box{X0: float32(x - 20), Y0: float32(y - 50), X1: float32(x + 20), Y1: float32(y + 50)}, Score: float32(score)}
}

func list(d ...infer.Detection) []infer.Detection { return d }

func TestConfirmation(t *testing.T) {
	tests := []struct {
		name   string
		scores []float64 // one per step, 0 = no detection
		dt     float64
		want   []int // shown tracks after each step
	}{
		{"weak, ten a second", []float64{.4, .4, .4, .4}, 0.1, []int{0, 0, 1, 1}},
		{"weak, two a second", []float64{.4, .4, .4, .4}, 0.5, []int{0, 0, 1, 1}},
		{"weak, one in ten seconds", []float64{.4, .4, .4, .4}, 10, []int{0, 0, 1, 1}},
		{"strong shows at once", []float64{.6, .3}, 0.1, []int{1, 1}},
		{"weak turned strong", []float64{.4, .7}, 0.1, []int{0, 1}},
		{"a miss between", []float64{.4, 0, .4, 0, .4}, 0.1, []int{0, 0, 0, 0, 1}},
		{"too rare", []float64{.4, 0, 0, 0, .4, 0, 0, 0, .4, 0, 0, 0, .4}, 0.1, make([]int, 13)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := New(DefaultConfig())
			for i, s := range tt.scores {
				var dets []infer.Detection
				if s > 0 {
					dets = list(person(100, 100, s))
				}
				at := sec(float64(i) * tt.dt)
				if got := len(tr.Update(dets, at).At(at)); got != tt.want[i] {
					t.Errorf("step %d: %d shown, want %d", i, got, tt.want[i])
				}
			}
		})
	}
}

// A person walks by at a rate; the id must last and the box be where the person is between detections.
func TestWalkKeepsID(t *testing.T) {
	for _, rate := range []float64{2, 5, 10, 30} {
		tr := New(DefaultConfig())
		for i := 0; i < int(4*rate); i++ {
			s := float64(i) / rate
			snap := tr.Update(list(person(100+80*s, 200, .8), person(500-60*s, 220, .8)), sec(s))
			got := snap.At(sec(s + 0.5/rate))
			if len(got) != 2 || got[0].ID != 1 || got[1].ID != 2 {
				t.Fatalf("%g/s step %d: %+v", rate, i, got)
			}
			true := person(100+80*(s+0.5/rate), 200, 1).Box
			if iou := got[0].Box.IoU(true); s > 1.5 && iou < 0.9 {
				t.Errorf("%g/s at %.2f s: predicted box overlaps by %.2f", rate, s, iou)
			}
		}
	}
}

func TestCrossingKeepsIDs(t *testing.T) {
	tr := New(DefaultConfig())
	var last []Track
	for i := 0; i <= 40; i++ {
		s := float64(i) / 10
		a, b := 100+100*s, 500-100*s
		dets := list(person(a, 200, .8))
		if math.Abs(a-b) > 25 { // hidden behind the other one
			dets = append(dets, person(b, 212, .8))
		}
		last = tr.Update(dets, sec(s)).At(sec(s))
	}
	if len(last) != 2 || math.Abs(float64(last[0].Box.X0)-480) > 10 || math.Abs(float64(last[1].Box.X0)-80) > 10 || last[1].ID != 2 {
		t.Fatalf("after crossing: %+v", last)
	}
}

func TestPredictedHeldLostForgotten(t *testing.T) {
	tr := New(DefaultConfig())
	var snap *Snapshot
	for i := 0; i <= 20; i++ {
		snap = tr.Update(list(person(100+10*float64(i), 100, .8)), sec(float64(i)/10)) // 100 px/s
	}
	x := func(s float64) float32 {
		got := snap.At(sec(s))
		if len(got) != 1 {
			t.Fatalf("at %v: %+v", s, got)
		}
		return got[0].Box.X0 + 20
	}
	for _, tt := range []struct {
		at, want float64
		held     bool
	}{{2, 300, false}, {2.1, 310, false}, {1.9, 290, false}, {2.15, 315, false}, {2.3, 315, true}, {2.99, 315, true}, {1.5, 285, true}} {
		if got := x(tt.at); math.Abs(float64(got)-tt.want) > 1.5 {
			t.Errorf("x at %v: %v, want %v", tt.at, got, tt.want)
		}
		if got := snap.At(sec(tt.at))[0]; got.Predicted != tt.held {
			t.Errorf("at %v: predicted %v", tt.at, got.Predicted)
		}
	}
	if got := snap.At(sec(3.2)); len(got) != 0 {
		t.Errorf("an old snapshot still shows %+v", got)
	}
	snap = tr.Update(nil, sec(3.2))
	if all := snap.All(); len(all) != 1 || all[0].State != Lost || all[0].ID != 1 || all[0].Unseen.Round(time.Millisecond) != 1200*time.Millisecond {
		t.Fatalf("want one lost track: %+v", all)
	}
	snap = tr.Update(list(person(400, 100, .8)), sec(3.4)) // it went on for a second and waited
	if got := snap.At(sec(3.4)); len(got) != 1 || got[0].ID != 1 || got[0].State != Confirmed || got[0].Age.Round(time.Millisecond) != 3400*time.Millisecond {
		t.Fatalf("not found again: %+v", snap.All())
	}
	if all := tr.Update(nil, sec(64)).All(); len(all) != 0 { // an empty minute
		t.Fatalf("not forgotten: %+v", all)
	}
	if got := tr.Update(list(person(400, 100, .8)), sec(64.1)).At(sec(64.1)); len(got) != 1 || got[0].ID != 2 {
		t.Fatalf("ids must not come back: %+v", got)
	}
}

func TestClasses(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Groups = Groups([]string{"person", "car", "truck"})
	at := func(class int) infer.Detection { d := person(100, 100, .8); d.Class = class; return d }
	t.Run("person never becomes car", func(t *testing.T) {
		tr := New(cfg)
		for i := 0; i < 10; i++ {
			tr.Update(list(at(0)), sec(float64(i)/10))
		}
		tr.Update(list(at(1)), sec(1))
		got := tr.Update(list(at(1)), sec(1.1)).At(sec(1.1))
		if len(got) != 2 || got[0].Class != 0 || got[1].Class != 1 || got[1].ID != 2 {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("car and truck flicker under one id", func(t *testing.T) {
		tr := New(cfg)
		for i, class := range []int{2, 1, 1, 1, 2, 1, 1, 1, 1} {
			got := tr.Update(list(at(class)), sec(float64(i)/10)).At(sec(float64(i) / 10))
			if len(got) != 1 || got[0].ID != 1 || i > 2 && got[0].Class != 1 {
				t.Fatalf("step %d: %+v", i, got)
			}
		}
	})
	t.Run("same class is preferred", func(t *testing.T) {
		tr := New(cfg)
		tr.Update(list(at(1)), sec(0))
		near := at(1)
		near.Box.X0, near.Box.X1 = near.Box.X0+3, near.Box.X1+3
		got := tr.Update(list(at(2), near), sec(0.1)).At(sec(0.1))
		if len(got) != 1 || got[0].Class != 1 || got[0].Box.X0 < 81 {
			t.Fatalf("want the car, and no second track for its second label: %+v", got)
		}
	})
	t.Run("without groups each class stands alone", func(t *testing.T) {
		tr := New(DefaultConfig())
		tr.Update(list(at(1)), sec(0))
		if got := tr.Update(list(at(2)), sec(0.1)).At(sec(0.1)); len(got) != 2 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestWeakDetectionsContinueButDoNotStart(t *testing.T) {
	cfg := DefaultConfig()
	cfg.StartScore = 0.35
	tr := New(cfg)
	for i := 0; i < 10; i++ {
		score := .5
		if i > 1 {
			score = .15
		}
		s := float64(i) / 10
		got := tr.Update(list(person(100, 100, score+.2), person(300, 100, .2)), sec(s)).All()
		if len(got) != 1 || got[0].State != Confirmed || got[0].Box.X0 > 200 {
			t.Fatalf("step %d: %+v", i, got)
		}
	}
}

func TestTimeGoesWrong(t *testing.T) {
	tr := New(DefaultConfig())
	tr.Update(list(person(100, 100, .8)), sec(10))
	snap := tr.Update(list(person(110, 100, .8)), sec(10.1))
	if got := tr.Update(list(person(500, 100, .8)), sec(9.9)); got != snap {
		t.Errorf("a late step must change nothing: %+v", got)
	}
	if got := tr.Update(list(person(112, 100, .8)), sec(10.1)).At(sec(10.1)); len(got) != 1 || got[0].ID != 1 {
		t.Errorf("a second step of the same time: %+v", got)
	}
	if got := tr.Update(list(person(100, 100, .8)), sec(2)).At(sec(2)); len(got) != 1 || got[0].ID != 2 {
		t.Errorf("time set back must start anew: %+v", got)
	}
	tr.Reset(sec(3))
	if got := tr.Update(nil, sec(3)).All(); len(got) != 0 {
		t.Errorf("after Reset: %+v", got)
	}
	if got := tr.Update(list(person(1, 1, .8)), time.Time{}).At(time.Time{}); len(got) != 1 {
		t.Errorf("the zero time is a time: %+v", got)
	}
}

func TestBadDetectionsAreIgnored(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	good := infer.Box{X1: 10, Y1: 10}
	for name, d := range map[string]infer.Detection{
		"nan corner":     {Box: infer.Box{X0: nan, X1: 10, Y1: 10}, Score: .9},
		"inf corner":     {Box: infer.Box{X1: inf, Y1: 10}, Score: .9},
		"zero box":       {Score: .9},
		"inside out":     {Box: infer.Box{X0: 10, Y1: 10}, Score: .9},
		"far away":       {Box: infer.Box{X1: 1e30, Y1: 10}, Score: .9},
		"nan score":      {Box: good, Score: nan},
		"no score":       {Box: good},
		"score above 1":  {Box: good, Score: 2},
		"negative class": {Box: good, Class: -1, Score: .9},
	} {
		if got := New(DefaultConfig()).Update(list(d), t0).All(); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	var none *Snapshot
	if none.At(t0) != nil || none.All() != nil {
		t.Error("a nil snapshot must have no tracks")
	}
}

func TestNonsenseConfigStillTracks(t *testing.T) {
	bad := Config{MinIoU: math.NaN(), Interval: -1, MeasureNoise: math.Inf(1), ConfirmHits: -3, ClassPenalty: math.NaN(), StartScore: math.NaN()}
	for _, cfg := range []Config{{}, bad} {
		tr := New(cfg)
		tr.Update(list(person(100, 100, .8)), sec(0))
		if got := tr.Update(list(person(105, 100, .8)), sec(0.1)).At(sec(0.1)); len(got) != 1 || got[0].ID != 1 {
			t.Errorf("%+v: %+v", cfg, got)
		}
	}
}

// scene is n objects moving about, each detected in a share of the steps, with noise; the same for the same seed.
func scene(n, steps int, seed int64, share float64) [][]infer.Detection {
	rnd := rand.New(rand.NewSource(seed))
	type body struct{ x, y, vx, vy float64 }
	bodies := make([]body, n)
	for i := range bodies {
		bodies[i] = body{rnd.Float64() * 1900, rnd.Float64() * 1000, rnd.NormFloat64() * 50, rnd.NormFloat64() * 20}
	}
	out := make([][]infer.Detection, steps)
	for s := range out {
		for i := range bodies {
			b := &bodies[i]
			b.x, b.y = b.x+b.vx/10, b.y+b.vy/10
			if rnd.Float64() < share {
				out[s] = append(out[s], person(b.x+rnd.NormFloat64(), b.y+rnd.NormFloat64(), .3+.6*rnd.Float64()))
			}
		}
	}
	return out
}

func TestCrowdIsBoundedAndDeterministic(t *testing.T) {
	steps := scene(700, 12, 3, 0.9)
	run := func() (last []Track) {
		tr := New(DefaultConfig())
		for i, dets := range steps {
			last = tr.Update(dets, sec(float64(i)/10)).All()
			if len(last) > maxTracks {
				t.Fatalf("%d tracks", len(last))
			}
		}
		return last
	}
	if a, b := run(), run(); !reflect.DeepEqual(a, b) {
		t.Fatal("two runs differ")
	}
}

func TestSnapshotNeverChanges(t *testing.T) {
	tr := New(DefaultConfig())
	steps := scene(20, 30, 4, 0.9)
	var snaps []*Snapshot
	var was [][]Track
	for i, dets := range steps {
		s := tr.Update(dets, sec(float64(i)/10))
		snaps, was = append(snaps, s), append(was, s.At(s.Time.Add(30*time.Millisecond)))
	}
	for i, s := range snaps {
		if !reflect.DeepEqual(s.At(s.Time.Add(30*time.Millisecond)), was[i]) {
			t.Fatalf("snapshot %d changed", i)
		}
	}
}

func BenchmarkUpdate10(b *testing.B)  { benchmark(b, 10) }
func BenchmarkUpdate200(b *testing.B) { benchmark(b, 200) }

func benchmark(b *testing.B, n int) {
	steps := scene(n, 100, 5, 1)
	tr := New(DefaultConfig())
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		tr.Update(steps[i%100], sec(float64(i)/10))
	}
}

func BenchmarkAt10(b *testing.B) {
	tr := New(DefaultConfig())
	var s *Snapshot
	for i, dets := range scene(10, 20, 5, 0.9) {
		s = tr.Update(dets, sec(float64(i)/10))
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		s.At(s.Time)
	}
}
