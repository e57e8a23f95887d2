//go:build cgo && !noxnnpack

package xnn

import (
	"fmt"

	"yfv2d/infer/model"
)

// Net runs one graph that model.Prepare made, of a fixed input size, and gives its raw output. It belongs to one
// goroutine at a time.
type Net struct {
	p      *program
	memory *memory
	bytes  int // of a picture
}

// OpenNet makes a program of a graph. The error names the first node that XNNPACK cannot run.
func OpenNet(g *model.Graph) (*Net, error) {
	p, err := newPlan(g)
	if err != nil {
		return nil, err
	}
	m, err := newMemory()
	if err != nil {
		return nil, err
	}
	pr, err := newProgram(p, m)
	if err != nil {
		m.close()
		return nil, err
	}
	d := g.Inputs[0].Dims
	return &Net{pr, m, 3 * d[2] * d[3]}, nil
}

// Forward runs the network on BGR pixels, which go in as 0..1. The values lie in the net's memory, valid until the next
// Forward or Close.
func (n *Net) Forward(bgr []byte) ([]float32, error) {
	if n.p == nil {
		return nil, ErrClosed
	}
	if len(bgr) != n.bytes {
		return nil, fmt.Errorf("picture holds %d bytes, want %d", len(bgr), n.bytes)
	}
	if err := n.p.run(bgr); err != nil {
		return nil, err
	}
	return n.p.out, nil
}

// Close frees the memory. It may be called twice.
func (n *Net) Close() error {
	if n.p != nil {
		n.p.close()
		n.memory.close()
		n.p = nil
	}
	return nil
}
