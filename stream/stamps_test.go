package stream

import (
	"testing"
	"time"
)

func TestStampsGrow(t *testing.T) {
	var s Stamps
	at := time.Unix(1000, 0)
	for n, tc := range []struct {
		name string
		step time.Duration
		want int64 // after the one before
	}{
		{"first", 0, 0},
		{"a frame later", 40 * time.Millisecond, 3600},
		{"same time", 0, 1},
		{"back", -time.Hour, 1},
		{"a frame later again", 40 * time.Millisecond, 3600},
		{"a pause", time.Hour, 45_000},
		{"a frame after the pause", 40 * time.Millisecond, 3600},
	} {
		before := s.ts
		at = at.Add(tc.step)
		if got := s.Next(at) - before; got != tc.want {
			t.Errorf("%d, %s: %d ticks, want %d", n, tc.name, got, tc.want)
		}
	}
}
