package tracker_test

import (
	"slices"

	"yfv2d/infer"
)

// byter is ByteTrack (Zhang et al., "ByteTrack: multi-object tracking by associating every detection box", 2022) as its
// authors published it in byte_tracker.py, to compare with.
type byter struct {
	trackScore, match float64 // track_thresh, match_thresh
	buffer            int     // frames that a lost track is kept: track_buffer
	frame, lastID     int
	tracked, lost     []*byteTrack
}

type byteTrack struct {
	id          int
	det         infer.Detection
	x, y, a, h  pair // centre, width over height, height
	active      bool // seen twice, or in the first frame
	lost        bool
	first, last int // frames
}

// Standard deviations of position and velocity, in heights (of the aspect, absolute).
const (
	bytePosition, byteVelocity   = 1.0 / 20, 1.0 / 160
	byteAspect, byteAspectSpeed  = 1e-2, 1e-5
	byteAspectSeen               = 1e-1
	byteLowest, byteLowMatch     = 0.1, 0.5
	byteNewMatch, byteDuplicates = 0.7, 0.15
)

func aspectForm(b infer.Box) (x, y, a, h float64) {
	w, h := float64(b.X1)-float64(b.X0), float64(b.Y1)-float64(b.Y0)
	return float64(b.X0) + w/2, float64(b.Y0) + h/2, w / h, h
}

func newByteTrack(d infer.Detection, frame int) *byteTrack {
	x, y, a, h := aspectForm(d.Box)
	start := func(v, sp, sv float64) pair { return pair{x: v, pxx: sp * sp, pvv: sv * sv} }
	side := func(v float64) pair { return start(v, 2*bytePosition*h, 10*byteVelocity*h) }
	return &byteTrack{det: d, x: side(x), y: side(y), a: start(a, byteAspect, byteAspectSpeed), h: side(h), active: frame == 1, first: frame, last: frame}
}

func (t *byteTrack) predict() {
	if t.lost {
		t.h.v = 0
	}
	h := t.h.x
	qx, qv := square(bytePosition*h), square(byteVelocity*h)
	t.x.predict(qx, qv)
	t.y.predict(qx, qv)
	t.a.predict(square(byteAspect), square(byteAspectSpeed))
	t.h.predict(qx, qv)
}

func (t *byteTrack) correct(d infer.Detection, frame int) {
	x, y, a, h := aspectForm(d.Box)
	r := square(bytePosition * t.h.x)
	t.x.correct(x, r)
	t.y.correct(y, r)
	t.a.correct(a, square(byteAspectSeen))
	t.h.correct(h, r)
	t.det, t.active, t.lost, t.last = d, true, false, frame
}

func (t *byteTrack) box() infer.Box { return centred(t.x.x, t.y.x, t.a.x*t.h.x, t.h.x) }

// pixelIoU counts the last pixel in, as the cython_bbox package does that the authors use.
func pixelIoU(a, b infer.Box) float64 {
	whole := func(o infer.Box) infer.Box { return infer.Box{X0: o.X0, Y0: o.Y0, X1: o.X1 + 1, Y1: o.Y1 + 1} }
	return float64(whole(a).IoU(whole(b)))
}

func square(x float64) float64 { return x * x }

func (b *byter) update(all []infer.Detection) []shown {
	b.frame++
	var high, low []infer.Detection
	for _, d := range all {
		switch s := float64(d.Score); {
		case s > b.trackScore:
			high = append(high, d)
		case s > byteLowest && s < b.trackScore:
			low = append(low, d)
		}
	}
	var pool, fresh []*byteTrack
	for _, t := range b.tracked {
		if t.active {
			pool = append(pool, t)
		} else {
			fresh = append(fresh, t)
		}
	}
	pool = append(pool, b.lost...)
	for _, t := range pool {
		t.predict()
	}
	rest, high := b.associate(pool, high, b.match, true)
	weak := slices.DeleteFunc(slices.Clone(rest), func(t *byteTrack) bool { return t.lost })
	left, _ := b.associate(weak, low, byteLowMatch, false)
	for _, t := range left {
		t.lost = true
	}
	gone, high := b.associate(fresh, high, byteNewMatch, true)
	all2 := append(pool, slices.DeleteFunc(fresh, func(t *byteTrack) bool { return slices.Contains(gone, t) })...)
	for _, d := range high {
		if float64(d.Score) >= b.trackScore+0.1 {
			t := newByteTrack(d, b.frame)
			b.lastID++
			t.id = b.lastID
			all2 = append(all2, t)
		}
	}
	b.sort(all2)
	var out []shown
	for _, t := range b.tracked {
		if t.active {
			t.det.Box = t.box()
			out = append(out, shown{t.id, t.det})
		}
	}
	return out
}

// associate matches at a distance (1 - overlap, the overlap times the score if fuse) below limit, where staying alone
// costs half the limit each. It returns what is left of both.
func (b *byter) associate(tracks []*byteTrack, dets []infer.Detection, limit float64, fuse bool) ([]*byteTrack, []infer.Detection) {
	if len(tracks) == 0 || len(dets) == 0 {
		return tracks, dets
	}
	cost := make([][]float64, len(tracks))
	for i, t := range tracks {
		cost[i] = make([]float64, len(dets))
		for j, d := range dets {
			sim := pixelIoU(t.box(), d.Box)
			if fuse {
				sim *= float64(d.Score)
			}
			cost[i][j] = min(0, 1-sim-limit)
		}
	}
	var rest []*byteTrack
	used := make([]bool, len(dets))
	for i, j := range cheapest(cost) {
		if j < 0 || cost[i][j] == 0 {
			rest = append(rest, tracks[i])
			continue
		}
		tracks[i].correct(dets[j], b.frame)
		used[j] = true
	}
	var left []infer.Detection
	for j, d := range dets {
		if !used[j] {
			left = append(left, d)
		}
	}
	return rest, left
}

// sort puts tracks where they belong. Of a tracked and a lost one at one place the longer stays.
func (b *byter) sort(all []*byteTrack) {
	b.tracked, b.lost = nil, nil
	for _, t := range all {
		switch {
		case !t.lost:
			b.tracked = append(b.tracked, t)
		case b.frame-t.last <= b.buffer:
			b.lost = append(b.lost, t)
		}
	}
	var drop []*byteTrack
	for _, t := range b.tracked {
		for _, l := range b.lost {
			if 1-pixelIoU(t.box(), l.box()) >= byteDuplicates {
				continue
			}
			if t.last-t.first > l.last-l.first {
				drop = append(drop, l)
			} else {
				drop = append(drop, t)
			}
		}
	}
	dropped := func(t *byteTrack) bool { return slices.Contains(drop, t) }
	b.tracked, b.lost = slices.DeleteFunc(b.tracked, dropped), slices.DeleteFunc(b.lost, dropped)
}

func byteOf(trackScore, match float64, buffer int) runner {
	return counted(func() baseline { return &byter{trackScore: trackScore, match: match, buffer: buffer} })
}
