package model

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
)

// Calibrator watches which numbers a float model's values take on pictures, so that Quantize can fit int8 to them. One
// goroutine at a time.
type Calibrator struct {
	m        *Model
	size     image.Point
	graph    *Graph // float, at size
	plan     *quantPlan
	lengths  []int // elements of each watched value
	pictures int
}

// NewCalibrator makes one for a float model, at the input size that the model was trained with.
func NewCalibrator(m *Model) (*Calibrator, error) {
	if m.quant != nil {
		return nil, errors.New("the model is int8 already; quantise the float model that it was made of")
	}
	g := fastGraph(m.net, DefaultSize)
	c := &Calibrator{m: m, size: DefaultSize, graph: g, plan: planQuant(g)}
	shapes, err := InferShapes(g)
	if err != nil {
		return nil, err
	}
	for _, v := range c.plan.watched {
		n, err := shapes[v].Elems(math.MaxInt32)
		if err != nil {
			return nil, err
		}
		c.lengths = append(c.lengths, n)
	}
	return c, nil
}

// Size is the input's, pixels.
func (c *Calibrator) Size() image.Point { return c.size }

// Pictures is how many have been added.
func (c *Calibrator) Pictures() int { return c.pictures }

// Values is how many numbers the network of Graph gives.
func (c *Calibrator) Values() int {
	n := 0
	for _, l := range c.lengths {
		n += l
	}
	return n
}

// Graph is a network that gives what Add takes: one row of all values to watch.
func (c *Calibrator) Graph() *Graph {
	b := &builder{&Graph{Name: c.graph.Name, Inputs: c.graph.Inputs, Nodes: nodesFor(c.graph, c.plan.watched), Inits: slices.Clone(c.graph.Inits)}}
	flat := make([]string, len(c.plan.watched))
	for i, v := range c.plan.watched {
		flat[i] = b.reshape(v+".flat", v, 1, -1)
	}
	b.concat("watched", 1, flat...)
	b.g.Outputs = []Value{{Name: "watched", Type: Float32, Dims: Shape{1, c.Values()}}}
	dropUnused(b.g)
	return b.g
}

// nodesFor are the nodes that the given values need.
func nodesFor(g *Graph, values []string) []Node {
	need := map[string]bool{}
	for _, v := range values {
		need[v] = true
	}
	var out []Node
	for _, n := range slices.Backward(g.Nodes) {
		if !slices.ContainsFunc(n.Outputs, func(o string) bool { return need[o] }) {
			continue
		}
		for _, in := range n.Inputs {
			need[in] = true
		}
		out = append(out, n)
	}
	slices.Reverse(out)
	return out
}

// Add takes what the network of Graph gave for one picture; values is not kept.
func (c *Calibrator) Add(values []float32) error {
	if len(values) != c.Values() {
		return fmt.Errorf("calibrate: %d values; expected %d", len(values), c.Values())
	}
	for i, v := range c.plan.watched {
		if err := c.plan.histogram(v).add(values[:c.lengths[i]]); err != nil {
			return fmt.Errorf("calibrate: value %q: %w", v, err)
		}
		values = values[c.lengths[i]:]
	}
	c.pictures++
	return nil
}

// half is how many bins a histogram has on either side of 0: int8 has 255 steps, so that one has at least four bins.
const half = 2048

// histogram counts numbers. Its range doubles when it is left.
type histogram struct {
	span  float64 // bins reach from -span to span
	count [2 * half]int64
	lo    float32 // of all seen, and 0
	hi    float32
}

func (h *histogram) add(values []float32) error {
	for _, v := range values {
		if !(v >= -math.MaxFloat32/2 && v <= math.MaxFloat32/2) {
			return fmt.Errorf("the network computes %g", v)
		}
		h.lo, h.hi = min(h.lo, v), max(h.hi, v)
	}
	if h.span == 0 {
		h.span = 1.0 / 64
	}
	for m := float64(max(-h.lo, h.hi)); h.span <= m; {
		h.double()
	}
	scale := half / h.span
	for _, v := range values {
		h.count[int(float64(v)*scale+half)]++
	}
	return nil
}

// double widens the range: two bins become one, nearer to the middle.
func (h *histogram) double() {
	var wide [2 * half]int64
	for i, n := range h.count {
		wide[half/2+i/2] += n
	}
	h.count, h.span = wide, 2*h.span
}

// middle is the number that bin i stands for.
func (h *histogram) middle(i int) float64 { return (float64(i) + 0.5 - half) * h.span / half }
