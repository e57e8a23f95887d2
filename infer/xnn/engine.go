//go:build cgo && !noxnnpack

package xnn

import (
	"errors"
	"fmt"
	"image"
	"slices"

	"yfv2d/infer"
	"yfv2d/infer/model"
)

// Built says whether the program has the engine.
const Built = true

// Engine is an infer.Engine. It keeps one program per input size, the last few sizes used; they share one arena, since only
// one of them runs at a time. Where the library allows it, all engines of a process share equal packed weights.
type Engine struct {
	graph  func(size image.Point) (*model.Graph, error)
	quant  *model.Quant // nil: float
	head   infer.Head
	sizes  int        // how many nets are kept
	nets   []*network // the one used last comes first
	memory *memory
	closed bool
}

// network is a program for one input size.
type network struct {
	size image.Point
	*program
}

// New makes an engine for a model. Programs are made when their input size is first seen; New makes and runs the
// smallest one, so that a model which XNNPACK cannot run is told at once.
func New(m *model.Model, o Options) (*Engine, error) {
	e, err := newEngine(m.Head, m.Graph, o)
	if err != nil {
		return nil, fmt.Errorf("engine for model %s: %w", m.Name, err)
	}
	e.quant = m.Quant()
	if err := e.try(); err != nil {
		return nil, errors.Join(fmt.Errorf("engine for model %s: %w", m.Name, err), e.Close())
	}
	return e, nil
}

// try makes and runs the smallest network.
func (e *Engine) try() error {
	size := image.Pt(infer.MinInput, infer.MinInput)
	n, err := e.open(size)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.run(make([]byte, size.X*size.Y*3)); err != nil {
		return fmt.Errorf("run network: %w", err)
	}
	return nil
}

// newEngine makes an engine of graphs that have one input (1,3,height,width) and, flattened into one output, the heads
// that infer.Engine describes.
func newEngine(head infer.Head, graph func(size image.Point) (*model.Graph, error), o Options) (*Engine, error) {
	if o.Sizes < 1 {
		o.Sizes = DefaultSizes
	}
	m, err := newMemory()
	if err != nil {
		return nil, err
	}
	return &Engine{graph: graph, head: head, sizes: o.Sizes, memory: m}, nil
}

// Forward runs the network on c; see infer.Engine. A size seen for the first time, or again after others, takes some
// milliseconds more. The values lie in the engine's memory, valid until the next Forward or Close.
func (e *Engine) Forward(c *infer.Canvas) ([]float32, error) {
	if e.closed {
		return nil, ErrClosed
	}
	if err := infer.CheckInput(c.Size); err != nil {
		return nil, err
	}
	if want := c.Size.X * c.Size.Y * 3; len(c.Pix) != want {
		return nil, fmt.Errorf("canvas of %dx%d holds %d bytes, want %d", c.Size.X, c.Size.Y, len(c.Pix), want)
	}
	n, err := e.network(c.Size)
	if err != nil {
		return nil, err
	}
	if err := n.run(c.Pix); err != nil {
		return nil, err
	}
	return n.out, nil
}

// network is that of the size, made now if it is not at hand.
func (e *Engine) network(size image.Point) (*network, error) {
	i := slices.IndexFunc(e.nets, func(n *network) bool { return n.size == size })
	if i == 0 {
		return e.nets[0], nil
	}
	if i > 0 {
		n := e.nets[i]
		e.nets = slices.Insert(slices.Delete(e.nets, i, i+1), 0, n)
		return n, nil
	}
	n, err := e.open(size)
	if err != nil {
		return nil, fmt.Errorf("prepare network for input %dx%d: %w", size.X, size.Y, err)
	}
	if len(e.nets) == e.sizes {
		e.nets[e.sizes-1].close()
		e.nets = e.nets[:e.sizes-1]
	}
	e.nets = slices.Insert(e.nets, 0, n)
	return n, nil
}

func (e *Engine) open(size image.Point) (*network, error) {
	g, err := e.graph(size)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errors.New("empty graph")
	}
	values, err := e.head.Len(size)
	if err != nil {
		return nil, err
	}
	if len(g.Inputs) == 1 && !sameDims(g.Inputs[0].Dims, model.Shape{1, 3, size.Y, size.X}) {
		return nil, fmt.Errorf("the graph's input has shape %v", []int(g.Inputs[0].Dims))
	}
	p, err := newQuantPlan(g, e.quant)
	if err != nil {
		return nil, err
	}
	if p.values != values {
		return nil, fmt.Errorf("the graph's output holds %d values in place of %d", p.values, values)
	}
	pr, err := newProgram(p, e.memory)
	if err != nil {
		return nil, err
	}
	return &network{size: size, program: pr}, nil
}

// Close frees all programs and their memory. It may be called twice.
func (e *Engine) Close() error {
	for _, n := range e.nets {
		n.close()
	}
	e.memory.close()
	e.nets, e.closed = nil, true
	return nil
}
