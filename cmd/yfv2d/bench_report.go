package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"time"

	"yfv2d/infer/model"
)

// benchReport is what `yfv2d bench --json` prints.
type benchReport struct {
	Version     string     `json:"version"`
	Machine     string     `json:"machine"`
	Cores       int        `json:"cores"`
	OS          string     `json:"os"`
	Arch        string     `json:"arch"`
	OpenCV      string     `json:"opencv"`
	Model       string     `json:"model"`
	Source      string     `json:"source"`
	Frame       [2]int     `json:"frame"`   // pixels
	Seconds     float64    `json:"seconds"` // measured of each run
	Interrupted bool       `json:"interrupted"`
	FMA         *float64   `json:"fma"`       // fp32 multiply-adds a second of the core
	FMAWidth    string     `json:"fma_width"` // with which instructions
	Runs        []benchRow `json:"runs"`
}

// benchRow is one engine at one input. Times are ms for a detect step.
type benchRow struct {
	Engine    string             `json:"engine"`
	Input     [2]int             `json:"input"`
	OpenMs    float64            `json:"open_ms"` // the engine, with its first forwards
	Steps     int                `json:"steps"`
	Found     int                `json:"found"` // detections in the picture
	Step      spread             `json:"step_ms"`
	Stages    map[string]spread  `json:"stages_ms"`
	CPU       float64            `json:"cpu_ms"`         // of the thread, the median
	Process   float64            `json:"process_cpu_ms"` // of all its threads, the mean
	PeakRSS   float64            `json:"peak_rss_mb"`
	MACs      int64              `json:"macs"`
	Floor     *float64           `json:"floor_ms"`    // what the multiply-adds take at the core's rate
	Share     *float64           `json:"floor_share"` // floor over the forward, 0..1
	Rate      float64            `json:"per_second"`
	Sustained float64            `json:"sustained_per_second"` // of the last quarter
	Cameras   map[string]int     `json:"cameras_per_core"`     // by detections a second
	Slices    []benchSliceReport `json:"slices"`
}

type benchSliceReport struct {
	T       float64  `json:"t"` // seconds from the start, all runs together
	Rate    float64  `json:"per_second"`
	Celsius *float64 `json:"celsius"`
	MHz     *float64 `json:"mhz"`
}

// spread is how times lie.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
}

func newSpread(v []float64) spread {
	slices.Sort(v)
	return spread{Min: round(quantile(v, 0), 1e4), Median: round(quantile(v, 0.5), 1e4), P95: round(quantile(v, 0.95), 1e4)}
}

// quantile is by nearest rank; v is sorted. 0 if there are no values.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return v[min(int(math.Ceil(q*float64(len(v))-0.5)), len(v)-1)]
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return quantile(v, 0.5)
}

// report sums up what was measured so far.
func (b *bench) report(m *model.Model) *benchReport {
	v := currentVersion()
	r := &benchReport{
		Version: v.Version, Machine: cpuName(), Cores: runtime.NumCPU(), OS: v.OS, Arch: v.Arch, OpenCV: v.OpenCV,
		Model: m.Name, Source: b.options.source, Interrupted: b.stopped, Runs: []benchRow{},
	}
	var rates []float64
	span, _ := sliceSpan(b.options.seconds)
	for _, run := range b.runs {
		for _, s := range run.slices {
			rates = append(rates, s.FMA)
			r.FMAWidth = s.FMAWidth
		}
		r.Seconds, r.Frame = max(r.Seconds, seconds(span*time.Duration(len(run.slices)))), run.ready.Frame
	}
	if len(rates) > 0 {
		rate := round(median(rates), 1e-6)
		r.FMA = &rate
	}
	for _, run := range b.runs {
		if len(run.slices) > 0 {
			r.Runs = append(r.Runs, run.row(r.FMA))
		}
	}
	return r
}

