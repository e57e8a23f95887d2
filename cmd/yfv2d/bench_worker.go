package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"yfv2d/bench/fma"
	"yfv2d/capture"
	"yfv2d/infer"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
	"yfv2d/pipeline"
)

// engineStock is OpenCV with the network as its authors export it. Only bench knows it.
const engineStock = "opencv-stock"

// benchStages are the parts of a detect step, in the order of their times.
var benchStages = [...]string{"letterbox", "forward", "decode", "nms"}

// benchReady is what a bench worker prints first.
type benchReady struct {
	Error  string  `json:"error,omitempty"` // why there is nothing to measure
	Input  [2]int  `json:"input"`           // of the network, pixels
	Frame  [2]int  `json:"frame"`           // of the picture
	MACs   int64   `json:"macs"`            // multiply-adds of a forward, of the network as its authors export it
	OpenMs float64 `json:"open_ms"`
}

// benchSlice is what a bench worker prints for each slice of time.
type benchSlice struct {
	Error    string       `json:"error,omitempty"`
	Steps    [][4]float64 `json:"steps"` // ms of each stage, for each step
	CPU      []float64    `json:"cpu"`   // CPU ms of the thread, for each step
	WallMs   float64      `json:"wall_ms"`
	CPUMs    float64      `json:"cpu_ms"`    // of the whole process
	FMA      float64      `json:"fma"`       // multiply-adds a second of this core, just before
	FMAWidth string       `json:"fma_width"` // with which instructions
	Found    int          `json:"found"`     // detections in the picture
	PeakRSS  float64      `json:"peak_rss"`  // MB so far
	Celsius  *float64     `json:"celsius"`   // at the end; null where the kernel does not tell
	MHz      *float64     `json:"mhz"`
}

// newBenchWorkerCmd measures one engine at one input size, in a process of its own: so its memory is its own, and a library
// that crashes takes only that down. It answers each line on standard input, a duration or a number of steps, with one
// JSON object. It is no command for people.
func newBenchWorkerCmd() *cobra.Command {
	var o benchOptions
	var engine string
	c := &cobra.Command{
		Use:   "bench-worker",
		Short: "Measure an engine for as long as each line of standard input says",
		Long: `Measure one engine at one input size. bench starts this as a process of its own, so that the memory is the engine's own
and a library that crashes takes nothing else down.`,
		Example: "  echo 1s | yfv2d bench-worker --engine xnnpack --input 352x352",
		Hidden:  true,
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			runtime.LockOSThread() // CPU times are the thread's
			out := json.NewEncoder(c.OutOrStdout())
			w, err := openBenchWorker(c.Context(), &o, engine)
			if err != nil {
				return out.Encode(benchReady{Error: err.Error()})
			}
			defer w.close()
			if err := out.Encode(w.ready); err != nil {
				return err
			}
			return w.serve(c.InOrStdin(), out)
		},
	}
	o.addModel(c)
	c.Flags().StringVar(&o.input, "input", "auto", "network input `WxH`")
	c.Flags().StringVar(&engine, "engine", engineXNNPACK, "`what` runs the network")
	return c
}

// benchWorker is one engine at work on one picture.
type benchWorker struct {
	ready   benchReady
	boxer   *pipeline.Letterboxer
	frame   *pipeline.Frame
	canvas  *pipeline.Canvas
	engine  infer.Engine
	decoder *infer.Decoder
}

func openBenchWorker(ctx context.Context, o *benchOptions, name string) (*benchWorker, error) {
	input, err := infer.ParseInput(o.input)
	if err != nil {
		return nil, err
	}
	m, err := loadModel(o.model)
	if err != nil {
		return nil, err
	}
	w := &benchWorker{frame: pipeline.NewFrame(), canvas: pipeline.NewCanvas()}
	if err := w.open(ctx, m, name, o.source, input); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *benchWorker) open(ctx context.Context, m *model.Model, name, source string, input image.Point) error {
	var err error
	if err := firstFrame(ctx, source, w.frame); err != nil {
		return err
	}
	if w.boxer, err = pipeline.NewLetterboxer(input, infer.ResizeLetterbox); err != nil {
		return err
	}
	if w.decoder, err = infer.NewDecoder(m.Head, infer.Thresholds{Score: m.DefaultScore, NMS: defaultNMS}); err != nil {
		return err
	}
	start := time.Now()
	if w.engine, err = openBenchEngine(name, m); err != nil {
		return err
	}
	for range 3 { // the first makes the network for this size; caches and branch predictors are warm after the rest
		if _, _, _, err := w.step(); err != nil {
			return err
		}
	}
	size := w.frame.Size()
	w.ready = benchReady{Frame: [2]int{size.X, size.Y}, Input: [2]int{w.canvas.Size.X, w.canvas.Size.Y}, OpenMs: ms(time.Since(start))}
	w.ready.MACs, err = networkMACs(m, w.canvas.Size)
	return err
}

