package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

	names []string // of the engines, in order
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
		Date: time.Now().UTC().Format("2006-01-02"), Machine: machine(), System: system(), Model: o.model, Versions: versions(o.bin),
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
		r.Engines[w.name], r.names = f, append(r.names, w.name)
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

func (r *results) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text := r.markdown()
	fmt.Print(text)
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(text), 0o644)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func round4(v float64) float64 { return math.Round(v*1e4) / 1e4 }

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	return strings.Join(f[:min(len(f), 3)], " ")
}

func machine() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	name := "unknown processor"
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			name = strings.TrimSpace(v)
		}
	}
	return fmt.Sprintf("%s, %d cores, %s", name, runtime.NumCPU(), runtime.GOARCH)
}

// system is the distribution's name.
func system() string {
	b, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return runtime.GOOS
}

// versions are those of the program and of what it stands on.
func versions(bin string) map[string]string {
	v := map[string]string{}
	var own struct{ Version, Commit, Go, OpenCV string }
	if out, err := exec.Command(bin, "version", "--json").Output(); err == nil && json.Unmarshal(out, &own) == nil {
		v["yfv2d"], v["go"], v["opencv"] = strings.TrimSpace(own.Version+" "+own.Commit), own.Go, own.OpenCV
	}
	if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "libxnnpack-dev").Output(); err == nil {
		v["libxnnpack"] = string(out)
	}
	if out, err := exec.Command("node", "--version").Output(); err == nil {
		v["node"] = strings.TrimSpace(string(out))
	}
	return v
}

// ortVersion is the version of ONNX Runtime in a lock file, empty if it has none.
func ortVersion(lock []byte) string {
	var l struct {
		Packages map[string]struct{ Version string }
	}
	if json.Unmarshal(lock, &l) != nil {
		return ""
	}
	return l.Packages["node_modules/onnxruntime-node"].Version
}
