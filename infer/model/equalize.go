package model

import (
	"fmt"
	"math"
	"slices"
)

// Equalized is a calibrator for the same network with its channels inside scaled: where one convolution's output is read by
// convolutions alone, a channel that stays small is made larger there and its weights in the readers smaller, so that one
// scale for the whole value serves all channels. In float that changes nothing (a ReLU and a maximum let a factor over 0 pass). It is
// to be shown the same pictures again. How much: where a reader mixes channels, range and weights share the burden (Xiao et
// al., SmoothQuant, 2022, equation 4 with alpha 0.5); a depthwise one has a scale of its own for each channel and takes all.
func (c *Calibrator) Equalized() (*Calibrator, error) {
	if c.pictures == 0 {
		return nil, errNoPicture
	}
	g := &Graph{Name: c.graph.Name, Inputs: c.graph.Inputs, Outputs: c.graph.Outputs, Nodes: c.graph.Nodes}
	for _, t := range c.graph.Inits {
		own := *t
		own.F32 = slices.Clone(t.F32)
		g.addInit(&own)
	}
	for i := range g.Nodes {
		if !c.plan.convs[i] {
			continue
		}
		v, readers := c.plan.followed(g, g.Nodes[i].Outputs[0])
		if most := c.peaks(v); len(readers) > 0 && most != nil {
			equalize(g, &g.Nodes[i], readers, most)
		}
	}
	m := *c.m
	var err error
	if m.net, err = readFastNet(g); err != nil {
		return nil, fmt.Errorf("quantise: %w", err)
	}
	return NewCalibrator(&m)
}

// peaks are the largest amounts of a value's channels, nil if they were not looked at.
func (c *Calibrator) peaks(v string) []float64 {
	i := slices.IndexFunc(c.looked, func(l lookedAt) bool { return l.name == v })
	if i < 0 {
		return nil
	}
	return c.looked[i].peaks
}

// followed goes on from a convolution's output through what lets a factor pass, to a value that int8 convolutions alone read.
func (p *quantPlan) followed(g *Graph, v string) (string, []*Node) {
	for {
		var readers []*Node
		for i := range g.Nodes {
			if !slices.Contains(g.Nodes[i].Inputs, v) {
				continue
			}
			if g.Nodes[i].Op == "Conv" && !p.convs[i] {
				return v, nil
			}
			readers = append(readers, &g.Nodes[i])
		}
		if len(readers) == 1 && (readers[0].Op == "Relu" || readers[0].Op == "MaxPool") {
			v = readers[0].Outputs[0]
			continue
		}
		if slices.ContainsFunc(readers, func(n *Node) bool { return n.Op != "Conv" }) {
			return v, nil
		}
		return v, readers
	}
}

// mostEqualized bounds the factors.
const mostEqualized = 8

// equalize scales the output channels of a convolution, whose largest amounts are given, and undoes it in the readers.
func equalize(g *Graph, from *Node, readers []*Node, most []float64) {
	burden := make([]float64, len(most)) // the largest weight of those that mix channels, by channel
	for _, r := range readers {
		w := g.Init(r.Inputs[1])
		if w.Dims[1] == 1 {
			continue
		}
		eachInput(w, func(c int, v *float32) { burden[c] = max(burden[c], math.Abs(float64(*v))) })
	}
	factor := make([]float64, len(most))
	for c, x := range most {
		factor[c] = 1 / max(x, 1e-9)
		if burden[c] > 0 {
			factor[c] = math.Sqrt(burden[c] / max(x, 1e-9))
		}
	}
	middle := slices.Sorted(slices.Values(factor))[len(factor)/2]
	for c := range factor {
		factor[c] = min(max(factor[c]/middle, 1.0/mostEqualized), mostEqualized)
	}
	w := g.Init(from.Inputs[1])
	row := len(w.F32) / len(factor)
	for i := range w.F32 {
		w.F32[i] = float32(float64(w.F32[i]) * factor[i/row])
	}
	if len(from.Inputs) > 2 {
		bias := g.Init(from.Inputs[2]).F32
		for c := range bias {
			bias[c] = float32(float64(bias[c]) * factor[c])
		}
	}
	for _, r := range readers {
		eachInput(g.Init(r.Inputs[1]), func(c int, v *float32) { *v = float32(float64(*v) / factor[c]) })
	}
}

// eachInput calls do for each weight, with the channel that it reads: a convolution is depthwise, or of one group.
func eachInput(w *Tensor, do func(c int, v *float32)) {
	in, cells := w.Dims[1], w.Dims[2]*w.Dims[3]
	for i := range w.F32 {
		c := i / cells % in
		if in == 1 {
			c = i / cells
		}
		do(c, &w.F32[i])
	}
}
