package model

import "slices"

// OpenCV before 4.7 has a fast path for depthwise convolutions, but only for 3x3 kernels with at most one cell of padding
// on an input of at least 16 cells and the kernel's reach (its dilation included). Measured with 4.6 on one thread, 72
// channels: a 5x5 kernel takes 0.51 ms on 22x22 cells and a fast 3x3 one 0.03; on 11x11 a 5x5 0.14, a 3x3 slow 0.11 and,
// widened to 18 cells, fast 0.02.
const (
	fastWidth  = 16 // without the kernel's reach
	leastWidth = 8  // cells; on narrower planes it is not worth the padding
)

// fastDepthwise rewrites depthwise convolutions so that they take that path. A 5x5 kernel becomes the sum of four dilated
// 3x3 ones, planes that are too narrow are widened with zeros and cut again. The numbers stay the same. On planes of one
// row the path reads past the end (up to 4.11 at least): there the zeros above and below are added beforehand.
func fastDepthwise(g *Graph) error {
	shapes, err := InferShapes(g)
	if err != nil {
		return err
	}
	b := &builder{&Graph{Inits: g.Inits}}
	reads := map[string]int{}
	for i := range g.Nodes {
		for _, in := range g.Nodes[i].Inputs {
			reads[in]++
		}
	}
	for _, v := range g.Outputs {
		reads[v.Name]++
	}
	for i := 0; i < len(g.Nodes); i++ {
		n := &g.Nodes[i]
		d := depthwiseOf(g, n, shapes)
		if d == nil {
			b.g.Nodes = append(b.g.Nodes, *n)
			continue
		}
		if i+1 < len(g.Nodes) && reads[d.Outputs[0]] == 1 && d.takeRelu(&g.Nodes[i+1]) {
			i++
		}
		d.write(b)
	}
	g.Nodes, g.Inits, g.index = b.g.Nodes, b.g.Inits, b.g.index
	dropUnused(g)
	return nil
}

// depthwise is a depthwise convolution that is worth rewriting.
type depthwise struct {
	*Node
	w      *Tensor
	k      int // kernel size: 3 or 5
	stride int
	in     int  // width of the input in cells
	out    int  // of the output
	widen  int  // cells to add on the right
	flat   bool // the input is a single row
	relu   *Node
}

func depthwiseOf(g *Graph, n *Node, shapes map[string]Shape) *depthwise {
	if n.Op != "Conv" || len(n.Inputs) < 2 {
		return nil
	}
	w, x, y := g.Init(n.Inputs[1]), shapes[n.Inputs[0]], shapes[n.Outputs[0]]
	if w == nil || len(w.Dims) != 4 || w.Dims[1] != 1 || n.Int("group", 1) != w.Dims[0] || w.Dims[2] != w.Dims[3] {
		return nil
	}
	d := &depthwise{Node: n, w: w, k: w.Dims[2], in: x[3], out: y[3], flat: x[2] == 1, stride: n.Ints("strides", 1, 1)[0]}
	if !allEqual(n.Ints("pads"), d.k/2) || !allEqual(n.Ints("dilations", 1, 1), 1) || !allEqual(n.Ints("strides", 1, 1), d.stride) {
		return nil
	}
	switch {
	case d.in < leastWidth:
		return nil
	case d.k == 3:
		d.widen = max(fastWidth+2-d.in, 0)
		if d.widen == 0 && !d.flat {
			return nil
		}
	case d.k == 5 && d.stride == 1 && !d.flat:
		d.widen = max(fastWidth+2-d.in, 0)
	default:
		return nil
	}
	return d
}

func allEqual(s []int, v int) bool {
	return len(s) > 0 && !slices.ContainsFunc(s, func(x int) bool { return x != v })
}

// takeRelu makes the node part of d if it is d's activation: it then stands before the cut, where engines fuse it.
func (d *depthwise) takeRelu(n *Node) bool {
	if n.Op != "Relu" || n.Inputs[0] != d.Outputs[0] {
		return false
	}
	d.relu = n
	return true
}

