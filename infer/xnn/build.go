//go:build cgo && !noxnnpack

package xnn

import (
	"errors"
	"fmt"
	"slices"

	"yfv2d/infer/model"
)

// builder turns a graph into steps. It keeps values with their channels innermost, whatever ONNX's dimensions say.
type builder struct {
	g        *model.Graph
	uses     map[string]int // how many nodes and outputs read a value
	values   map[string]*value
	storages []*storage
	steps    []*step
	input    string
	byteStep float32 // what 1 in the input's storage stands for
	tables   int     // cells of the tables that XNNPACK will make

	quant  *model.Quant      // which values are int8; nil: none
	bytes  bool              // new storages hold int8
	floats map[string]*value // float values of int8 ones
	relus  map[string]string // a value's activation, by the value
}

// plan is a graph ready to be bound to memory.
type plan struct {
	steps  []*step
	floats int // of the arena
	out    int // where the output lies, floats from the arena's start
	values int // of the output
}

const pixelScale = 1.0 / 255

// maxNodes bounds a graph; the project's network has 130.
const maxNodes = 10_000

// newPlan lowers a graph with one input (1,3,H,W), BGR in 0..1, and one output. Errors name the node.
func newPlan(g *model.Graph) (*plan, error) { return newQuantPlan(g, nil) }

// newQuantPlan is newPlan for a graph whose values are int8 where q says so.
func newQuantPlan(g *model.Graph, q *model.Quant) (*plan, error) {
	if len(g.Nodes) > maxNodes {
		return nil, fmt.Errorf("graph has %d nodes; at most %d are possible", len(g.Nodes), maxNodes)
	}
	b := &builder{g: g, uses: map[string]int{}, values: map[string]*value{}, quant: q, floats: map[string]*value{}, relus: map[string]string{}}
	if err := b.start(); err != nil {
		return nil, err
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if err := b.lower(n); err != nil {
			return nil, fmt.Errorf("node %s: %w", n, err)
		}
	}
	out, err := b.finish()
	if err != nil {
		return nil, err
	}
	p := &plan{steps: b.steps, values: out.c}
	if p.floats, err = layOut(b.storages); err != nil {
		return nil, err
	}
	p.out, _ = out.place()
	return p, nil
}

// start counts uses and makes the input's value.
func (b *builder) start() error {
	if len(b.g.Inputs) != 1 || len(b.g.Outputs) != 1 {
		return fmt.Errorf("graph has %d inputs and %d outputs; expected one of each", len(b.g.Inputs), len(b.g.Outputs))
	}
	b.input = b.g.Inputs[0].Name
	in, rounded := b.quantised(b.input)
	onlyConvs := !rounded
	for i := range b.g.Nodes {
		n := &b.g.Nodes[i]
		if n.Op == "Relu" && len(n.Inputs) == 1 && len(n.Outputs) == 1 {
			b.relus[n.Inputs[0]] = n.Outputs[0]
		}
		for j, in := range n.Inputs {
			b.uses[in]++
			onlyConvs = onlyConvs && (in != b.input || n.Op == "Conv" && j == 0)
		}
	}
	b.uses[b.g.Outputs[0].Name]++
	d := b.g.Inputs[0].Dims
	if len(d) != 4 || d[0] != 1 || d[1] != 3 {
		return fmt.Errorf("input %.60q has shape %v; expected 1,3,height,width", b.input, []int(d))
	}
	b.bytes = rounded && in == bytesParam
	st, err := b.storage(d[2], d[3], 3)
	b.bytes = false
	if err != nil {
		return fmt.Errorf("input %.60q: %w", b.input, err)
	}
	st.fixed = true
	s := newStep(kindFill, "input")
	s.out, s.h, s.w, s.scale = st.whole(), st.h, st.w, pixelScale
	b.byteStep = 1
	if onlyConvs && b.g.Outputs[0].Name != b.input {
		s.scale, b.byteStep = 1, pixelScale
	}
	b.steps = append(b.steps, s)
	v := &value{area: st.whole(), dims: d}
	b.values[b.input] = v
	if st.bytes {
		s.kind, v.q = s.kind.onBytes(), &in
		return nil
	}
	return b.round(b.input)
}

// storage makes room for h*w pixels of c floats.
func (b *builder) storage(h, w, c int) (*storage, error) {
	if h < 1 || w < 1 || c < 1 {
		return nil, fmt.Errorf("a value of %dx%d cells with %d channels is empty", h, w, c)
	}
	if _, err := (model.Shape{h, w, c}).Elems(maxArena / 4); err != nil {
		return nil, fmt.Errorf("a value of %dx%d cells with %d channels is larger than %d MB", h, w, c, maxArena>>20)
	}
	st := &storage{h: h, w: w, c: c, bytes: b.bytes}
	b.storages = append(b.storages, st)
	return st, nil
}

// lower turns one node into steps and values.
func (b *builder) lower(n *model.Node) error {
	op := lowerings[n.Op]
	if op == nil || n.Domain != "" {
		return errors.New("the XNNPACK engine does not have this operator")
	}
	if len(n.Inputs) == 0 || len(n.Outputs) == 0 {
		return errors.New("it has no input or no output")
	}
	if b.quant != nil {
		return b.lowerQuant(n, op)
	}
	return op(b, n)
}