func openBenchEngine(name string, m *model.Model) (infer.Engine, error) {
	switch name {
	case engineXNNPACK:
		return builtEngines.xnnpack(m)
	case engineOpenCV:
		return builtEngines.opencv(m)
	case engineStock:
		return dnn.NewStock(m)
	}
	return nil, fmt.Errorf("engine %q: must be %s, %s or %s", name, engineXNNPACK, engineOpenCV, engineStock)
}

// networkMACs counts multiply-adds in the network as its authors export it: a measure that does not move when our graph is
// made to need fewer.
func networkMACs(m *model.Model, size image.Point) (int64, error) {
	data, err := m.StockONNX(size)
	if err != nil {
		return 0, err
	}
	f, err := model.DecodeONNX(data)
	if err != nil {
		return 0, err
	}
	return f.Graph.MACs()
}

// firstFrame reads the first picture of a source, or a picture file, into f.
func firstFrame(ctx context.Context, spec string, f *pipeline.Frame) error {
	in := expandOne(spec)[0]
	if in.err != nil {
		return in.err
	}
	src, err := capture.Open(ctx, in.spec, capture.Options{Speed: capture.Max})
	if err != nil {
		return in.plain(err)
	}
	defer src.Close()
	if err := src.Read(ctx, f); err != nil {
		return fmt.Errorf("read a picture of %s: %w", in.name, err)
	}
	return nil
}

func (w *benchWorker) close() {
	if w.engine != nil {
		_ = w.engine.Close()
	}
	_ = w.canvas.Close()
	_ = w.frame.Close()
}

// serve answers line by line until standard input ends.
func (w *benchWorker) serve(in io.Reader, out *json.Encoder) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		steps, span, err := parseSlice(lines.Text())
		if err != nil {
			return err
		}
		s, err := w.slice(steps, span)
		if err != nil {
			s = benchSlice{Error: err.Error()}
		}
		if err := out.Encode(s); err != nil {
			return err
		}
	}
	return lines.Err()
}

// parseSlice reads "250ms", or "20 steps".
func parseSlice(line string) (steps int, span time.Duration, err error) {
	if n, err := fmt.Sscanf(line, "%d steps", &steps); n == 1 && err == nil && steps > 0 {
		return steps, 0, nil
	}
	if span, err = time.ParseDuration(strings.TrimSpace(line)); err != nil || span <= 0 {
		return 0, 0, fmt.Errorf("slice %.40q: expected a duration such as 250ms, or 20 steps", line)
	}
	return 0, span, nil
}

// fmaSpan is the CPU time of each measurement of the multiply-add rate.
const fmaSpan = 2 * time.Millisecond

// slice runs detect steps, so many or for that long and one at least. Counted steps run without the measurement of the
// core's rate, for counters of instructions.
func (w *benchWorker) slice(steps int, span time.Duration) (benchSlice, error) {
	var s benchSlice
	if steps == 0 {
		r := fma.Measure(fmaSpan)
		s.FMA, s.FMAWidth = r.PerSecond, r.Width
	}
	start, cpu := time.Now(), cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID)
	for {
		stages, cpu, found, err := w.step()
		if err != nil {
			return s, err
		}
		s.Steps, s.CPU, s.Found = append(s.Steps, stages), append(s.CPU, cpu), found
		if len(s.Steps) == steps || steps == 0 && time.Since(start) >= span {
			break
		}
	}
	s.WallMs, s.CPUMs = ms(time.Since(start)), ms(cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID)-cpu)
	s.Celsius, s.MHz, s.PeakRSS = celsius(sysRoot), megahertz(sysRoot), peakRSS()
	return s, nil
}

// step is what the daemon does for a detection: a picture in, boxes out. Times are ms.
func (w *benchWorker) step() (stages [4]float64, cpu float64, found int, err error) {
	c0, t0 := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID), time.Now()
	if err := w.boxer.Make(w.canvas, w.frame); err != nil {
		return stages, 0, 0, err
	}
	t1 := time.Now()
	heads, err := w.engine.Forward(&w.canvas.Canvas)
	if err != nil {
		return stages, 0, 0, err
	}
	t2 := time.Now()
	dets, nms, err := w.decoder.DecodeTimed(heads, w.canvas.Size, w.canvas.Letterbox)
	if err != nil {
		return stages, 0, 0, err
	}
	t3 := time.Now()
	stages = [4]float64{ms(t1.Sub(t0)), ms(t2.Sub(t1)), ms(t3.Sub(t2) - nms), ms(nms)}
	return stages, ms(cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) - c0), len(dets), nil
}

// ms is a duration in milliseconds, to the tenth of a microsecond.
func ms(d time.Duration) float64 { return round(float64(d.Nanoseconds())/1e6, 1e4) }

// cpuTime is the CPU time of this thread or process.
func cpuTime(clock int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0 // no Linux lacks these clocks
	}
	return time.Duration(ts.Nano())
}
