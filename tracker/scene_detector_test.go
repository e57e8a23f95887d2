package tracker_test

import (
	"cmp"
	"math"
	"slices"

	"yfv2d/infer"
)

// eye is a detector's manner. Its figures are per frame: frames at a low rate are as good as those at a high one.
type eye struct {
	noise     float64 // standard deviation of each edge, in mean sides of the box
	drop      float64 // share of objects missed for no visible reason
	burst     float64 // s, mean length of a row of misses; 0 makes every miss independent
	low, high float64 // scores of wholly visible objects: each object has its own between these
	weak, mid float64 // false alarms a frame, at scores 0.1-0.45 and 0.5-0.75
	ghosts    int     // places that look like an object for good, found in six frames of ten
	twin      float64 // share of objects with a second, badly placed box
	flicker   float64 // share of cars taken for trucks in a frame
	shake     float64 // px, standard deviation of the picture's position
}

// Measured on two street scenes with a Faster R-CNN: an edge wanders by 4.5 % of a person's height (6.5 % of its mean
// side) upright and sideways, in part annotation; 0.6 of that variance is correlated over a quarter second.
var goodEye = eye{noise: 0.045, drop: 0.05, low: 0.65, high: 0.95, weak: 0.3, mid: 0.02, twin: 0.02}

const (
	slowShare = 0.6  // of the edges' variance: correlated in time
	slowTime  = 0.25 // s
)

// memory is what the detector model keeps of one object from frame to frame.
type memory struct {
	edges   [4]float64 // correlated part of the edges' errors, in standard deviations
	base    float64    // score when wholly visible
	mood    float64    // correlated part of the score's error, in standard deviations
	missing bool       // within a row of misses
}

// watcher applies an eye to a world, frame by frame.
type watcher struct {
	eye
	dice
	view
	known map[int]*memory
	haunt []infer.Detection
}

func newWatcher(e eye, d dice, v view) *watcher {
	w := &watcher{eye: e, dice: d, view: v, known: map[int]*memory{}}
	for range e.ghosts {
		w.haunt = append(w.haunt, infer.Detection{Box: w.anywhere(), Class: person, Score: float32(w.between(0.3, 0.6))})
	}
	return w
}

// detect gives the detections of one frame, dt seconds after the one before, after non-maximum suppression.
func (w *watcher) detect(all []seen, dt float64) []infer.Detection {
	var out []infer.Detection
	for _, s := range all {
		m := w.remember(s.thing.id, dt)
		if w.misses(m, dt) {
			continue
		}
		d, ok := w.detection(s, m)
		if !ok {
			continue
		}
		out = append(out, d)
		if w.Float64() < w.twin {
			out = append(out, w.twinOf(d))
		}
	}
	return suppress(append(out, w.falseAlarms()...))
}

func (w *watcher) remember(id int, dt float64) *memory {
	m := w.known[id]
	if m == nil {
		m = &memory{base: w.between(w.low, w.high), mood: w.NormFloat64(), missing: w.Float64() < w.drop}
		for i := range m.edges {
			m.edges[i] = w.NormFloat64()
		}
		w.known[id] = m
		return m
	}
	keep := math.Exp(-dt / slowTime)
	fresh := math.Sqrt(1 - keep*keep)
	for i := range m.edges {
		m.edges[i] = keep*m.edges[i] + fresh*w.NormFloat64()
	}
	m.mood = keep*m.mood + fresh*w.NormFloat64()
	return m
}

// misses says whether the object is passed over. Rows of misses are a Markov chain in continuous time that is in the
// state "missing" for the share drop of time, for burst seconds on average.
func (w *watcher) misses(m *memory, dt float64) bool {
	if w.burst <= 0 {
		return w.Float64() < w.drop
	}
	keep := math.Exp(-dt / (w.burst * (1 - w.drop)))
	chance := w.drop * (1 - keep)
	if m.missing {
		chance += keep
	}
	m.missing = w.Float64() < chance
	return m.missing
}

