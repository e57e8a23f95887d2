package model

import (
	"fmt"
	"slices"
)

// set gives a node an attribute in place of the one that it has of that name. The list is copied: files share it.
func (n *Node) set(a Attr) {
	attrs := slices.DeleteFunc(slices.Clone(n.Attrs), func(old Attr) bool { return old.Name == a.Name })
	n.Attrs = append(attrs, a)
}

// mergeResizes brings resizes into the forms that engines agree on. Halving with linear interpolation between the middles
// of cells is the mean of two by two; doubling to the nearest middle repeats each cell.
func mergeResizes(g *Graph) error {
	shapes, err := InferShapes(g)
	if err != nil {
		return err
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != "Resize" || len(n.Inputs) != 3 {
			continue
		}
		x, scales := shapes[n.Inputs[0]], g.Init(n.Inputs[2]).F32
		if len(x) != 4 || scales[0] != 1 || scales[1] != 1 {
			continue
		}
		transform := n.Str("coordinate_transformation_mode", "half_pixel")
		middles := transform == "half_pixel" || transform == "pytorch_half_pixel"
		switch mode := n.Str("mode", "nearest"); {
		case mode == "linear" && middles && scales[2] == 0.5 && scales[3] == 0.5 && x[2] > 2 && x[3] > 2 && x[2]%2 == 0 && x[3]%2 == 0:
			*n = Node{Op: "AveragePool", Name: n.Name, Inputs: n.Inputs[:1], Outputs: n.Outputs,
				Attrs: []Attr{attrInts("kernel_shape", 2, 2), attrInts("strides", 2, 2)}}
		case mode == "nearest" && middles && scales[2] == 2 && scales[3] == 2 && n.Str("nearest_mode", "round_prefer_floor") == "round_prefer_floor":
			n.set(attrString("coordinate_transformation_mode", "asymmetric"))
			n.set(attrString("nearest_mode", "floor"))
		}
	}
	return nil
}

// mergePads makes an average pool that counts zeros around its input a convolution of each channel: engines differ on
// such pools. The zeros may come from the pool itself or from a node before it.
func mergePads(g *Graph) error {
	l, err := newLinks(g)
	if err != nil {
		return err
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != "AveragePool" || len(l.shapes[n.Inputs[0]]) != 4 {
			continue
		}
		pads, k := n.Ints("pads", 0, 0, 0, 0), n.Ints("kernel_shape")
		x := n.Inputs[0]
		if pad := l.made(n, 0, "Pad"); pad != nil && l.onlyReader(x) != nil && allEqual(pads, 0) {
			p := g.Init(pad.Inputs[1]).I64
			if p[0]+p[1]+p[4]+p[5] != 0 {
				continue
			}
			x, pads = pad.Inputs[0], []int{int(p[2]), int(p[3]), int(p[6]), int(p[7])}
		} else if n.Int("count_include_pad", 0) == 0 {
			continue
		}
		channels, cells := l.shapes[x][1], k[0]*k[1]
		if allEqual(pads, 0) || channels > maxChannels/cells {
			continue
		}
		w := &Tensor{Name: n.Outputs[0] + ".weight", Type: Float32, Dims: Shape{channels, 1, k[0], k[1]},
			F32: slices.Repeat([]float32{1 / float32(cells)}, channels*cells)}
		g.addInit(w)
		strides := n.Ints("strides", 1, 1)
		*n = Node{Op: "Conv", Name: n.Name, Inputs: []string{x, w.Name}, Outputs: n.Outputs, Attrs: []Attr{
			attrInts("dilations", n.Ints("dilations", 1, 1)...), attrInt("group", channels), attrInts("kernel_shape", k...),
			attrInts("pads", pads...), attrInts("strides", strides...)}}
	}
	dropDead(g)
	return nil
}

