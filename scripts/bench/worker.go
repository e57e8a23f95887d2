package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"
)

// worker is a process that measures one engine in slices: `yfv2d bench-worker`, or ONNX Runtime in Node.
type worker struct {
	name   string
	ready  readyLine
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	rounds []round
}

// readyLine is what a worker prints first.
type readyLine struct {
	Error   string  `json:"error"`
	Version string  `json:"version"` // ONNX Runtime's
	Sum     float64 `json:"sum"`     // of its outputs' amounts, for a fixed picture
	MACs    int64   `json:"macs"`
}

// sliceLine is what it prints for a slice: yfv2d gives steps of four stages (letterbox, forward, decode, nms), ONNX Runtime
// forwards. All are ms.
type sliceLine struct {
	Error    string       `json:"error"`
	Steps    [][4]float64 `json:"steps"`
	Forwards []float64    `json:"forwards"`
	CPU      float64      `json:"cpu_ms"` // of the process in this slice
	FMA      float64      `json:"fma"`
	FMAWidth string       `json:"fma_width"`
}

// round is what one slice comes down to: medians, ms.
type round struct {
	forward, step, around float64
	cpu                   float64 // CPU time of all threads for a step, or for a forward of ONNX Runtime
	fma                   float64
	width                 string
}

// pinned puts taskset before a command where there is one: everything runs on the last core.
func pinned(args ...string) []string {
	if path, err := exec.LookPath("taskset"); err == nil {
		return append([]string{path, "-c", strconv.Itoa(runtime.NumCPU() - 1)}, args...)
	}
	return args
}

func startWorker(ctx context.Context, name string, args ...string) (*worker, error) {
	args = pinned(args...)
	w := &worker{name: name, cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	w.cmd.Stderr = os.Stderr
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	err = w.answer(&w.ready)
	if err == nil && w.ready.Error != "" {
		err = errors.New(w.ready.Error)
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return w, nil
}

func (w *worker) answer(v any) error {
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("its process ended: %w", err)
	}
	return json.Unmarshal(line, v)
}

// run measures for so long and keeps the medians.
func (w *worker) run(span time.Duration) error {
	if _, err := fmt.Fprintf(w.in, "%dms\n", span.Milliseconds()); err != nil {
		return err
	}
	var s sliceLine
	if err := w.answer(&s); err != nil {
		return err
	}
	if s.Error != "" {
		return errors.New(s.Error)
	}
	var steps, around []float64
	for _, st := range s.Steps {
		s.Forwards = append(s.Forwards, st[1])
		around = append(around, st[0]+st[2]+st[3])
		steps = append(steps, st[0]+st[1]+st[2]+st[3])
	}
	w.rounds = append(w.rounds, round{
		forward: median(s.Forwards), step: median(steps), around: median(around), cpu: s.CPU / float64(max(len(s.Forwards), 1)),
		fma: s.FMA, width: s.FMAWidth,
	})
	return nil
}

// of is the median over all rounds of a figure.
func (w *worker) of(figure func(round) float64) float64 {
	var all []float64
	for _, r := range w.rounds {
		all = append(all, figure(r))
	}
	return median(all)
}

func (w *worker) close() {
	_ = w.in.Close()
	_ = w.cmd.Wait() // a second time gives an error, and harms nothing
}

func closeAll(workers []*worker) {
	for _, w := range workers {
		w.close()
	}
}
