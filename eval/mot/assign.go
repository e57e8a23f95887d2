package mot

import (
	"container/heap"
	"math"
)

// link is a pair of row and column that may go together; score, above 0, is what that is worth.
type link struct {
	row, col int
	score    float64
}

// alone is the column of a row that has none, and the row of such a column.
const alone = -1

// assign picks links, no row and no column twice, of the largest total score, by rising row. Anyone may stay alone.
// Memory follows the number of links, not that of rows times columns.
func assign(links []link) []link {
	if len(links) < 2 {
		return links
	}
	m := newMatching(links)
	for row := range m.byRow {
		if len(m.byRow[row]) > 0 {
			m.place(row)
		}
	}
	var out []link
	for row, col := range m.colOf {
		for _, l := range m.byRow[row] {
			if l.col == col {
				out = append(out, l)
				break
			}
		}
	}
	return out
}

// matching is a cheapest assignment of the rows placed so far, found by shortest augmenting paths over reduced costs
// (Jonker and Volgenant 1987). A link costs its score below zero; to stay alone costs nothing.
type matching struct {
	byRow              [][]link
	colOf, rowOf       []int
	rowPrice, colPrice []float64
	dist               []float64 // of each column from the row being placed
	from               []int     // row before a column on the shortest path
	done               []bool    // its distance is final; rounding must not shorten it
	open               frontier
}

func newMatching(links []link) *matching {
	rows, cols := 0, 0
	for _, l := range links {
		rows, cols = max(rows, l.row+1), max(cols, l.col+1)
	}
	m := &matching{
		byRow: make([][]link, rows), colOf: make([]int, rows), rowOf: make([]int, cols),
		rowPrice: make([]float64, rows), colPrice: make([]float64, cols),
		dist: make([]float64, cols), from: make([]int, cols), done: make([]bool, cols),
	}
	for _, l := range links {
		m.byRow[l.row] = append(m.byRow[l.row], l)
	}
	for i := range m.colOf {
		m.colOf[i] = alone
	}
	for i := range m.rowOf {
		m.rowOf[i], m.dist[i] = alone, math.Inf(1)
	}
	return m
}

// place gives row a column, moving others to theirs or leaving one alone, whatever is cheapest in all.
func (m *matching) place(row int) {
	var reached, passed []int // columns
	end, loner, cost := alone, row, -m.rowPrice[row]
	for at, least := row, 0.0; ; {
		for _, l := range m.byRow[at] {
			d := least - l.score - m.rowPrice[at] - m.colPrice[l.col]
			if d < m.dist[l.col] && d < cost && !m.done[l.col] {
				if math.IsInf(m.dist[l.col], 1) {
					reached = append(reached, l.col)
				}
				m.dist[l.col], m.from[l.col] = d, at
				heap.Push(&m.open, step{l.col, d})
			}
		}
		next, ok := m.nearest()
		if !ok || next.dist >= cost {
			break
		}
		m.done[next.col] = true
		passed, least, at = append(passed, next.col), next.dist, m.rowOf[next.col]
		if at == alone {
			end, cost = next.col, next.dist
			break
		}
		if d := least - m.rowPrice[at]; d < cost { // the path may end here: this row is left alone
			loner, cost = at, d
		}
	}
	m.price(row, passed, cost)
	m.turn(row, end, loner)
	for _, c := range reached {
		m.dist[c], m.done[c] = math.Inf(1), false
	}
	m.open = m.open[:0]
}

// nearest takes the nearest column off the frontier.
func (m *matching) nearest() (step, bool) {
	for len(m.open) > 0 {
		if s := heap.Pop(&m.open).(step); !m.done[s.col] {
			return s, true
		}
	}
	return step{}, false
}

// price keeps every reduced cost at 0 or above, and at 0 along the path that was found.
func (m *matching) price(row int, passed []int, cost float64) {
	m.rowPrice[row] += cost
	for _, c := range passed {
		more := cost - m.dist[c]
		m.colPrice[c] -= more
		if r := m.rowOf[c]; r != alone {
			m.rowPrice[r] += more
		}
	}
}

// turn walks the path back from its end, a free column or a row that is left alone, and gives each row the next column.
func (m *matching) turn(row, end, loner int) {
	if end == alone {
		end, m.colOf[loner] = m.colOf[loner], alone
	}
	for end != alone {
		r := m.from[end]
		m.rowOf[end] = r
		end, m.colOf[r] = m.colOf[r], end
		if r == row {
			return
		}
	}
}

// step is a column that can be reached at a distance; frontier is a heap of them, in which old distances may linger.
type step struct {
	col  int
	dist float64
}

type frontier []step

func (f frontier) Len() int           { return len(f) }
func (f frontier) Less(i, j int) bool { return f[i].dist < f[j].dist }
func (f frontier) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *frontier) Push(x any)        { *f = append(*f, x.(step)) }
func (f *frontier) Pop() any {
	last := len(*f) - 1
	s := (*f)[last]
	*f = (*f)[:last]
	return s
}
