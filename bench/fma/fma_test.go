package fma

import (
	"testing"
	"time"
)

func TestMeasure(t *testing.T) {
	start := time.Now()
	r := Measure(time.Millisecond)
	t.Logf("%.1f G/s, %s", r.PerSecond/1e9, r.Width)
	if !(r.PerSecond > 1e6) || r.Width == "" {
		t.Errorf("rate %+v: want more than a million a second, and a name", r)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("a measurement of 1 ms took %v", took)
	}
}

func BenchmarkMeasure(b *testing.B) {
	var r Rate
	for b.Loop() {
		r = Measure(5 * time.Millisecond)
	}
	b.ReportMetric(r.PerSecond/1e9, "GFMA/s")
}
