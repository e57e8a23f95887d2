package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// order is that of the rows.
var order = []string{
	"opencv-stock", "opencv", "xnnpack", nameInt8, "ort-stock-arena", "ort-stock-malloc", "ort-ours-arena", "ort-ours-malloc",
}

// titles name what was measured for a person.
var titles = map[string]string{
	"opencv-stock": "OpenCV, the network as its authors export it",
	"opencv":       "OpenCV, our graph",
	"xnnpack":      "XNNPACK, float",
	nameInt8:       "XNNPACK, int8",

	"ort-stock-arena":  "ONNX Runtime, the network as its authors export it",
	"ort-stock-malloc": "the same with malloc in place of its arena",
	"ort-ours-arena":   "ONNX Runtime, our graph",
	"ort-ours-malloc":  "the same with malloc in place of its arena",
}

// int8Goal is for processors with int8 products and a library that uses them, which Debian 12's does not.
const int8Goal = 0.65

// goals of the ratios on the machine that the project is developed on; the figures of other machines are theirs.
var goals = []struct {
	key, what string
	value     func(*results) *float64
	goal      float64
}{
	{"xnnpack_over_ort", "forward: XNNPACK / ONNX Runtime's best", func(r *results) *float64 { return r.XNNPACKOverORT }, 1},
	{"step_over_ort", "whole detect step with XNNPACK, 640x480 frame to boxes / ONNX Runtime's bare forward", func(r *results) *float64 { return r.StepOverORT }, 1.15},
	{"opencv_over_stock", "forward: OpenCV, our graph / the authors' export", func(r *results) *float64 { return r.OpenCVOverStock }, 0.55},
	{"prepost_over_xnnpack", "letterbox, decode and NMS / XNNPACK's forward", func(r *results) *float64 { return r.PrepostOverXNNPACK }, 0.15},
	{"int8_over_float", "forward: XNNPACK int8 / float; the goal is for Debian 13's library, Debian 12's has no VNNI kernels", func(r *results) *float64 { return r.Int8OverFloat }, int8Goal},
	{"rss_anon_mb", "anonymous memory of the daemon, MB", func(r *results) *float64 { return r.RSSAnonMB }, 60},
	{"daemon_cores", "the whole daemon, cores: 640x480 at 30/s, 10 detections/s, nobody watching", func(r *results) *float64 { return r.DaemonCores }, 0.12},
}

// markdown is bench/RESULTS.md.
func (r *results) markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# Results of `make bench`\n")
	p("One run: %s, %s, %s. Only ratios within a run mean much on a shared machine.\n", r.Date, r.Machine, r.System)
	p("%s, onnxruntime-node %s (CPU, intra-op 1 thread, sequential, all graph optimisations). Model %s at %dx%d. One thread each, on the same", r.versions(), r.ORT, r.Model, side, side)
	p("core, in turns of %d ms, %d rounds; a figure is the median over the rounds of each round's median wall time. Load average (1, 5, 15", r.SliceMs, r.Rounds)
	p("min) before: %s, after: %s.\n", r.LoadBefore, r.LoadAfter)
	p("The core did %.1f G fp32 multiply-adds a second (%s) in the same turns: the network's %.1f M take it %.3f ms at least, the floor.\n",
		r.FMA/1e9, r.FMAWidth, float64(r.MACs)/1e6, r.FloorMs)
	p("| engine | forward, ms | fastest round | floor / forward | detect step, ms | of it letterbox, decode, NMS | CPU, ms | instructions a step |")
	p("|---|---|---|---|---|---|---|---|")
	for _, n := range order {
		f, ok := r.Engines[n]
		if !ok && n == nameInt8 {
			p("| %s | not built | | | | | | |", titles[n])
		}
		if !ok {
			continue
		}
		p("| %s | %.2f | %.2f | %.0f %% | %s | %s | %.2f | %s |", titles[n], f.Forward, f.Fastest, f.FloorShare*100, opt(f.Step, "%.2f"), opt(f.Around, "%.3f"), f.CPU, count(f.Instructions))
	}
	p("\nCPU is that of all the process's threads, for a detect step; of ONNX Runtime, for a forward, with Node around it.")
	p("\n| ratio | measured | goal, at most |")
	p("|---|---|---|")
	for _, g := range goals {
		p("| %s (`%s`) | %s | %.2f |", g.what, g.key, opt(g.value(r), "%.3f"), g.goal)
	}
	if len(r.Daemon) > 0 {
		p("\n| daemon | cores | resident MB | anonymous MB |")
		p("|---|---|---|---|")
		for _, d := range r.Daemon {
			p("| %d viewers | %.3f | %.1f | %.1f |", d.Viewers, d.Cores, d.RSSMB, d.AnonMB)
		}
		p("\nWithout a CPU profile; with nobody watching, the median CPU and the most memory of some starts.")
	}
	for _, n := range r.Notes {
		p("\n- %s", n)
	}
	return b.String()
}

// versions of what the program stands on, on one line.
func (r *results) versions() string {
	var v []string
	for _, k := range slices.Sorted(maps.Keys(r.Versions)) {
		v = append(v, k+" "+r.Versions[k])
	}
	return strings.Join(v, ", ")
}

// int8Section is what RESULTS.md says of a run with -int8-only.
func (r *results) int8Section() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("\n## int8 on %s: `make bench-trixie`\n", r.System)
	has := "has"
	if !r.VNNI {
		has = "does not have"
	}
	p("A run of its own, in a clean root of that system: %s, %s. The processor %s int8 products (VNNI, or dot products on ARM).", r.Date, r.Machine, has)
	p("%s. Model %s at %dx%d, one thread, the two on one core in turns of %d ms, %d rounds. Load average before: %s, after: %s.",
		r.versions(), r.Model, side, side, r.SliceMs, r.Rounds, r.LoadBefore, r.LoadAfter)
	p("The core did %.1f G fp32 multiply-adds a second (%s): the floor is %.3f ms.\n", r.FMA/1e9, r.FMAWidth, r.FloorMs)
	p("| engine | forward, ms | fastest round | floor / forward | detect step, ms | of it letterbox, decode, NMS |")
	p("|---|---|---|---|---|---|")
	for _, n := range order {
		if f, ok := r.Engines[n]; ok {
			p("| %s | %.2f | %.2f | %.0f %% | %s | %s |", titles[n], f.Forward, f.Fastest, f.FloorShare*100, opt(f.Step, "%.2f"), opt(f.Around, "%.3f"))
		}
	}
	p("\nForward, int8 / float: %s; of the fastest rounds %s; goal on a processor with int8 products: at most %.2f.",
		opt(r.Int8OverFloat, "%.3f"), opt(ratio(r.Engines[nameInt8].Fastest, r.Engines["xnnpack"].Fastest), "%.3f"), int8Goal)
	return b.String()
}

func opt(v *float64, format string) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf(format, *v)
}

func count(v *int64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f M", float64(*v)/1e6)
}