// row sums up one engine at one input. fma is the core's rate, nil if unknown.
func (run *benchRun) row(fma *float64) benchRow {
	row := benchRow{
		Engine: run.engine, Input: run.ready.Input, OpenMs: run.ready.OpenMs, MACs: run.ready.MACs,
		Stages: map[string]spread{}, Cameras: map[string]int{},
	}
	var steps, cpu, rates []float64
	var stages [len(benchStages)][]float64
	var wall, process float64
	for i, s := range run.slices {
		for _, st := range s.Steps {
			steps = append(steps, st[0]+st[1]+st[2]+st[3])
			for k := range stages {
				stages[k] = append(stages[k], st[k])
			}
		}
		cpu = append(cpu, s.CPU...)
		wall, process = wall+s.WallMs, process+s.CPUMs
		rate := round(float64(len(s.Steps))/s.WallMs*1000, 100)
		rates = append(rates, rate)
		row.Slices = append(row.Slices, benchSliceReport{T: round(run.at[i], 1000), Rate: rate, Celsius: s.Celsius, MHz: s.MHz})
		row.PeakRSS, row.Found = max(row.PeakRSS, s.PeakRSS), s.Found
	}
	row.Steps, row.Step, row.CPU = len(steps), newSpread(steps), round(median(cpu), 1e4)
	for k, name := range benchStages {
		row.Stages[name] = newSpread(stages[k])
	}
	row.Process, row.Rate = round(process/float64(len(steps)), 1e4), round(float64(len(steps))/wall*1000, 100)
	row.Sustained = round(median(rates[len(rates)*3/4:]), 100)
	for _, perSecond := range []int{5, 10} {
		row.Cameras[fmt.Sprint(perSecond)] = int(row.Sustained / float64(perSecond))
	}
	if fma != nil && *fma > 0 && row.MACs > 0 {
		floor := round(float64(row.MACs) / *fma * 1000, 1e4)
		share := round(floor/row.Stages["forward"].Median, 1e4)
		row.Floor, row.Share = &floor, &share
	}
	return row
}

// print writes the table for a person.
func (r *benchReport) print(w io.Writer) error {
	out := &lineWriter{w: w}
	out.printf("%s, %d cores, %s/%s; yfv2d %s, OpenCV %s", r.Machine, r.Cores, r.OS, r.Arch, r.Version, r.OpenCV)
	out.printf("model %s, a %dx%d picture of %s, %.3g s for each run, one thread", r.Model, r.Frame[0], r.Frame[1], r.Source, r.Seconds)
	if r.FMA != nil {
		out.printf("this core: %.1f G multiply-adds a second (fp32, %s)", *r.FMA/1e9, r.FMAWidth)
	}
	out.printf("")
	out.printf("a detect step, ms        min  median     p95     CPU   letterbox  forward   decode      nms")
	for _, row := range r.Runs {
		out.printf("%s %7.2f %7.2f %7.2f %7.2f   %9.3f %8.2f %8.3f %8.3f", row.title(), row.Step.Min, row.Step.Median, row.Step.P95, row.CPU,
			row.Stages["letterbox"].Median, row.Stages["forward"].Median, row.Stages["decode"].Median, row.Stages["nms"].Median)
	}
	out.printf("")
	out.printf("steps a second          mean  at the end   of the floor   peak MB   cameras a core: at 5/s   at 10/s")
	for _, row := range r.Runs {
		out.printf("%s %7.1f %11.1f %14s %9.0f %24d %9d", row.title(), row.Rate, row.Sustained, row.ShareText(), row.PeakRSS,
			row.Cameras["5"], row.Cameras["10"])
	}
	return out.err
}

func (row *benchRow) title() string {
	return fmt.Sprintf("%-12s %-7s", row.Engine, row.SizeText())
}

// SizeText is the input as a person writes it.
func (row benchRow) SizeText() string { return fmt.Sprintf("%dx%d", row.Input[0], row.Input[1]) }

// ShareText is how much of the forward the core's arithmetic alone would take.
func (row benchRow) ShareText() string {
	if row.Share == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", *row.Share*100)
}

// StageMedians are in the order of a step.
func (row benchRow) StageMedians() []float64 {
	var out []float64
	for _, name := range benchStages {
		out = append(out, row.Stages[name].Median)
	}
	return out
}
