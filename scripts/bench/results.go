package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// results are bench/results.json. A ratio is null where one of its parts was not measured.
type results struct {
	XNNPACKOverORT     *float64 `json:"xnnpack_over_ort"`     // forwards; ONNX Runtime's best of both forms of the network and both kinds of memory
	StepOverORT        *float64 `json:"step_over_ort"`        // a detect step with XNNPACK, from the frame to boxes, over the bare forward
	OpenCVOverStock    *float64 `json:"opencv_over_stock"`    // forwards of our graph and of the stock form
	PrepostOverXNNPACK *float64 `json:"prepost_over_xnnpack"` // letterbox, decode and NMS over the forward
	Int8OverFloat      *float64 `json:"int8_over_float"`      // XNNPACK's forwards
	RSSAnonMB          *float64 `json:"rss_anon_mb"`          // of the daemon, nobody watching
	DaemonCores        *float64 `json:"daemon_cores"`         // CPU seconds a second, nobody watching

	Date       string             `json:"date"`
	Machine    string             `json:"machine"`
	System     string             `json:"system"`
	Model      string             `json:"model"`
	Versions   map[string]string  `json:"versions"`
	ORT        string             `json:"ort"`
	Rounds     int                `json:"rounds"`
	SliceMs    int64              `json:"slice_ms"`
	LoadBefore string             `json:"load_before"`
	LoadAfter  string             `json:"load_after"`
	FMA        float64            `json:"fma"`
	FMAWidth   string             `json:"fma_width"`
	MACs       int64              `json:"macs"`
	FloorMs    float64            `json:"floor_ms"`
	Engines    map[string]figures `json:"engines"`
	Daemon     []daemonFigures    `json:"daemon"`
	Notes      []string           `json:"notes"`
	VNNI       bool               `json:"vnni"` // the processor has int8 products
}

// figures of an engine: medians over the rounds of each round's median, ms.
type figures struct {
	Forward      float64  `json:"forward_ms"`
	Fastest      float64  `json:"fastest_round_ms"` // forward
	Step         *float64 `json:"step_ms"`          // null for ONNX Runtime
	Around       *float64 `json:"around_ms"`        // letterbox, decode and NMS
	CPU          float64  `json:"cpu_ms"`           // of all threads for a step, or for a forward of ONNX Runtime
	FloorShare   float64  `json:"floor_share"`
	Instructions *int64   `json:"instructions"` // of a detect step; null where they cannot be counted
}

// daemonFigures are what scripts/benchdaemon writes.
type daemonFigures struct {
	Viewers int     `json:"viewers"`
	Cores   float64 `json:"cores"`
	RSSMB   float64 `json:"rss_mb"`
	AnonMB  float64 `json:"anon_mb"`
}

func newResults(o *options) *results {
	return &results{
		Date: time.Now().UTC().Format("2006-01-02"), Machine: machine(), VNNI: vnni(), System: system(), Model: o.model, Versions: versions(o.bin),
		Rounds: o.rounds, SliceMs: o.slice.Milliseconds(), Engines: map[string]figures{}, Notes: []string{},
	}
}

func (r *results) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// sum turns rounds into figures and ratios.
func (r *results) sum(workers []*worker) {
	var rates []float64
	for _, w := range workers {
		for _, p := range w.rounds {
			if p.fma > 0 {
				rates, r.FMAWidth = append(rates, p.fma), p.width
			}
		}
		r.MACs = max(r.MACs, w.ready.MACs)
	}
	r.FMA = median(rates)
	r.FloorMs = round4(float64(r.MACs) / r.FMA * 1000)
	for _, w := range workers {
		f := figures{Forward: round4(w.of(func(p round) float64 { return p.forward }))}
		f.Fastest = round4(slices.MinFunc(w.rounds, func(a, b round) int { return cmp.Compare(a.forward, b.forward) }).forward)
		f.CPU = round4(w.of(func(p round) float64 { return p.cpu }))
		f.FloorShare = round4(r.FloorMs / f.Forward)
		if step := round4(w.of(func(p round) float64 { return p.step })); step > 0 {
			around := round4(w.of(func(p round) float64 { return p.around }))
			f.Step, f.Around = &step, &around
		}
		r.Engines[w.name] = f
	}
	xnn, best := r.Engines["xnnpack"], r.bestORT()
	r.XNNPACKOverORT = ratio(xnn.Forward, best)
	r.StepOverORT = ratio(*xnn.Step, best)
	r.OpenCVOverStock = ratio(r.Engines["opencv"].Forward, r.Engines["opencv-stock"].Forward)
	r.PrepostOverXNNPACK = ratio(*xnn.Around, xnn.Forward)
	r.Int8OverFloat = ratio(r.Engines["xnnpack-int8"].Forward, xnn.Forward)
}

// bestORT is ONNX Runtime's shortest forward, whatever the form of the network and the memory.
func (r *results) bestORT() float64 {
	best := 0.0
	for name, f := range r.Engines {
		if strings.HasPrefix(name, "ort-") && (best == 0 || f.Forward < best) {
			best = f.Forward
		}
	}
	return best
}

// ratio is nil if a part was not measured.
func ratio(a, b float64) *float64 {
	if a <= 0 || b <= 0 {
		return nil
	}
	v := round4(a / b)
	return &v
}

// daemon measures the whole daemon from outside.
func (r *results) daemon(ctx context.Context, o *options, path string) error {
	cmd := exec.CommandContext(ctx, "go", "run", "./scripts/benchdaemon", "-bin", o.bin, "-clip", o.clip,
		"-seconds", fmt.Sprint(o.daemonSeconds), "-json", path)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("measure the daemon: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &r.Daemon); err != nil {
		return fmt.Errorf("figures of the daemon: %w", err)
	}
	for _, d := range r.Daemon {
		if d.Viewers == 0 {
			cores, anon := round4(d.Cores), round4(d.AnonMB)
			r.DaemonCores, r.RSSAnonMB = &cores, &anon
		}
	}
	return nil
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func round4(v float64) float64 { return math.Round(v*1e4) / 1e4 }