// write adds the nodes that stand for d; the last has the name of the value that d's consumers read.
func (d *depthwise) write(b *builder) {
	last := d.Outputs[0]
	if d.relu != nil {
		last = d.relu.Outputs[0]
	}
	name := d.Outputs[0] // of the sum or the convolution
	if d.widen > 0 && d.relu == nil {
		name += ".wide"
	}
	y := d.convs(b, name)
	if d.relu != nil {
		name = last
		if d.widen > 0 {
			name += ".wide"
		}
		y = b.node("Relu", name, nil, y)
	}
	if d.widen > 0 {
		b.node("Slice", last, nil, y, b.ints(0), b.ints(d.out), b.ints(3))
	}
}

func (d *depthwise) convs(b *builder, name string) string {
	if d.k == 3 {
		rows := 0
		if d.flat {
			rows = 1
		}
		attrs := convAttrs(&conv{k: 3, stride: d.stride, groups: d.w.Dims[0]}, 1)
		attrs[3] = attrInts("pads", 1-rows, 1, 1-rows, 1)
		return b.node("Conv", name, attrs, append([]string{d.pad(b, ".padded", rows, 0)}, d.Inputs[1:]...)...)
	}
	// The fast path takes padding to be as wide as the dilation; at most one cell is possible, the rest is added here.
	wide, narrow := d.pad(b, ".padded", 1, 2), d.pad(b, ".rows", 1, 0)
	return b.node("Sum", name, nil,
		d.part(b, name+".22", wide, 2, 2, 0, d.Inputs[2:]), // one part carries the bias
		d.part(b, name+".12", wide, 1, 2, 0, nil),
		d.part(b, name+".21", narrow, 2, 1, 1, nil),
		d.part(b, name+".11", narrow, 1, 1, 1, nil))
}

// part is the 3x3 convolution with those dilations, on an input that is padded by one row above and below.
func (d *depthwise) part(b *builder, name, x string, dy, dx, padX int, bias []string) string {
	k := &Tensor{Name: name + ".weight", Type: Float32, Dims: Shape{d.w.Dims[0], 1, 3, 3}, F32: dilatedPart(d.w.F32, dy, dx)}
	b.g.addInit(k)
	return b.node("Conv", name, []Attr{
		attrInts("dilations", dy, dx), attrInt("group", d.w.Dims[0]), attrInts("kernel_shape", 3, 3),
		attrInts("pads", dy-1, padX, dy-1, padX), attrInts("strides", 1, 1),
	}, append([]string{x, k.Name}, bias...)...)
}

// pad adds zeros on d's input: rows above and below, columns on either side, and what makes it wide enough.
func (d *depthwise) pad(b *builder, suffix string, rows, columns int) string {
	return b.node("Pad", d.Outputs[0]+suffix, []Attr{attrString("mode", "constant")},
		d.Inputs[0], b.ints(0, 0, rows, columns, 0, 0, rows, columns+d.widen))
}

// dilatedPart takes a 3x3 kernel of the given dilations (1 or 2) out of the middle of each 5x5 one. Dilation 2 takes the
// even rows or columns and dilation 1 the odd ones, so that each tap belongs to one of the four parts.
func dilatedPart(w []float32, dy, dx int) []float32 {
	out := make([]float32, 0, len(w)/25*9)
	for ; len(w) > 0; w = w[25:] {
		for r := -1; r <= 1; r++ {
			for c := -1; c <= 1; c++ {
				v := w[(2+r*dy)*5+2+c*dx]
				if dy == 1 && r == 0 || dx == 1 && c == 0 {
					v = 0
				}
				out = append(out, v)
			}
		}
	}
	return out
}

// dropUnused removes constants that no node reads.
func dropUnused(g *Graph) {
	used := map[string]bool{}
	for i := range g.Nodes {
		for _, in := range g.Nodes[i].Inputs {
			used[in] = true
		}
	}
	var kept []*Tensor
	for _, t := range g.Inits {
		if used[t.Name] {
			kept = append(kept, t)
		}
	}
	g.Inits, g.index = kept, nil
}
