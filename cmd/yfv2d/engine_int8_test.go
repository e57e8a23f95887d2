package main

import (
	"errors"
	"image"
	"math"
	"strings"
	"sync"
	"testing"

	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
)

// int8Builtin is the built-in model in int8, calibrated on noise of several coarsenesses, so that all layers are reached.
var int8Builtin = sync.OnceValues(func() (*model.Model, error) {
	m, err := model.Builtin()
	if err != nil {
		return nil, err
	}
	cal, err := newCalibration(m)
	if err != nil {
		return nil, err
	}
	defer cal.close()
	for i := range 4 {
		size, side := cal.model.Size(), 1<<(2*i)
		c := probeCanvas(size, uint32(i))
		for y := range size.Y {
			for x := range size.X {
				copy(c.Pix[(y*size.X+x)*3:][:3], c.Pix[(y/side*side*size.X+x/side*side)*3:][:3])
			}
		}
		values, err := cal.net.Forward(c.Pix)
		if err != nil {
			return nil, err
		}
		if err := cal.model.Add(values); err != nil {
			return nil, err
		}
	}
	return model.Quantize(cal.model)
})

func quantized(t *testing.T) *model.Model {
	t.Helper()
	m, err := int8Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// int8Off is XNNPACK whose int8 is wrong by so much in one value.
func int8Off(by float32) func(*model.Model) (infer.Engine, error) {
	return func(m *model.Model) (infer.Engine, error) {
		e, err := builtEngines.xnnpack(m)
		if m.Quant() == nil || err != nil {
			return e, err
		}
		return wrongEngine{e, by}, nil
	}
}

// int8Refused is XNNPACK that takes no int8 model.
func int8Refused(m *model.Model) (infer.Engine, error) {
	if m.Quant() != nil {
		return nil, errors.New("no such operator")
	}
	return builtEngines.xnnpack(m)
}

func TestChooseInt8(t *testing.T) {
	m := quantized(t)
	for _, row := range []struct {
		name, want            string
		engines               engines
		chosen, choice, warns string
	}{
		{"int8 is faster", engineAuto, found(probed{Int8Ms: 1.9, XNNPACKMs: 3, OpenCVMs: 8}), nameInt8, "int8 1.9 ms against float 3.0: int8 chosen", ""},
		{"int8 is slower", engineAuto, found(probed{Int8Ms: 3.1, XNNPACKMs: 2.9, OpenCVMs: 8}), nameXNNPACK, "int8 3.1 ms against float 2.9: float chosen", ""},
		{"int8 gains next to nothing", engineAuto, found(probed{Int8Ms: 2.9, XNNPACKMs: 3, OpenCVMs: 8}), nameXNNPACK, "int8 2.9 ms against float 3.0: float chosen", ""},
		{"float is best in OpenCV", engineAuto, found(probed{Int8Ms: 3, XNNPACKMs: 4, OpenCVMs: 2}), nameOpenCV, "int8 3.0 ms against float 2.0: float chosen", ""},
		{"OpenCV did not run", engineAuto, found(probed{Int8Ms: 2, XNNPACKMs: 3}), nameInt8, "int8 2.0 ms against float 3.0: int8 chosen", ""},
		{"int8 is refused", engineAuto, found(probed{Int8Refused: "it errs", XNNPACKMs: 3, OpenCVMs: 8}), nameXNNPACK, "", "the int8 model in float: it errs"},
		{"float is refused too", engineAuto, found(probed{Refused: "it errs"}), nameOpenCV, "", "with OpenCV, which is slower: it errs"},
		{"library absent", engineAuto, found(probed{Refused: "built without", NotBuilt: true}), nameOpenCV, "", ""},
		{"built without", engineAuto, engines{}, nameOpenCV, "", ""},
		{"xnnpack, unasked", engineXNNPACK, engines{}, nameInt8, "", ""},
		{"opencv, unasked", engineOpenCV, engines{}, nameOpenCV, "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, err := row.engines.choose(row.want, m, image.Pt(128, 96))
			if err != nil {
				t.Fatal(err)
			}
			if e.name != row.chosen || e.choice != row.choice || !strings.Contains(e.warning, row.warns) || (row.warns == "") != (e.warning == "") {
				t.Errorf("%s, choice %q, warning %q; want %s, %q, %q", e.name, e.choice, e.warning, row.chosen, row.choice, row.warns)
			}
			if e.ms != e.trial[e.name] {
				t.Errorf("%g ms, of %v", e.ms, e.trial)
			}
		})
	}
}

