//go:build cgo && !noxnnpack

package xnn

import (
	"fmt"

	"yfv2d/infer/model"
)

// bytesParam is how an int8 value holds a canvas's bytes: without rounding.
var bytesParam = model.QParam{Scale: pixelScale, Zero: -128}

// quantised is the int8 form of a value, false for a float value.
func (b *builder) quantised(name string) (model.QParam, bool) {
	if b.quant == nil {
		return model.QParam{}, false
	}
	p, ok := b.quant.Values[name]
	return p, ok
}

// lowerQuant turns one node of a graph with int8 values into steps. What has no int8 operator is computed in float: its
// inputs are converted, and its output rounded if that is int8.
func (b *builder) lowerQuant(n *model.Node, op lowering) error {
	if done, err := b.stayInt8(n, op); done || err != nil {
		return err
	}
	before := map[string]*value{}
	for _, in := range n.Inputs {
		if v := b.values[in]; v != nil && v.q != nil {
			before[in] = v
		}
	}
	for name, v := range before {
		f, err := b.asFloat(name, v)
		if err != nil {
			return err
		}
		b.values[name] = f
	}
	err := op(b, n)
	for name, v := range before {
		b.values[name] = v
	}
	if err != nil {
		return err
	}
	for _, out := range n.Outputs {
		if err := b.round(out); err != nil {
			return err
		}
	}
	return nil
}

// asFloat is a float value of an int8 one, made once.
func (b *builder) asFloat(name string, v *value) (*value, error) {
	if f := b.floats[name]; f != nil {
		return f, nil
	}
	f, err := b.like(v)
	if err != nil {
		return nil, err
	}
	s := newStep(kindFromQ8, name)
	s.q = &quantStep{in: *v.q}
	b.emit(s, v, f)
	b.floats[name] = f
	return f, nil
}

// round makes an int8 value of a float one if it is to be one.
func (b *builder) round(name string) error {
	p, ok := b.quantised(name)
	v := b.values[name]
	if !ok || v == nil || v.q != nil {
		return nil
	}
	b.bytes = true
	defer func() { b.bytes = false }()
	q, err := b.like(v)
	if err != nil {
		return err
	}
	s := newStep(kindToQ8, name)
	s.q, q.q = &quantStep{out: p}, &p
	b.emit(s, v, q)
	b.values[name] = q
	return nil
}

// stayInt8 lowers a node that has an operator on int8 values, and says whether it did.
func (b *builder) stayInt8(n *model.Node, op lowering) (done bool, err error) {
	switch n.Op {
	case "Conv":
		return b.convQ8(n)
	case "Add":
		return b.addQ8(n)
	case "Relu":
		return b.reluQ8(n)
	case "MaxPool", "Concat", "Slice", "Split", "Resize", "Identity":
		return b.moveQ8(n, op)
	}
	return false, nil
}

// moveQ8 lowers what makes no new numbers: inputs and outputs have one scale.
func (b *builder) moveQ8(n *model.Node, op lowering) (bool, error) {
	if n.Op == "Resize" && n.Str("mode", "nearest") != "nearest" {
		return false, nil
	}
	first := b.values[n.Inputs[0]]
	if first == nil || first.q == nil {
		return false, nil
	}
	p := *first.q
	for _, in := range n.Inputs {
		if v := b.values[in]; v != nil && (v.q == nil || *v.q != p) {
			return false, nil
		}
	}
	for _, out := range n.Outputs {
		if q, ok := b.quantised(out); !ok || q != p {
			return false, nil
		}
	}
	b.bytes = true
	defer func() { b.bytes = false }()
	if err := op(b, n); err != nil {
		return true, err
	}
	for _, out := range n.Outputs {
		b.values[out].q = &p
	}
	return true, nil
}

// reluQ8 has nothing to do where int8 holds no negative numbers: the step before has cut them off.
func (b *builder) reluQ8(n *model.Node) (bool, error) {
	v := b.values[n.Inputs[0]]
	p, ok := b.quantised(n.Outputs[0])
	if v == nil || v.q == nil || !ok || *v.q != p || p.Zero != -128 {
		return false, nil
	}
	return true, b.set(n, 0, v)
}

// made is the int8 form of what a node makes: its own, or that of the activation that alone reads it.
func (b *builder) made(n *model.Node) (model.QParam, bool) {
	out := n.Outputs[0]
	if p, ok := b.quantised(out); ok {
		return p, true
	}
	relu := b.relus[out]
	if relu == "" || b.uses[out] != 1 {
		return model.QParam{}, false
	}
	p, ok := b.quantised(relu)
	return p, ok && p.Zero == -128
}

