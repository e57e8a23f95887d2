package mot

import (
	"math"
	"math/rand/v2"
	"testing"
)

// best is the largest total of any choice of links, found by trying all.
func best(links []link, from int, rows, cols map[int]bool) float64 {
	if from == len(links) {
		return 0
	}
	most := best(links, from+1, rows, cols)
	if l := links[from]; !rows[l.row] && !cols[l.col] {
		rows[l.row], cols[l.col] = true, true
		most = math.Max(most, l.score+best(links, from+1, rows, cols))
		rows[l.row], cols[l.col] = false, false
	}
	return most
}

func TestAssignAgainstBruteForce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		rows, cols := 1+r.IntN(5), 1+r.IntN(5)
		var links []link
		for row := range rows {
			for col := range cols {
				if r.Float64() < 0.6 {
					score := r.Float64()
					switch i % 3 {
					case 1: // CLEAR's: some are worth far more
						score += float64(keep * r.IntN(2))
					case 2: // whole numbers: many ties
						score = float64(1 + r.IntN(3))
					}
					links = append(links, link{row * 3, col * 2, score})
				}
			}
		}
		got, usedRows, usedCols := 0.0, map[int]bool{}, map[int]bool{}
		for _, l := range assign(links) {
			if usedRows[l.row] || usedCols[l.col] {
				t.Fatalf("%v: row %d or column %d is used twice", links, l.row, l.col)
			}
			usedRows[l.row], usedCols[l.col] = true, true
			got += l.score
		}
		if want := best(links, 0, map[int]bool{}, map[int]bool{}); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%v: total %g, want %g", links, got, want)
		}
	}
}

// A sparse problem of many rows needs memory for its links only: a full matrix would have 10^11 cells.
func TestAssignOfManyRows(t *testing.T) {
	const n = 300_000
	links := make([]link, 0, 2*n)
	for i := range n {
		links = append(links, link{i, i, 2}, link{i, (i + 1) % n, 1})
	}
	total := 0.0
	for _, l := range assign(links) {
		total += l.score
	}
	if total != 2*n {
		t.Errorf("total %g, want %d", total, 2*n)
	}
}
