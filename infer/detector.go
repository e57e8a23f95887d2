package infer

import (
	"errors"
	"fmt"
)

// detector is an engine with a decoder behind it.
type detector struct {
	engine  Engine
	decoder *Decoder
	err     error // why there is no decoder
}

// NewDetector decodes what an engine computes. It takes over the engine: Close closes it. Thresholds that do not fit
// the head are reported by every Detect; NewDecoder tells beforehand.
func NewDetector(e Engine, h Head, t Thresholds) Detector {
	d, err := NewDecoder(h, t)
	return &detector{engine: e, decoder: d, err: err}
}

func (d *detector) Detect(c *Canvas) ([]Detection, error) {
	if d.err != nil {
		return nil, d.err
	}
	if c == nil {
		return nil, errors.New("detect: no canvas")
	}
	heads, err := d.engine.Forward(c)
	if err != nil {
		return nil, fmt.Errorf("run network: %w", err)
	}
	dets, err := d.decoder.Decode(heads, c.Size, c.Letterbox)
	if err != nil {
		return nil, fmt.Errorf("decode network output: %w", err)
	}
	return dets, nil
}

func (d *detector) Close() error { return d.engine.Close() }
