package model

import (
	"fmt"
	"math"
)

// shaper carries shapes through a graph.
type shaper struct {
	g      *Graph
	shapes map[string]Shape
}

// inferOp gives the shapes of a node's outputs.
type inferOp func(s *shaper, n *Node) ([]Shape, error)

var inferOps = map[string]inferOp{
	"Conv": inferConv, "MaxPool": inferPool, "Relu": inferSame, "Add": inferBroadcast, "Sum": inferSameAll,
	"Concat": inferConcat, "Slice": inferSlice, "Resize": inferResize, "Reshape": inferReshape,
	"Transpose": inferTranspose, "Gather": inferGather, "Pad": inferPad,
	// what other detectors have beside these
	"LeakyRelu": inferSame, "Sigmoid": inferSame, "HardSigmoid": inferSame, "HardSwish": inferSame, "Clip": inferSame, "Round": inferSame,
	"Softmax": inferSame, "BatchNormalization": inferSame, "Mul": inferBroadcast, "AveragePool": inferPool,
	"GlobalAveragePool": inferGlobalPool, "Split": inferSplit, "Identity": inferSame,
}

// InferShapes computes the shape of every value from the shapes of the inputs, which must be known. It knows the
// operators that this package writes and those of the detectors that Prepare is made for, and names the first other one.
func InferShapes(g *Graph) (map[string]Shape, error) {
	s := &shaper{g, make(map[string]Shape, len(g.Nodes)+len(g.Inits))}
	for _, t := range g.Inits {
		s.shapes[t.Name] = t.Dims
	}
	for _, v := range g.Inputs {
		if _, err := v.Dims.Elems(math.MaxInt32); err != nil {
			return nil, fmt.Errorf("input %.60q: %w", v.Name, err)
		}
		s.shapes[v.Name] = v.Dims
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if err := s.infer(n); err != nil {
			return nil, fmt.Errorf("node %s: %w", n, err)
		}
	}
	for _, v := range g.Outputs {
		if s.shapes[v.Name] == nil {
			return nil, fmt.Errorf("no node makes the output %.60q", v.Name)
		}
	}
	return s.shapes, nil
}

func (s *shaper) infer(n *Node) error {
	op := inferOps[n.Op]
	if op == nil || n.Domain != "" {
		return fmt.Errorf("operator %.60q is not supported", joinDomain(n.Domain, n.Op))
	}
	if len(n.Inputs) == 0 {
		return fmt.Errorf("it has no input")
	}
	for _, in := range n.Inputs {
		if in != "" && s.shapes[in] == nil {
			return fmt.Errorf("its input %.60q is made by no node before it", in)
		}
	}
	out, err := op(s, n)
	if err != nil {
		return err
	}
	if len(n.Outputs) != len(out) {
		return fmt.Errorf("it has %d outputs; expected %d", len(n.Outputs), len(out))
	}
	for i, name := range n.Outputs {
		if _, err := out[i].Elems(math.MaxInt32); err != nil {
			return err
		}
		s.shapes[name] = out[i]
	}
	return nil
}

func joinDomain(domain, op string) string {
	if domain == "" {
		return op
	}
	return domain + "." + op
}

// in is the shape of input i, with at least rank dimensions; nil and an error otherwise.
func (s *shaper) in(n *Node, i, rank int) (Shape, error) {
	if i >= len(n.Inputs) || n.Inputs[i] == "" {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	x := s.shapes[n.Inputs[i]]
	if len(x) < rank {
		return nil, fmt.Errorf("input %.60q has shape %v; expected at least %d dimensions", n.Inputs[i], []int(x), rank)
	}
	return x, nil
}

// ints is the constant integer input i.
func (s *shaper) ints(n *Node, i int) ([]int64, error) {
	if i >= len(n.Inputs) {
		return nil, fmt.Errorf("input %d is missing", i)
	}
	t := s.g.Init(n.Inputs[i])
	if t == nil || t.Type != Int64 {
		return nil, fmt.Errorf("input %.60q is not a constant list of integers", n.Inputs[i])
	}
	return t.I64, nil
}

func inferSame(s *shaper, n *Node) ([]Shape, error) { return []Shape{s.shapes[n.Inputs[0]]}, nil }

func inferSameAll(s *shaper, n *Node) ([]Shape, error) {
	first := s.shapes[n.Inputs[0]]
	for _, in := range n.Inputs {
		if !equalShape(s.shapes[in], first) {
			return nil, fmt.Errorf("its inputs differ: %v and %v", []int(first), []int(s.shapes[in]))
		}
	}
	return []Shape{first}, nil
}

func equalShape(a, b Shape) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
