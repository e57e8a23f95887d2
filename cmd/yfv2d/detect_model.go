package main

import (
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"

	"yfv2d/infer"
	"yfv2d/infer/model"
)

// modelFlags are the flags of every command that looks at pictures.
type modelFlags struct {
	model, input, resize string
	engine               string
	score, nms           float32
	classes              []string
}

// defaultNMS is the overlap that the network's authors test with.
const defaultNMS = 0.4

func (m *modelFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&m.model, "model", model.BuiltinName, "`model`: builtin, an imported .onnx file, or weights as .pth or .param")
	f.StringVar(&m.input, "input", "auto", "network input `WxH`, sides multiples of 32; auto fits the picture's shape with about 352x352 pixels")
	f.StringVar(&m.resize, "resize", infer.ResizeLetterbox.String(), "`how` a picture is fitted to the input: letterbox or stretch")
	f.StringVar(&m.engine, "engine", engineAuto, engineUsage)
	f.Float32Var(&m.score, "score", 0, "report nothing below this `score`, 0 to 1 (default: the model's own, 0.3 or 0.35 for the built-in)")
	f.Float32Var(&m.nms, "nms", defaultNMS, "of two boxes of a class that overlap by more than this `IoU`, 0 to 1, keep the better")
	f.StringSliceVar(&m.classes, "classes", nil, "report only these `classes`, by name, separated by commas")
	_ = c.RegisterFlagCompletionFunc("resize", cobra.FixedCompletions([]string{"letterbox", "stretch"}, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("engine", completeEngine)
	_ = c.RegisterFlagCompletionFunc("input", cobra.FixedCompletions([]string{"auto", "352x352"}, cobra.ShellCompDirectiveNoFileComp))
}

// network is a model ready to run, with what the flags say about it.
type network struct {
	model   *model.Model
	input   image.Point // zero: auto
	resize  infer.Resize
	scores  []float32 // by class: a detection needs more to be told
	workers *infer.Workers
	warning string // about the engine, empty if there is none
}

// open checks the flags and makes the one engine, which finds detections down to low (1: those that are told). scoreSet
// says that --score was given. The caller closes workers.
func (m *modelFlags) open(scoreSet bool, low float64) (*network, error) {
	n := &network{}
	var err error
	if n.input, err = infer.ParseInput(m.input); err != nil {
		return nil, exitError{exitUsage, fmt.Errorf("--%w", err)}
	}
	if n.resize, err = infer.ParseResize(m.resize); err != nil {
		return nil, exitError{exitUsage, fmt.Errorf("--%w", err)}
	}
	if !(m.score >= 0 && m.score <= 1) {
		return nil, usageErrorf("--score %g: must lie between 0 and 1", m.score)
	}
	if !(m.nms >= 0 && m.nms <= 1) {
		return nil, usageErrorf("--nms %g: must lie between 0 and 1", m.nms)
	}
	if n.model, err = loadModel(m.model); err != nil {
		return nil, err
	}
	th := infer.Thresholds{Score: m.score, NMS: m.nms}
	if !scoreSet {
		th.Score = n.model.DefaultScore
	}
	if th.Only, err = classNumbers(m.classes, n.model.Classes, m.model); err != nil {
		return nil, err
	}
	n.scores = th.ByClass(n.model.Head.Classes)
	th = th.Lowered(float32(low))
	chosen, err := builtEngines.choose(m.engine, n.model, n.input)
	if err != nil {
		return nil, usageErrorf("--%w", err)
	}
	n.warning = chosen.warning
	n.workers, err = infer.NewWorkers(1, func() (infer.Detector, error) {
		e, err := chosen.new(n.model)
		if err != nil {
			return nil, err
		}
		return infer.NewDetector(e, n.model.Head, th), nil
	})
	return n, err
}

// loadModel reads the model that ref names; weights as their authors publish them are imported on the way.
func loadModel(ref string) (*model.Model, error) {
	base := strings.TrimSuffix(ref, filepath.Ext(ref))
	switch strings.ToLower(filepath.Ext(ref)) {
	case ".pth", ".pt":
		return model.Import(model.ImportOptions{}, ref)
	case ".param":
		return model.Import(model.ImportOptions{}, ref, base+".bin")
	case ".bin":
		return model.Import(model.ImportOptions{}, base+".param", ref)
	}
	return model.Load(ref)
}

// classNumbers finds classes by name, whatever the case; an unknown name is an error that tells the nearest.
func classNumbers(wanted, names []string, ref string) ([]int, error) {
	var out []int
	for _, w := range wanted {
		w = strings.TrimSpace(w)
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, w) })
		if i < 0 {
			return nil, usageErrorf("--classes: the model knows no class %q; the nearest is %q (all: yfv2d model info %s)", w, nearest(w, names), ref)
		}
		out = append(out, i)
	}
	return out, nil
}

func nearest(word string, names []string) string {
	best, dist := "", -1
	for _, n := range names {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(n)); dist < 0 || d < dist {
			best, dist = n, d
		}
	}
	return best
}
