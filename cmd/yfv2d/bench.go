package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
	"yfv2d/pipeline"
)

// benchOptions are the flags of `yfv2d bench` and of its workers.
type benchOptions struct {
	model, source string
	input         string // of a worker

	engines, inputs []string
	seconds         float64
	json            bool
	html            string
}

// Lengths of a measurement, seconds. A day of heat is enough for any heat sink.
const (
	minBenchSeconds = 0.05
	maxBenchSeconds = 24 * 3600
)

func newBenchCmd() *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the engines on this machine: times, memory, heat, cameras a core can serve",
		Long: `bench measures what a detection costs on this machine: from a video frame to boxes, for each engine and network input, on
one thread. Engines run in processes of their own, turn by turn, so that all of them meet the same machine, and without a
pause: a board that gets hot and slows down shows it in the rate over time (--html draws it).

opencv-stock is OpenCV with the network as its authors export it. The share of the floor is the time that the network's
multiply-adds would take at the rate that this core reaches on nothing else, over the time of the forward. The cameras that
one core can serve are those of the last quarter's rate; reading their streams comes on top.

Ctrl-C stops and prints what is measured so far; the exit code is then 1.`,
		Example: `  yfv2d bench
  yfv2d bench --engine xnnpack --input 352x352 --seconds 600 --html heat.html
  yfv2d bench --source file:street.mp4 --json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return runBench(c.Context(), &o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	o.addModel(c)
	f.StringSliceVar(&o.engines, "engine", []string{"all"}, "`what` runs the network: xnnpack, opencv, opencv-stock, separated by commas, or all")
	f.StringSliceVar(&o.inputs, "input", []string{"auto", "352x352"}, "network inputs `WxH`, separated by commas; auto fits the picture's shape")
	f.Float64Var(&o.seconds, "seconds", 10, "length of the measurement for each engine and input")
	f.BoolVar(&o.json, "json", false, "print the figures as one JSON object")
	f.StringVar(&o.html, "html", "", "write a page with the table and the rate over time to this `file`")
	_ = c.MarkFlagFilename("html", "html")
	_ = c.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions([]string{"all", engineXNNPACK, engineOpenCV, engineStock}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// addModel adds the flags that a worker is started with too.
func (o *benchOptions) addModel(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.model, "model", model.BuiltinName, "`model`: builtin, an imported .onnx file, or weights as .pth or .param")
	f.StringVar(&o.source, "source", "test:?size=640x480", "take the first picture of this video, picture or source")
}

// check finds what is wrong with the flags themselves, and puts the lists in their final form.
func (o *benchOptions) check() error {
	if !(o.seconds >= minBenchSeconds && o.seconds <= maxBenchSeconds) {
		return usageErrorf("--seconds %g: must lie between %g and %d", o.seconds, minBenchSeconds, maxBenchSeconds)
	}
	known := []string{engineXNNPACK, engineOpenCV, engineStock}
	if slices.Equal(o.engines, []string{"all"}) {
		o.engines = known
		if !xnn.Built {
			o.engines = known[1:]
		}
	}
	for _, e := range o.engines {
		if !slices.Contains(known, e) {
			return usageErrorf("--engine %q: must be all, or some of %s", e, strings.Join(known, ", "))
		}
	}
	for _, in := range o.inputs {
		if _, err := infer.ParseInput(in); err != nil {
			return usageErrorf("--%w", err)
		}
	}
	if len(o.engines) == 0 || len(o.inputs) == 0 {
		return usageErrorf("nothing to measure: --engine and --input must name at least one each")
	}
	o.engines, o.inputs = distinct(o.engines), distinct(o.inputs)
	return nil
}

// distinct leaves out repetitions, in order.
func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func runBench(ctx context.Context, o *benchOptions, stdout, stderr io.Writer) error {
	m, err := loadModel(o.model)
	if err != nil {
		return err
	}
	if err := o.try(ctx); err != nil {
		return err
	}
	b := &bench{options: o, stderr: stderr}
	defer b.close()
	b.open(ctx)
	err = errors.Join(b.errs...)
	if len(b.runs) == 0 && ctx.Err() == nil {
		return err
	}
	b.measure(ctx)
	err = errors.Join(b.errs...)
	r := b.report(m)
	if r.Interrupted {
		err = errors.Join(err, fmt.Errorf("stopped before the end: the figures are of %.1f s in place of %g s for each", r.Seconds, o.seconds))
	}
	if o.html != "" {
		err = errors.Join(err, os.WriteFile(o.html, []byte(r.page()), 0o644))
	}
	if o.json {
		return errors.Join(json.NewEncoder(stdout).Encode(r), err)
	}
	return errors.Join(r.print(stdout), err)
}

// try reads the picture and touches the page's file, so that what is wrong with them is told once and at once.
func (o *benchOptions) try(ctx context.Context) error {
	f := pipeline.NewFrame()
	defer f.Close()
	if err := firstFrame(ctx, o.source, f); err != nil {
		return err
	}
	if o.html == "" {
		return nil
	}
	page, err := os.OpenFile(o.html, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return page.Close()
}

// bench is one run of the command. It belongs to one goroutine.
type bench struct {
	options *benchOptions
	stderr  io.Writer
	runs    []*benchRun
	errs    []error
	stopped bool
}

// benchRun is one engine at one input, and what was measured of it.
type benchRun struct {
	engine string
	ready  benchReady
	at     []float64 // when each slice began, seconds from the start
	slices []benchSlice
	worker *benchProcess // nil once it has failed
}

// open starts a process for each engine and input.
func (b *bench) open(ctx context.Context) {
	for _, e := range b.options.engines {
		for _, in := range b.options.inputs {
			w, ready, err := startBenchProcess(ctx, b.options, e, in)
			if ctx.Err() != nil {
				b.stopped = true
				return
			}
			if err != nil {
				b.errs = append(b.errs, fmt.Errorf("%s at input %s: %w", e, in, err))
				continue
			}
			b.runs = append(b.runs, &benchRun{engine: e, ready: ready, worker: w})
		}
	}
}

// benchSlices is into how many turns a run is divided, unless they get shorter than a few forwards or longer than what a
// person waits for at Ctrl-C.
const benchSlices = 60

// sliceSpan is the length of a turn and how many there are.
func sliceSpan(seconds float64) (span time.Duration, n int) {
	whole := time.Duration(seconds * float64(time.Second))
	span = min(max(whole/benchSlices, 20*time.Millisecond), time.Second)
	return span, max(int((whole+span-1)/span), 1)
}

// measure lets the engines run in turns.
func (b *bench) measure(ctx context.Context) {
	span, rounds := sliceSpan(b.options.seconds)
	bar := newProgress(b.stderr, int64(rounds*len(b.runs)), "slices")
	defer bar.done()
	start := time.Now()
	for range rounds {
		for _, r := range b.runs {
			if ctx.Err() != nil {
				b.stopped = true
				return
			}
			if r.worker == nil {
				continue
			}
			at := time.Since(start).Seconds()
			s, err := r.worker.run(span)
			switch {
			case ctx.Err() != nil: // the worker went with us
			case err != nil:
				b.errs = append(b.errs, fmt.Errorf("%s at input %dx%d: %w", r.engine, r.ready.Input[0], r.ready.Input[1], err))
				r.worker.close()
				r.worker = nil
			default:
				r.at, r.slices = append(r.at, at), append(r.slices, s)
			}
			bar.add(1)
		}
	}
}

func (b *bench) close() {
	for _, r := range b.runs {
		if r.worker != nil {
			r.worker.close()
		}
	}
}
