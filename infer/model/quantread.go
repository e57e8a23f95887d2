package model

import (
	"errors"
	"fmt"
	"math"
)

// SplitQDQ takes a quantised graph apart: the float graph with dequantised constants, and its int8 form. It knows the
// form that qdqGraph writes: int8 values with one scale and zero point, int8 weights and int32 biases without zero
// points, scaled for each output channel. Errors name the node.
func SplitQDQ(g *Graph) (*Graph, *Quant, error) {
	s := &qdqReader{
		g: g, out: &Graph{Name: g.Name, Inputs: g.Inputs, Outputs: g.Outputs},
		q:     &Quant{Convs: map[string]*QConv{}, Values: map[string]QParam{}},
		round: map[string]string{}, alias: map[string]string{}, consts: map[string]*qconst{},
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if err := s.node(n); err != nil {
			return nil, nil, fmt.Errorf("node %s: %w", n, err)
		}
	}
	for _, v := range g.Outputs {
		if s.alias[v.Name] != "" || s.round[v.Name] != "" {
			return nil, nil, fmt.Errorf("output %.60q is a quantised value; expected a float one", v.Name)
		}
	}
	return s.out, s.q, nil
}

type qdqReader struct {
	g, out *Graph
	q      *Quant
	round  map[string]string  // what QuantizeLinear made: of which value
	alias  map[string]string  // what DequantizeLinear made of that: the value
	consts map[string]*qconst // what DequantizeLinear made of constants
}

// qconst is a constant with its quantised form.
type qconst struct {
	t     *Tensor // float
	w     []int8  // of int8
	b     []int32 // of int32
	scale []float32
}

func (s *qdqReader) node(n *Node) error {
	if n.Domain == "" && isQuantOp(n.Op) {
		if len(n.Inputs) < 2 || len(n.Inputs) > 3 || len(n.Outputs) != 1 {
			return fmt.Errorf("%d inputs and %d outputs; expected a value, a scale and a zero point, and one output", len(n.Inputs), len(n.Outputs))
		}
		if n.Op == "QuantizeLinear" {
			return s.quantize(n)
		}
		if t := s.g.Init(n.Inputs[0]); t != nil {
			return s.constant(n, t)
		}
		return s.dequantize(n)
	}
	return s.plain(n)
}

// scales are the constant scales of a node, all over 0.
func (s *qdqReader) scales(n *Node) ([]float32, error) {
	t := s.g.Init(n.Inputs[1])
	if t == nil || t.Type != Float32 || len(t.F32) == 0 || len(t.Dims) > 1 {
		return nil, fmt.Errorf("scale %.60q is missing or no constant of float32", n.Inputs[1])
	}
	for _, v := range t.F32 {
		if !(v >= leastScale && v <= mostScale) {
			return nil, fmt.Errorf("scale %.60q has the value %g; expected %g to %g", t.Name, v, leastScale, mostScale)
		}
	}
	return t.F32, nil
}

// Scales outside of these mean nothing, and their products would leave float32.
const (
	leastScale = 1e-18
	mostScale  = 1e18
)

// zeros are the constant zero points of a node of the given type, nil if it names none.
func (s *qdqReader) zeros(n *Node, typ DType, count int) ([]byte, error) {
	if len(n.Inputs) < 3 || n.Inputs[2] == "" {
		return nil, nil
	}
	t := s.g.Init(n.Inputs[2])
	if t == nil || t.Type != typ || typ != Int8 {
		return nil, fmt.Errorf("zero point %.60q is missing or of another type than its value; expected int8", n.Inputs[2])
	}
	if size, err := t.Dims.Elems(math.MaxInt32); err != nil || size != count || len(t.Raw) != count {
		return nil, fmt.Errorf("zero point %.60q has shape %v; expected one for each of %d scales", t.Name, []int(t.Dims), count)
	}
	return t.Raw, nil
}

// param is the scale and zero point of a value.
func (s *qdqReader) param(n *Node) (QParam, error) {
	scale, err := s.scales(n)
	if err != nil {
		return QParam{}, err
	}
	if len(scale) != 1 {
		return QParam{}, fmt.Errorf("%d scales; expected one for the whole value", len(scale))
	}
	zero, err := s.zeros(n, Int8, 1)
	if err != nil {
		return QParam{}, err
	}
	if zero == nil {
		return QParam{}, errors.New("it has no zero point; expected one of int8")
	}
	return QParam{scale[0], int8(zero[0])}, nil
}

func (s *qdqReader) quantize(n *Node) error {
	p, err := s.param(n)
	if err != nil {
		return err
	}
	v := n.Inputs[0]
	if old, ok := s.q.Values[v]; ok && old != p {
		return fmt.Errorf("value %.60q is quantised in two ways", v)
	}
	s.q.Values[v], s.round[n.Outputs[0]] = p, v
	return nil
}

