package main

import (
	"fmt"
	"image"

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
	built           bool // XNNPACK is there to be tried
	xnnpack, opencv func(*model.Model) (infer.Engine, error)
	try             func(*model.Model, image.Point) probed
}

var builtEngines = engines{
	built:   xnn.Built,
	xnnpack: func(m *model.Model) (infer.Engine, error) { return xnn.New(m) },
	opencv:  func(m *model.Model) (infer.Engine, error) { return dnn.New(m) },
	try:     probeApart,
}

// engine is what runs a model's network.
type engine struct {
	name    string
	ms      float64 // its forward in the trial of auto, 0 if there was none
	warning string  // why auto took OpenCV although XNNPACK is built in; empty otherwise
	new     func(*model.Model) (infer.Engine, error)
}

// choose makes the engine of that name ready for a model. auto tries both on a canvas of the size (zero: what a camera
// may have) and takes XNNPACK if it computes what OpenCV does and is not slower, else OpenCV.
func (e engines) choose(want string, m *model.Model, size image.Point) (engine, error) {
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
	if !e.built {
		return ref, nil
	}
	p := e.try(m, size)
	ours.ms, ref.ms = p.XNNPACKMs, p.OpenCVMs
	switch {
	case p.NotBuilt:
		return ref, nil
	case p.Refused != "":
		ref.warning = "running the network with OpenCV, which is slower: " + p.Refused
		return ref, nil
	case p.OpenCVMs > 0 && p.OpenCVMs < p.XNNPACKMs:
		return ref, nil
	}
	return ours, nil
}

// defaultEngine is what auto takes if nothing is wrong.
func defaultEngine() string {
	if xnn.Built {
		return nameXNNPACK
	}
	return nameOpenCV
}
