package tracker

import (
	"math"
	"time"
)

const (
	// stillReach is how far a standing object's box may be from where it stands, in box sizes: detections of a parked
	// car scatter by 0.05, filtered ones by less, and a slow walker (0.3 m/s, a size is about 1.1 m) is through in half a second.
	stillReach = 0.15
	// stillPixels is the same for small boxes, px.
	stillPixels = 2
	// stillGrowth is how much a side may change while the centre stays; more is an object that comes or goes.
	stillGrowth = 0.3
	// stillAfter is how long a track must keep its place to be called stationary.
	stillAfter = 2 * time.Second
	// stillLeave is how long it must be elsewhere to be called moving; stillGone box sizes away it is so at once.
	stillLeave = time.Second
	stillGone  = 0.5
	// stillSpeed, in box sizes per second: what is out of reach and surely faster than this is moving at once.
	stillSpeed = 0.35
)

// still knows where a track stands. The place is the mean box of its first stillAfter.
type still struct {
	place    [4]float64 // x0, y0, x1, y1
	n        int        // boxes in the mean
	since    time.Time
	stands   bool // it was at its place when stillAfter was over, or later
	away     bool
	awayFrom time.Time
}

// see takes in the filter after a detection.
func (s *still) see(m *motion, at time.Time) {
	e := m.extent()
	box := [4]float64{e.x0, e.y0, e.x1, e.y1}
	if s.n == 0 {
		*s = still{place: box, n: 1, since: at}
		return
	}
	d := s.distance(box)
	switch {
	case d <= 1:
		s.away = false
		if at.Sub(s.since) >= stillAfter {
			s.stands = true
			return
		}
		s.n++
		for i := range s.place {
			s.place[i] += (box[i] - s.place[i]) / float64(s.n)
		}
	case d >= stillGone/stillReach || m.goes() || s.away && at.Sub(s.awayFrom) >= stillLeave:
		*s = still{place: box, n: 1, since: at}
	case !s.away:
		s.away, s.awayFrom = true, at
	}
}

// stationarySince is zero for a track that moves.
func (s *still) stationarySince() time.Time {
	if !s.stands {
		return time.Time{}
	}
	return s.since
}

// distance is how far a box is from the place, 1 being the reach of a standing object. An edge that moves alone is an
// object half hidden or shown again, not one that moves.
func (s *still) distance(box [4]float64) float64 {
	w, h := s.place[2]-s.place[0], s.place[3]-s.place[1]
	reach := math.Max(stillReach*(w+h)/2, stillPixels)
	return math.Max(axisDistance(s.place[0], s.place[2], box[0], box[2], reach), axisDistance(s.place[1], s.place[3], box[1], box[3], reach))
}

func axisDistance(lo, hi, newLo, newHi, reach float64) float64 {
	low, high := math.Abs(newLo-lo), math.Abs(newHi-hi)
	edge := math.Min(low, high) / reach
	if change := (newHi - newLo) / (hi - lo); change > 1+stillGrowth || change < 1/(1+stillGrowth) {
		return edge
	}
	return math.Min(edge, math.Abs(newLo+newHi-lo-hi)/2/reach)
}

// goes says whether the filter is sure that the box moves.
func (m *motion) goes() bool {
	const sure = 3 // standard deviations
	speed := math.Hypot(m.cx.v, m.cy.v)
	return speed > stillSpeed*m.size() && speed > sure*math.Sqrt(math.Max(m.cx.pvv, m.cy.pvv))
}
