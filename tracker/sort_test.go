package tracker_test

import (
	"math"
	"slices"

	"yfv2d/infer"
)

// shown is one box that a tracker gives for one frame.
type shown struct {
	id  int
	det infer.Detection
}

// baseline is a reference tracker: it counts frames and knows no time.
type baseline interface {
	update(dets []infer.Detection) []shown
}

// sorter is SORT (Bewley, Ge, Ott, Ramos and Upcroft, "Simple online and realtime tracking", 2016), as its authors
// published it in sort.py, to compare with.
type sorter struct {
	maxAge, minHits int
	iou             float64
	minScore        float64 // weaker detections are not given to it
	frame, lastID   int
	tracks          []*sortTrack
}

type sortTrack struct {
	id                 int
	det                infer.Detection
	x, y, s            pair // centre, area
	r, pr              float64
	unseen, hitsInARow int
}

// pair is the Kalman filter of a coordinate and its velocity per frame. SORT's seven states with its diagonal noises
// fall apart into three of these and one constant.
type pair struct{ x, v, pxx, pxv, pvv float64 }

func (p *pair) predict(qx, qv float64) {
	p.x += p.v
	p.pxx += 2*p.pxv + p.pvv + qx
	p.pxv += p.pvv
	p.pvv += qv
}

func (p *pair) correct(z, r float64) {
	s := p.pxx + r
	kx, kv, y := p.pxx/s, p.pxv/s, z-p.x
	p.x += kx * y
	p.v += kv * y
	p.pvv -= kv * p.pxv
	p.pxv *= 1 - kx
	p.pxx *= 1 - kx
}

func areaForm(b infer.Box) (x, y, s, r float64) {
	w, h := float64(b.X1)-float64(b.X0), float64(b.Y1)-float64(b.Y0)
	return float64(b.X0) + w/2, float64(b.Y0) + h/2, w * h, w / h
}

func newSortTrack(id int, d infer.Detection) *sortTrack {
	x, y, s, r := areaForm(d.Box)
	start := func(v float64) pair { return pair{x: v, pxx: 10, pvv: 10000} }
	return &sortTrack{id: id, det: d, x: start(x), y: start(y), s: start(s), r: r, pr: 10}
}

func (t *sortTrack) predict() {
	if t.s.x+t.s.v <= 0 {
		t.s.v = 0
	}
	t.x.predict(1, 0.01)
	t.y.predict(1, 0.01)
	t.s.predict(1, 0.0001)
	t.pr++
	if t.unseen > 0 {
		t.hitsInARow = 0
	}
	t.unseen++
}

func (t *sortTrack) correct(d infer.Detection) {
	x, y, s, r := areaForm(d.Box)
	t.x.correct(x, 1)
	t.y.correct(y, 1)
	t.s.correct(s, 10)
	k := t.pr / (t.pr + 10)
	t.r += k * (r - t.r)
	t.pr *= 1 - k
	t.det = d
	t.unseen = 0
	t.hitsInARow++
}

func (t *sortTrack) box() infer.Box {
	w := math.Sqrt(t.s.x * t.r)
	return centred(t.x.x, t.y.x, w, t.s.x/w)
}

func centred(x, y, w, h float64) infer.Box {
	return infer.Box{X0: float32(x - w/2), Y0: float32(y - h/2), X1: float32(x + w/2), Y1: float32(y + h/2)}
}

func (s *sorter) update(all []infer.Detection) []shown {
	s.frame++
	var dets []infer.Detection
	for _, d := range all {
		if float64(d.Score) >= s.minScore {
			dets = append(dets, d)
		}
	}
	for _, t := range s.tracks {
		t.predict()
	}
	s.tracks = slices.DeleteFunc(s.tracks, func(t *sortTrack) bool { return math.IsNaN(float64(t.box().Area())) })
	used := s.associate(dets)
	for i, d := range dets {
		if !used[i] {
			s.lastID++
			s.tracks = append(s.tracks, newSortTrack(s.lastID, d))
		}
	}
	var out []shown
	for _, t := range slices.Backward(s.tracks) {
		if t.unseen < 1 && (t.hitsInARow >= s.minHits || s.frame <= s.minHits) {
			t.det.Box = t.box()
			out = append(out, shown{t.id, t.det})
		}
	}
	s.tracks = slices.DeleteFunc(s.tracks, func(t *sortTrack) bool { return t.unseen > s.maxAge })
	return out
}

// associate assigns all it can by overlap and takes the overlaps that are too small apart again.
func (s *sorter) associate(dets []infer.Detection) []bool {
	used := make([]bool, len(dets))
	if len(dets) == 0 || len(s.tracks) == 0 {
		return used
	}
	cost := make([][]float64, len(s.tracks))
	for i, t := range s.tracks {
		cost[i] = make([]float64, len(dets))
		for j, d := range dets {
			cost[i][j] = -float64(t.box().IoU(d.Box))
		}
	}
	for i, j := range cheapest(cost) {
		if j >= 0 && -cost[i][j] >= s.iou {
			s.tracks[i].correct(dets[j])
			used[j] = true
		}
	}
	return used
}

// cheapest is the assignment of as many rows as there are columns, or the other way round, with the least total cost:
// each row's column or -1 (Kuhn and Munkres, with potentials). It is not the tracker's own, so that neither vouches
// for the other.
func cheapest(cost [][]float64) []int {
	rows, cols := len(cost), len(cost[0])
	n := max(rows, cols)
	at := func(i, j int) float64 {
		if i < rows && j < cols {
			return cost[i][j]
		}
		return 0
	}
	u, v, rowOf, way := make([]float64, n+1), make([]float64, n+1), make([]int, n+1), make([]int, n+1)
	for i := 1; i <= n; i++ {
		least, done := slices.Repeat([]float64{math.Inf(1)}, n+1), make([]bool, n+1)
		rowOf[0] = i
		j := 0
		for rowOf[j] != 0 {
			done[j] = true
			next, step := 0, math.Inf(1)
			for k := 1; k <= n; k++ {
				if done[k] {
					continue
				}
				if c := at(rowOf[j]-1, k-1) - u[rowOf[j]] - v[k]; c < least[k] {
					least[k], way[k] = c, j
				}
				if least[k] < step {
					step, next = least[k], k
				}
			}
			for k := range done {
				if done[k] {
					u[rowOf[k]] += step
					v[k] -= step
				} else {
					least[k] -= step
				}
			}
			j = next
		}
		for ; j != 0; j = way[j] {
			rowOf[j] = rowOf[way[j]]
		}
	}
	out := slices.Repeat([]int{-1}, rows)
	for j := 1; j <= cols; j++ {
		if i := rowOf[j] - 1; i < rows {
			out[i] = j - 1
		}
	}
	return out
}
