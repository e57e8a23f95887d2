package tracker

import "math"

// edge is a pair of track and detection that may be the same object. sim, above 0, says how alike they are.
type edge struct {
	row, col int
	sim      float64
}

// assign picks the set of edges, no row and no column twice, with the largest total of sim: an optimal assignment in
// which anyone may stay alone. It returns each row's column or -1. The graph is cut into its connected parts first:
// boxes that touch nothing in common never meet in one matrix, which keeps crowds cheap.
func assign(rows, cols int, edges []edge) []int {
	match := make([]int, rows)
	for i := range match {
		match[i] = -1
	}
	for _, part := range components(rows, cols, edges) {
		if len(part) == 1 {
			match[part[0].row] = part[0].col
			continue
		}
		solvePart(part, match)
	}
	return match
}

// components sorts edges into connected parts, in the order in which each part's first edge stands.
func components(rows, cols int, edges []edge) [][]edge {
	parent := make([]int, rows+cols)
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for _, e := range edges {
		parent[find(e.row)] = find(rows + e.col)
	}
	var parts [][]edge
	index := make([]int, rows+cols) // root -> part+1
	for _, e := range edges {
		r := find(e.row)
		if index[r] == 0 {
			parts = append(parts, nil)
			index[r] = len(parts)
		}
		parts[index[r]-1] = append(parts[index[r]-1], e)
	}
	return parts
}

// solvePart solves one connected part and writes its matches.
func solvePart(part []edge, match []int) {
	rows, cols := numbering(part, func(e edge) int { return e.row }), numbering(part, func(e edge) int { return e.col })
	flip := len(rows.ids) > len(cols.ids)
	a, b := rows, cols
	if flip {
		a, b = cols, rows
	}
	cost := make([][]float64, len(a.ids))
	for i := range cost {
		cost[i] = make([]float64, len(b.ids)) // a pair without an edge costs 0: both stay alone
	}
	for _, e := range part {
		i, j := rows.index[e.row], cols.index[e.col]
		if flip {
			i, j = j, i
		}
		cost[i][j] = math.Min(cost[i][j], -e.sim)
	}
	for i, j := range hungarian(cost) {
		if cost[i][j] == 0 {
			continue
		}
		if flip {
			match[b.ids[j]] = a.ids[i]
		} else {
			match[a.ids[i]] = b.ids[j]
		}
	}
}

// dense numbers what occurs in a part from 0 on.
type dense struct {
	ids   []int
	index map[int]int
}

func numbering(part []edge, of func(edge) int) dense {
	d := dense{index: make(map[int]int)}
	for _, e := range part {
		id := of(e)
		if _, ok := d.index[id]; !ok {
			d.index[id] = len(d.ids)
			d.ids = append(d.ids, id)
		}
	}
	return d
}

// hungarian finds the cheapest complete assignment of n rows to m >= n columns and returns each row's column: shortest
// augmenting paths with potentials (Kuhn, Munkres; in the form of Jonker and Volgenant 1987), O(n^2 m).
func hungarian(cost [][]float64) []int {
	n, m := len(cost), len(cost[0])
	u, v := make([]float64, n+1), make([]float64, m+1)
	rowOf := make([]int, m+1) // 1-based row of each column, 0 = free; column 0 is the row being placed
	way := make([]int, m+1)
	least := make([]float64, m+1)
	used := make([]bool, m+1)
	for i := 1; i <= n; i++ {
		rowOf[0] = i
		for j := range least {
			least[j], used[j] = math.Inf(1), false
		}
		at := 0
		for rowOf[at] != 0 {
			used[at] = true
			row, delta, next := rowOf[at], math.Inf(1), 0
			for j := 1; j <= m; j++ {
				if used[j] {
					continue
				}
				if c := cost[row-1][j-1] - u[row] - v[j]; c < least[j] {
					least[j], way[j] = c, at
				}
				if least[j] < delta {
					delta, next = least[j], j
				}
			}
			for j := 0; j <= m; j++ {
				if used[j] {
					u[rowOf[j]] += delta
					v[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			at = next
		}
		for at != 0 {
			rowOf[at] = rowOf[way[at]]
			at = way[at]
		}
	}
	out := make([]int, n)
	for j := 1; j <= m; j++ {
		if rowOf[j] != 0 {
			out[rowOf[j]-1] = j - 1
		}
	}
	return out
}
