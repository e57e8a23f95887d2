package tracker

import (
	"cmp"
	"math"
	"slices"
	"time"

	"yfv2d/infer"
)

// The constants of likeness. On synthetic scenes of fifteen kinds at 2 to 25 detections a second all of them lie on broad
// plateaus; where on them was chosen on two streets at five rates, as they are and under a turning camera.
const (
	// minSurprise is how many nats of log-likelihood a pair may lose against a perfect, well known one.
	minSurprise = 6.6
	// tail is the degrees of freedom of Student's t, which replaces the normal distribution of a filter's surprise: boxes
	// of half hidden objects are far off more often than a normal distribution knows.
	tail = 8
	// sizeWeight: width and height of real boxes scatter more than their centre (legs, arms, half hidden objects), so
	// their surprise counts for less.
	sizeWeight = 0.66
	// uncertaintyPad is how far both boxes are widened before they are overlapped, in standard deviations of where the
	// track is: at two detections a second the box of a walker overlaps nothing.
	uncertaintyPad = 1.7
	// directionWeight is what a detection straight ahead gains, and one straight behind loses.
	directionWeight = 0.15
	// weakLikeness is the least likeness or overlap for a weak detection to continue a track.
	weakLikeness = 0.3
	// weakFor is how long detections too weak to start a track continue one: half hidden in a queue, not for ever.
	weakFor = 3 * time.Second
	// backOverlap is the least overlap of a detection with the last observed box in the recovery round.
	backOverlap = 0.54
	// turnSpeed is the standard deviation, in box sizes per second, of the change of velocity that is thought of when nothing
	// else fits: who runs and stops at five detections a second is far from where he was going.
	turnSpeed = 0.5
)

// seen is a usable detection of the step.
type seen struct {
	infer.Detection
	box          extent
	cx, cy, w, h float64
	used         bool
}

// extent is a box in float64.
type extent struct{ x0, y0, x1, y1 float64 }

func extentOf(b infer.Box) extent {
	return extent{float64(b.X0), float64(b.Y0), float64(b.X1), float64(b.Y1)}
}

func (e extent) grown(x, y float64) extent { return extent{e.x0 - x, e.y0 - y, e.x1 + x, e.y1 + y} }

func (e extent) meets(o extent) bool { return e.x0 < o.x1 && o.x0 < e.x1 && e.y0 < o.y1 && o.y0 < e.y1 }

func (e extent) iou(o extent) float64 {
	w := math.Min(e.x1, o.x1) - math.Max(e.x0, o.x0)
	h := math.Min(e.y1, o.y1) - math.Max(e.y0, o.y0)
	if !(w > 0 && h > 0) {
		return 0
	}
	both := w * h
	return both / ((e.x1-e.x0)*(e.y1-e.y0) + (o.x1-o.x0)*(o.y1-o.y0) - both)
}

// take copies the usable detections into t.seen, best first: an order that does not depend on theirs.
func (t *Tracker) take(dets []infer.Detection) {
	t.seen = t.seen[:0]
	for _, d := range dets {
		if usable(d) {
			s := seen{Detection: d, box: extentOf(d.Box)}
			s.cx, s.cy, s.w, s.h = centre(d.Box)
			t.seen = append(t.seen, s)
		}
	}
	slices.SortStableFunc(t.seen, func(a, b seen) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Box.Y1, b.Box.Y1), cmp.Compare(a.Box.X0, b.Box.X0),
			cmp.Compare(a.Box.Y0, b.Box.Y0), cmp.Compare(a.Box.X1, b.Box.X1), cmp.Compare(a.Class, b.Class))
	})
	if len(t.seen) > maxDetections {
		t.seen = t.seen[:maxDetections]
	}
}

func usable(d infer.Detection) bool {
	for _, v := range [...]float32{d.Box.X0, d.Box.Y0, d.Box.X1, d.Box.Y1} {
		if !(v >= -maxCoord && v <= maxCoord) { // NaN fails too
			return false
		}
	}
	return d.Box.X1 > d.Box.X0 && d.Box.Y1 > d.Box.Y0 && d.Class >= 0 && d.Score > 0 && d.Score <= 1
}

// pair is a track and a detection that may be the same object.
type pair struct {
	row, col int
	sim      float64 // likeness to where the track should be now; 0 = cannot be
	turn     float64 // likeness if it turned, stopped or ran off instead
	back     float64 // overlap with where it was last seen
}

