package tracker

import (
	"math"
	"time"
)

// camera notices that all boxes are off the same way, because the camera turns or is shaken: then every filter may follow
// faster. A filter whose process noise were always that large would follow each wrong box instead.
//
// What is off is summed over the tracks of a step in standard deviations. For independent tracks the square of that sum
// over their number is about 1 (chi-squared of one degree of freedom); tracks that agree bring it to their number.
type camera struct {
	n      int
	dx, dy float64 // sums of this step's innovations, in standard deviations
	excess float64 // that square, smoothed
}

const (
	cameraMemory = 0.3 // s over which the excess is smoothed
	cameraCalm   = 1.5 // the excess up to which nothing is done
	cameraMost   = 4   // how much more than usual the velocity may wander at most
	cameraTracks = 3   // fewer tracks than this prove nothing
)

// feel takes in what a detection says against a track's prediction.
func (c *camera) feel(m *motion, d *seen, cfg *Config) {
	r := measured((d.w+d.h)/2, cfg)
	c.n++
	c.dx += (d.cx - m.cx.x) / math.Sqrt(m.cx.pxx+r)
	c.dy += (d.cy - m.cy.x) / math.Sqrt(m.cy.pxx+r)
}

// settle ends a step that came dt after the one before.
func (c *camera) settle(dt time.Duration) {
	now := 1.0
	if c.n >= cameraTracks {
		now = math.Max(c.dx*c.dx, c.dy*c.dy) / float64(c.n)
	}
	c.excess += (now - c.excess) * (1 - math.Exp(-dt.Seconds()/cameraMemory))
	c.n, c.dx, c.dy = 0, 0, 0
}

// unrest is a factor on the noise of all tracks' velocities: exactly 1 unless they agree more than chance lets them. A few
// tracks that begin, turn or are half hidden together may raise it a little for a step or two.
func (c *camera) unrest() float64 {
	return math.Max(1, math.Min(cameraMost, math.Sqrt(c.excess/cameraCalm)))
}
