package model

import "fmt"

// splitWidth is the least width in cells for which splitDepthwise5x5 pays: OpenCV 4.6 takes its fast path for 3x3 kernels
// from an input width of 18 on. Measured there on one thread, 72 channels: a quarter to a half of the time from 16 cells
// on (22x22, 20x11, 40x12), two to three times as long below (11x11, 12x40).
const splitWidth = 16

// splitDepthwise5x5 replaces 5x5 depthwise convolutions on wide planes by four 3x3 ones, for engines with a fast path
// for 3x3 alone (OpenCV before 4.7). A 5x5 kernel is the sum of four 3x3 kernels centred one cell off its centre, the
// taps where they overlap given to one of them: each works on its own window of the padded plane.
func splitDepthwise5x5(g *Graph) error {
	shapes, err := InferShapes(g)
	if err != nil {
		return err
	}
	b := &builder{&Graph{Inits: g.Inits}}
	for _, n := range g.Nodes {
		w := splittable(g, &n, shapes)
		if w == nil {
			b.g.Nodes = append(b.g.Nodes, n)
			continue
		}
		b.split5x5(&n, w, shapes[n.Outputs[0]])
	}
	g.Nodes, g.Inits, g.index = b.g.Nodes, b.g.Inits, b.g.index
	dropUnused(g)
	return nil
}

// splittable returns the node's kernel if it is a 5x5 depthwise convolution worth splitting.
func splittable(g *Graph, n *Node, shapes map[string]Shape) *Tensor {
	if n.Op != "Conv" || len(n.Inputs) < 2 {
		return nil
	}
	w, y := g.Init(n.Inputs[1]), shapes[n.Outputs[0]]
	if w == nil || len(w.Dims) != 4 || w.Dims[1] != 1 || w.Dims[2] != 5 || w.Dims[3] != 5 || n.Int("group", 1) != w.Dims[0] {
		return nil
	}
	if !allEqual(n.Ints("pads"), 2) || !allEqual(n.Ints("strides", 1, 1), 1) || !allEqual(n.Ints("dilations", 1, 1), 1) {
		return nil
	}
	if len(y) != 4 || y[3] < splitWidth {
		return nil
	}
	return w
}

func allEqual(s []int, v int) bool {
	for _, x := range s {
		if x != v {
			return false
		}
	}
	return len(s) > 0
}

func (b *builder) split5x5(n *Node, w *Tensor, y Shape) {
	name := n.Outputs[0]
	padded := b.node("Pad", name+".padded", []Attr{attrString("mode", "constant")}, n.Inputs[0], b.ints(0, 0, 2, 2, 0, 0, 2, 2))
	attrs := convAttrs(&conv{k: 3, stride: 1, groups: w.Dims[0]}, 0)
	var parts []string
	for i := range 4 {
		dy, dx := i/2*2, i%2*2
		part := fmt.Sprintf("%s.%d%d", name, dy, dx)
		window := b.node("Slice", part+".window", nil, padded, b.ints(dy, dx), b.ints(dy+y[2]+2, dx+y[3]+2), b.ints(2, 3))
		k := &Tensor{Name: fmt.Sprintf("%s.%d%d", w.Name, dy, dx), Type: Float32, Dims: Shape{w.Dims[0], 1, 3, 3}, F32: quarterKernels(w.F32, dy, dx)}
		b.g.addInit(k)
		inputs := []string{window, k.Name}
		if i == 0 { // one part carries the bias
			inputs = append(inputs, n.Inputs[2:]...)
		}
		parts = append(parts, b.node("Conv", part, attrs, inputs...))
	}
	b.node("Sum", name, nil, parts...)
}

// quarterKernels takes the 3x3 kernels at row dy and column dx out of 5x5 ones. The middle row and column belong to the
// parts at 0.
func quarterKernels(w []float32, dy, dx int) []float32 {
	out := make([]float32, 0, len(w)/25*9)
	for ; len(w) > 0; w = w[25:] {
		for r := dy; r < dy+3; r++ {
			for c := dx; c < dx+3; c++ {
				v := w[r*5+c]
				if dy == 2 && r == 2 || dx == 2 && c == 2 {
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