// convQ8 is lowerConv on int8 values.
func (b *builder) convQ8(n *model.Node) (bool, error) {
	c, v := b.quant.Convs[n.Outputs[0]], b.values[n.Inputs[0]]
	p, ok := b.made(n)
	if c == nil || v == nil || v.q == nil || !ok {
		return false, nil
	}
	h, w, err := v.picture()
	if err != nil {
		return true, err
	}
	_, dims, err := b.constant(n, 1)
	if err != nil {
		return true, err
	}
	s := newStep(kindConvQ8, n.String())
	s.groups = n.Int("group", 1)
	if len(dims) != 4 || s.groups < 1 || dims[0] < 1 || dims[0]%s.groups != 0 || v.c%s.groups != 0 || dims[1] != v.c/s.groups {
		return true, fmt.Errorf("a kernel of shape %v in %d groups does not fit an input of shape %v", []int(dims), s.groups, []int(v.dims))
	}
	if size, err := dims.Elems(maxArena); err != nil || size != len(c.W) || len(c.Scale) != dims[0] || c.Bias != nil && len(c.Bias) != dims[0] {
		return true, fmt.Errorf("%d int8 weights, %d scales and %d biases do not fit a kernel of shape %v", len(c.W), len(c.Scale), len(c.Bias), []int(dims))
	}
	if s.window, err = windowOf(n, dims[2], dims[3]); err != nil {
		return true, err
	}
	oh, ow, err := s.window.over(h, w)
	if err != nil {
		return true, err
	}
	if err := b.countTable(s.window, oh, ow); err != nil {
		return true, err
	}
	for _, scale := range c.Scale {
		if r := v.q.Scale * scale / p.Scale; !(r >= leastRescale && r < mostRescale) {
			return true, fmt.Errorf("scales of its input %g, weights %g and output %g are too far apart", v.q.Scale, scale, p.Scale)
		}
	}
	s.q = &quantStep{in: *v.q, out: p, conv: &model.QConv{W: bytesInnermost(c.W, dims), Scale: c.Scale, Bias: c.Bias}}
	b.bytes = true
	defer func() { b.bytes = false }()
	out, err := b.picture(dims[0], oh, ow)
	if err != nil {
		return true, err
	}
	out.q = &p
	b.emit(s, v, out)
	return true, b.set(n, 0, out)
}

// XNNPACK takes a ratio of scales from 2^-32 to 2^8.
const (
	leastRescale = 1.0 / (1 << 32)
	mostRescale  = 256
)

// bytesInnermost turns a kernel from (output, input, row, column) to (output, row, column, input).
func bytesInnermost(kernel []int8, dims model.Shape) []int8 {
	in, cells := dims[1], dims[2]*dims[3]
	out := make([]int8, len(kernel))
	for o := 0; o < len(kernel); o += in * cells {
		for c := range in {
			for k := range cells {
				out[o+k*in+c] = kernel[o+c*cells+k]
			}
		}
	}
	return out
}

// addQ8 adds two int8 values of one shape without gaps between their pixels.
func (b *builder) addQ8(n *model.Node) (bool, error) {
	if len(n.Inputs) != 2 {
		return false, nil
	}
	x, y := b.values[n.Inputs[0]], b.values[n.Inputs[1]]
	p, ok := b.made(n)
	if !ok || x == nil || y == nil || x.q == nil || y.q == nil || x.form != y.form || !sameDims(x.dims, y.dims) || !x.keepDense() || !y.keepDense() {
		return false, nil
	}
	if !sumFits(x.q.Scale/p.Scale) || !sumFits(y.q.Scale/p.Scale) {
		return false, nil
	}
	b.bytes = true
	defer func() { b.bytes = false }()
	out, err := b.like(x)
	if err != nil {
		return true, err
	}
	out.st.fixed, out.q = true, &p
	s := newStep(kindAddQ8, n.String())
	s.in2, s.q = y.area, &quantStep{in: *x.q, in2: *y.q, out: p}
	b.emit(s, x, out)
	return true, b.set(n, 0, out)
}

// sumFits says that XNNPACK adds with this ratio of an input's scale to the output's: 2^-10 to 2^8.
func sumFits(r float32) bool { return r >= 1.0/1024 && r < 256 }

// keepDense says that the value's pixels follow each other without gaps, and keeps it so.
func (v *value) keepDense() bool {
	root, _ := v.st.root()
	if v.c != root.c {
		return false
	}
	root.fixed = true
	return true
}
