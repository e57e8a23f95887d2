package model

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

func inferConv(s *shaper, n *Node) ([]Shape, error) {
	x, err := s.in(n, 0, 4)
	if err != nil {
		return nil, err
	}
	w, err := s.in(n, 1, 4)
	if err != nil {
		return nil, err
	}
	group := n.Int("group", 1)
	if group < 1 || x[1] != w[1]*group || w[0]%group != 0 {
		return nil, fmt.Errorf("a kernel of shape %v in %d groups does not fit an input of shape %v", []int(w), group, []int(x))
	}
	return windowed(n, x, w[0], w[2], w[3])
}

func inferPool(s *shaper, n *Node) ([]Shape, error) {
	x, err := s.in(n, 0, 4)
	if err != nil {
		return nil, err
	}
	k := n.Ints("kernel_shape")
	if len(k) != 2 || n.Int("ceil_mode", 0) != 0 {
		return nil, errors.New("expected a two-dimensional kernel, rounding down")
	}
	return windowed(n, x, x[1], k[0], k[1])
}

// windowed is the shape behind a sliding kernel.
func windowed(n *Node, x Shape, channels, kh, kw int) ([]Shape, error) {
	pads, strides, dil := n.Ints("pads", 0, 0, 0, 0), n.Ints("strides", 1, 1), n.Ints("dilations", 1, 1)
	if len(x) != 4 || len(pads) != 4 || len(strides) != 2 || len(dil) != 2 || n.Str("auto_pad", "NOTSET") != "NOTSET" {
		return nil, errors.New("expected two dimensions with explicit pads")
	}
	out := Shape{x[0], channels, 0, 0}
	for i, k := range []int{kh, kw} {
		const limit = math.MaxInt16
		if strides[i] < 1 || dil[i] < 1 || dil[i] > limit || k < 1 || k > limit || min(pads[i], pads[i+2]) < 0 || max(pads[i], pads[i+2]) > limit {
			return nil, errors.New("its kernel, strides, dilations or pads are out of range")
		}
		span := x[2+i] + pads[i] + pads[i+2] - dil[i]*(k-1) - 1
		if span < 0 {
			return nil, fmt.Errorf("its kernel is larger than its padded input of shape %v", []int(x))
		}
		out[2+i] = span/strides[i] + 1
	}
	return []Shape{out}, nil
}

func inferConcat(s *shaper, n *Node) ([]Shape, error) {
	out := slices.Clone(s.shapes[n.Inputs[0]])
	axis, err := axisOf(n.Int("axis", 0), len(out))
	if err != nil {
		return nil, err
	}
	for _, in := range n.Inputs[1:] {
		x := slices.Clone(s.shapes[in])
		if len(x) != len(out) {
			return nil, errors.New("its inputs differ in dimensions")
		}
		add := x[axis]
		x[axis] = out[axis]
		if !equalShape(x, out) {
			return nil, fmt.Errorf("its inputs differ beside axis %d: %v and %v", axis, []int(out), []int(s.shapes[in]))
		}
		out[axis] += add
	}
	return []Shape{out}, nil
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

func inferSlice(s *shaper, n *Node) ([]Shape, error) {
	cuts, err := s.slices(n)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(s.shapes[n.Inputs[0]])
	for _, c := range cuts {
		out[c.axis] = (c.to - c.from + c.step - 1) / c.step
	}
	return []Shape{out}, nil
}

// cut is what a slice takes of one axis: every step-th element of from..to-1.
type cut struct{ axis, from, to, step int }

// slices are a Slice's cuts, with indices from the end turned into such from the start.
func (s *shaper) slices(n *Node) ([]cut, error) {
	starts, err1 := s.ints(n, 1)
	ends, err2 := s.ints(n, 2)
	axes, err3 := s.ints(n, 3)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, errors.New("expected constant starts, ends and axes")
	}
	steps := slices.Repeat([]int64{1}, len(starts))
	if len(n.Inputs) > 4 {
		var err error
		if steps, err = s.ints(n, 4); err != nil {
			return nil, err
		}
	}
	if len(n.Inputs) > 5 || len(starts) != len(ends) || len(starts) != len(axes) || len(starts) != len(steps) {
		return nil, errors.New("expected starts, ends, axes and steps of one length")
	}
	x := s.shapes[n.Inputs[0]]
	cuts := make([]cut, len(axes))
	seen := make([]bool, len(x))
	for i := range axes {
		if axes[i] < math.MinInt32 || axes[i] > math.MaxInt32 {
			return nil, fmt.Errorf("axis %d is out of range", axes[i])
		}
		a, err := axisOf(int(axes[i]), len(x))
		if err != nil {
			return nil, err
		}
		from, to := indexOf(starts[i], x[a]), min(indexOf(ends[i], x[a]), int64(x[a]))
		if from < 0 || to <= from || steps[i] < 1 || steps[i] > math.MaxInt32 || seen[a] {
			return nil, fmt.Errorf("slice %d:%d:%d of a dimension of %d is empty or out of range", starts[i], ends[i], steps[i], x[a])
		}
		seen[a] = true
		cuts[i] = cut{a, int(from), int(to), int(steps[i])}
	}
	return cuts, nil
}

