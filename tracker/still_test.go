package tracker

import (
	"math"
	"testing"
	"time"

	"yfv2d/infer"
)

// observed plays an object whose box at second s is given (no area: not detected) and calls look after each step with
// its track; an object that is not always exactly one track fails.
func observed(t *testing.T, rate, seconds float64, seed uint64, miss float64, box func(s float64) infer.Box, look func(s float64, k *Track)) {
	t.Helper()
	tr, errs := New(DefaultConfig()), newNoisy(seed, 0.05)
	for f := range int(seconds * rate) {
		s := float64(f) / rate
		b, dets := errs.see(box(s), 1/rate), []infer.Detection(nil)
		if f == 0 || errs.Float64() >= miss {
			dets = list(infer.Detection{Box: b, Score: 0.85})
		}
		snap := tr.Update(dets, t0.Add(interval(rate)*time.Duration(f)))
		all := snap.All()
		if len(all) != 1 || all[0].ID > 1 {
			t.Fatalf("%g/s seed %d at %.1f s: want one track: %+v", rate, seed, s, all)
		}
		if k := &all[0]; k.ID == 1 {
			look(s, k)
		}
	}
}

func at(b infer.Box, dx float64) infer.Box {
	b.X0, b.X1 = b.X0+float32(dx), b.X1+float32(dx)
	return b
}

var (
	parked  = infer.Box{X0: 300, Y0: 300, X1: 480, Y1: 380} // 130 px in size, 1.5 m tall
	pedest  = infer.Box{X0: 300, Y0: 200, X1: 340, Y1: 300} // 70 px in size, about 1.1 m
	detects = []float64{2, 5, 10, 25}
)

func TestParkedCarIsStationary(t *testing.T) {
	for _, rate := range detects {
		for seed := range uint64(10) {
			var since time.Time
			observed(t, rate, 60, seed, 0.2, func(float64) infer.Box { return parked }, func(s float64, k *Track) {
				if !k.Stationary() {
					if s > 3 {
						t.Fatalf("%g/s seed %d: moves at %.1f s (%.1f, %.1f px/s)", rate, seed, s, k.VX, k.VY)
					}
					return
				}
				if since.IsZero() {
					since = k.StationarySince
				}
				if k.StationarySince != since || s < 2 {
					t.Fatalf("%g/s seed %d at %.1f s: stationary since %v, before since %v", rate, seed, s, k.StationarySince, since)
				}
				if got, want := k.StationaryFor(), k.LastSeen.Add(k.Unseen).Sub(since); got != want {
					t.Fatalf("stationary for %v, want %v", got, want)
				}
			})
			if since.Sub(t0) > time.Second {
				t.Errorf("%g/s seed %d: stands since %v after it came, though it always did", rate, seed, since.Sub(t0))
			}
		}
	}
}

func TestSlowWalkerIsNotStationary(t *testing.T) {
	const speed = 0.27 * 70 // px/s: 0.3 m/s
	for _, rate := range detects {
		for seed := range uint64(10) {
			observed(t, rate, 60, seed, 0.1, func(s float64) infer.Box { return at(pedest, speed*s) }, func(s float64, k *Track) {
				if k.Stationary() && s > 3 || k.StationaryFor() != 0 && !k.Stationary() {
					t.Errorf("%g/s seed %d at %.1f s: stationary since %v", rate, seed, s, k.StationarySince.Sub(t0))
				}
			})
		}
	}
}

// Who stands for ten seconds and then goes is moving within a second, and stationary again two to three seconds after the
// next stop, since then.
func TestStandsThenWalksThenStands(t *testing.T) {
	const speed = 70 // px/s: 1.1 m/s
	for _, rate := range detects {
		for seed := range uint64(10) {
			observed(t, rate, 25, seed, 0, func(s float64) infer.Box {
				return at(pedest, speed*math.Max(0, math.Min(5, s-10)))
			}, func(s float64, k *Track) {
				want := s > 3 && s < 10 || s > 19
				known := want || s > 11 && s < 16
				if known && k.Stationary() != want {
					t.Fatalf("%g/s seed %d at %.1f s: stationary %v", rate, seed, s, !want)
				}
				if at := k.StationarySince.Sub(t0).Seconds(); s > 19 && (at < 14.5 || at > 17) {
					t.Fatalf("%g/s seed %d: stopped at 15 s, stationary since %.1f s", rate, seed, at)
				}
			})
		}
	}
}

// Someone stands for three seconds in front of half of who stands there, comes and goes within a second.
func TestHalfHiddenStaysStationary(t *testing.T) {
	for _, tt := range []struct {
		name string
		cut  func(b *infer.Box, part float32)
	}{
		{"left", func(b *infer.Box, part float32) { b.X0 += part * b.W() }},
		{"right", func(b *infer.Box, part float32) { b.X1 -= part * b.W() }},
		{"foot", func(b *infer.Box, part float32) { b.Y1 -= part * b.H() }},
	} {
		for _, rate := range detects {
			part := float32(0.5)
			if rate == 2 {
				part = 0.3 // half a box from one step to the next may be another object's
			}
			for seed := range uint64(10) {
				var since time.Time
				observed(t, rate, 20, seed, 0, func(s float64) infer.Box {
					b := pedest
					tt.cut(&b, part*float32(math.Max(0, math.Min(1, math.Min(s-8, 13-s)))))
					return b
				}, func(s float64, k *Track) {
					if s < 5 {
						since = k.StationarySince
					} else if k.StationarySince != since || since.IsZero() {
						t.Errorf("%s hidden, %g/s seed %d at %.1f s: stationary since %v, before since %v", tt.name, rate, seed, s, k.StationarySince, since)
					}
				})
			}
		}
	}
}
