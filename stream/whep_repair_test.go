package stream

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestRepairs(t *testing.T) {
	start := time.Unix(1000, 0)
	ask := func(r *repairs, after time.Duration, seqs ...uint16) bool {
		r.nack(start.Add(after), &rtcp.TransportLayerNack{Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
		return r.lost.Load()
	}
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, r *repairs) bool // lost
		want bool
	}{
		{"asked once", func(_ *testing.T, r *repairs) bool { return ask(r, 0, 10) }, false},
		{"asked again soon", func(_ *testing.T, r *repairs) bool {
			ask(r, 0, 10)
			return ask(r, 300*time.Millisecond, 10)
		}, false},
		{"asked for long", func(_ *testing.T, r *repairs) bool {
			ask(r, 0, 10)
			return ask(r, 500*time.Millisecond, 10)
		}, true},
		{"others later", func(_ *testing.T, r *repairs) bool {
			ask(r, 0, 10)
			return ask(r, 500*time.Millisecond, 11, 12)
		}, false},
		{"too many", func(_ *testing.T, r *repairs) bool {
			var all []uint16
			for n := range uint16(70) {
				all = append(all, n+10)
			}
			return ask(r, 0, all...)
		}, true},
		{"older than the key picture", func(_ *testing.T, r *repairs) bool {
			ask(r, 0, 3)
			return ask(r, time.Second, 3)
		}, false},
		{"a key picture in between", func(_ *testing.T, r *repairs) bool {
			ask(r, 0, 10)
			ask(r, 500*time.Millisecond, 10)
			r.began(20)
			return ask(r, time.Second, 10)
		}, false},
		{"refused", func(_ *testing.T, r *repairs) bool {
			r.refused(10)
			return r.lost.Load()
		}, true},
		{"refused and of no use", func(_ *testing.T, r *repairs) bool {
			r.refused(4)
			return r.lost.Load()
		}, false},
		{"numbers that wrap", func(_ *testing.T, r *repairs) bool {
			r.began(65_530)
			return !r.worth(2) || r.worth(65_529)
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r repairs
			r.began(5)
			if got := tc.run(t, &r); got != tc.want {
				t.Errorf("given up: %v, want %v", got, tc.want)
			}
		})
	}
}
