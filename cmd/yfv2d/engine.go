package main

import (
	"errors"
	"fmt"
	"image"
	"math"

	"yfv2d/infer"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
)

// What detect.engine and --engine may say.
const (
	engineAuto    = "auto"
	engineXNNPACK = "xnnpack"
	engineOpenCV  = "opencv"
)

// The engines' names in the log, the API and the version.
const (
	nameXNNPACK = "xnnpack"
	nameOpenCV  = "opencv-dnn"
)

// engines open the engines that there are; tests put others in their place.
type engines struct {
	xnnpack, opencv func(*model.Model) (infer.Engine, error)
}

var builtEngines = engines{
	xnnpack: func(m *model.Model) (infer.Engine, error) { return xnn.New(m) },
	opencv:  func(m *model.Model) (infer.Engine, error) { return dnn.New(m) },
}

// engine is what runs a model's network.
type engine struct {
	name    string
	warning string // why auto took OpenCV although XNNPACK is built in; empty otherwise
	new     func(*model.Model) (infer.Engine, error)
}

// choose makes the engine of that name ready for a model. auto is XNNPACK if it computes what OpenCV does, else OpenCV.
func (e engines) choose(want string, m *model.Model) (engine, error) {
	ours, ref := engine{name: nameXNNPACK, new: e.xnnpack}, engine{name: nameOpenCV, new: e.opencv}
	switch want {
	case engineXNNPACK:
		return ours, nil
	case engineOpenCV:
		return ref, nil
	case engineAuto:
	default:
		return engine{}, fmt.Errorf("engine %q: must be %s, %s or %s", want, engineAuto, engineXNNPACK, engineOpenCV)
	}
	err := e.agree(m)
	if err == nil {
		return ours, nil
	}
	if !errors.Is(err, xnn.ErrNotBuilt) {
		ref.warning = fmt.Sprintf("running the network with OpenCV, which is slower: %v", err)
	}
	return ref, nil
}

// maxDisagreement is how far two engines' logits may lie apart; rounding alone makes less than a tenth of it.
const maxDisagreement = 2e-3

// agree runs one picture through XNNPACK and OpenCV and says what is wrong with the first.
func (e engines) agree(m *model.Model) error {
	c := probeCanvas(image.Pt(128, 96))
	got, err := runOnce(e.xnnpack, m, c)
	if err != nil {
		return fmt.Errorf("XNNPACK: %w", err)
	}
	want, err := runOnce(e.opencv, m, c)
	if err != nil {
		return nil // nothing to compare with, and XNNPACK runs it
	}
	if len(got) != len(want) {
		return fmt.Errorf("XNNPACK gives %d values and OpenCV %d", len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= maxDisagreement) {
			return fmt.Errorf("XNNPACK and OpenCV differ by %.2g in a logit, more than %g", d, maxDisagreement)
		}
	}
	return nil
}

// runOnce opens an engine for one picture. The heads are the caller's.
func runOnce(open func(*model.Model) (infer.Engine, error), m *model.Model, c *infer.Canvas) ([]float32, error) {
	e, err := open(m)
	if err != nil {
		return nil, err
	}
	heads, err := e.Forward(c)
	heads = append([]float32(nil), heads...)
	return heads, errors.Join(err, e.Close())
}

// probeCanvas is a picture of noise, the same every time.
func probeCanvas(size image.Point) *infer.Canvas {
	c := &infer.Canvas{Pix: make([]byte, size.X*size.Y*3), Size: size, Letterbox: infer.NewStretch(size, size)}
	v := uint32(1)
	for i := range c.Pix {
		v = v*1664525 + 1013904223 // Numerical Recipes' generator
		c.Pix[i] = byte(v >> 24)
	}
	return c
}

// defaultEngine is what auto takes if nothing is wrong.
func defaultEngine() string {
	if xnn.Built {
		return nameXNNPACK
	}
	return nameOpenCV
}
