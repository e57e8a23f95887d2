package model

import (
	"fmt"
	"image"
)

// RoundedGraph is Graph computed in float with each int8 value rounded where it is made: what an int8 model says of its
// numbers, in operators that an engine without int8 has. An engine with int8 gives the same but for sums on the border of two
// steps. The picture's bytes need no rounding. The error is one line.
func (m *Model) RoundedGraph(size image.Point) (*Graph, error) {
	if m.quant == nil {
		return nil, fmt.Errorf("model %s is a float one: there is nothing to round", m.Name)
	}
	g, err := m.Graph(size)
	if err != nil {
		return nil, err
	}
	w := &rounder{b: builder{&Graph{Name: g.Name, Inputs: g.Inputs, Outputs: g.Outputs, Inits: g.Inits}}, q: m.quant, now: map[string]string{}}
	for _, n := range g.Nodes {
		w.node(n)
	}
	return w.b.g, nil
}

type rounder struct {
	b   builder
	q   *Quant
	now map[string]string // the rounded form of a value
}

func (w *rounder) node(n Node) {
	inputs := append([]string(nil), n.Inputs...)
	for i, in := range inputs {
		if r := w.now[in]; r != "" {
			inputs[i] = r
		}
	}
	n.Inputs = inputs
	w.b.g.Nodes = append(w.b.g.Nodes, n)
	for _, out := range n.Outputs {
		if p, ok := w.q.Values[out]; ok && !movers[n.Op] { // what is moved is rounded already
			w.now[out] = w.round(out, p)
		}
	}
}

// round adds Scale * (clip(round(v / Scale) + Zero) - Zero). It clips with two Relu: OpenCV 4.6 does not know Clip as ONNX
// has it since opset 11. Small whole numbers are exact in float.
func (w *rounder) round(v string, p QParam) string {
	steps := 0
	do := func(op string, x float32) {
		name := fmt.Sprintf("%s.round%d", v, steps)
		inputs := []string{v}
		if steps > 0 {
			inputs[0] = fmt.Sprintf("%s.round%d", v, steps-1)
		}
		if op == "Mul" || op == "Add" {
			w.b.g.addInit(&Tensor{Name: name + ".by", Type: Float32, Dims: Shape{}, F32: []float32{x}})
			inputs = append(inputs, name+".by")
		}
		w.b.node(op, name, nil, inputs...)
		steps++
	}
	zero := float32(p.Zero)
	do("Mul", 1/p.Scale)
	do("Round", 0)
	do("Add", 128+zero)
	do("Relu", 0) // not below -128
	do("Mul", -1)
	do("Add", 255)
	do("Relu", 0) // not above 127: what is missing to it
	do("Mul", -1)
	do("Add", 127-zero)
	do("Mul", p.Scale)
	return fmt.Sprintf("%s.round%d", v, steps-1)
}