// mergeSoftmax takes rows and columns the same way round before and after a softmax over the channels, which leaves only
// a move of the channels to the end and back.
func mergeSoftmax(g *Graph) error {
	l, err := newLinks(g)
	if err != nil {
		return err
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != "Softmax" || len(l.shapes[n.Outputs[0]]) != 4 || n.Int("axis", -1) != 3 && n.Int("axis", 1) != -1 {
			continue
		}
		before, after := l.made(n, 0, "Transpose"), l.onlyReader(n.Outputs[0])
		if before == nil || l.onlyReader(n.Inputs[0]) == nil || after == nil || after.Op != "Transpose" {
			continue
		}
		if crossed := []int{0, 3, 2, 1}; !slices.Equal(before.Ints("perm"), crossed) || !slices.Equal(after.Ints("perm"), crossed) {
			continue
		}
		before.set(attrInts("perm", 0, 2, 3, 1))
		after.set(attrInts("perm", 0, 3, 1, 2))
	}
	return nil
}

// mergeFocus turns a convolution over the four pictures that every second row and column give (a "focus" layer) into one
// over the whole picture, of twice the kernel and stride.
func mergeFocus(g *Graph) error {
	l, err := newLinks(g)
	if err != nil {
		return err
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != "Conv" || n.Int("group", 1) != 1 || !allEqual(n.Ints("dilations", 1, 1), 1) {
			continue
		}
		f, w := l.focusOf(n), g.Init(n.Inputs[1])
		if f == nil || w == nil || w.Type != Float32 || len(w.Dims) != 4 {
			continue
		}
		kernel := f.spread(w, fmt.Sprintf("%s.focus", n.Outputs[0]))
		g.addInit(kernel)
		pads, strides := n.Ints("pads", 0, 0, 0, 0), n.Ints("strides", 1, 1)
		n.Inputs = append([]string{f.x, kernel.Name}, n.Inputs[2:]...)
		n.set(attrInts("kernel_shape", kernel.Dims[2], kernel.Dims[3]))
		n.set(attrInts("pads", 2*pads[0], 2*pads[1], 2*pads[2], 2*pads[3]))
		n.set(attrInts("strides", 2*strides[0], 2*strides[1]))
	}
	dropDead(g)
	return nil
}

// focus is the picture x taken apart: part i starts at row at[i][0] and column at[i][1].
type focus struct {
	x        string
	channels int
	at       [4][2]int
}

// focusOf recognises a convolution's input: four pictures, each cut out of one picture by two slices or one.
func (l *links) focusOf(conv *Node) *focus {
	join := l.made(conv, 0, "Concat")
	if join == nil || len(join.Inputs) != 4 || join.Int("axis", 0) != 1 {
		return nil
	}
	f := &focus{}
	for i, part := range join.Inputs {
		var cuts []cut
		x := part
		for range 2 {
			k, ok := l.maker[x]
			if !ok || l.g.Nodes[k].Op != "Slice" {
				break
			}
			c, err := l.slices(&l.g.Nodes[k])
			if err != nil {
				return nil
			}
			cuts, x = append(cuts, c...), l.g.Nodes[k].Inputs[0]
		}
		shape := l.shapes[x]
		if len(shape) != 4 || shape[2]%2 != 0 || shape[3]%2 != 0 || i > 0 && x != f.x || len(cuts) != 2 {
			return nil
		}
		f.x, f.channels = x, shape[1]
		axes := 0
		for _, c := range cuts {
			if c.axis < 2 || c.step != 2 || c.from > 1 || c.to != shape[c.axis] {
				return nil
			}
			f.at[i][c.axis-2], axes = c.from, axes|c.axis
		}
		if axes != 2|3 || cuts[0].axis == cuts[1].axis {
			return nil
		}
	}
	return f
}

// spread is the kernel over the whole picture that does what w does over the parts.
func (f *focus) spread(w *Tensor, name string) *Tensor {
	kh, kw := w.Dims[2], w.Dims[3]
	t := &Tensor{Name: name, Type: Float32, Dims: Shape{w.Dims[0], f.channels, 2 * kh, 2 * kw}, F32: make([]float32, len(w.F32))}
	k := 0
	for o := range w.Dims[0] {
		for p := range f.at {
			for c := range f.channels {
				for y := range kh {
					for x := range kw {
						row := (o*f.channels+c)*2*kh + 2*y + f.at[p][0]
						t.F32[row*2*kw+2*x+f.at[p][1]] += w.F32[k]
						k++
					}
				}
			}
		}
	}
	return t
}
