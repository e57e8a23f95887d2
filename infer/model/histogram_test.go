package model

import "testing"

// The histogram counts the same however its range grew.
func TestHistogramGrows(t *testing.T) {
	h := &histogram{}
	for _, v := range []float32{0, 0.001, -0.5, 3, 1000, -7} {
		if err := h.add([]float32{v}); err != nil {
			t.Fatal(err)
		}
	}
	if h.lo != -7 || h.hi != 1000 || h.span != 1024 {
		t.Fatalf("range %v to %v in bins up to %v", h.lo, h.hi, h.span)
	}
	var n int64
	for i, c := range h.count {
		n += c
		if c > 0 && (h.middle(i) < -7.5 || h.middle(i) > 1000.5) {
			t.Errorf("%d numbers counted at %v", c, h.middle(i))
		}
	}
	if n != 6 {
		t.Errorf("%d numbers counted, want 6", n)
	}
}

// Few far numbers are cut when that makes the many others finer.
func TestLeastError(t *testing.T) {
	h := &histogram{}
	v := make([]float32, 100_000)
	for i := range v {
		v[i] = float32(i%1000) / 1000
	}
	v[5] = 2
	if err := h.add(v); err != nil {
		t.Fatal(err)
	}
	if lo, hi := leastError(h); lo != 0 || hi < 0.95 || hi > 2 {
		t.Errorf("least error takes %v to %v", lo, hi)
	}
	empty := &histogram{}
	if p := paramFor(leastError(empty)); p.Scale <= 0 || p.Zero != -128 {
		t.Errorf("a value that is always 0 has %+v", p)
	}
}

func TestParamKeepsZero(t *testing.T) {
	for _, r := range [][2]float64{{0, 6}, {-3, 3}, {-1, 7}, {-5, 0}, {0, 0}} {
		p := paramFor(r[0], r[1])
		step := float64(p.Scale)
		if lo := step * float64(-128-int(p.Zero)); lo > r[0]+step {
			t.Errorf("%v: least number %v", r, lo)
		}
		if hi := step * float64(127-int(p.Zero)); hi < r[1]-step {
			t.Errorf("%v: greatest number %v", r, hi)
		}
	}
}
