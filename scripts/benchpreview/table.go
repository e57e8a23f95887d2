package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// row is a figure of the table.
type row struct {
	part, key, what, unit string
	goal                  string  // empty: none
	least, most           float64 // the figure must lie between
}

var inf = math.Inf(1)

// latencyNoise is what the self-test cannot tell apart: the capture time in the picture is in whole milliseconds.
const latencyNoise = 1

var rows = []row{
	{"latency", "p50_ms", "capture to screen, low_latency, p50", "ms", "<= 50", 0, 50},
	{"latency", "p95_ms", "the same, p95", "ms", "<= 100", 0, 100},
	{"latency", "latency_growth_ms", "the same, p50 of the last 10 s less that of the first 10 s", "ms", "<= 0, to the stamp's millisecond", -inf, latencyNoise},
	{"latency", "aligned_low_latency", "frames whose drawn boxes are those of that frame, low_latency", "", "", 0, inf},
	{"exact", "exact_p50_ms", "capture to screen, exact, p50", "ms", "", 0, inf},
	{"exact", "exact_p95_ms", "the same, p95", "ms", "", 0, inf},
	{"exact", "aligned", "frames whose drawn boxes are those of that frame, exact", "", ">= 0.995", 0.995, 1},
	{"exact", "box_iou_p50", "overlap (IoU) of drawn boxes with the objects in the picture, exact, p50", "", "", 0, inf},
	{"exact", "box_iou_p05", "the same, p5", "", "", 0, inf},
	{"first", "first_picture_p95_ms", "first picture after opening the page, p95 of 20", "ms", "<= 700", 0, 700},
	{"first", "first_picture_p50_ms", "the same, p50", "ms", "", 0, inf},
	{"cpu", "first_viewer_cores", "CPU of the first viewer, 1 Mbit/s, clean, with live metadata", "cores", "<= 0.10", -inf, 0.10},
	{"cpu", "next_viewer_cores", "CPU of each further viewer", "cores", "<= 0.01", -inf, 0.01},
	{"cpu", "first_annotated_cores", "CPU of the first viewer of the picture with boxes burned in", "cores", "", 0, inf},
	{"cpu", "clip_first_viewer_cores", "CPU of the first viewer, demo clip", "cores", "", 0, inf},
	{"cpu", "clip_next_viewer_cores", "CPU of each further viewer, demo clip", "cores", "", 0, inf},
	{"cut", "cut_frozen_s", "link cut to 500 kbit/s for 18 s: frozen in all", "s", "<= 4", 0, 4},
	{"cut", "cut_picture_back", "the same: the picture is back by itself (1: yes)", "", "1", 1, 1},
	{"cut", "cut_latency_back_s", "the same: latency back under 150 ms, after the cut's end", "s", "<= 5", 0, 5},
	{"loss", "loss_worst_freeze_s", "2 % loss and 40 ms each way, 30 s: worst freeze", "s", "<= 0.3", 0, 0.3},
	{"loss", "loss_p50_ms", "the same: capture to screen, p50", "ms", "", 0, inf},
	{"crowd", "viewers50_min_share", "50 viewers of one camera: the least share of the frames sent", "", ">= 0.95", 0.95, inf},
	{"crowd", "viewers50_encodes_per_frame", "the same: encodes for each frame", "", "1", 0, 1.005},
	{"churn", "churn_leaks", "500 connect and leave rounds: kinds that grow (goroutines, descriptors, threads, memory)", "", "0", 0, 0},
	{"posts", "posts_min_share", "10,000 half-open POSTs in a minute: share of the frames that a viewer gets", "", ">= 0.99", 0.99, inf},
	{"posts", "posts_longest_gap_s", "the same: the longest time between two of its frames", "s", "", 0, inf},
	{"clock", "rtp_drift_ms", "24 h of RTP timestamps: drift", "ms", "< 1", 0, 0.999},
}

func (w row) met(v float64) string {
	switch {
	case w.goal == "":
		return ""
	case v >= w.least && v <= w.most:
		return "met"
	}
	return "**not met**"
}

// measured is the figure with its unit, or why there is none.
func (r *results) measured(w row) string {
	v, ok := r.figures[w.key]
	s := r.sessions[w.part]
	switch {
	case ok:
		return strings.TrimSpace(format(v) + " " + w.unit)
	case s.Skipped != "":
		return "skipped"
	case len(s.Failed) > 0:
		return "failed"
	}
	return "not measured"
}

// format gives three significant digits, and whole numbers as they are.
func format(v float64) string {
	switch size := math.Abs(v); {
	case v == math.Trunc(v) || size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	case size >= 0.1:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func (r *results) table() string {
	var t strings.Builder
	t.WriteString("| figure | goal | measured | |\n|---|---|---|---|\n")
	for _, w := range rows {
		met := "**not met**"
		if v, ok := r.figures[w.key]; ok || w.goal == "" {
			met = w.met(v)
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s |\n", w.what, w.goal, r.measured(w), met)
	}
	return t.String()
}

const preamble = `# The live preview, measured by ` + "`make bench-preview`" + `

From outside: the real daemon, headless Chromium with the page's own self-test, and WHEP clients written for the purpose, all on one
machine over loopback; 640x480 at 30 frames/s. Latency is from the capture time that the test picture carries in its pixels until
the browser shows the frame. What repeats is the median of its runs. Other work on the machine makes every figure worse: see the load.

`

func (r *results) markdown() string {
	var t strings.Builder
	t.WriteString(preamble)
	t.WriteString(r.table())
	t.WriteString("\n## How it was measured\n\n| part | when | daemon | runs | load average before, after (1, 5, 15 min) | with |\n|---|---|---|---|---|---|\n")
	var machines, troubles []string
	for _, p := range parts {
		s, ok := r.sessions[p.name]
		if !ok {
			continue
		}
		if where := s.Machine + ", " + s.System; s.Machine != "" && !slices.Contains(machines, where) {
			machines = append(machines, where)
		}
		if s.Skipped != "" {
			troubles = append(troubles, fmt.Sprintf("- %s: %s", p.name, s.Skipped))
		}
		for _, f := range s.Failed {
			troubles = append(troubles, fmt.Sprintf("- %s: a run failed: %s", p.name, f))
		}
		if s.Date != "" {
			fmt.Fprintf(&t, "| %s: %s | %s | %s | %d | %s; %s | `%s` |\n", p.name, p.about, s.Date, s.Daemon, s.Runs, s.LoadBefore, s.LoadAfter,
				strings.TrimSpace("benchpreview "+s.Command))
		}
	}
	fmt.Fprintf(&t, "\nMachine: %s.\n", strings.Join(machines, "; "))
	if len(troubles) > 0 {
		fmt.Fprintf(&t, "\n%s\n", strings.Join(troubles, "\n"))
	}
	t.WriteString(r.details())
	return t.String()
}
