package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func init() { benchEnv = []string{asProgram + "=1"} }

// benched runs `yfv2d bench --json` for a moment.
func benched(t *testing.T, args ...string) *benchReport {
	t.Helper()
	var r benchReport
	text := printedBy(t, append([]string{"bench", "--json", "--seconds", "0.05"}, args...)...)
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

func TestBenchMeasuresAllEngines(t *testing.T) {
	r := benched(t, "--input", "96x64", "--source", clip)
	want := []string{engineXNNPACK, engineOpenCV, engineStock}
	if defaultEngine() == nameOpenCV {
		want = want[1:]
	}
	if len(r.Runs) != len(want) {
		t.Fatalf("%d runs, want %q", len(r.Runs), want)
	}
	if r.Frame != [2]int{640, 480} || r.Interrupted || r.FMA == nil || *r.FMA <= 0 || r.FMAWidth == "" {
		t.Errorf("report %+v", r)
	}
	for i, row := range r.Runs {
		t.Run(want[i], func(t *testing.T) { checkBenchRow(t, &row, want[i]) })
	}
}

func checkBenchRow(t *testing.T, row *benchRow, engine string) {
	if row.Engine != engine || row.Input != [2]int{96, 64} {
		t.Errorf("run of %s at %v", row.Engine, row.Input)
	}
	// 106.4 million multiply-adds at 352x352; the built-in model has the official network's shape.
	if want := 106.4e6 * 96 * 64 / 352 / 352; float64(row.MACs) < want*0.99 || float64(row.MACs) > want*1.01 {
		t.Errorf("%d multiply-adds, want about %.0f", row.MACs, want)
	}
	if row.Steps < 1 || row.Rate <= 0 || row.CPU <= 0 || row.Process <= 0 || row.OpenMs <= 0 || len(row.Slices) < 1 {
		t.Errorf("nothing measured: %+v", row)
	}
	if row.PeakRSS < 5 || row.PeakRSS > 4000 {
		t.Errorf("peak memory %g MB", row.PeakRSS)
	}
	if row.Share == nil || *row.Share <= 0 {
		t.Errorf("share of the floor %v", row.Share)
	}
	for _, stage := range benchStages {
		if s := row.Stages[stage]; s.Min < 0 || s.Min > s.Median || s.Median > s.P95 {
			t.Errorf("%s %+v: out of order", stage, s)
		}
	}
	for rate, n := range row.Cameras {
		if n < 0 || n > 100000 {
			t.Errorf("%d cameras at %s/s", n, rate)
		}
	}
}

func TestBenchTableAndPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "heat.html")
	out := printedBy(t, "bench", "--seconds", "0.05", "--engine", "opencv,opencv", "--input", "64x64", "--html", page)
	for _, want := range []string{"multiply-adds a second", "a detect step, ms", "cameras a core", "640x480 picture of test:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "opencv       64x64"); n != 2 {
		t.Errorf("the run has %d lines in the two tables, want one in each:\n%s", n, out)
	}
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(html, []byte("<svg")) || !bytes.Contains(html, []byte("<polyline")) || !bytes.Contains(html, []byte("<td>opencv<td>64x64")) {
		t.Errorf("the page lacks its plot or table:\n%s", html)
	}
	if m := regexp.MustCompile(`(?i)(src|href)=|url\(|https?:`).Find(html); m != nil {
		t.Errorf("the page needs something else: %s", m)
	}
}

func TestBenchRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no time", []string{"--seconds", "0"}, exitUsage, "--seconds 0: must lie between"},
		{"not a time", []string{"--seconds", "NaN"}, exitUsage, "--seconds NaN: must lie between"},
		{"too long", []string{"--seconds", "1e9"}, exitUsage, "must lie between"},
		{"unknown engine", []string{"--engine", "xnnpack,tensorrt"}, exitUsage, `--engine "tensorrt": must be all, or some of xnnpack, opencv, opencv-stock`},
		{"all and one", []string{"--engine", "all,opencv"}, exitUsage, `--engine "all": must be all, or some of`},
		{"no engine", []string{"--engine", ""}, exitUsage, "nothing to measure"},
		{"bad input", []string{"--input", "auto,100x100"}, exitUsage, "--input 100x100"},
		{"argument", []string{"clip.mp4"}, exitUsage, `unexpected argument "clip.mp4"`},
		{"no model", []string{"--model", "/nowhere/m.onnx"}, exitFailed, "/nowhere/m.onnx"},
		{"no picture", []string{"--source", "/nowhere/a.mp4"}, exitFailed, "/nowhere/a.mp4 does not exist"},
		{"no folder for the page", []string{"--html", "/nowhere/a.html"}, exitFailed, "write the page: open /nowhere/a.html"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, stderr := runCLI(t, append([]string{"bench", "--seconds", "0.05"}, tt.args...)...)
			if code != tt.code || out != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit code %d, output %q, error %q; want %d and one line with %q", code, out, stderr, tt.code, tt.want)
			}
		})
	}
}

