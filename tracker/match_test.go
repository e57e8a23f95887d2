package tracker

import (
	"math/rand"
	"testing"
)

// Boxes that meet lie in a common column, wherever the step's detections are.
func TestColumnsMissNoMeeting(t *testing.T) {
	rnd := rand.New(rand.NewSource(6))
	box := func() extent {
		x, w := 400*rnd.NormFloat64(), 300*rnd.Float64()*rnd.Float64()
		return extent{x, 0, x + w, 10}
	}
	meets, spared := 0, 0
	for range 200 {
		tr := New(DefaultConfig())
		for range 1 + rnd.Intn(30) {
			b := box()
			tr.seen = append(tr.seen, seen{box: b, w: b.x1 - b.x0, h: 10})
		}
		c := tr.columns()
		for range 50 {
			track := box()
			for j := range tr.seen {
				common := c.of(track)&tr.places[j] != 0
				switch {
				case track.meets(tr.seen[j].box):
					if meets++; !common {
						t.Fatalf("%v meets %v, but no column is common", track, tr.seen[j].box)
					}
				case !common:
					spared++
				}
			}
		}
	}
	if meets < 1000 || spared < 2*meets {
		t.Errorf("%d meetings, %d comparisons spared", meets, spared)
	}
}
