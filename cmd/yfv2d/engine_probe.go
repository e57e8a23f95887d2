package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
)

const (
	// maxDisagreement is how far two engines' logits may lie apart; rounding alone makes less than a tenth of it.
	maxDisagreement = 2e-3
	// probeRounds forwards of each engine are timed in turns; the fastest counts.
	probeRounds = 8
	// probeTime is what a trial may take before it is given up. A Raspberry Pi takes two seconds.
	probeTime = 30 * time.Second
	// maxProbeModel bounds the model that the trial reads, bytes.
	maxProbeModel = 64 << 20
)

// probeInput is the canvas of a trial where the configuration leaves the size to the camera.
var probeInput = image.Pt(352, 288)

// probed is what a trial of the engines found. Times are 0 for an engine that did not run.
type probed struct {
	Refused     string  `json:"refused,omitempty"` // why XNNPACK is not to be used; empty if it agrees with OpenCV
	NotBuilt    bool    `json:"not_built,omitempty"`
	Int8Refused string  `json:"int8_refused,omitempty"` // why an int8 model is not to be computed in int8
	XNNPACKMs   float64 `json:"xnnpack_ms"`             // in float
	OpenCVMs    float64 `json:"opencv_ms"`
	Int8Ms      float64 `json:"int8_ms"`
}

// times are those of the engines that ran, ms by name; nil if none did.
func (p probed) times() map[string]float64 {
	var out map[string]float64
	for name, ms := range map[string]float64{nameXNNPACK: p.XNNPACKMs, nameInt8: p.Int8Ms, nameOpenCV: p.OpenCVMs} {
		if ms > 0 {
			if out == nil {
				out = map[string]float64{}
			}
			out[name] = ms
		}
	}
	return out
}

// newProbeCmd is what probeApart runs. It is no command for people.
func newProbeCmd() *cobra.Command {
	var input string
	c := &cobra.Command{
		Use:   "engine-probe",
		Short: "Try the engines on the model from standard input and print one JSON object",
		Long: `Try XNNPACK and OpenCV on the model whose ONNX file comes on standard input. The daemon and detect start this as a
process of its own, so that a library that crashes on this board takes nothing else down.`,
		Example: "  yfv2d engine-probe --input 352x288 < m.onnx",
		Hidden:  true,
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			size, err := infer.ParseInput(input)
			if err != nil {
				return usageErrorf("--%w", err)
			}
			data, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxProbeModel))
			if err != nil {
				return fmt.Errorf("read the model: %w", err)
			}
			m, err := model.Parse(data, "standard input")
			if err != nil {
				return err
			}
			return json.NewEncoder(c.OutOrStdout()).Encode(builtEngines.probe(m, size))
		},
	}
	c.Flags().StringVar(&input, "input", "auto", "`size` of the canvas")
	return c
}

// self is how a trial is run. Tests, whose program is another one, change it.
var self = struct {
	env  []string // added to the environment
	wait time.Duration
}{wait: probeTime}

// probeApart tries the engines in a process of its own: a library that crashes on this board's processor, or hangs, takes
// only that down.
func probeApart(m *model.Model, size image.Point) (p probed) {
	ctx, cancel := context.WithTimeout(context.Background(), self.wait)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		return probed{Refused: fmt.Sprintf("this program cannot find itself for a trial run: %v", err)}
	}
	input := "auto"
	if size != (image.Point{}) {
		input = fmt.Sprintf("%dx%d", size.X, size.Y)
	}
	cmd := exec.CommandContext(ctx, program, "engine-probe", "--input", input)
	cmd.Env = append(os.Environ(), self.env...)
	cmd.Stdin = bytes.NewReader(m.Encode())
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return probed{Refused: fmt.Sprintf("a trial run of XNNPACK did not end within %v", self.wait)}
	case err != nil:
		return probed{Refused: "a trial run of XNNPACK failed: " + reason(err)}
	}
	if err := json.Unmarshal(out, &p); err != nil {
		return probed{Refused: fmt.Sprintf("a trial run of XNNPACK gave no answer: %v", err)}
	}
	return p
}

// reason is why a child ended: the first line it left on standard error (Go's and our own last words begin with what
// happened, as in "SIGILL: illegal instruction"), else its exit status.
func reason(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if line, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n"); line != "" {
			return line
		}
	}
	return err.Error()
}

// probe runs one picture through the engines, compares what they make of it, and times them.
func (e engines) probe(m *model.Model, size image.Point) (p probed) {
	if size == (image.Point{}) {
		size = probeInput
	}
	c := probeCanvas(size, 1)
	ours, got, err := openOnce(e.xnnpack, m.Float(), c)
	if err != nil {
		return probed{Refused: fmt.Sprintf("XNNPACK: %v", err), NotBuilt: errors.Is(err, xnn.ErrNotBuilt)}
	}
	defer ours.Close()
	ref, want, err := openOnce(e.opencv, m, c)
	if err != nil { // nothing to compare with, and XNNPACK runs it
		ref = nil
	} else {
		defer ref.Close()
		if p.Refused = disagree(got, want); p.Refused != "" {
			return p
		}
	}
	var int8 infer.Engine
	if m.Quant() != nil {
		if int8, err = e.openInt8(m, c, got); err != nil {
			p.Int8Refused = err.Error()
		} else {
			defer int8.Close()
		}
	}
	ms := timed(c, ours, ref, int8)
	p.XNNPACKMs, p.OpenCVMs, p.Int8Ms = ms[0], ms[1], ms[2]
	return p
}

// disagree says in what two outputs of the same network differ; empty if in nothing but rounding.
func disagree(got, want []float32) string {
	if len(got) != len(want) {
		return fmt.Sprintf("XNNPACK gives %d values and OpenCV %d", len(got), len(want))
	}
	if d := farthest(got, want); !(d <= maxDisagreement) {
		return fmt.Sprintf("XNNPACK and OpenCV differ by %.2g in a logit, more than %g", d, maxDisagreement)
	}
	return ""
}

// openOnce opens an engine and runs it once. Engine and heads are the caller's.
func openOnce(open func(*model.Model) (infer.Engine, error), m *model.Model, c *infer.Canvas) (infer.Engine, []float32, error) {
	e, err := open(m)
	if err != nil {
		return nil, nil, err
	}
	heads, err := e.Forward(c)
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return e, append([]float32(nil), heads...), nil
}

// timed is the shortest forward of each engine, ms, run in turns; 0 for one that is nil.
func timed(c *infer.Canvas, all ...infer.Engine) []float64 {
	best := make([]float64, len(all))
	for range probeRounds {
		for i, e := range all {
			if e == nil {
				continue
			}
			start := time.Now()
			if _, err := e.Forward(c); err != nil {
				continue
			}
			if t := float64(time.Since(start).Microseconds()) / 1000; best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	return best
}

// probeCanvas is a picture of noise, the same every time for a seed.
func probeCanvas(size image.Point, seed uint32) *infer.Canvas {
	c := &infer.Canvas{Pix: make([]byte, size.X*size.Y*3), Size: size, Letterbox: infer.NewStretch(size, size)}
	v := seed
	for i := range c.Pix {
		v = v*1664525 + 1013904223 // Numerical Recipes' generator
		c.Pix[i] = byte(v >> 24)
	}
	return c
}