// indexOf turns an index that counts from the end of n elements into one from the start.
func indexOf(i int64, n int) int64 {
	if i < 0 {
		return i + int64(n)
	}
	return i
}

func inferResize(s *shaper, n *Node) ([]Shape, error) {
	if len(n.Inputs) != 3 {
		return nil, errors.New("expected an input, a region and scales")
	}
	x := s.shapes[n.Inputs[0]]
	t := s.g.Init(n.Inputs[2])
	if t == nil || len(t.F32) != len(x) {
		return nil, errors.New("expected a constant scale for each dimension")
	}
	out := make(Shape, len(x))
	for i, f := range t.F32 {
		v := math.Floor(float64(x[i]) * float64(f))
		if !(v >= 1 && v <= math.MaxInt32) {
			return nil, fmt.Errorf("scale %v is out of range", f)
		}
		out[i] = int(v)
	}
	return []Shape{out}, nil
}

func inferReshape(s *shaper, n *Node) ([]Shape, error) {
	want, err := s.ints(n, 1)
	if err != nil {
		return nil, err
	}
	if len(want) > maxRank {
		return nil, fmt.Errorf("cannot reshape to %d dimensions", len(want))
	}
	x := s.shapes[n.Inputs[0]]
	total, err := x.Elems(math.MaxInt32)
	if err != nil {
		return nil, err
	}
	out, open, rest := make(Shape, len(want)), -1, 1
	for i, d := range want {
		switch {
		case d == -1 && open < 0:
			open = i
			continue
		case d == 0 && i < len(x):
			out[i] = x[i]
		case d > 0 && d <= math.MaxInt32:
			out[i] = int(d)
		default:
			return nil, fmt.Errorf("cannot reshape to %v", want)
		}
		if rest *= out[i]; rest > math.MaxInt32 {
			return nil, fmt.Errorf("cannot reshape to %v", want)
		}
	}
	if open >= 0 && rest > 0 {
		out[open] = total / rest
		rest *= out[open]
	}
	if rest != total {
		return nil, fmt.Errorf("cannot reshape %v to %v", []int(x), want)
	}
	return []Shape{out}, nil
}

func inferTranspose(s *shaper, n *Node) ([]Shape, error) {
	x, perm := s.shapes[n.Inputs[0]], n.Ints("perm")
	out := make(Shape, len(x))
	seen := make([]bool, len(x))
	if len(perm) != len(x) {
		return nil, fmt.Errorf("a permutation of %d does not fit %d dimensions", len(perm), len(x))
	}
	for i, p := range perm {
		if p < 0 || p >= len(x) || seen[p] {
			return nil, fmt.Errorf("%v is no permutation", perm)
		}
		seen[p] = true
		out[i] = x[p]
	}
	return []Shape{out}, nil
}

// inferGather takes one constant index, which removes the axis.
func inferGather(s *shaper, n *Node) ([]Shape, error) {
	x := s.shapes[n.Inputs[0]]
	axis, err := axisOf(n.Int("axis", 0), len(x))
	if err != nil {
		return nil, err
	}
	i, err := s.ints(n, 1)
	if err != nil || len(i) != 1 || len(s.shapes[n.Inputs[1]]) != 0 || i[0] < 0 || int(i[0]) >= x[axis] {
		return nil, errors.New("expected one constant index in range")
	}
	return []Shape{slices.Delete(slices.Clone(x), axis, axis+1)}, nil
}

// inferPad knows the form that fills with zeros.
func inferPad(s *shaper, n *Node) ([]Shape, error) {
	x := s.shapes[n.Inputs[0]]
	pads, err := s.ints(n, 1)
	if err != nil || len(pads) != 2*len(x) || len(n.Inputs) != 2 || n.Str("mode", "constant") != "constant" {
		return nil, errors.New("expected constant pads at both ends of each dimension, filled with zeros")
	}
	out := slices.Clone(x)
	for i, p := range pads {
		if p < 0 || p > math.MaxInt16 {
			return nil, fmt.Errorf("pads %v are out of range", pads)
		}
		out[i%len(x)] += int(p)
	}
	return []Shape{out}, nil
}