// detection is how an object shows itself. A hidden one loses score, down to nothing below a sixth visible, and its box
// shrinks to the visible part.
func (w *watcher) detection(s seen, m *memory) (infer.Detection, bool) {
	const noticed, clear = 0.15, 0.7
	sight := math.Min(1, (s.visibility-noticed)/(clear-noticed))
	if sight <= 0 {
		return infer.Detection{}, false
	}
	score := m.base*math.Pow(sight, 0.7) + 0.06*m.mood + 0.03*w.NormFloat64()
	if score < 0.1 {
		return infer.Detection{}, false
	}
	shrink := float32(0.8 * math.Max(0, math.Min(1, (0.9-s.visibility)/0.4)))
	b := infer.Box{
		X0: s.box.X0 + shrink*(s.part.X0-s.box.X0), Y0: s.box.Y0 + shrink*(s.part.Y0-s.box.Y0),
		X1: s.box.X1 + shrink*(s.part.X1-s.box.X1), Y1: s.box.Y1 + shrink*(s.part.Y1-s.box.Y1),
	}
	class := s.thing.class
	if class == car && w.Float64() < w.flicker {
		class = truck
	}
	d := infer.Detection{Box: w.blurred(b, m), Class: class, Score: float32(math.Min(score, 0.99))}
	return d, d.Box.Area() > 0
}

func (w *watcher) blurred(b infer.Box, m *memory) infer.Box {
	side := w.noise * float64(b.W()+b.H()) / 2
	wander := func(i int) float32 {
		return float32(side * (math.Sqrt(slowShare)*m.edges[i] + math.Sqrt(1-slowShare)*w.NormFloat64()))
	}
	return clip(infer.Box{X0: b.X0 + wander(0), Y0: b.Y0 + wander(1), X1: b.X1 + wander(2), Y1: b.Y1 + wander(3)}, w.view)
}

// twinOf is a weaker second box of the same object that suppression may well let pass.
func (w *watcher) twinOf(d infer.Detection) infer.Detection {
	dx, dy := d.Box.W()*float32(w.between(-0.4, 0.4)), d.Box.H()*float32(w.between(-0.4, 0.4))
	d.Box = clip(moved(d.Box, dx, dy), w.view)
	d.Score *= float32(w.between(0.3, 0.8))
	return d
}

func (w *watcher) falseAlarms() []infer.Detection {
	var out []infer.Detection
	alarm := func(mean, low, high float64) {
		for n := w.poisson(mean); n > 0; n-- {
			out = append(out, infer.Detection{Box: w.anywhere(), Class: person, Score: float32(w.between(low, high))})
		}
	}
	alarm(w.weak, 0.1, 0.45)
	alarm(w.mid, 0.5, 0.75)
	for _, g := range w.haunt {
		if w.Float64() > 0.6 {
			continue
		}
		m := memory{}
		for i := range m.edges {
			m.edges[i] = w.NormFloat64()
		}
		g.Box = w.blurred(g.Box, &m)
		g.Score += float32(0.08 * w.NormFloat64())
		if g.Score > 0.1 && g.Box.Area() > 0 {
			out = append(out, g)
		}
	}
	return out
}

// anywhere is a person's box with nobody in it.
func (w *watcher) anywhere() infer.Box {
	h := w.between(0.1, 0.45) * w.view.h
	x, y := w.between(0, w.view.w), w.between(0.3*w.view.h, w.view.h)
	return clip(infer.Box{X0: float32(x - 0.2*h), Y0: float32(y - h), X1: float32(x + 0.2*h), Y1: float32(y)}, w.view)
}

func (d dice) poisson(mean float64) int {
	n := 0
	for p := d.Float64(); p > math.Exp(-mean); p *= d.Float64() {
		n++
	}
	return n
}

// suppress is greedy non-maximum suppression within each class at an IoU of 0.45, as the detector's.
func suppress(dets []infer.Detection) []infer.Detection {
	slices.SortStableFunc(dets, func(a, b infer.Detection) int { return cmp.Compare(b.Score, a.Score) })
	var out []infer.Detection
	for _, d := range dets {
		if !slices.ContainsFunc(out, func(o infer.Detection) bool { return o.Class == d.Class && o.Box.IoU(d.Box) > 0.45 }) {
			out = append(out, d)
		}
	}
	return out
}
