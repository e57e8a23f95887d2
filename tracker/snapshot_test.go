package tracker

import (
	"math"
	"testing"
	"time"
)

// walked is a person who has been seen at each step for so many seconds, at 40 px/s from x = 100.
func walked(rate, seconds float64) (tr *Tracker, last time.Time) {
	tr = New(DefaultConfig())
	for f := range int(seconds*rate) + 1 {
		last = t0.Add(interval(rate) * time.Duration(f))
		tr.Update(list(person(100+40*last.Sub(t0).Seconds(), 200, 0.9)), last)
	}
	return tr, last
}

// A box moves for 1.5 intervals and at most a second, either way, and is then held and marked.
func TestPredictionSpan(t *testing.T) {
	for _, tt := range []struct {
		rate, span float64
	}{{1, 1}, {2, 0.75}, {10, 0.15}, {25, 0.06}} {
		tr, last := walked(tt.rate, 6)
		at := last.Sub(t0).Seconds()
		for _, d := range []float64{-3, -1, -0.75, -0.5, -0.1, -0.01, 0, 0.01, 0.05, 0.1, 0.5, 0.75, 0.99, 1} {
			got := tr.snap.At(sec(at + d))
			if len(got) != 1 {
				t.Fatalf("%g/s at %+g s: %+v", tt.rate, d, got)
			}
			move := math.Max(-tt.span, math.Min(tt.span, d))
			x, want := float64(got[0].Box.X0+got[0].Box.X1)/2, 100+40*(at+move)
			if math.Abs(x-want) > 2 || got[0].Predicted != (math.Abs(d) > tt.span+1e-6) {
				t.Errorf("%g/s at %+g s: x %.1f, want %.1f; held %v", tt.rate, d, x, want, got[0].Predicted)
			}
		}
	}
}

// At two detections a second the picture is drawn from the newest snapshot, which is up to an interval and a detector's
// delay old: there is one box in all frames, and a single miss changes that only if the delay is half an interval.
func TestTwoDetectionsASecondDoNotBlink(t *testing.T) {
	for _, delay := range []float64{0, 0.1, 0.45} {
		for miss := range 2 { // every fourth detection missed, or none
			if miss == 1 && delay >= 0.25 {
				continue
			}
			tr, snap, f := New(DefaultConfig()), (*Snapshot)(nil), 0
			for frame := range 30 * 20 {
				s := float64(frame) / 30
				for ; float64(f)/2+delay <= s; f++ {
					dets := list(person(100+60*float64(f)/2, 200, 0.9))
					if miss == 1 && f%4 == 3 {
						dets = nil
					}
					snap = tr.Update(dets, sec(float64(f)/2))
				}
				if snap == nil {
					continue
				}
				got := snap.At(sec(s))
				if len(got) != 1 || got[0].ID != 1 {
					t.Fatalf("delay %g miss %d at %.2f s: %+v", delay, miss, s, got)
				}
				true := 100 + 60*s
				if x := float64(got[0].Box.X0+got[0].Box.X1) / 2; s > 3 && miss == 0 && delay == 0 && math.Abs(x-true) > 3 {
					t.Errorf("at %.2f s: x %.1f, the person is at %.1f", s, x, true)
				}
			}
		}
	}
}

// A track that is seen at fewer than six of ten steps is held from the moment it is not seen.
func TestSeldomSeenIsHeldAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		seen []bool // repeated
		held bool
	}{
		{"always", []bool{true}, false},
		{"two of three", []bool{true, false, true}, false},
		{"one of two", []bool{false, true}, true},
		{"one of three", []bool{false, false, true}, true},
	} {
		tr, last := walked(10, 2)
		from := last.Sub(t0).Seconds()
		for f := 1; f <= 30; f++ {
			at := from + float64(f)/10
			if tt.seen[(f-1)%len(tt.seen)] {
				tr.Update(list(person(100+40*at, 200, 0.9)), sec(at))
			} else {
				tr.Update(nil, sec(at))
			}
		}
		now, next := tr.snap.At(tr.snap.Time), tr.snap.At(tr.snap.Time.Add(50*time.Millisecond))
		if len(now) != 1 || len(next) != 1 || now[0].Predicted || now[0].Unseen != 0 {
			t.Fatalf("%s: %+v, then %+v", tt.name, now, next)
		}
		if next[0].Predicted != tt.held || (next[0].Box == now[0].Box) != tt.held {
			t.Errorf("%s: held %v, want %v: %v, then %v", tt.name, next[0].Predicted, tt.held, now[0].Box, next[0].Box)
		}
	}
}

func TestUncertaintyGrowsWithTimeUnseen(t *testing.T) {
	for _, rate := range []float64{2, 10, 25} {
		tr, last := walked(rate, 4)
		was := float32(0)
		for d := time.Duration(0); d <= time.Second; d += 50 * time.Millisecond {
			got := tr.snap.At(last.Add(d))
			if len(got) != 1 || got[0].SX <= was || got[0].SX != got[0].SY {
				t.Fatalf("%g/s after %v: more than %g px wanted: %+v", rate, d, was, got)
			}
			was = got[0].SX
		}
		if first := tr.snap.At(last)[0].SX; first > 4 || was < 3*first {
			t.Errorf("%g/s: standard deviation %g px when seen, %g a second later", rate, first, was)
		}
	}
}
