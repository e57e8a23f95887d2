package main

import (
	"errors"
	"math"
	"strings"
	"testing"

	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
)

// wrongEngine adds a little to one of the values of another.
type wrongEngine struct {
	infer.Engine
	by float32
}

func (w wrongEngine) Forward(c *infer.Canvas) ([]float32, error) {
	heads, err := w.Engine.Forward(c)
	if err == nil {
		heads[len(heads)/2] += w.by
	}
	return heads, err
}

// off is OpenCV, wrong by so much.
func off(by float32) func(*model.Model) (infer.Engine, error) {
	return func(m *model.Model) (infer.Engine, error) {
		e, err := builtEngines.opencv(m)
		return wrongEngine{e, by}, err
	}
}

func refused(err error) func(*model.Model) (infer.Engine, error) {
	return func(*model.Model) (infer.Engine, error) { return nil, err }
}

func TestChooseEngine(t *testing.T) {
	m, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	opencv := builtEngines.opencv
	for _, row := range []struct {
		name, want    string
		engines       engines
		chosen, warns string
	}{
		{"auto, both agree", engineAuto, engines{off(1e-4), opencv}, nameXNNPACK, ""},
		{"auto, they disagree", engineAuto, engines{off(0.01), opencv}, nameOpenCV, "differ by 0.01"},
		{"auto, no number comes out", engineAuto, engines{off(float32(math.NaN())), opencv}, nameOpenCV, "differ by NaN"},
		{"auto, built without", engineAuto, engines{refused(xnn.ErrNotBuilt), opencv}, nameOpenCV, ""},
		{"auto, refused", engineAuto, engines{refused(errors.New("no such operator")), opencv}, nameOpenCV, "no such operator"},
		{"auto, OpenCV refuses", engineAuto, engines{off(0), refused(errors.New("no"))}, nameXNNPACK, ""},
		{"xnnpack, unasked", engineXNNPACK, engines{refused(xnn.ErrNotBuilt), opencv}, nameXNNPACK, ""},
		{"opencv, unasked", engineOpenCV, engines{off(0), opencv}, nameOpenCV, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, err := row.engines.choose(row.want, m)
			if err != nil {
				t.Fatal(err)
			}
			if e.name != row.chosen || !strings.Contains(e.warning, row.warns) || (row.warns == "") != (e.warning == "") {
				t.Errorf("%s with warning %q, want %s with %q", e.name, e.warning, row.chosen, row.warns)
			}
		})
	}
	if _, err := builtEngines.choose("tensorrt", m); err == nil || !strings.Contains(err.Error(), "must be auto, xnnpack or opencv") {
		t.Errorf("another name gives %v", err)
	}
}

// What this program was built with agrees with itself.
func TestAutoTakesTheDefaultEngine(t *testing.T) {
	m, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	e, err := builtEngines.choose(engineAuto, m)
	if err != nil || e.name != defaultEngine() || e.warning != "" {
		t.Errorf("%s, warning %q, %v; want %s", e.name, e.warning, err, defaultEngine())
	}
}
