package live

import (
	"testing"
	"time"
)

// TestInterval: a pause of a stream that has just begun is not taken for its rhythm.
func TestInterval(t *testing.T) {
	const ms = time.Millisecond
	rows := []struct {
		name string
		at   []time.Duration
		want time.Duration
	}{
		{"nothing yet", []time.Duration{0, 40 * ms}, 0},
		{"a pause first", []time.Duration{0, 2000 * ms, 2040 * ms}, 40 * ms},
		{"a pause then", []time.Duration{0, 40 * ms, 2040 * ms}, 40 * ms},
		{"steady and slow", []time.Duration{0, 2000 * ms, 4000 * ms}, 2000 * ms},
		{"B-frames", []time.Duration{0, 120 * ms, 40 * ms, 80 * ms}, 40 * ms},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var p pulse
			start := time.Now()
			p.start(start, 0)
			for _, d := range r.at {
				p.unit(start.Add(d), start.Add(d), true, false)
			}
			if got := p.interval(); got != r.want {
				t.Errorf("interval %v, want %v", got, r.want)
			}
		})
	}
}
