package model

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// removeShuffles makes channel shuffles part of weights. Which node consumes a channel is fixed: each convolution's output
// channels are put in an order in which every consumer finds its own in few runs, consumers' weights follow, and what is
// left of shuffles, slices and concats are slices of runs and one concat for each consumer. A graph in which that takes
// too many runs stays as it is.
func removeShuffles(g *Graph) error {
	m, err := findMoves(g)
	if err != nil || m == nil {
		return err
	}
	u := &unshuffle{moves: m, order: map[string][]int{}, joined: map[string]string{},
		b: &builder{&Graph{Inits: append([]*Tensor(nil), g.Inits...)}}}
	if !u.orderAll() {
		return nil
	}
	for i := range g.Nodes {
		if m.is[i] {
			continue
		}
		if !u.write(i) {
			return nil
		}
	}
	outputs := slices.Clone(g.Outputs)
	for i := range outputs {
		var ok bool
		if outputs[i].Name, _, ok = u.gather(outputs[i].Name, true); !ok {
			return nil
		}
	}
	g.Nodes, g.Inits, g.index, g.Outputs = u.b.g.Nodes, u.b.g.Inits, nil, outputs
	dropDead(g)
	return nil
}

// unshuffle writes a graph anew without its moving nodes.
type unshuffle struct {
	*moves
	order  map[string][]int  // by value: which of the file's channels stands at each place; absent: as in the file
	joined map[string]string // slices and concats made already
	b      *builder
}

// maxRuns bounds the slices that one value is put together from.
const maxRuns = 64

// takes says how a node treats the order of the channels of its first input.
type takes uint8

const (
	asIs    takes = iota // needs the file's order
	dense                // any order, and gives any: a convolution of all channels
	through              // any order, and gives the same: what works on each channel alone
)

func (u *unshuffle) takes(n *Node) takes {
	if x, y := u.shapes[n.Inputs[0]], u.shapes[n.Outputs[0]]; len(x) != 4 || len(y) != 4 || x[0] != 1 {
		return asIs
	}
	switch n.Op {
	case "Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool":
		return through
	case "Resize":
		if u.shapes[n.Inputs[0]][1] == u.shapes[n.Outputs[0]][1] {
			return through
		}
	case "Conv":
		w := u.g.Init(n.Inputs[1])
		if w == nil || len(w.Dims) != 4 || w.Type != Float32 || len(n.Inputs) > 2 && (u.g.Init(n.Inputs[2]) == nil || len(u.g.Init(n.Inputs[2]).F32) != w.Dims[0]) {
			return asIs
		}
		if n.Int("group", 1) == 1 {
			return dense
		}
		if w.Dims[1] == 1 && w.Dims[0] == u.shapes[n.Inputs[0]][1] {
			return through
		}
	}
	return asIs
}

// orderAll orders the output channels of each dense convolution by the nodes that read them in the end. It says no when
// there are too many channels.
func (u *unshuffle) orderAll() bool {
	readers := map[channel]string{} // a set of nodes: four bytes for each, sorted
	add := func(c channel, set string) {
		if old := readers[c]; old != "" && old != set {
			set = union(old, set)
		}
		readers[c] = set
	}
	for _, v := range u.g.Outputs {
		for _, c := range u.list(v.Name) {
			add(c, nodeSet(len(u.g.Nodes)))
		}
	}
	for i := len(u.g.Nodes) - 1; i >= 0; i-- {
		if u.is[i] {
			continue
		}
		n := &u.g.Nodes[i]
		how := u.takes(n)
		if how == dense {
			u.orderOne(n.Outputs[0], readers)
		}
		for k, in := range n.Inputs {
			if u.g.Init(in) != nil || len(u.shapes[in]) != 4 {
				continue
			}
			l := u.list(in)
			if l == nil {
				return false
			}
			for at, c := range l {
				set := nodeSet(i)
				if how == through && k == 0 {
					if set = readers[channel{n.Outputs[0], at}]; set == "" {
						continue
					}
				}
				add(c, set)
			}
		}
	}
	return true
}

func (u *unshuffle) orderOne(name string, readers map[channel]string) {
	order := make([]int, u.shapes[name][1])
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return strings.Compare(readers[channel{name, a}], readers[channel{name, b}])
	})
	if !slices.IsSorted(order) {
		u.order[name] = order
	}
}

func nodeSet(i int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(i))) }

