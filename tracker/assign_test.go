package tracker

import (
	"math"
	"math/rand"
	"testing"
)

// best is the largest total by trying everything: row r takes any free column or stays alone.
func best(r, rows int, sim [][]float64, usedCols uint) float64 {
	if r == rows {
		return 0
	}
	top := best(r+1, rows, sim, usedCols)
	for c, s := range sim[r] {
		if s > 0 && usedCols&(1<<c) == 0 {
			top = math.Max(top, s+best(r+1, rows, sim, usedCols|1<<c))
		}
	}
	return top
}

func TestAssignIsOptimal(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	var s solver
	for round := 0; round < 4000; round++ {
		rows, cols, density := 1+rnd.Intn(6), 1+rnd.Intn(6), rnd.Float64()
		switch round % 40 {
		case 0:
			rows, cols = 1, 8
		case 1:
			rows, cols = 8, 1
		case 2:
			rows, cols = 2, 8
		case 3:
			rows, cols, density = 7, 7, 1
		case 4:
			rows, cols, density = 8, 5, 1
		}
		sim := make([][]float64, rows)
		var edges []edge
		for r := range sim {
			sim[r] = make([]float64, cols)
			for c := range sim[r] {
				if rnd.Float64() < density {
					sim[r][c] = math.Ceil(rnd.Float64()*8) / 8 // many ties
					edges = append(edges, edge{r, c, sim[r][c]})
				}
			}
		}
		total, taken := 0.0, map[int]bool{}
		for r, c := range s.assign(rows, cols, edges) {
			if c < 0 {
				continue
			}
			if taken[c] || sim[r][c] == 0 {
				t.Fatalf("round %d: row %d took column %d, taken %v, sim %v", round, r, c, taken[c], sim[r][c])
			}
			taken[c] = true
			total += sim[r][c]
		}
		if want := best(0, rows, sim, 0); math.Abs(total-want) > 1e-9 {
			t.Fatalf("round %d: total %v, want %v for %v", round, total, want, sim)
		}
	}
}

func TestAssignPrefersOneGoodToTwoBadPairs(t *testing.T) {
	var s solver
	got := s.assign(2, 2, []edge{{0, 0, 0.9}, {0, 1, 0.3}, {1, 0, 0.3}})
	if got[0] != 0 || got[1] != -1 {
		t.Fatalf("got %v, want [0 -1]", got)
	}
	if got := s.assign(3, 0, nil); got[0] != -1 || len(got) != 3 {
		t.Fatalf("no detections: got %v", got)
	}
}
