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
	looked   []lookedAt
	pictures int
}

// lookedAt is a value that Graph gives.
type lookedAt struct {
	name   string
	elems  int
	ranged bool      // its numbers count in a histogram
	sums   []float64 // of each channel over all pictures; nil if no int8 convolution reads it
	peaks  []float64 // the largest amount of each channel, likewise
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
	inputs := c.plan.inputs(g)
	for _, v := range slices.Concat(c.plan.watched, inputs) {
		if slices.ContainsFunc(c.looked, func(l lookedAt) bool { return l.name == v }) {
			continue
		}
		n, err := shapes[v].Elems(math.MaxInt32)
		if err != nil {
			return nil, err
		}
		l := lookedAt{name: v, elems: n, ranged: slices.Contains(c.plan.watched, v)}
		if slices.Contains(inputs, v) {
			l.sums, l.peaks = make([]float64, shapes[v][1]), make([]float64, shapes[v][1])
		}
		c.looked = append(c.looked, l)
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
	for _, l := range c.looked {
		n += l.elems
	}
	return n
}

// Graph is a network that gives what Add takes: one row of all values to watch.
func (c *Calibrator) Graph() *Graph {
	b := &builder{&Graph{Name: c.graph.Name, Inputs: c.graph.Inputs, Inits: slices.Clone(c.graph.Inits)}}
	names, flat := make([]string, len(c.looked)), make([]string, len(c.looked))
	for i, l := range c.looked {
		names[i] = l.name
	}
	b.g.Nodes = nodesFor(c.graph, names)
	for i, v := range names {
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
	for _, l := range c.looked {
		own := values[:l.elems]
		values = values[l.elems:]
		if l.ranged {
			if err := c.plan.histogram(l.name).add(own); err != nil {
				return fmt.Errorf("calibrate: value %q: %w", l.name, err)
			}
		}
		per := l.elems / max(len(l.sums), 1)
		for i := range l.sums {
			for _, v := range own[i*per : (i+1)*per] {
				l.sums[i] += float64(v)
				l.peaks[i] = max(l.peaks[i], math.Abs(float64(v)))
			}
		}
	}
	c.pictures++
	return nil
}

// means are those of a value's channels over all pictures, nil if they were not looked at.
func (c *Calibrator) means(v string) []float64 {
	i := slices.IndexFunc(c.looked, func(l lookedAt) bool { return l.name == v })
	if i < 0 || c.looked[i].sums == nil {
		return nil
	}
	out := slices.Clone(c.looked[i].sums)
	for k := range out {
		out[k] /= float64(c.looked[i].elems / len(out) * c.pictures)
	}
	return out
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
