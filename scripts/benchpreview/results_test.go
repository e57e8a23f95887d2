package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yfv2d/scripts/daemon"
)

func TestMedians(t *testing.T) {
	m := medians([]figures{{"a": 3, "b": 1}, {"a": 1}, {"a": 2, "b": 5}})
	if m["a"] != 2 || m["b"] != 1 || len(m) != 2 {
		t.Errorf("medians %v", m)
	}
}

// TestResultsAreKept: what one session measures replaces its own part only, and what is written is read again.
func TestResultsAreKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, jsonFile)
	r, err := readResults(file)
	if err != nil {
		t.Fatal(err)
	}
	r.put("latency", session{Date: "then", Runs: 3}, figures{"p50_ms": 40, "p95_ms": 120, "gone": 1}, nil)
	r.put("churn", session{Date: "then"}, figures{"churn_leaks": 0}, map[string][]float64{"churn_rss_mb": {100, 101, 100.5}})
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if r, err = readResults(file); err != nil {
		t.Fatal(err)
	}
	r.put("latency", session{Date: "now"}, figures{"p50_ms": 45, "p95_ms": 121}, nil)
	r.skip("cut", "skipped: no root")
	r.put("loss", session{Date: "now", Failed: []string{"no picture"}}, nil, nil)
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if r, err = readResults(file); err != nil {
		t.Fatal(err)
	}
	if len(r.figures) != 3 || r.figures["p50_ms"] != 45 || r.sessions["latency"].Date != "now" || len(r.series["churn_rss_mb"]) != 3 {
		t.Errorf("kept %+v", r)
	}
	page := r.markdown()
	for _, want := range []string{
		"p50 | <= 50 | 45 ms | met |", "p95 | <= 100 | 121 ms | **not met** |", "frozen in all | <= 4 | skipped | **not met** |",
		"worst freeze | <= 0.3 | failed | **not met** |", "grow (goroutines, descriptors, threads, memory) | 0 | 0 | met |",
		"- cut: skipped: no root", "- loss: a run failed: no picture", "drift | < 1 | not measured | **not met** |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestCutFigures(t *testing.T) {
	start := time.Now()
	when := cutTimes{start, start.Add(12 * time.Second), start.Add(30 * time.Second)}
	r := &report{Seconds: 50, Latency: latencies{P95: 300}}
	for i := range 50 {
		s := second{T: float64(i), Frames: 30, P50: 40}
		switch {
		case i == 5:
			s.FrozenS = 0.2 // before the cut
		case i == 12:
			s.FrozenS, s.P50 = 1, 0
			s.Frames = 0
		case i > 12 && i < 33:
			s.P50 = 400
		case i == 34:
			s.P50 = 200 // a moment's relapse
		}
		r.PerSecond = append(r.PerSecond, s)
	}
	b := &bench{series: map[string][]float64{}}
	f, err := b.cutFigures(r, when)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range (figures{"cut_frozen_s": 1, "cut_frozen_before_s": 0.2, "cut_picture_back": 1, "cut_latency_back_s": 5}) {
		if f[key] != want {
			t.Errorf("%s is %g, want %g", key, f[key], want)
		}
	}
	for i := 31; i < 50; i++ {
		r.PerSecond[i].Frames = 0
	}
	f, err = b.cutFigures(r, when)
	if err != nil || f["cut_picture_back"] != 0 || f["cut_latency_back_s"] != 20 {
		t.Errorf("a picture that stays away: %v, %v", f, err)
	}
}

func TestGrown(t *testing.T) {
	h := holdings{goroutines: 20, Accounts: daemon.Accounts{AnonMB: 150, Threads: 12, Descriptors: 30}}
	more := holdings{goroutines: 21, Accounts: daemon.Accounts{AnonMB: 160, Threads: 15, Descriptors: 31}}
	within := holdings{goroutines: 19, Accounts: daemon.Accounts{AnonMB: 154, Threads: 14, Descriptors: 30}}
	if k := grown(h, more); len(k) != 4 {
		t.Errorf("only %v grew", k)
	}
	if k := grown(h, within); len(k) != 0 {
		t.Errorf("%v grew", k)
	}
}

func TestCreep(t *testing.T) {
	for _, row := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"a leak", []float64{100, 110, 120, 130}, 20},
		{"breathing", []float64{150, 120, 110, 151, 152, 130}, 2},
		{"less", []float64{150, 120, 110, 100}, 0},
		{"one value", []float64{100}, 0},
	} {
		if c := creep(row.values); c != row.want {
			t.Errorf("%s: creeps by %g, want %g", row.name, c, row.want)
		}
	}
}

func TestPlot(t *testing.T) {
	if p := plot([]float64{1, 2, 3, 2}, 3); p != "    3.0 |  * \n    2.0 | * *\n    1.0 |*   \n" {
		t.Errorf("plot\n%s", p)
	}
	if p := plot(nil, 3); p != "" {
		t.Errorf("plot of nothing %q", p)
	}
}

func TestChoose(t *testing.T) {
	if p, err := choose("cut, loss"); err != nil || len(p) != 2 || p[0].name != "cut" {
		t.Errorf("chose %v, %v", p, err)
	}
	if p, err := choose(""); err != nil || len(p) != len(parts) {
		t.Errorf("chose %v, %v", p, err)
	}
	if _, err := choose("cat"); err == nil || !strings.Contains(err.Error(), `no part "cat"`) {
		t.Errorf("chose a cat: %v", err)
	}
	if why := (skipped{"no root"}); !errors.As(error(why), &skipped{}) {
		t.Error("a reason to skip is not told from a fault")
	}
}
