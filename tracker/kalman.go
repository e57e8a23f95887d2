package tracker

import (
	"math"

	"yfv2d/infer"
)

// axis is a Kalman filter of one coordinate with constant velocity (x in px, v in px/s) and white acceleration noise.
// Centre and size of a box are measured independently and disturbed independently, so the usual filter of eight
// states falls apart into four of these, without approximation.
type axis struct {
	x, v          float64
	pxx, pxv, pvv float64 // covariance, symmetric by construction
}

// predict moves the mean on by move seconds and the uncertainty by dt seconds. q is the variance that the velocity
// gains in one second, (px/s)^2/s.
func (a *axis) predict(move, dt, q float64) {
	a.x += a.v * move
	a.pxx += dt*(2*a.pxv+dt*a.pvv) + q*dt*dt*dt/3
	a.pxv += dt*a.pvv + q*dt*dt/2
	a.pvv += q * dt
}

// correct takes in a measured x of variance r. The covariance is updated in Joseph's form, which stays positive
// definite under rounding (Bucy and Joseph 1968).
func (a *axis) correct(z, r float64) {
	s := a.pxx + r
	kx, kv := a.pxx/s, a.pxv/s
	y := z - a.x
	a.x += kx * y
	a.v += kv * y
	c := 1 - kx
	a.pxx, a.pxv, a.pvv = c*c*a.pxx+r*kx*kx,
		c*(a.pxv-kv*a.pxx)+r*kx*kv,
		a.pvv-2*kv*a.pxv+kv*kv*a.pxx+r*kv*kv
}

// motion is the filter of a box: centre and size.
type motion struct{ cx, cy, w, h axis }

// minSide is the least width and height of a filtered box, px.
const minSide = 1

// startGrowth is the standard deviation of the unknown growth of a new track's sides, in box sizes per second.
const startGrowth = 0.3

func newMotion(b infer.Box, cfg *Config) motion {
	cx, cy, w, h := centre(b)
	s := (w + h) / 2
	start := func(x, speed float64) axis {
		return axis{x: x, pxx: measured(s, cfg), pvv: square(speed * s)}
	}
	return motion{start(cx, cfg.StartSpeed), start(cy, cfg.StartSpeed), start(w, startGrowth), start(h, startGrowth)}
}

// measured is the variance of a measured coordinate of a box of size s: relative to the size, and half a pixel at least.
func measured(s float64, cfg *Config) float64 { return square(math.Max(cfg.MeasureNoise*s, 0.5)) }

func square(x float64) float64 { return x * x }

func centre(b infer.Box) (cx, cy, w, h float64) {
	x0, y0, x1, y1 := float64(b.X0), float64(b.Y0), float64(b.X1), float64(b.Y1)
	return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
}

func (m *motion) size() float64 { return (m.w.x + m.h.x) / 2 }

// predict moves the box on by move seconds and lets the uncertainty grow by dt seconds; unrest, 1 or more, is how much
// more than usual the velocity wanders.
func (m *motion) predict(move, dt, unrest float64, cfg *Config) {
	s := m.size()
	qm, qs := square(unrest*cfg.MoveNoise*s), square(cfg.SizeNoise*s)
	w, h := m.w.x, m.h.x
	m.cx.predict(move, dt, qm)
	m.cy.predict(move, dt, qm)
	m.w.predict(move, dt, qs)
	m.h.predict(move, dt, qs)
	m.w.x, m.h.x = bounded(m.w.x, w), bounded(m.h.x, h)
}

// correct takes in a detection's box, whose standard deviation is noise times the usual.
func (m *motion) correct(b infer.Box, noise float64, cfg *Config) {
	cx, cy, w, h := centre(b)
	r := noise * noise * measured((w+h)/2, cfg)
	m.cx.correct(cx, r)
	m.cy.correct(cy, r)
	m.w.correct(w, r)
	m.h.correct(h, r)
	m.w.x, m.h.x = math.Max(m.w.x, minSide), math.Max(m.h.x, minSide)
}

// bounded keeps a predicted side within half and twice of what it was: a size's velocity is mostly noise.
func bounded(side, was float64) float64 {
	return math.Max(minSide, math.Min(2*was, math.Max(was/2, side)))
}

// extent is the box as it stands.
func (m *motion) extent() extent {
	w, h := m.w.x/2, m.h.x/2
	return extent{m.cx.x - w, m.cy.x - h, m.cx.x + w, m.cy.x + h}
}

// after is the box dt seconds later, or before if dt is negative.
func (m *motion) after(dt float64) infer.Box {
	cx, cy := m.cx.x+m.cx.v*dt, m.cy.x+m.cy.v*dt
	w, h := bounded(m.w.x+m.w.v*dt, m.w.x)/2, bounded(m.h.x+m.h.v*dt, m.h.x)/2
	return infer.Box{X0: float32(cx - w), Y0: float32(cy - h), X1: float32(cx + w), Y1: float32(cy + h)}
}

// deviation is the standard deviation of the centre dt seconds later or before, px.
func (m *motion) deviation(dt float64, cfg *Config) (x, y float64) {
	q := square(cfg.MoveNoise * m.size())
	return m.cx.deviation(dt, q), m.cy.deviation(dt, q)
}

func (a *axis) deviation(dt, q float64) float64 {
	return math.Sqrt(math.Max(0, a.pxx+dt*(2*a.pxv+dt*a.pvv)+q*math.Abs(dt*dt*dt)/3))
}

// unsettle makes the filter as unsure of the centre as a turn dt seconds ago leaves it.
func (m *motion) unsettle(dt float64) {
	v := square(turnSpeed * m.size())
	more := v * square(math.Min(1, dt))
	for _, a := range [...]*axis{&m.cx, &m.cy} {
		a.pxx, a.pvv = a.pxx+more, a.pvv+v
	}
}

// jump is the square of the deviation, in variances, that tells a turn or stop from noise: a normal one is larger in one of
// seventy.
const jump = 6

// jumps says whether a detection is further from where the filter has the centre than chance puts it.
func (m *motion) jumps(d *seen, cfg *Config) bool {
	r := measured((d.w+d.h)/2, cfg)
	return square(d.cx-m.cx.x) > jump*(m.cx.pxx+r) || square(d.cy-m.cy.x) > jump*(m.cy.pxx+r)
}
