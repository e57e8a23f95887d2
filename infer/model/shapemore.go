package model

import (
	"errors"
	"fmt"
)

// inferBroadcast takes two shapes that are equal or 1 in each dimension, counted from the last.
func inferBroadcast(s *shaper, n *Node) ([]Shape, error) {
	if len(n.Inputs) != 2 || n.Inputs[1] == "" {
		return nil, errors.New("expected two inputs")
	}
	x, y := s.shapes[n.Inputs[0]], s.shapes[n.Inputs[1]]
	if len(y) > len(x) {
		x, y = y, x
	}
	out := append(Shape(nil), x...)
	for i := range y {
		d := &out[len(x)-len(y)+i]
		if *d == 1 {
			*d = y[i]
		}
		if y[i] != *d && y[i] != 1 {
			return nil, fmt.Errorf("its inputs differ: %v and %v", []int(x), []int(y))
		}
	}
	return []Shape{out}, nil
}

func inferGlobalPool(s *shaper, n *Node) ([]Shape, error) {
	x, err := s.in(n, 0, 4)
	if err != nil {
		return nil, err
	}
	return []Shape{{x[0], x[1], 1, 1}}, nil
}

func inferSplit(s *shaper, n *Node) ([]Shape, error) {
	sizes, axis, err := s.split(n)
	if err != nil {
		return nil, err
	}
	out := make([]Shape, len(sizes))
	for i, size := range sizes {
		out[i] = append(Shape(nil), s.shapes[n.Inputs[0]]...)
		out[i][axis] = size
	}
	return out, nil
}

// split is how many elements of the axis each output takes: by an attribute, a constant, or all the same.
func (s *shaper) split(n *Node) (sizes []int, axis int, err error) {
	x := s.shapes[n.Inputs[0]]
	if axis, err = axisOf(n.Int("axis", 0), len(x)); err != nil {
		return nil, 0, err
	}
	sizes = n.Ints("split")
	if len(n.Inputs) > 1 {
		list, err := s.ints(n, 1)
		if err != nil {
			return nil, 0, err
		}
		for _, v := range list {
			sizes = append(sizes, int(v))
		}
	}
	if len(sizes) == 0 && len(n.Outputs) > 0 && x[axis]%len(n.Outputs) == 0 {
		for range n.Outputs {
			sizes = append(sizes, x[axis]/len(n.Outputs))
		}
	}
	rest := x[axis]
	for _, size := range sizes {
		if size < 1 || size > rest {
			return nil, 0, fmt.Errorf("sizes %v do not fit a dimension of %d", sizes, x[axis])
		}
		rest -= size
	}
	if rest != 0 || len(sizes) != len(n.Outputs) {
		return nil, 0, fmt.Errorf("%d sizes of %d elements together do not fit a dimension of %d and %d outputs", len(sizes), x[axis]-rest, x[axis], len(n.Outputs))
	}
	return sizes, axis, nil
}
