package tracker

import (
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"

	"yfv2d/infer"
)

// street is people who come, walk by and go, for ever, ten detections a second with misses and false alarms.
type street struct {
	*rand.Rand
	people []passer
	dets   []infer.Detection
}

type passer struct{ x, y, v float64 }

// step moves all by a tenth of a second and gives what is detected, valid until the next step.
func (s *street) step() []infer.Detection {
	if s.Float64() < 0.1 && len(s.people) < 30 {
		s.people = append(s.people, passer{0, 100 + 800*s.Float64(), 60 + 120*s.Float64()})
	}
	s.dets = s.dets[:0]
	left := s.people[:0]
	for _, p := range s.people {
		p.x += p.v / 10
		if p.x < 1900 {
			left = append(left, p)
		}
		if s.Float64() < 0.9 {
			s.dets = append(s.dets, person(p.x+2*s.NormFloat64(), p.y+2*s.NormFloat64(), 0.4+0.5*s.Float64()))
		}
	}
	s.people = left
	if s.Float64() < 0.1 {
		s.dets = append(s.dets, person(1900*s.Float64(), 1000*s.Float64(), 0.3+0.4*s.Float64()))
	}
	return s.dets
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// longRun is how many updates a long run has, unless YFV2D_LONG asks for a million.
var longRun = 100_000

// Memory does not grow: at the end it is what it was after a tenth of the updates.
func TestLongRunIsFlat(t *testing.T) {
	const slack = 64 << 10
	n := longRun
	if os.Getenv("YFV2D_LONG") != "" {
		n = 1_000_000
	}
	tr, s := New(DefaultConfig()), &street{Rand: rand.New(rand.NewPCG(1, 1))}
	at, known, ended, early := t0, 0, 0, int64(0)
	for i := range n {
		at = at.Add(100 * time.Millisecond)
		if i%5000 == 4999 {
			at = at.Add(time.Minute)
		}
		snap := tr.Update(s.step(), at)
		ended += len(snap.Ended())
		last := 0
		for j := range snap.tracks { // ids rise; new ones are above all old ones
			id := snap.tracks[j].id
			if id != 0 && id <= last {
				t.Fatalf("update %d: id %d after %d", i, id, last)
			}
			last = max(last, id)
		}
		known = max(known, last)
		if i == n/10 {
			early = heap()
		}
	}
	late := heap()
	t.Logf("%d updates: %d bytes of heap after a tenth, %d at the end; %d ids, %d ended, %d tracks", n, early, late, known, ended, len(tr.tracks))
	if late > early+slack {
		t.Errorf("the heap grew by %d bytes, at most %d allowed", late-early, slack)
	}
	if tr.nextID != known || ended < n/200 || known-ended > len(tr.tracks) {
		t.Errorf("%d ids given, %d seen, %d ended, %d tracks left", tr.nextID, known, ended, len(tr.tracks))
	}
	runtime.KeepAlive(tr)
}
