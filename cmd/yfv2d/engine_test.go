package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

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

// inHere makes a trial in the test's own process.
func inHere(xnnpack, opencv func(*model.Model) (infer.Engine, error)) engines {
	e := engines{built: true, xnnpack: xnnpack, opencv: opencv}
	e.try = e.probe
	return e
}

// found is what a trial is made to find.
func found(p probed) engines {
	return engines{built: true, try: func(*model.Model, image.Point) probed { return p }}
}

func TestChooseEngine(t *testing.T) {
	m := builtin(t)
	opencv := builtEngines.opencv
	refusal := errors.New("no such operator")
	for _, row := range []struct {
		name, want    string
		engines       engines
		chosen, warns string
	}{
		{"auto, they disagree", engineAuto, inHere(off(0.01), opencv), nameOpenCV, "differ by 0.01"},
		{"auto, no number comes out", engineAuto, inHere(off(float32(math.NaN())), opencv), nameOpenCV, "differ by NaN"},
		{"auto, built without", engineAuto, inHere(refused(xnn.ErrNotBuilt), opencv), nameOpenCV, ""},
		{"auto, not even tried", engineAuto, engines{}, nameOpenCV, ""},
		{"auto, refused", engineAuto, inHere(refused(refusal), opencv), nameOpenCV, "no such operator"},
		{"auto, OpenCV refuses", engineAuto, inHere(off(0), refused(refusal)), nameXNNPACK, ""},
		{"auto, XNNPACK is faster", engineAuto, found(probed{XNNPACKMs: 2, OpenCVMs: 6}), nameXNNPACK, ""},
		{"auto, OpenCV is faster", engineAuto, found(probed{XNNPACKMs: 7, OpenCVMs: 6}), nameOpenCV, ""},
		{"xnnpack, unasked", engineXNNPACK, inHere(refused(xnn.ErrNotBuilt), opencv), nameXNNPACK, ""},
		{"opencv, unasked", engineOpenCV, inHere(off(0), opencv), nameOpenCV, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, err := row.engines.choose(row.want, m, image.Pt(128, 96))
			if err != nil {
				t.Fatal(err)
			}
			if e.name != row.chosen || !strings.Contains(e.warning, row.warns) || (row.warns == "") != (e.warning == "") {
				t.Errorf("%s with warning %q, want %s with %q", e.name, e.warning, row.chosen, row.warns)
			}
		})
	}
	if _, err := builtEngines.choose("tensorrt", m, image.Point{}); err == nil || !strings.Contains(err.Error(), "must be auto, xnnpack or opencv") {
		t.Errorf("another name gives %v", err)
	}
}

func builtin(t *testing.T) *model.Model {
	t.Helper()
	m, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTrialComparesAndTimes(t *testing.T) {
	p := inHere(off(1e-4), builtEngines.opencv).probe(builtin(t), image.Pt(128, 96))
	if p.Refused != "" || !(p.XNNPACKMs > 0) || !(p.OpenCVMs > 0) {
		t.Errorf("two engines that agree: %+v", p)
	}
}

// What this program was built with agrees with itself, in a process of its own.
func TestAutoTriesInAnotherProcess(t *testing.T) {
	e, err := builtEngines.choose(engineAuto, builtin(t), image.Point{})
	if err != nil || e.warning != "" || xnn.Built && !(e.ms > 0) {
		t.Errorf("%+v, %v", e, err)
	}
}

// A trial that crashes, hangs or talks nonsense costs only itself, and OpenCV runs the network.
func TestTrialThatGoesWrong(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	was := self
	defer func() { self = was }()
	for _, row := range []struct{ how, says string }{
		{"crash", "SIGSEGV"},
		{"hang", "did not end within"},
		{"nonsense", "gave no answer"},
		{"fail", "exit status 3"},
	} {
		t.Run(row.how, func(t *testing.T) {
			self.env, self.wait = []string{badTrial + "=" + row.how}, 500*time.Millisecond
			if row.how != "hang" {
				self.wait = probeTime
			}
			e, err := builtEngines.choose(engineAuto, builtin(t), image.Point{})
			if err != nil || e.name != nameOpenCV || !strings.Contains(e.warning, row.says) || strings.Contains(e.warning, "\n") {
				t.Errorf("%s, warning %q, %v; want OpenCV and %q", e.name, e.warning, err, row.says)
			}
		})
	}
}

// badTrial in the environment makes this test binary a trial that goes wrong.
const badTrial = "YFV2D_TEST_BAD_TRIAL"

func goWrong(how string) int {
	switch how {
	case "crash":
		crash()
	case "int8 crash":
		data, err := io.ReadAll(os.Stdin)
		if err != nil || bytes.Contains(data, []byte("QuantizeLinear")) {
			crash()
		}
		return program(newProbeCmd(), data, os.Args[2:]...)
	case "hang":
		time.Sleep(time.Minute)
	case "nonsense":
		fmt.Println("hello")
	case "fail":
		return 3
	}
	return 0
}

func crash() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
	select {}
}

// program runs one command with that standard input.
func program(c *cobra.Command, stdin []byte, args ...string) int {
	c.SetIn(bytes.NewReader(stdin))
	c.SetArgs(args)
	if c.Execute() != nil {
		return 1
	}
	return 0
}
