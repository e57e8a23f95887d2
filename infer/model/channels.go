package model

import "slices"

// channel is one channel of a value that a node makes, counted as the file has it.
type channel struct {
	from string
	at   int
}

// maxChannels bounds the lists of channels of a whole graph; the largest network tried has 20,000.
const maxChannels = 1 << 20

// moves are the nodes of a graph that only move channels about between a shuffle and what reads its result, and the lists
// of channels that their outputs stand for.
type moves struct {
	*links
	is    []bool               // by node
	lists map[string][]channel // by output of such a node; nil within a shuffle
	total int
}

// findMoves finds the shuffles of a graph and the concats, slices and splits around them. It is nil if there are none.
func findMoves(g *Graph) (*moves, error) {
	l, err := newLinks(g)
	if err != nil {
		return nil, err
	}
	m := &moves{links: l, is: make([]bool, len(g.Nodes)), lists: map[string][]channel{}}
	mixers := map[int]*shuffle{} // by their last node
	var open []int               // nodes whose neighbours are to be looked at
	mark := func(i int) {
		if i >= 0 && !m.is[i] {
			m.is[i] = true
			open = append(open, i)
		}
	}
	for i := range g.Nodes {
		if s := l.shuffleAt(i); s != nil {
			mixers[s.nodes[2]] = s
			for _, k := range s.nodes {
				m.is[k] = true
			}
			open = append(open, s.nodes[0], s.nodes[2])
			for _, k := range s.gathers {
				mark(k)
			}
		}
	}
	if len(mixers) == 0 {
		return nil, nil
	}
	for len(open) > 0 {
		n := &g.Nodes[open[0]]
		open = open[1:]
		if k, ok := l.maker[n.Inputs[0]]; ok && l.movesOnly(k) {
			mark(k)
		}
		for _, in := range n.Inputs[1:] {
			if k, ok := l.maker[in]; ok && n.Op == "Concat" && l.movesOnly(k) {
				mark(k)
			}
		}
		for _, out := range n.Outputs {
			for _, k := range l.readers[out] {
				if k >= 0 && l.movesOnly(k) {
					mark(k)
				}
			}
		}
	}
	for i := range g.Nodes {
		if m.is[i] && !m.follow(i, mixers) {
			return nil, nil // too much: leave the graph alone
		}
	}
	return m, nil
}

// movesOnly says that node i joins or cuts channels of pictures and does nothing else.
func (l *links) movesOnly(i int) bool {
	n := &l.g.Nodes[i]
	if len(l.shapes[n.Outputs[0]]) != 4 || l.shapes[n.Outputs[0]][0] != 1 {
		return false
	}
	switch n.Op {
	case "Concat":
		return n.Int("axis", 0) == 1
	case "Split":
		_, axis, err := l.split(n)
		return err == nil && axis == 1
	case "Slice":
		cuts, err := l.slices(n)
		return err == nil && len(cuts) == 1 && cuts[0].axis == 1 && cuts[0].step == 1
	}
	return false
}

// list is what a value's channels are.
func (m *moves) list(name string) []channel {
	if l, ok := m.lists[name]; ok {
		return l
	}
	shape := m.shapes[name]
	if len(shape) != 4 || shape[1] > maxChannels-m.total {
		return nil
	}
	l := make([]channel, shape[1])
	m.total += len(l)
	for i := range l {
		l[i] = channel{name, i}
	}
	m.lists[name] = l
	return l
}

// follow notes what the outputs of moving node i are. It says no when lists grow too long.
func (m *moves) follow(i int, mixers map[int]*shuffle) bool {
	n := &m.g.Nodes[i]
	if s := mixers[i]; s != nil {
		in := m.list(s.x)
		if in == nil || m.total+len(in) > maxChannels {
			return false
		}
		out := make([]channel, len(in))
		for a := range s.groups {
			for b := range s.size {
				out[b*s.groups+a] = in[a*s.size+b]
			}
		}
		m.total += len(out)
		m.lists[n.Outputs[0]] = out
		return true
	}
	switch n.Op {
	case "Concat":
		var out []channel
		for _, in := range n.Inputs {
			l := m.list(in)
			if l == nil || m.total+len(l) > maxChannels {
				return false
			}
			m.total += len(l)
			out = append(out, l...)
		}
		m.lists[n.Outputs[0]] = out
	case "Split":
		in := m.list(n.Inputs[0])
		sizes, _, _ := m.split(n) // movesOnly has looked
		if in == nil {
			return false
		}
		for k, size := range sizes {
			m.lists[n.Outputs[k]], in = in[:size:size], in[size:]
		}
	case "Slice":
		in := m.list(n.Inputs[0])
		cuts, _ := m.slices(n)
		if in == nil {
			return false
		}
		m.lists[n.Outputs[0]] = in[cuts[0].from:cuts[0].to:cuts[0].to]
	case "Gather":
		in, part := m.lists[n.Inputs[0]], m.shapes[n.Outputs[0]][1]
		at := int(m.g.Init(n.Inputs[1]).I64[0]) * part
		m.lists[n.Outputs[0]] = in[at : at+part : at+part]
	}
	return true
}

// shuffle is a channel shuffle: channels seen as groups of size channels each, turned to size groups of the others.
type shuffle struct {
	x            string // the value shuffled
	groups, size int
	nodes        [3]int // reshape, transpose, reshape
	gathers      []int  // that read its parts, in the form that gathers them
}

// shuffleAt recognises the shuffle whose transpose is node i: in the one form it ends as a picture again, in the other as
// a row of pictures, which gathers take apart.
func (l *links) shuffleAt(i int) *shuffle {
	t := &l.g.Nodes[i]
	if t.Op != "Transpose" {
		return nil
	}
	first, last := l.made(t, 0, "Reshape"), l.onlyReader(t.Outputs[0])
	if first == nil || last == nil || last.Op != "Reshape" || last.Inputs[0] != t.Outputs[0] || l.onlyReader(t.Inputs[0]) == nil {
		return nil
	}
	x, mid, out, perm := l.shapes[first.Inputs[0]], l.shapes[t.Inputs[0]], l.shapes[last.Outputs[0]], t.Ints("perm")
	if len(x) != 4 || x[0] != 1 {
		return nil
	}
	at := 0 // of the groups in mid
	if len(mid) > 2 && mid[0] == 1 && perm[0] == 0 {
		at = 1
	}
	if len(mid) < at+3 || mid[at]*mid[at+1] != x[1] || perm[at] != at+1 || perm[at+1] != at {
		return nil
	}
	for k := at + 2; k < len(perm); k++ {
		if perm[k] != k {
			return nil
		}
	}
	s := &shuffle{x: first.Inputs[0], groups: mid[at], size: mid[at+1],
		nodes: [3]int{l.maker[t.Inputs[0]], i, l.maker[last.Outputs[0]]}}
	if slices.Equal(out, x) {
		return s
	}
	if len(out) != 5 || out[1] != 1 || out[0]*out[2] != x[1] || out[3] != x[2] || out[4] != x[3] {
		return nil
	}
	for _, k := range l.readers[last.Outputs[0]] {
		if k < 0 || l.g.Nodes[k].Op != "Gather" || l.g.Nodes[k].Inputs[0] != last.Outputs[0] || l.g.Nodes[k].Int("axis", 0) != 0 {
			return nil
		}
		s.gathers = append(s.gathers, k)
	}
	return s
}
