package model

import (
	"errors"
	"fmt"
	"strconv"
)

// maxNodes bounds the graphs that Prepare takes; a detector has some hundreds.
const maxNodes = 10_000

// Prepare rewrites a detector's network, as its ONNX file has it, into what the engines run best: constants folded,
// channel shuffles and focus slices gone into weights, resizes and pools in the forms that all engines share. The numbers
// stay the same. All outputs become one row, one after another in the file's order, each in the order of its dimensions;
// their shapes are those that InferShapes gives for g. g stays as it is, constants that do not change are shared.
// The input must be (1,3,H,W) of float32.
func Prepare(g *Graph) (*Graph, error) {
	if len(g.Nodes) > maxNodes {
		return nil, fmt.Errorf("graph has %d nodes; at most %d are possible", len(g.Nodes), maxNodes)
	}
	if len(g.Inputs) != 1 || len(g.Outputs) == 0 {
		return nil, fmt.Errorf("graph has %d inputs and %d outputs; expected one input and at least one output", len(g.Inputs), len(g.Outputs))
	}
	if d := g.Inputs[0].Dims; len(d) != 4 || d[0] != 1 || d[1] != 3 || g.Inputs[0].Type != Float32 {
		return nil, fmt.Errorf("input %.60q has shape %v; expected 1,3,height,width of float32", g.Inputs[0].Name, []int(d))
	}
	out, err := renamed(g)
	if err != nil {
		return nil, err
	}
	if _, err := InferShapes(out); err != nil {
		return nil, err
	}
	for _, pass := range []func(*Graph) error{mergeResizes, mergePads, mergeSoftmax, mergeFocus, removeShuffles, oneOutput} {
		if err := pass(out); err != nil {
			return nil, err
		}
	}
	dropDead(out)
	dropUnused(out)
	_, err = InferShapes(out)
	return out, err
}

// OpenCVONNX is an ONNX file of a graph that Prepare made, with depthwise convolutions rewritten for OpenCV's fast path.
func OpenCVONNX(g *Graph) ([]byte, error) {
	own := *g
	own.Nodes = append([]Node(nil), g.Nodes...)
	own.Inits, own.index = append([]*Tensor(nil), g.Inits...), nil
	if err := fastDepthwise(&own); err != nil {
		return nil, err
	}
	return (&File{IRVersion: irVersion, Opset: opset, Producer: producer, Graph: &own}).Encode(), nil
}

// renamed is a copy of g whose values have names of ours, so that what the passes add cannot meet a name of the file's.
// Constant nodes become constants, and nodes that change nothing go.
func renamed(g *Graph) (*Graph, error) {
	names := make(map[string]string, len(g.Inits)+len(g.Nodes)+1)
	out := &Graph{Name: g.Name}
	constant := func(t *Tensor) error {
		if names[t.Name] != "" {
			return fmt.Errorf("the value %.60q is made twice", t.Name)
		}
		own := *t
		own.Name = "c" + strconv.Itoa(len(out.Inits))
		names[t.Name] = own.Name
		out.Inits = append(out.Inits, &own)
		return nil
	}
	for _, t := range g.Inits {
		if err := constant(t); err != nil {
			return nil, err
		}
	}
	in := g.Inputs[0]
	if names[in.Name] != "" || in.Name == "" {
		return nil, fmt.Errorf("the input's name %.60q is empty or that of a constant", in.Name)
	}
	names[in.Name] = inputName
	in.Name = inputName
	out.Inputs = []Value{in}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op == "Constant" && n.Domain == "" && len(n.Outputs) == 1 {
			a := n.Attr("value")
			if a == nil || a.T == nil {
				return nil, fmt.Errorf("node %s: expected a tensor", n)
			}
			t := *a.T
			t.Name = n.Outputs[0]
			if err := constant(&t); err != nil {
				return nil, err
			}
			continue
		}
		if err := renameNode(n, out, names); err != nil {
			return nil, fmt.Errorf("node %s: %w", n, err)
		}
	}
	for _, v := range g.Outputs {
		if v.Name = names[v.Name]; v.Name == "" || out.Init(v.Name) != nil {
			return nil, errors.New("a graph's output is made by no node")
		}
		out.Outputs = append(out.Outputs, v)
	}
	return out, nil
}

