package dnn

import (
	"fmt"
	"image"

	"yfv2d/infer"
	"yfv2d/infer/model"
)

// New makes an engine for a model. Networks are loaded when their input size is first seen; New runs the smallest one
// so that a model which OpenCV cannot run is told at once.
func New(m *model.Model) (*Engine, error) { return open(m, m.ONNX) }

// NewStock is New for the network as its authors export it: same output, slower. Benchmarks compare with it.
func NewStock(m *model.Model) (*Engine, error) { return open(m, m.StockONNX) }

func open(m *model.Model, graph func(size image.Point) ([]byte, error)) (*Engine, error) {
	e := newEngine(m.Head, graph)
	n, err := e.open(image.Pt(infer.MinInput, infer.MinInput))
	if err != nil {
		return nil, fmt.Errorf("engine for model %s: %w", m.Name, err)
	}
	n.close()
	return e, nil
}
