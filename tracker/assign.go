package tracker

import (
	"math"
	"slices"
)

// edge is a pair of track and detection that may be the same object. sim, above 0, says how alike they are.
type edge struct {
	row, col int
	sim      float64
}

// solver picks edges; it keeps its memory between calls.
type solver struct {
	match, parent, part, start []int
	sorted                     []edge
	rows, cols                 dense
	cost, u, v, least          []float64
	rowOf, way                 []int
	used                       []bool
}

// assign picks the set of edges, no row and no column twice, with the largest total of sim: an optimal assignment in
// which anyone may stay alone. It returns each row's column or -1, valid until the next call. The graph is cut into its
// connected parts first: boxes that touch nothing in common never meet in one matrix, which keeps crowds cheap.
func (s *solver) assign(rows, cols int, edges []edge) []int {
	s.match = resized(s.match, rows)
	for i := range s.match {
		s.match[i] = -1
	}
	s.split(rows, cols, edges)
	for i := 0; i+1 < len(s.start); i++ {
		part := s.sorted[s.start[i]:s.start[i+1]]
		if len(part) == 1 {
			s.match[part[0].row] = part[0].col
			continue
		}
		s.solvePart(part)
	}
	return s.match
}

// resized is a slice of n elements, whose content is of no meaning.
func resized[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// split sorts edges into connected parts, sorted[start[i]:start[i+1]] each.
func (s *solver) split(rows, cols int, edges []edge) {
	s.parent = resized(s.parent, rows+cols)
	for i := range s.parent {
		s.parent[i] = i
	}
	for _, e := range edges {
		s.parent[s.root(e.row)] = s.root(rows + e.col)
	}
	s.part = resized(s.part, rows+cols) // root -> its part
	for i := range s.part {
		s.part[i] = -1
	}
	s.start = s.start[:0]
	for _, e := range edges { // count
		r := s.root(e.row)
		if s.part[r] < 0 {
			s.part[r] = len(s.start)
			s.start = append(s.start, 0)
		}
		s.start[s.part[r]]++
	}
	at := 0
	for i, n := range s.start {
		s.start[i] = at
		at += n
	}
	s.sorted = resized(s.sorted, len(edges))
	for _, e := range edges {
		p := s.part[s.root(e.row)]
		s.sorted[s.start[p]] = e
		s.start[p]++
	}
	s.start = slices.Insert(s.start, 0, 0) // each start has moved to its part's end
}

func (s *solver) root(i int) int {
	for s.parent[i] != i {
		s.parent[i] = s.parent[s.parent[i]]
		i = s.parent[i]
	}
	return i
}

// solvePart solves one connected part and writes its matches.
func (s *solver) solvePart(part []edge) {
	s.rows.number(part, len(s.match), func(e edge) int { return e.row })
	s.cols.number(part, len(s.parent)-len(s.match), func(e edge) int { return e.col })
	flip := len(s.rows.ids) > len(s.cols.ids)
	a, b := &s.rows, &s.cols
	if flip {
		a, b = b, a
	}
	n, m := len(a.ids), len(b.ids)
	s.cost = resized(s.cost, n*m)
	clear(s.cost) // a pair without an edge costs 0: both stay alone
	for _, e := range part {
		i, j := s.rows.index[e.row], s.cols.index[e.col]
		if flip {
			i, j = j, i
		}
		s.cost[i*m+j] = math.Min(s.cost[i*m+j], -e.sim)
	}
	s.hungarian(n, m)
	for j := 1; j <= m; j++ {
		i := s.rowOf[j] - 1
		if i < 0 || s.cost[i*m+j-1] == 0 {
			continue
		}
		if flip {
			s.match[b.ids[j-1]] = a.ids[i]
		} else {
			s.match[a.ids[i]] = b.ids[j-1]
		}
	}
}

// dense numbers what occurs in a part from 0 on.
type dense struct {
	ids   []int
	index []int // valid for ids only
	seen  []bool
}

func (d *dense) number(part []edge, n int, of func(edge) int) {
	d.ids, d.index, d.seen = d.ids[:0], resized(d.index, n), resized(d.seen, n)
	for _, e := range part {
		d.seen[of(e)] = false
	}
	for _, e := range part {
		if id := of(e); !d.seen[id] {
			d.seen[id], d.index[id] = true, len(d.ids)
			d.ids = append(d.ids, id)
		}
	}
}

// hungarian finds the cheapest complete assignment of n rows to m >= n columns and leaves each column's row in rowOf,
// both from 1 on, 0 = none: shortest augmenting paths with potentials (Kuhn, Munkres; in the form of Jonker and
// Volgenant 1987), O(n^2 m).
func (s *solver) hungarian(n, m int) {
	s.u, s.v, s.least = resized(s.u, n+1), resized(s.v, m+1), resized(s.least, m+1)
	s.rowOf, s.way, s.used = resized(s.rowOf, m+1), resized(s.way, m+1), resized(s.used, m+1)
	clear(s.u)
	clear(s.v)
	clear(s.rowOf)
	for i := 1; i <= n; i++ {
		s.rowOf[0] = i // column 0 is the row being placed
		for at := s.path(m); at != 0; at = s.way[at] {
			s.rowOf[at] = s.rowOf[s.way[at]]
		}
	}
}

// path finds the cheapest way from the row in column 0 to a free column and returns that column.
func (s *solver) path(m int) int {
	for j := range s.least {
		s.least[j], s.used[j] = math.Inf(1), false
	}
	at := 0
	for s.rowOf[at] != 0 {
		s.used[at] = true
		row, delta, next := s.rowOf[at], math.Inf(1), 0
		cost := s.cost[(row-1)*m:]
		for j := 1; j <= m; j++ {
			if s.used[j] {
				continue
			}
			if c := cost[j-1] - s.u[row] - s.v[j]; c < s.least[j] {
				s.least[j], s.way[j] = c, at
			}
			if s.least[j] < delta {
				delta, next = s.least[j], j
			}
		}
		for j := 0; j <= m; j++ {
			if s.used[j] {
				s.u[s.rowOf[j]] += delta
				s.v[j] -= delta
			} else {
				s.least[j] -= delta
			}
		}
		at = next
	}
	return at
}