func renameNode(n *Node, out *Graph, names map[string]string) error {
	own := *n
	own.Inputs = make([]string, len(n.Inputs))
	for i, in := range n.Inputs {
		if in == "" {
			continue
		}
		if own.Inputs[i] = names[in]; own.Inputs[i] == "" {
			return fmt.Errorf("its input %.60q is made by no node before it", in)
		}
	}
	if nothing := n.Op == "Identity" || n.Op == "Dropout"; nothing && n.Domain == "" && len(n.Inputs) > 0 && len(n.Outputs) > 0 && names[n.Outputs[0]] == "" {
		names[n.Outputs[0]] = own.Inputs[0]
		return nil
	}
	own.Outputs = make([]string, len(n.Outputs))
	for i, name := range n.Outputs {
		if name == "" || names[name] != "" {
			return fmt.Errorf("its output %.60q has no name or is there already", name)
		}
		own.Outputs[i] = fmt.Sprintf("v%d", len(names))
		names[name] = own.Outputs[i]
	}
	if own.Name == "" && len(n.Outputs) > 0 {
		own.Name = n.Outputs[0]
	}
	out.Nodes = append(out.Nodes, own)
	return nil
}

// oneOutput makes one row of all outputs.
func oneOutput(g *Graph) error {
	shapes, err := InferShapes(g)
	if err != nil {
		return err
	}
	b := &builder{g}
	var flat []string
	total := 0
	for i, v := range g.Outputs {
		n, err := shapes[v.Name].Elems(1 << 28)
		if err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		total += n
		flat = append(flat, b.reshape("flat"+strconv.Itoa(i), v.Name, 1, -1))
	}
	g.Outputs = []Value{{Name: b.concat(outputName, 1, flat...), Type: Float32, Dims: Shape{1, total}}}
	return nil
}

// dropDead removes nodes whose outputs nobody reads.
func dropDead(g *Graph) {
	used := map[string]bool{}
	for _, v := range g.Outputs {
		used[v.Name] = true
	}
	kept := len(g.Nodes)
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		alive := false
		for _, out := range n.Outputs {
			alive = alive || used[out]
		}
		if !alive {
			continue
		}
		for _, in := range n.Inputs {
			used[in] = true
		}
		kept--
		g.Nodes[kept] = n
	}
	g.Nodes = g.Nodes[kept:]
}

// links says who makes and who reads each value of a graph, and its shapes. It goes stale when nodes change.
type links struct {
	shaper
	maker   map[string]int
	readers map[string][]int // a graph's output counts as read by node -1
}

func newLinks(g *Graph) (*links, error) {
	shapes, err := InferShapes(g)
	if err != nil {
		return nil, err
	}
	l := &links{shaper{g, shapes}, map[string]int{}, map[string][]int{}}
	for i := range g.Nodes {
		for _, in := range g.Nodes[i].Inputs {
			l.readers[in] = append(l.readers[in], i)
		}
		for _, out := range g.Nodes[i].Outputs {
			l.maker[out] = i
		}
	}
	for _, v := range g.Outputs {
		l.readers[v.Name] = append(l.readers[v.Name], -1)
	}
	return l, nil
}

// made is the node that makes input i of n, nil if none does or it is another operator than op.
func (l *links) made(n *Node, i int, op string) *Node {
	if i >= len(n.Inputs) {
		return nil
	}
	k, ok := l.maker[n.Inputs[i]]
	if !ok || l.g.Nodes[k].Op != op {
		return nil
	}
	return &l.g.Nodes[k]
}

// onlyReader is the one node that reads a value, nil if there are more or fewer or it is a graph's output.
func (l *links) onlyReader(name string) *Node {
	if r := l.readers[name]; len(r) == 1 && r[0] >= 0 {
		return &l.g.Nodes[r[0]]
	}
	return nil
}