// findPairs compares each track with the detections near it, once for all rounds.
func (t *Tracker) findPairs() {
	t.pairs = t.pairs[:0]
	if len(t.seen) == 0 {
		return
	}
	columns := t.columns()
	for i, tr := range t.tracks {
		v := t.view(tr)
		near := columns.of(v.gate) | columns.of(v.last)
		for j, place := range t.places {
			if place&near == 0 {
				continue
			}
			d := &t.seen[j]
			if !v.gate.meets(d.box) && !v.last.meets(d.box) {
				continue
			}
			if p, ok := t.compare(tr, &v, d); ok {
				p.row, p.col = i, j
				t.pairs = append(t.pairs, p)
			}
		}
	}
}

// columns cut the width that the step's detections take up into 64 parts, so that a number can say in which a box lies:
// most pairs of a crowd are out of the question by that alone.
type columns struct{ left, perPixel float64 }

// columns writes down where each detection, of which there is at least one, lies.
func (t *Tracker) columns() columns {
	left, right := math.Inf(1), math.Inf(-1)
	for i := range t.seen {
		left, right = math.Min(left, t.seen[i].box.x0), math.Max(right, t.seen[i].box.x1)
	}
	c := columns{left, 64 / (right - left)}
	t.places = t.places[:0]
	for i := range t.seen {
		t.places = append(t.places, c.of(t.seen[i].box))
	}
	return c
}

// of has a bit for each column that a box is in. Boxes that meet have one in common.
func (c columns) of(e extent) uint64 {
	return math.MaxUint64 >> (63 - c.at(e.x1)) &^ (1<<c.at(e.x0) - 1)
}

func (c columns) at(x float64) uint { return uint(math.Max(0, math.Min(63, (x-c.left)*c.perPixel))) }

// view is what a track's comparison with any detection needs.
type view struct {
	box, last extent // where it should be, and where it was last seen
	gate      extent // what meets neither this nor last cannot be it
	turn      float64
	group     int
}

func (t *Tracker) view(tr *track) view {
	v := view{box: tr.now.extent(), last: extentOf(tr.obs), group: t.group(tr.class)}
	if gap := t.last.Sub(tr.last); gap < t.interval*3/2 { // who was missed is not looked for everywhere
		v.turn = square(turnSpeed * tr.now.size() * math.Min(1, gap.Seconds()))
	}
	px, py := tr.now.padding(v.turn)
	v.gate = v.box.grown(2*px, 2*py)
	return v
}

// padding is how far a track's box and a detection's are widened before they are compared, at most near their own size.
func (m *motion) padding(more float64) (x, y float64) {
	return uncertaintyPad * math.Min(math.Sqrt(m.cx.pxx+more), m.w.x/2), uncertaintyPad * math.Min(math.Sqrt(m.cy.pxx+more), m.h.x/2)
}

// compare says how alike a track and a detection are; false if they have nothing in common.
func (t *Tracker) compare(tr *track, v *view, d *seen) (p pair, ok bool) {
	penalty := 0.0
	if d.Class != tr.class {
		if t.group(d.Class) != v.group {
			return p, false
		}
		penalty = t.cfg.ClassPenalty
	}
	p.back = v.last.iou(d.box) - penalty
	p.sim = t.alike(&tr.now, v, d, 0, penalty)
	if p.sim > 0 {
		p.sim = math.Max(0, p.sim+directionWeight*tr.direction(d, &t.cfg))
	} else if v.turn > 0 {
		p.turn = t.alike(&tr.now, v, d, v.turn, penalty)
	}
	return p, p.sim > 0 || p.back > 0 || p.turn > 0
}

// alike is half the overlap of a track's and a detection's boxes, widened by what the filter does not know, and half how
// little the filter is surprised, 0..1; 0 unless both find it possible. more is variance that the filter does not know of.
func (t *Tracker) alike(m *motion, v *view, d *seen, more, penalty float64) float64 {
	px, py := m.padding(more)
	iou := v.box.grown(px, py).iou(d.box.grown(px, py))
	if iou-penalty < t.cfg.MinIoU {
		return 0
	}
	like := t.likelihood(m, d, more)
	if like == 0 {
		return 0
	}
	return math.Max(0, (iou+like)/2-penalty)
}

// likelihood is how likely a track's filter holds a detection for its own, 1 for a perfect hit of a well known track and 0
// at minSurprise: the log of Student's t density at the innovation, so that a track known better wins over one that has
// been unseen for long and would take anything.
func (t *Tracker) likelihood(m *motion, d *seen, more float64) float64 {
	r := measured((d.w+d.h)/2, &t.cfg)
	known := 1 / (2 * measured(m.size(), &t.cfg))
	place := surprise(d.cx-m.cx.x, m.cx.pxx+more+r, known) + surprise(d.cy-m.cy.x, m.cy.pxx+more+r, known)
	size := surprise(d.w-m.w.x, m.w.pxx+r, known) + surprise(d.h-m.h.x, m.h.pxx+r, known)
	return math.Max(0, 1-(place+sizeWeight*size)/minSurprise)
}

