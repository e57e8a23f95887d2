package tracker

import (
	"math"
	"testing"
	"time"

	"yfv2d/infer"
)

// watched is five people of whom two stand and three walk three ways, seen by a camera that pans by so many px at time s.
// It returns the tracker's unrest at each step, and fails if an id changes.
func watched(t *testing.T, rate float64, pan func(s float64) float64) []float64 {
	t.Helper()
	var errs [5]*noisy
	for i := range errs {
		errs[i] = newNoisy(uint64(i), 0.045)
	}
	tr := New(DefaultConfig())
	var out []float64
	for f := range int(12 * rate) {
		s := float64(f) / rate
		var dets []infer.Detection
		for i, way := range []float64{0, 60, 0, -70, 40} {
			d := person(300+180*float64(i)+way*s+pan(s), 150+110*float64(i), 0.7+0.05*float64(i))
			d.Box = errs[i].see(d.Box, 1/rate)
			dets = append(dets, d)
		}
		snap := tr.Update(dets, t0.Add(interval(rate)*time.Duration(f)))
		out = append(out, tr.camera.unrest())
		shown := snap.At(snap.Time)
		if rate > 10 && s < 0.2 {
			continue
		}
		if len(shown) != 5 || shown[4].ID != 5 {
			t.Fatalf("%g/s at %.2f s: want the ids 1 to 5: %+v", rate, s, shown)
		}
	}
	return out
}

func TestStandingCameraIsCalm(t *testing.T) {
	for _, rate := range []float64{2, 5, 10, 25} {
		for i, u := range watched(t, rate, func(float64) float64 { return 0 }) {
			if u != 1 {
				t.Errorf("%g/s step %d: unrest %g, want exactly 1", rate, i, u)
			}
		}
	}
}

// A camera that swings by 80 px to either side every three seconds is faster than anyone walks (168 px/s).
func TestPanIsFollowed(t *testing.T) {
	for _, rate := range []float64{10, 25} {
		most := 1.0
		for _, u := range watched(t, rate, func(s float64) float64 { return 80 * math.Sin(2*math.Pi*s/3) }) {
			most = max(most, u)
		}
		if most <= 1 || most > cameraMost {
			t.Errorf("%g/s: unrest up to %g, want more than 1 and at most %g", rate, most, float64(cameraMost))
		}
	}
}

func TestTwoObjectsProveNoPan(t *testing.T) {
	tr := New(DefaultConfig())
	for f := range 100 {
		x := 80 * math.Sin(float64(f)/5)
		tr.Update(list(person(300+x, 200, 0.9), person(600+x, 200, 0.8)), sec(float64(f)/10))
		if u := tr.camera.unrest(); u != 1 {
			t.Fatalf("step %d: unrest %g", f, u)
		}
	}
}
