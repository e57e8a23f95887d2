//go:build cgo && !noxnnpack

package xnn

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"yfv2d/infer/model"
)

// lowerings are the operators that the engine has.
var lowerings = map[string]lowering{
	"Conv": lowerConv, "BatchNormalization": lowerNorm, "Gemm": lowerGemm, "MatMul": lowerMatMul,
	"Relu": lowerRelu, "Clip": lowerClip, "Sigmoid": unary(kindSigmoid), "HardSwish": unary(kindHardSwish),
	"LeakyRelu": lowerLeaky, "HardSigmoid": lowerHardSigmoid,
	"Softmax": lowerSoftmax, "Add": pairwise(kindAdd), "Sum": pairwise(kindAdd), "Mul": pairwise(kindMul),
	"MaxPool": lowerMaxPool, "AveragePool": lowerAveragePool, "GlobalAveragePool": lowerMean, "Resize": lowerResize,
	"Concat": lowerConcat, "Slice": lowerSlice, "Split": lowerSplit, "Reshape": lowerReshape, "Flatten": lowerFlatten,
	"Transpose": lowerTranspose, "Identity": lowerIdentity,
}

func lowerIdentity(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	alias := *v
	alias.step = nil // its readers are not all known here
	return b.set(n, 0, &alias)
}

func lowerRelu(b *builder, n *model.Node) error {
	return b.clamp(n, 0, float32(math.Inf(1)))
}

func lowerClip(b *builder, n *model.Node) error {
	lo, hi := float32(math.Inf(-1)), float32(math.Inf(1))
	for i, bound := range []*float32{&lo, &hi} {
		if a := n.Attr([]string{"min", "max"}[i]); a != nil {
			*bound = a.F // before opset 11
		}
		c, _, err := b.constant(n, 1+i)
		if err != nil {
			return err
		}
		if c != nil {
			if len(c) != 1 {
				return errors.New("expected one number for each bound")
			}
			*bound = c[0]
		}
	}
	if !(lo < hi) {
		return fmt.Errorf("its range %g to %g is empty", lo, hi)
	}
	return b.clamp(n, lo, hi)
}

// clamp becomes part of the step that makes the input, if nobody else reads that.
func (b *builder) clamp(n *model.Node, lo, hi float32) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	if v.step != nil && v.step.kind.clamps() && b.lastUse(n, 0) {
		if v.step.clamp(lo, hi); !(v.step.lo < v.step.hi) {
			return fmt.Errorf("together with the clamp before it, only the value %g is left", v.step.lo)
		}
		return b.set(n, 0, v)
	}
	s := newStep(kindClamp, n.String())
	s.lo, s.hi = lo, hi
	return b.elementwise(n, s, v)
}

func unary(k kind) lowering {
	return func(b *builder, n *model.Node) error {
		v, err := b.in(n, 0)
		if err != nil {
			return err
		}
		return b.elementwise(n, newStep(k, n.String()), v)
	}
}

// elementwise works in place where nobody else reads the input.
func (b *builder) elementwise(n *model.Node, s *step, v *value) error {
	out := &value{area: v.area, dims: v.dims, form: v.form}
	if v.step == nil || !b.lastUse(n, 0) {
		var err error
		if out, err = b.like(v); err != nil {
			return err
		}
	}
	b.emit(s, v, out)
	return b.set(n, 0, out)
}

// lowerSoftmax takes the axis that lies innermost in memory. Others mean one thing before opset 13 and another after it.
func lowerSoftmax(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	axis, err := axisOf(n.Int("axis", -1), len(v.dims))
	if err != nil {
		return err
	}
	if axis != v.channelAxis() || v.form == channelsFirst && v.pixels() > 1 {
		return fmt.Errorf("axis %d of shape %v is not the last one that counts", axis, []int(v.dims))
	}
	out, err := b.like(v)
	if err != nil {
		return err
	}
	b.emit(newStep(kindSoftmax, n.String()), v, out)
	return b.set(n, 0, out)
}

func axisOf(axis, rank int) (int, error) {
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis >= rank {
		return 0, fmt.Errorf("axis %d is out of range for %d dimensions", axis, rank)
	}
	return axis, nil
}

// pairwise takes two values of one shape, a value and one number per channel, or a value and constants.
func pairwise(k kind) lowering {
	return func(b *builder, n *model.Node) error {
		if len(n.Inputs) != 2 {
			return fmt.Errorf("%d inputs; expected two", len(n.Inputs))
		}
		for i, name := range n.Inputs {
			if b.values[name] == nil && b.g.Init(name) != nil {
				return b.withConstant(n, k, 1-i, i)
			}
		}
		x, err := b.in(n, 0)
		if err != nil {
			return err
		}
		y, err := b.in(n, 1)
		if err != nil {
			return err
		}
		if x.pixels() < y.pixels() {
			x, y = y, x
		}
		if x.form != y.form && x.pixels() > 1 || x.c != y.c || !broadcasts(y.dims, x.dims) {
			return fmt.Errorf("its inputs of shapes %v and %v do not fit", []int(x.dims), []int(y.dims))
		}
		out, err := b.like(x)
		if err != nil {
			return err
		}
		s := newStep(k, n.String())
		s.in2, s.spread = y.area, y.pixels() == 1
		b.emit(s, x, out)
		return b.set(n, 0, out)
	}
}

// broadcasts says that y's dimensions are x's, or 1 in all but the channels.
func broadcasts(y, x model.Shape) bool {
	if slices.Equal(y, x) {
		return true
	}
	if len(y) != len(x) {
		return false
	}
	for i := range y {
		if y[i] != 1 && y[i] != x[i] {
			return false
		}
	}
	elems, err := y.Elems(maxArena)
	return err == nil && slices.Contains(y, elems) // all in one dimension
}

// withConstant multiplies or adds a constant: a convolution of each channel with one cell.
func (b *builder) withConstant(n *model.Node, k kind, value, constant int) error {
	v, err := b.in(n, value)
	if err != nil {
		return err
	}
	c, dims, err := b.constant(n, constant)
	if err != nil {
		return err
	}
	perChannel, err := spreadConstant(c, dims, v)
	if err != nil {
		return err
	}
	scale, shift := perChannel, make([]float32, v.c)
	if k == kindAdd {
		scale, shift = ones(v.c), perChannel
	}
	return b.affine(n, value, v, scale, shift)
}

// spreadConstant is a constant of one element, or of one for each channel, as one for each channel.
func spreadConstant(c []float32, dims model.Shape, v *value) ([]float32, error) {
	if len(c) == 1 {
		return slices.Repeat(c, v.c), nil
	}
	behind := len(v.dims) - v.channelAxis() // dimensions from the channels on
	if len(c) != v.c || len(dims) < behind || len(dims) > len(v.dims) || dims[len(dims)-behind] != v.c {
		return nil, fmt.Errorf("a constant of shape %v does not fit the channels of shape %v", []int(dims), []int(v.dims))
	}
	return c, nil
}

func ones(n int) []float32 { return slices.Repeat([]float32{1}, n) }

func lowerMean(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	if _, _, err := v.picture(); err != nil {
		return err
	}
	out, err := b.picture(v.c, 1, 1)
	if err != nil {
		return err
	}
	b.emit(newStep(kindMean, n.String()), v, out)
	return b.set(n, 0, out)
}