// Ctrl-C leaves the figures so far.
func TestBenchStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out, errs bytes.Buffer
	o := benchOptions{model: "builtin", source: "test:?size=64x64", engines: []string{engineOpenCV}, inputs: []string{"64x64"}, seconds: 600, json: true}
	b := &bench{options: &o, stderr: &errs}
	defer b.close()
	b.open(ctx)
	if len(b.runs) != 1 {
		t.Fatalf("%d runs: %v", len(b.runs), b.errs)
	}
	time.AfterFunc(2500*time.Millisecond, cancel) // after two of the turns, which last a second
	b.measure(ctx)
	m, err := loadModel("builtin")
	if err != nil {
		t.Fatal(err)
	}
	r := b.report(m)
	if !r.Interrupted || len(b.errs) > 0 {
		t.Errorf("interrupted %v, errors %v", r.Interrupted, b.errs)
	}
	if len(r.Runs) == 1 && (r.Seconds <= 0 || r.Seconds > 60) {
		t.Errorf("figures of %g s", r.Seconds)
	}
	if err := r.print(&out); err != nil || !strings.Contains(out.String(), "a detect step") {
		t.Errorf("table %q, %v", out.String(), err)
	}
	_ = r.page()
}

func TestBenchStoppedAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	if code := execute(ctx, []string{"bench", "--engine", "opencv", "--input", "64x64"}, &out, &errs); code != exitFailed || errs.Len() == 0 {
		t.Errorf("exit code %d, error %q", code, errs.String())
	}
}

// An engine that takes its process down costs its own row alone.
func TestBenchWorkerDies(t *testing.T) {
	o := benchOptions{model: "builtin", source: "test:?size=64x64", engines: []string{engineOpenCV}, inputs: []string{"64x64", "96x64"}, seconds: 0.05}
	b := &bench{options: &o, stderr: &bytes.Buffer{}}
	defer b.close()
	b.open(context.Background())
	if len(b.runs) != 2 {
		t.Fatalf("%d runs: %v", len(b.runs), b.errs)
	}
	if err := b.runs[0].worker.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	b.measure(context.Background())
	if len(b.errs) != 1 || !strings.Contains(b.errs[0].Error(), "opencv at input 64x64: its process ended: signal: killed") {
		t.Errorf("errors %v", b.errs)
	}
	if len(b.runs[0].slices) != 0 || len(b.runs[1].slices) == 0 {
		t.Errorf("%d and %d turns", len(b.runs[0].slices), len(b.runs[1].slices))
	}
}

func TestParseSlice(t *testing.T) {
	for _, tt := range []struct {
		line  string
		steps int
		span  time.Duration
	}{
		{"250ms", 0, 250 * time.Millisecond},
		{"20 steps", 20, 0},
		{"", 0, 0}, {"0s", 0, 0}, {"-5 steps", 0, 0}, {"forever", 0, 0},
	} {
		t.Run(tt.line, func(t *testing.T) {
			steps, span, err := parseSlice(tt.line)
			if steps != tt.steps || span != tt.span || (err == nil) != (steps+int(span) > 0) {
				t.Errorf("%d steps, %v, %v", steps, span, err)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []float64
		want   spread
	}{
		{"none", nil, spread{}},
		{"one", []float64{3}, spread{3, 3, 3}},
		{"three", []float64{3, 1, 2}, spread{1, 2, 3}},
		{"twenty", []float64{20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, spread{1, 11, 20}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := newSpread(tt.values); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNiceStep(t *testing.T) {
	for top, want := range map[float64]float64{0: 1, 1: 0.5, 4: 1, 7: 2, 390: 100, 2000: 500, 0.03: 0.01} {
		if got := niceStep(top); got < want*0.999 || got > want*1.001 {
			t.Errorf("top %g: step %g, want %g", top, got, want)
		}
	}
}

func TestBoardSensors(t *testing.T) {
	sys := t.TempDir()
	if celsius(sys) != nil || megahertz(sys) != nil {
		t.Error("a kernel that tells nothing has figures")
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(sys, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("class/thermal/thermal_zone0/type", "battery\n")
	write("class/thermal/thermal_zone0/temp", "91000\n")
	if c := celsius(sys); c == nil || *c != 91 {
		t.Errorf("the only zone: %v", c)
	}
	write("class/thermal/thermal_zone1/type", "cpu-thermal\n")
	write("class/thermal/thermal_zone1/temp", "61234\n")
	write("class/thermal/thermal_zone2/type", "soc_thermal\n")
	write("class/thermal/thermal_zone2/temp", "broken\n")
	if c := celsius(sys); c == nil || *c != 61.2 {
		t.Errorf("the processor's zone: %v", c)
	}
	write("devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "1500000\n")
	write("devices/system/cpu/cpu10/cpufreq/scaling_cur_freq", "2400000\n")
	if m := megahertz(sys); m == nil || *m != 2400 {
		t.Errorf("clock %v", m)
	}
}
