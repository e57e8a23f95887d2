package dnn

import (
	"fmt"
	"image"
)

// Probe runs any network of one picture and one output, such as model.Calibrator's. One goroutine at a time.
type Probe struct{ net *network }

// NewProbe loads an ONNX graph with an input (1,3,height,width) and one output of that many values.
func NewProbe(onnx []byte, size image.Point, values int) (*Probe, error) {
	oneThread.Do(setOneThread)
	n, err := openNetwork(onnx, size, values)
	if err != nil {
		return nil, err
	}
	return &Probe{n}, nil
}

// Run gives the output for BGR pixels of the network's size. The values lie in memory of OpenCV, valid until the next Run
// or Close.
func (p *Probe) Run(pix []byte) ([]float32, error) {
	if p.net == nil {
		return nil, ErrClosed
	}
	if want := p.net.size.X * p.net.size.Y * 3; len(pix) != want {
		return nil, fmt.Errorf("picture of %d bytes, want %d", len(pix), want)
	}
	return p.net.forward(pix)
}

// Close frees the network. It may be called twice.
func (p *Probe) Close() error {
	if p.net != nil {
		p.net.close()
	}
	p.net = nil
	return nil
}