func union(a, b string) string {
	var all []string
	for _, s := range []string{a, b} {
		for ; s != ""; s = s[4:] {
			all = append(all, s[:4])
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "")
}

// write adds node i, which reads its inputs in the order that suits it.
func (u *unshuffle) write(i int) bool {
	n := u.g.Nodes[i]
	n.Inputs = slices.Clone(n.Inputs)
	how := u.takes(&n)
	var order []int
	for k, in := range n.Inputs {
		if in == "" || u.g.Init(in) != nil {
			continue
		}
		name, o, ok := u.gather(in, how == asIs || k > 0)
		if !ok {
			return false
		}
		if n.Inputs[k] = name; k == 0 {
			order = o
		}
	}
	out := n.Outputs[0]
	switch {
	case how == through && order != nil:
		u.order[out] = order
		if n.Op == "Conv" {
			u.permute(&n, order, nil)
		}
	case how == dense:
		u.permute(&n, u.order[out], order)
	}
	u.b.g.Nodes = append(u.b.g.Nodes, n)
	return true
}

// permute brings a convolution's weights into another order of output and input channels; nil keeps it.
func (u *unshuffle) permute(n *Node, outs, ins []int) {
	if outs == nil && ins == nil {
		return
	}
	w := u.g.Init(n.Inputs[1])
	cells := w.Dims[2] * w.Dims[3]
	t := &Tensor{Name: n.Outputs[0] + ".ordered", Type: Float32, Dims: w.Dims, F32: make([]float32, 0, len(w.F32))}
	for o := range w.Dims[0] {
		row := w.F32[placed(outs, o)*w.Dims[1]*cells:]
		for c := range w.Dims[1] {
			c = placed(ins, c)
			t.F32 = append(t.F32, row[c*cells:(c+1)*cells]...)
		}
	}
	u.b.g.addInit(t)
	n.Inputs[1] = t.Name
	if outs == nil || len(n.Inputs) < 3 {
		return
	}
	b := u.g.Init(n.Inputs[2])
	t = &Tensor{Name: n.Outputs[0] + ".orderedbias", Type: Float32, Dims: b.Dims, F32: make([]float32, len(b.F32))}
	for o := range t.F32 {
		t.F32[o] = b.F32[outs[o]]
	}
	u.b.g.addInit(t)
	n.Inputs[2] = t.Name
}

func placed(order []int, i int) int {
	if order == nil {
		return i
	}
	return order[i]
}

// channelRun is channels from..to-1 of a value, as they lie.
type channelRun struct {
	name     string
	from, to int
}

// gather is a value of the file under its new name, in its order or in whatever order comes cheapest, and which of its
// channels stands at each place (nil: as in the file). It says no where that takes too many runs.
func (u *unshuffle) gather(name string, exact bool) (string, []int, bool) {
	if l, moved := u.lists[name]; !moved || len(l) > 0 && l[0].from == name {
		if u.order[name] == nil || !exact {
			return name, u.order[name], true
		}
	}
	l := u.list(name)
	if l == nil {
		return "", nil, false
	}
	runs, order := u.runs(l, exact)
	if len(runs) > maxRuns {
		return "", nil, false
	}
	var parts []string
	for _, r := range runs {
		parts = append(parts, u.cut(r))
	}
	if slices.IsSorted(order) {
		order = nil
	}
	return u.join(parts), order, true
}

// runs are the pieces that hold a list's channels, and which of them stands at each place.
func (u *unshuffle) runs(l []channel, exact bool) (runs []channelRun, order []int) {
	rank, places := map[string]int{}, map[string][]int{}
	at := func(c channel) int {
		if o := u.order[c.from]; o != nil {
			if places[c.from] == nil {
				p := make([]int, len(o))
				for i, k := range o {
					p[k] = i
				}
				places[c.from] = p
			}
			return places[c.from][c.at]
		}
		return c.at
	}
	order = make([]int, len(l))
	for i, c := range l {
		order[i] = i
		if _, ok := rank[c.from]; !ok {
			rank[c.from] = len(rank)
		}
	}
	if !exact {
		slices.SortStableFunc(order, func(a, b int) int {
			if d := rank[l[a].from] - rank[l[b].from]; d != 0 {
				return d
			}
			return at(l[a]) - at(l[b])
		})
	}
	for _, i := range order {
		c, p := l[i], at(l[i])
		if k := len(runs) - 1; k >= 0 && runs[k].name == c.from && runs[k].to == p {
			runs[k].to++
			continue
		}
		runs = append(runs, channelRun{c.from, p, p + 1})
	}
	return runs, order
}

// cut is the value of a run.
func (u *unshuffle) cut(r channelRun) string {
	if r.from == 0 && r.to == u.shapes[r.name][1] {
		return r.name
	}
	name := fmt.Sprintf("%s.%d_%d", r.name, r.from, r.to)
	if u.joined[name] == "" {
		u.joined[name] = u.b.slice(name, r.name, r.from, r.to)
	}
	return name
}

func (u *unshuffle) join(parts []string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	key := strings.Join(parts, " ")
	if u.joined[key] == "" {
		u.joined[key] = u.b.concat("join"+strconv.Itoa(len(u.joined)), 1, parts...)
	}
	return u.joined[key]
}