// surprise at a deviation of a variance; known is the inverse of the variance of a well known track.
func surprise(deviation, variance, known float64) float64 {
	return (tail*math.Log1p(deviation*deviation/variance/tail) + math.Log(variance*known)) / 2
}

// direction is the consistency of a detection with a track's course (OC-SORT's observation-centric momentum, Cao et al.
// 2023): the cosine between the track's velocity and the way from its last observation to the detection, less the surer
// neither is; -1..1.
func (tr *track) direction(d *seen, cfg *Config) float64 {
	ox, oy, _, _ := centre(tr.obs)
	dx, dy := d.cx-ox, d.cy-oy
	vx, vy := tr.motion.cx.v, tr.motion.cy.v
	way, speed := dx*dx+dy*dy, vx*vx+vy*vy
	if way == 0 || speed == 0 {
		return 0
	}
	sure := way / (way + 4*measured((d.w+d.h)/2, cfg)) * speed / (speed + tr.motion.cx.pvv + tr.motion.cy.pvv)
	return (dx*vx + dy*vy) / math.Sqrt(way*speed) * sure
}

// match continues tracks by detections in four rounds. Each is an optimal assignment among those that are left.
func (t *Tracker) match() {
	t.findPairs()
	strong := func(d *seen) bool { return float64(d.Score) >= t.cfg.HighScore }
	// Strong detections go to known tracks, lost ones included.
	t.round(false, func(tr *track, d *seen, p *pair) float64 {
		if tr.state == Tentative || !strong(d) {
			return 0
		}
		return p.sim
	})
	// What is weak may continue a track that is still in sight (ByteTrack, Zhang et al. 2022), if it fits well. What is too
	// weak to start one does so for a while, and only for a track that was once strong: a false alarm would live on for ever.
	t.round(false, func(tr *track, d *seen, p *pair) float64 {
		if tr.state != Confirmed || strong(d) || math.Max(p.sim, p.back) < weakLikeness {
			return 0
		}
		if float64(d.Score) < t.cfg.startScore(d.Class) && (float64(tr.best) < t.cfg.HighScore || t.last.Sub(tr.firm) > weakFor) {
			return 0
		}
		return p.sim
	})
	// Who stopped or turned while unseen is found where it was last seen (OC-SORT's recovery), or near.
	t.round(true, func(tr *track, d *seen, p *pair) float64 {
		switch {
		case tr.state == Tentative || !strong(d) && tr.state == Lost || float64(d.Score) < t.cfg.startScore(d.Class):
			return 0
		case p.back >= backOverlap:
			return math.Max(p.back, p.turn)
		}
		return p.turn
	})
	t.round(false, func(tr *track, d *seen, p *pair) float64 {
		switch {
		case tr.state != Tentative || float64(d.Score) < t.cfg.startScore(d.Class): // nothing begins by what is weak
			return 0
		case p.sim == 0 && p.back >= backOverlap:
			return p.back
		}
		return p.sim
	})
}

// round matches by a likeness, of which 0 forbids a pair. A track that went astray starts on a new course.
func (t *Tracker) round(astray bool, likeness func(*track, *seen, *pair) float64) {
	t.edges = t.edges[:0]
	for k := range t.pairs {
		p := &t.pairs[k]
		tr, d := t.tracks[p.row], &t.seen[p.col]
		if tr.step == t.step || d.used {
			continue
		}
		if sim := likeness(tr, d, p); sim > 0 {
			t.edges = append(t.edges, edge{p.row, p.col, sim})
		}
	}
	if len(t.edges) == 0 {
		return
	}
	for i, j := range t.solver.assign(len(t.tracks), len(t.seen), t.edges) {
		if j >= 0 {
			t.seen[j].used = true
			if astray {
				t.tracks[i].now.unsettle(t.last.Sub(t.tracks[i].last).Seconds())
			}
			t.hit(t.tracks[i], &t.seen[j])
		}
	}
}

// group is a class's group number; negative for a class that stands alone.
func (t *Tracker) group(class int) int {
	if class < len(t.cfg.Groups) {
		return t.cfg.Groups[class]
	}
	return -1 - class
}