// What is chosen is what runs: int8 gives the numbers of int8, float those of OpenCV.
func TestChosenFormRuns(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	m, c := quantized(t), probeCanvas(image.Pt(128, 96), 7)
	run := func(e engine) []float32 {
		t.Helper()
		opened, heads, err := openOnce(e.new, m, c)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		return heads
	}
	float, int8, ref := run(builtEngines.float()), run(builtEngines.int8()), run(builtEngines.reference())
	if d := farthest(float, ref); !(d <= maxDisagreement) {
		t.Errorf("the float form differs from OpenCV by %g", d)
	}
	if d := farthest(int8, ref); d <= maxDisagreement {
		t.Errorf("int8 differs from float by %g only: is it int8?", d)
	}
	if d := distance(ref, int8); !(d <= 0.15) {
		t.Errorf("int8 differs from float by %g of the spread", d)
	}
}

func TestTrialOfInt8(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	xnnpack, opencv := builtEngines.xnnpack, builtEngines.opencv
	noOpenCV := refused(errors.New("no such layer"))
	for _, row := range []struct {
		name    string
		engines engines
		says    string // of int8
	}{
		{"agrees", inHere(xnnpack, opencv), ""},
		{"agrees, OpenCV does not run the float form", inHere(xnnpack, noOpenCV), ""},
		{"a logit is off", inHere(int8Off(0.01), opencv), "is not what the file says: a logit is off by 0.01"},
		{"no number comes out", inHere(int8Off(float32(math.NaN())), opencv), "off by NaN"},
		{"refused", inHere(int8Refused, opencv), "XNNPACK: no such operator"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := row.engines.probe(quantized(t), image.Pt(128, 96))
			if p.Refused != "" || !(p.XNNPACKMs > 0) {
				t.Errorf("float: %+v", p)
			}
			if !strings.Contains(p.Int8Refused, row.says) || (row.says == "") != (p.Int8Refused == "") || (row.says == "") != (p.Int8Ms > 0) {
				t.Errorf("int8: %+v, want %q", p, row.says)
			}
		})
	}
}

// shuffled computes small pictures right and returns large ones' logits in another order, as a fault that depends on the size
// would.
type shuffled struct{ infer.Engine }

func (s shuffled) Forward(c *infer.Canvas) ([]float32, error) {
	heads, err := s.Engine.Forward(c)
	if err == nil && c.Size != int8Input {
		for i := 0; i < len(heads)/2; i++ {
			heads[i], heads[len(heads)-1-i] = heads[len(heads)-1-i], heads[i]
		}
	}
	return heads, err
}

func TestTrialOfInt8AtTheFullSize(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	wrong := func(m *model.Model) (infer.Engine, error) {
		e, err := builtEngines.xnnpack(m)
		if m.Quant() == nil || err != nil {
			return e, err
		}
		return shuffled{e}, nil
	}
	if p := inHere(wrong, builtEngines.opencv).probe(quantized(t), image.Pt(128, 96)); !strings.Contains(p.Int8Refused, "of the logits' spread") {
		t.Errorf("%+v", p)
	}
}

// int8 on this machine, in a process of its own: it agrees, and whichever is faster runs.
func TestAutoTriesInt8InAnotherProcess(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	e, err := builtEngines.choose(engineAuto, quantized(t), image.Point{})
	if err != nil || e.warning != "" || len(e.trial) != 3 || !strings.HasPrefix(e.choice, "int8 ") || !strings.HasSuffix(e.choice, " chosen") {
		t.Errorf("%+v, %v", e, err)
	}
}

// A trial in which int8 alone takes the process down leaves the float form.
func TestTrialWhoseInt8Crashes(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	defer func(was []string) { self.env = was }(self.env)
	self.env = []string{badTrial + "=int8 crash"}
	e, err := builtEngines.choose(engineAuto, quantized(t), image.Point{})
	if err != nil || e.name != nameXNNPACK && e.name != nameOpenCV || e.choice != "" || !(e.ms > 0) ||
		!strings.HasPrefix(e.warning, "running the int8 model in float: a trial run of XNNPACK failed: ") || !strings.Contains(e.warning, "SIGSEGV") {
		t.Errorf("%+v, %v", e, err)
	}
}