type lowering func(b *builder, n *model.Node) error

// in is the value of input i, which a node before has made.
func (b *builder) in(n *model.Node, i int) (*value, error) {
	if i >= len(n.Inputs) || n.Inputs[i] == "" {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	v := b.values[n.Inputs[i]]
	if v == nil {
		return nil, fmt.Errorf("its input %.60q is made by no node before it", n.Inputs[i])
	}
	return v, nil
}

// constant is the constant float input i, nil if the node has none there.
func (b *builder) constant(n *model.Node, i int) ([]float32, model.Shape, error) {
	if i >= len(n.Inputs) || n.Inputs[i] == "" {
		return nil, nil, nil
	}
	t := b.g.Init(n.Inputs[i])
	if t == nil || t.Type != model.Float32 {
		return nil, nil, fmt.Errorf("its input %.60q is not a constant of float32", n.Inputs[i])
	}
	if size, err := t.Dims.Elems(maxArena / 4); err != nil || size != len(t.F32) {
		return nil, nil, fmt.Errorf("constant %.60q of shape %v holds %d values", t.Name, []int(t.Dims), len(t.F32))
	}
	return t.F32, t.Dims, nil
}

// ints is the constant integer input i.
func (b *builder) ints(n *model.Node, i int) ([]int, error) {
	if i >= len(n.Inputs) {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	t := b.g.Init(n.Inputs[i])
	if t == nil || t.Type != model.Int64 {
		return nil, fmt.Errorf("its input %.60q is not a constant list of integers", n.Inputs[i])
	}
	out := make([]int, len(t.I64))
	for i, v := range t.I64 {
		out[i] = int(v)
	}
	return out, nil
}

// set names the value that output i of the node makes.
func (b *builder) set(n *model.Node, i int, v *value) error {
	name := n.Outputs[i]
	if b.values[name] != nil || b.g.Init(name) != nil {
		return fmt.Errorf("its output %.60q is there already", name)
	}
	b.values[name] = v
	return nil
}

// emit adds a step from in to out, whose whole value it makes.
func (b *builder) emit(s *step, in *value, out *value) {
	s.in, s.out = in.area, out.area
	if out.st.bytes {
		s.kind = s.kind.onBytes()
	}
	s.h, s.w, s.oh, s.ow = in.st.h, in.st.w, out.st.h, out.st.w
	b.steps = append(b.steps, s)
	out.step = s
}

// like makes a value of v's form and size in a storage of its own.
func (b *builder) like(v *value) (*value, error) {
	st, err := b.storage(v.st.h, v.st.w, v.c)
	if err != nil {
		return nil, err
	}
	return &value{area: st.whole(), dims: v.dims, form: v.form}, nil
}

// picture makes a value of c channels of h*w cells.
func (b *builder) picture(c, h, w int) (*value, error) {
	st, err := b.storage(h, w, c)
	if err != nil {
		return nil, err
	}
	return &value{area: st.whole(), dims: model.Shape{1, c, h, w}}, nil
}

// lastUse says that the node is the only reader of its input i.
func (b *builder) lastUse(n *model.Node, i int) bool { return b.uses[n.Inputs[i]] == 1 }

// finish brings the output into rows and notes how long each storage is in use.
func (b *builder) finish() (*value, error) {
	name := b.g.Outputs[0].Name
	v := b.values[name]
	if v == nil {
		return nil, fmt.Errorf("no node makes the output %.60q", name)
	}
	if v.q != nil {
		return nil, fmt.Errorf("output %.60q is int8; expected a float value", name)
	}
	out, err := b.flat(v)
	if err != nil {
		return nil, fmt.Errorf("output %.60q: %w", name, err)
	}
	for i, s := range b.steps {
		for _, a := range []area{s.in, s.in2, s.out} {
			if a.st != nil {
				a.st.use(i)
			}
		}
	}
	out.st.use(len(b.steps))
	return out, nil
}

// use notes that step i reads or writes s.
func (s *storage) use(i int) {
	root, _ := s.root()
	if !root.used {
		root.first, root.used = i, true
	}
	root.last = i
}

// flat is v as one row of all its values in the order of its dimensions.
func (b *builder) flat(v *value) (*value, error) {
	n := v.pixels() * v.c
	dims := model.Shape{1, n}
	if v.pixels() == 1 {
		return &value{area: v.area, dims: dims}, nil
	}
	st, err := b.storage(1, 1, n)
	if err != nil {
		return nil, err
	}
	out := &value{area: st.whole(), dims: dims}
	b.rows(v, out)
	return out, nil
}

// rows writes v's values in the order of its dimensions to out, which has no gaps.
func (b *builder) rows(v, out *value) {
	k := kindPlanes
	if v.inRows() || v.form == channelsLast {
		k = kindCopy
	}
	s := newStep(k, "rows")
	s.packed = true
	b.emit(s, v, out)
	out.step, out.st.fixed = nil, out.st.pixels() > 1
}

// sameDims compares shapes.
func sameDims(a, b model.Shape) bool { return slices.Equal(a, b) }
