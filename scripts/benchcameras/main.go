// Command benchcameras measures the daemon with more and more test cameras: whether each holds its rate of frames and of
// detections, how old detections are, CPU seconds per second, and what memory a further camera takes. Nobody watches.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"yfv2d/scripts/daemon"
)

// settle is the time for engines to be chosen, pools to fill and rates to become steady.
const settle = 5 * time.Second

type options struct {
	bin, engine, input   string
	size                 string
	fps, detectFPS       float64
	workers, mostCameras int
	span                 time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/yfv2d", "the daemon's binary")
	flag.StringVar(&o.engine, "engine", "xnnpack", "detect.engine: xnnpack, opencv or auto")
	flag.StringVar(&o.input, "input", "auto", "detect.input; a large one makes the engine slow")
	flag.StringVar(&o.size, "size", "640x480", "picture of each camera")
	flag.Float64Var(&o.fps, "fps", 15, "frames a second of each camera")
	flag.Float64Var(&o.detectFPS, "detect-fps", 5, "detections a second of each camera")
	flag.IntVar(&o.workers, "workers", 1, "detect.workers")
	flag.IntVar(&o.mostCameras, "cameras", 8, "measure with 1, 2, 4 ... cameras up to so many")
	flag.DurationVar(&o.span, "span", 20*time.Second, "length of each measurement")
	flag.Parse()
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "benchcameras:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.mostCameras < 1 {
		return errors.New("-cameras must be at least 1")
	}
	fmt.Printf("machine: %d CPUs, %s/%s, load %s; test cameras %s at %g fps, %g detections a second each, %s, input %s, %d worker(s), %v each\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, daemon.Load(), o.size, o.fps, o.detectFPS, o.engine, o.input, o.workers, o.span)
	fmt.Printf("%8s %15s %15s %15s %10s %10s %10s\n", "cameras", "frames/s", "detections/s", "age ms p50/p95", "CPU s/s", "RSS MB", "anon MB")
	var first, last measured
	for n := 1; ; n = min(2*n, o.mostCameras) {
		m, err := measure(ctx, o, n)
		if err != nil {
			return fmt.Errorf("measure %d cameras: %w", n, err)
		}
		fmt.Printf("%8d %15s %15s %15s %10.3f %10.1f %10.1f\n", n, m.frames, m.detections, m.age, m.cores, m.RSSMB, m.AnonMB)
		if n == 1 {
			first = m
		}
		if last = m; n == o.mostCameras {
			break
		}
	}
	if more := float64(o.mostCameras - 1); more > 0 {
		fmt.Printf("a further camera takes %.1f MB (RSS; %.1f MB of it anonymous) and %.3f CPU seconds a second\n",
			(last.RSSMB-first.RSSMB)/more, (last.AnonMB-first.AnonMB)/more, (last.cores-first.cores)/more)
	}
	return nil
}

type measured struct {
	daemon.Accounts
	frames, detections span // a second, of the slowest and the fastest camera
	age                age
	cores              float64
}

// span is the least and the most of some figures.
type span struct{ least, most float64 }

func (s span) String() string { return fmt.Sprintf("%.2f-%.2f", s.least, s.most) }

func (s *span) add(v float64) {
	if s.most == 0 || v < s.least {
		s.least = v
	}
	s.most = max(s.most, v)
}

// age is from capture to detections, of the worst camera.
type age struct{ p50, p95 float64 }

func (a age) String() string { return fmt.Sprintf("%.1f/%.1f", a.p50, a.p95) }

// measure runs the daemon with n cameras.
func measure(ctx context.Context, o options, n int) (m measured, err error) {
	dir, err := os.MkdirTemp("", "yfv2d-bench")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	d, err := start(ctx, o, n, dir)
	if err != nil {
		return m, err
	}
	defer d.Stop()
	time.Sleep(settle)
	var before, after reading
	if err := d.Get(ctx, "/api/cameras", &before); err != nil {
		return m, err
	}
	cpu, err := d.CPUSeconds()
	if err != nil {
		return m, err
	}
	time.Sleep(o.span)
	if err := d.Get(ctx, "/api/cameras", &after); err != nil {
		return m, err
	}
	used, err := d.CPUSeconds()
	if err != nil {
		return m, err
	}
	seconds := after.Time.Sub(before.Time).Seconds()
	m.cores = (used - cpu) / seconds
	for i, c := range after.Cameras {
		m.frames.add(float64(c.Ledger.Captured-before.Cameras[i].Ledger.Captured) / seconds)
		m.detections.add(float64(c.Ledger.Detected-before.Cameras[i].Ledger.Detected) / seconds)
		m.age.p50, m.age.p95 = max(m.age.p50, c.Latency.Detections.P50), max(m.age.p95, c.Latency.Detections.P95)
	}
	m.Accounts, err = d.Accounts()
	return m, err
}

func start(ctx context.Context, o options, n int, dir string) (*daemon.Daemon, error) {
	var conf strings.Builder
	fmt.Fprintf(&conf, "[webrtc]\nport = 0\n[detect]\nfps = %g\nengine = %q\ninput = %q\nworkers = %d\n", o.detectFPS, o.engine, o.input, o.workers)
	for i := range n {
		fmt.Fprintf(&conf, "[[camera]]\nname = \"camera%d\"\nsource = \"test:?size=%s&fps=%g\"\n", i+1, o.size, o.fps)
	}
	return daemon.Start(ctx, daemon.Config{Bin: o.bin, Dir: dir, TOML: conf.String()})
}

// reading is the part of /api/cameras that is of use here.
type reading struct {
	Time    time.Time
	Cameras []struct {
		Ledger  struct{ Captured, Detected uint64 }
		Latency struct {
			Detections struct{ P50, P95 float64 }
		} `json:"latency_ms"`
	}
}
