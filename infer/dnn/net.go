package dnn

// #include "net.h"
import "C"

import (
	"errors"
	"fmt"
	"image"

	"yfv2d/infer/model"
)

// Net runs one graph that model.Prepare made, of a fixed input size, and gives its raw output. It belongs to one
// goroutine at a time.
type Net struct{ n *network }

// OpenNet loads a graph.
func OpenNet(g *model.Graph) (*Net, error) {
	oneThread.Do(func() { C.yfv_one_thread() })
	if len(g.Inputs) != 1 || len(g.Outputs) != 1 || len(g.Inputs[0].Dims) != 4 {
		return nil, errors.New("expected a graph with one picture for input and one output")
	}
	values, err := g.Outputs[0].Dims.Elems(1 << 28)
	if err != nil {
		return nil, err
	}
	onnx, err := model.OpenCVONNX(g)
	if err != nil {
		return nil, err
	}
	d := g.Inputs[0].Dims
	n, err := openNetwork(onnx, image.Pt(d[3], d[2]), values)
	if err != nil {
		return nil, err
	}
	return &Net{n}, nil
}

// Forward runs the network on BGR pixels, which go in as 0..1. The values lie in memory of OpenCV, valid until the next
// Forward or Close.
func (n *Net) Forward(bgr []byte) ([]float32, error) {
	if n.n == nil {
		return nil, ErrClosed
	}
	if want := len(n.n.in); len(bgr) != want {
		return nil, fmt.Errorf("picture holds %d bytes, want %d", len(bgr), want)
	}
	return n.n.forward(bgr)
}

// Close frees the network. It may be called twice.
func (n *Net) Close() error {
	if n.n != nil {
		n.n.close()
		n.n = nil
	}
	return nil
}