func (s *qdqReader) dequantize(n *Node) error {
	v, ok := s.round[n.Inputs[0]]
	if !ok {
		return fmt.Errorf("its input %.60q is neither a constant nor made by a QuantizeLinear before it", n.Inputs[0])
	}
	p, err := s.param(n)
	if err != nil {
		return err
	}
	if p != s.q.Values[v] {
		return fmt.Errorf("value %.60q is quantised with scale %g and zero point %d, but read with %g and %d", v,
			s.q.Values[v].Scale, s.q.Values[v].Zero, p.Scale, p.Zero)
	}
	s.alias[n.Outputs[0]] = v
	return nil
}

// constant dequantises a constant.
func (s *qdqReader) constant(n *Node, t *Tensor) error {
	c := &qconst{t: &Tensor{Name: n.Outputs[0], Type: Float32, Dims: t.Dims}}
	size, err := t.Dims.Elems(maxFile)
	if err != nil {
		return fmt.Errorf("constant %.60q: %w", t.Name, err)
	}
	if c.scale, err = s.scales(n); err != nil {
		return err
	}
	if len(t.Dims) == 0 || t.Dims[0] == 0 || len(c.scale) != t.Dims[0] || n.Int("axis", 1) != 0 {
		return fmt.Errorf("%d scales on axis %d for a constant of shape %v; expected one for each of the first dimension", len(c.scale), n.Int("axis", 1), []int(t.Dims))
	}
	zero, err := s.zeros(n, t.Type, len(c.scale))
	if err != nil {
		return err
	}
	for _, z := range zero {
		if z != 0 {
			return fmt.Errorf("a zero point of constant %.60q is %d; expected 0", t.Name, int8(z))
		}
	}
	c.t.F32 = make([]float32, size)
	row := size / t.Dims[0]
	switch {
	case t.Type == Int8 && len(t.Raw) == size:
		c.w = make([]int8, size)
		for i, v := range t.Raw {
			c.w[i] = int8(v)
			c.t.F32[i] = float32(c.w[i]) * c.scale[i/row]
		}
	case t.Type == Int32 && len(t.I64) == size:
		c.b = make([]int32, size)
		for i, v := range t.I64 {
			c.b[i] = int32(v)
			c.t.F32[i] = float32(c.b[i]) * c.scale[i/row]
		}
	default:
		return fmt.Errorf("constant %.60q of shape %v holds no int8 or int32 numbers, or not as many", t.Name, []int(t.Dims))
	}
	s.consts[n.Outputs[0]] = c
	return nil
}

// plain takes over a node that computes.
func (s *qdqReader) plain(n *Node) error {
	out := *n
	out.Inputs = make([]string, len(n.Inputs))
	for i, in := range n.Inputs {
		v, quantised := s.alias[in]
		if _, ok := s.q.Values[in]; ok || s.round[in] != "" {
			return fmt.Errorf("its input %.60q is read without a DequantizeLinear", in)
		}
		switch {
		case quantised:
			out.Inputs[i] = v
		case s.consts[in] != nil:
			out.Inputs[i] = in
			s.out.addInit(s.consts[in].t)
		default:
			out.Inputs[i] = in
			if t := s.g.Init(in); t != nil {
				s.out.addInit(t)
			}
		}
	}
	s.out.Nodes = append(s.out.Nodes, out)
	if n.Op == "Conv" && n.Domain == "" && len(n.Outputs) == 1 {
		return s.conv(n, &out)
	}
	return nil
}

// conv notes the int8 form of a convolution whose input and weights are int8.
func (s *qdqReader) conv(n, out *Node) error {
	if len(n.Inputs) < 2 {
		return errors.New("it has no weights")
	}
	w := s.consts[n.Inputs[1]]
	x, ok := s.q.Values[out.Inputs[0]]
	if w == nil || !ok {
		return nil
	}
	if w.w == nil {
		return fmt.Errorf("its weights %.60q are not int8", n.Inputs[1])
	}
	c := &QConv{W: w.w, Scale: w.scale}
	if len(n.Inputs) > 2 && n.Inputs[2] != "" {
		b := s.consts[n.Inputs[2]]
		if b == nil || b.b == nil || len(b.b) != len(w.scale) {
			return fmt.Errorf("its bias %.60q is not int32, or not one for each of %d channels", n.Inputs[2], len(w.scale))
		}
		for i, want := range biasScale(x.Scale, w.scale) {
			if !(math.Abs(float64(b.scale[i]-want)) <= 1e-4*float64(want)) {
				return fmt.Errorf("scale %d of its bias is %g; expected %g, the input's times the weights'", i, b.scale[i], want)
			}
		}
		c.Bias = b.b
	}
	s.q.Convs[n.Outputs[0]] = c
	return nil
}
