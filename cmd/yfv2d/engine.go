package main

import (
	"fmt"
	"image"

	"github.com/spf13/cobra"

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

// engineUsage is the flag's help.
const engineUsage = "`what` runs the network: xnnpack, opencv, or auto: the fastest on this machine that computes what OpenCV does"

var completeEngine = cobra.FixedCompletions([]string{engineAuto, engineXNNPACK, engineOpenCV}, cobra.ShellCompDirectiveNoFileComp)

// The engines' names in the log, the API and the version.
const (
	nameXNNPACK = "xnnpack"
	nameInt8    = "xnnpack-int8"
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
	xnnpack: func(m *model.Model) (infer.Engine, error) { return xnn.New(m, xnn.Options{}) },
	opencv:  func(m *model.Model) (infer.Engine, error) { return dnn.New(m) },
	try:     probeApart,
}

// keeping is e with XNNPACK engines that keep so many input sizes ready.
func (e engines) keeping(sizes int) engines {
	if e.built {
		e.xnnpack = func(m *model.Model) (infer.Engine, error) { return xnn.New(m, xnn.Options{Sizes: sizes}) }
	}
	return e
}

// engine is what runs a model's network.
type engine struct {
	name    string
	ms      float64            // its forward in the trial of auto, 0 if there was none
	trial   map[string]float64 // ms of all that were tried, by name; nil if there was no trial
	choice  string             // for people: int8 or float, and why; empty for a float model and where nothing was chosen
	warning string             // why auto took a slower one; empty otherwise
	new     func(*model.Model) (infer.Engine, error)
}

// choose makes the engine of that name ready for a model. auto tries them on a canvas of the size (zero: what a camera
// may have) and takes the fastest that computes what it should: XNNPACK in float or OpenCV and, of an int8 model, XNNPACK in
// int8 if that gains something.
func (e engines) choose(want string, m *model.Model, size image.Point) (engine, error) {
	switch want {
	case engineXNNPACK:
		if m.Quant() != nil {
			return e.int8(), nil
		}
		return e.float(), nil
	case engineOpenCV:
		return e.reference(), nil
	case engineAuto:
	default:
		return engine{}, fmt.Errorf("engine %q: must be %s, %s or %s", want, engineAuto, engineXNNPACK, engineOpenCV)
	}
	if !e.built {
		return e.reference(), nil
	}
	return e.fastest(e.tryAll(m, size)), nil
}

func (e engines) int8() engine { return engine{name: nameInt8, new: e.xnnpack} }

// float is XNNPACK in float, of an int8 model with its rounded weights.
func (e engines) float() engine {
	return engine{name: nameXNNPACK, new: func(m *model.Model) (infer.Engine, error) { return e.xnnpack(m.Float()) }}
}

func (e engines) reference() engine { return engine{name: nameOpenCV, new: e.opencv} }

// tryAll tries a model's engines. If that goes wrong with an int8 model, the float form is tried by itself: a processor
// may lack what int8 needs and nothing else.
func (e engines) tryAll(m *model.Model, size image.Point) probed {
	p := e.try(m, size)
	if p.Refused == "" || p.NotBuilt || m.Quant() == nil {
		return p
	}
	float := e.try(m.Float(), size)
	if float.Refused != "" {
		return p
	}
	float.Int8Refused = p.Refused
	return float
}

// int8Gain is how much of the float forward's time int8 may take at most: it costs some precision, and two trials of the same
// differ by as much.
const int8Gain = 0.95

// fastest is the engine to use after a trial.
func (e engines) fastest(p probed) engine {
	best := e.float()
	if p.NotBuilt || p.Refused != "" || p.OpenCVMs > 0 && p.OpenCVMs < p.XNNPACKMs {
		best = e.reference()
	}
	trial := p.times()
	best.trial, best.ms = trial, trial[best.name]
	switch {
	case p.NotBuilt:
	case p.Refused != "":
		best.warning = "running the network with OpenCV, which is slower: " + p.Refused
	case p.Int8Refused != "":
		best.warning = "running the int8 model in float: " + p.Int8Refused
	case p.Int8Ms > 0:
		chosen := "float"
		times := fmt.Sprintf("int8 %.1f ms against float %.1f", p.Int8Ms, best.ms)
		if p.Int8Ms <= int8Gain*best.ms {
			best, chosen = e.int8(), "int8"
			best.trial, best.ms = trial, p.Int8Ms
		}
		best.choice = fmt.Sprintf("%s: %s chosen", times, chosen)
	}
	return best
}

// defaultEngine is what auto takes if nothing is wrong.
func defaultEngine() string {
	if xnn.Built {
		return nameXNNPACK
	}
	return nameOpenCV
}
