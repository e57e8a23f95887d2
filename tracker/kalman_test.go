package tracker

import (
	"math"
	"math/rand"
	"testing"
	"time"

	"yfv2d/infer"
)

// The covariance must stay positive definite whatever the order and size of steps and measurements.
func TestCovarianceStaysPositiveDefinite(t *testing.T) {
	rnd := rand.New(rand.NewSource(2))
	cfg := DefaultConfig()
	for round := 0; round < 2000; round++ {
		side := float32(math.Pow(10, rnd.Float64()*6)) // 1 px .. 1 Mpx
		m := newMotion(infer.Box{X1: side, Y1: side * (0.1 + rnd.Float32())}, &cfg)
		for step := 0; step < 50; step++ {
			dt := math.Pow(10, rnd.Float64()*6-4) // 0.1 ms .. 100 s
			if rnd.Intn(10) == 0 {
				dt = 0
			}
			m.predict(dt*rnd.Float64(), dt, 1+rnd.Float64(), &cfg)
			if rnd.Intn(3) > 0 {
				x, y := rnd.Float32()*2e6-1e6, rnd.Float32()*2e6-1e6
				w, h := side*(0.2+2*rnd.Float32()), side*(0.2+2*rnd.Float32())
				m.correct(infer.Box{X0: x, Y0: y, X1: x + w, Y1: y + h}, 1, &cfg)
			}
			for _, a := range []axis{m.cx, m.cy, m.w, m.h} {
				det := a.pxx*a.pvv - a.pxv*a.pxv
				if !(a.pxx > 0 && a.pvv > 0 && det > 0) || math.IsInf(a.pxx+a.pvv, 0) || math.IsNaN(a.x+a.v) {
					t.Fatalf("round %d step %d dt %g: %+v det %g", round, step, dt, a, det)
				}
			}
			if m.w.x < minSide || m.h.x < minSide {
				t.Fatalf("round %d: sides %g x %g", round, m.w.x, m.h.x)
			}
		}
	}
}

// One axis must equal the textbook filter, written with matrices and the short form of the update.
func TestAxisIsTheTextbookFilter(t *testing.T) {
	a := axis{x: 10, v: 2, pxx: 4, pxv: 1, pvv: 3}
	const dt, q, z, r = 0.5, 6.0, 12.5, 2.0
	// F P F' + Q
	pxx := a.pxx + 2*dt*a.pxv + dt*dt*a.pvv + q*dt*dt*dt/3
	pxv := a.pxv + dt*a.pvv + q*dt*dt/2
	pvv := a.pvv + q*dt
	x, v := a.x+dt*a.v, a.v
	k0, k1 := pxx/(pxx+r), pxv/(pxx+r)
	want := axis{x: x + k0*(z-x), v: v + k1*(z-x), pxx: (1 - k0) * pxx, pxv: (1 - k0) * pxv, pvv: pvv - k1*pxv}
	a.predict(dt, dt, q)
	a.correct(z, r)
	for i, d := range []float64{a.x - want.x, a.v - want.v, a.pxx - want.pxx, a.pxv - want.pxv, a.pvv - want.pvv} {
		if math.Abs(d) > 1e-12 {
			t.Errorf("value %d: %+v, want %+v", i, a, want)
		}
	}
}

func TestMotionLearnsVelocity(t *testing.T) {
	for _, dt := range []float64{0.033, 0.1, 0.5} {
		cfg := DefaultConfig()
		box := func(t float64) infer.Box {
			x, y := float32(100+80*t), float32(50-40*t)
			return infer.Box{X0: x, Y0: y, X1: x + 60, Y1: y + 120}
		}
		m := newMotion(box(0), &cfg)
		now := 0.0
		for now < 3 {
			now += dt
			m.predict(dt, dt, 1, &cfg)
			m.correct(box(now), 1, &cfg)
		}
		if math.Abs(m.cx.v-80) > 2 || math.Abs(m.cy.v+40) > 2 || math.Abs(m.w.v) > 1 {
			t.Errorf("dt %v: velocity %.1f, %.1f, width %.1f px/s, want 80, -40, 0", dt, m.cx.v, m.cy.v, m.w.v)
		}
		if iou := m.after(0.2).IoU(box(now + 0.2)); iou < 0.97 {
			t.Errorf("dt %v: box after 0.2 s overlaps the true one by %.3f", dt, iou)
		}
		if iou := m.after(-0.2).IoU(box(now - 0.2)); iou < 0.97 {
			t.Errorf("dt %v: box before 0.2 s overlaps the true one by %.3f", dt, iou)
		}
	}
}

// A day at ten detections a second, with gaps of up to a minute.
func TestCovarianceLastsADay(t *testing.T) {
	rnd := rand.New(rand.NewSource(3))
	cfg := DefaultConfig()
	m := newMotion(infer.Box{X1: 40, Y1: 100}, &cfg)
	for step := range 864_000 {
		dt := 0.1
		switch {
		case rnd.Intn(20) == 0:
			dt *= float64(1 + rnd.Intn(20))
		case rnd.Intn(10_000) == 0:
			dt = 60 * rnd.Float64()
		}
		m.predict(dt, dt, 1, &cfg)
		x, y := 900+800*math.Sin(float64(step)/300)+2*rnd.NormFloat64(), 500+2*rnd.NormFloat64()
		m.correct(person(x, y, 1).Box, 1+2*rnd.Float64(), &cfg)
		for i, a := range []axis{m.cx, m.cy, m.w, m.h} {
			if det := a.pxx*a.pvv - a.pxv*a.pxv; !(a.pxx > 0 && a.pvv > 0 && det > 0) || math.IsInf(a.pxx+a.pvv, 0) {
				t.Fatalf("step %d axis %d: %+v det %g", step, i, a, det)
			}
		}
	}
	if m.cx.pxx > 20 || m.cx.pvv > 2000 {
		t.Errorf("the filter has grown unsure: %+v", m.cx)
	}
}

// Who turns while hidden is seen again somewhere else: the velocity is then that of the straight line between.
func TestVelocityAfterGapIsThatOfTheLine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		dx, dy float64 // from where it was last seen to where it is seen again 1 s later, px
	}{
		{"straight on", 60, 0},
		{"slower", 25, 0},
		{"aside", 45, 30},
		{"other aside", 45, -30},
		{"back", -9, 4},
	} {
		for _, rate := range []float64{5, 10, 25} {
			tr := New(DefaultConfig())
			steps := int(3 * rate)
			for f := range steps {
				tr.Update(list(person(100+60*float64(f)/rate, 200, 0.9)), t0.Add(interval(rate)*time.Duration(f)))
			}
			last := float64(steps-1) / rate
			for f := 1; f < int(rate); f++ {
				tr.Update(nil, sec(last+float64(f)/rate))
			}
			got := tr.Update(list(person(100+60*last+tt.dx, 200+tt.dy, 0.9)), sec(last+1)).At(sec(last + 1))
			if len(got) != 1 || got[0].ID != 1 {
				t.Errorf("%s, %g/s: not found again: %+v", tt.name, rate, got)
				continue
			}
			off := math.Hypot(float64(got[0].VX)-tt.dx, float64(got[0].VY)-tt.dy)
			if off > math.Max(0.1*math.Hypot(tt.dx, tt.dy), 3) {
				t.Errorf("%s, %g/s: velocity %.1f, %.1f px/s, want %g, %g", tt.name, rate, got[0].VX, got[0].VY, tt.dx, tt.dy)
			}
		}
	}
}
