//go:build noxnnpack || !cgo

package xnn

import (
	"yfv2d/infer"
	"yfv2d/infer/model"
)

// Built says whether the program has the engine.
const Built = false

// Engine stands for the engine that this program does not have.
type Engine struct{}

// New returns ErrNotBuilt.
func New(*model.Model, Options) (*Engine, error) { return nil, ErrNotBuilt }

// Forward returns ErrNotBuilt.
func (*Engine) Forward(*infer.Canvas) ([]float32, error) { return nil, ErrNotBuilt }

// Close does nothing.
func (*Engine) Close() error { return nil }

// Net stands for a network that this program cannot run.
type Net struct{}

// OpenNet returns ErrNotBuilt.
func OpenNet(*model.Graph) (*Net, error) { return nil, ErrNotBuilt }

// Forward returns ErrNotBuilt.
func (*Net) Forward([]byte) ([]float32, error) { return nil, ErrNotBuilt }

// Close does nothing.
func (*Net) Close() error { return nil }
