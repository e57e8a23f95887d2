// Command benchcameras measures the daemon with more and more test cameras: whether each holds its rate of frames and of
// detections, how old detections are, CPU seconds per second, and what memory a further camera takes. Nobody watches.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
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
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "benchcameras:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.mostCameras < 1 {
		return errors.New("-cameras must be at least 1")
	}
	fmt.Printf("machine: %d CPUs, %s/%s, load %s; test cameras %s at %g fps, %g detections a second each, %s, input %s, %d worker(s), %v each\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, load(), o.size, o.fps, o.detectFPS, o.engine, o.input, o.workers, o.span)
	fmt.Printf("%8s %15s %15s %15s %10s %10s %10s\n", "cameras", "frames/s", "detections/s", "age ms p50/p95", "CPU s/s", "RSS MB", "anon MB")
	var first, last measured
	for n := 1; ; n = min(2*n, o.mostCameras) {
		m, err := measure(o, n)
		if err != nil {
			return fmt.Errorf("measure %d cameras: %w", n, err)
		}
		fmt.Printf("%8d %15s %15s %15s %10.3f %10.1f %10.1f\n", n, m.frames, m.detections, m.age, m.cores, m.rssMB, m.anonMB)
		if n == 1 {
			first = m
		}
		if last = m; n == o.mostCameras {
			break
		}
	}
	if more := float64(o.mostCameras - 1); more > 0 {
		fmt.Printf("a further camera takes %.1f MB (RSS; %.1f MB of it anonymous) and %.3f CPU seconds a second\n",
			(last.rssMB-first.rssMB)/more, (last.anonMB-first.anonMB)/more, (last.cores-first.cores)/more)
	}
	return nil
}

type measured struct {
	frames, detections span // a second, of the slowest and the fastest camera
	age                age
	cores              float64
	rssMB, anonMB      float64
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
func measure(o options, n int) (m measured, err error) {
	dir, err := os.MkdirTemp("", "yfv2d-bench")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	d, err := start(o, n, dir)
	if err != nil {
		return m, err
	}
	defer d.stop()
	time.Sleep(settle)
	before, err := d.cameras()
	if err != nil {
		return m, err
	}
	cpu, err := cpuSeconds(d.cmd.Process.Pid)
	if err != nil {
		return m, err
	}
	time.Sleep(o.span)
	after, err := d.cameras()
	if err != nil {
		return m, err
	}
	used, err := cpuSeconds(d.cmd.Process.Pid)
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
	m.rssMB, m.anonMB, err = memory(d.cmd.Process.Pid)
	return m, err
}

// daemon is one at work.
type daemon struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
	base  string        // URL
}

func start(o options, n int, dir string) (*daemon, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "[server]\nlisten = %q\n[detect]\nfps = %g\nengine = %q\ninput = %q\nworkers = %d\n",
		addr, o.detectFPS, o.engine, o.input, o.workers)
	for i := range n {
		fmt.Fprintf(&conf, "[[camera]]\nname = \"camera%d\"\nsource = \"test:?size=%s&fps=%g\"\n", i+1, o.size, o.fps)
	}
	file := filepath.Join(dir, "cameras.toml")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "daemon.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the daemon has its own
	cmd := exec.Command(o.bin, "run", "-c", file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d := &daemon{cmd: cmd, ended: make(chan struct{}), base: "http://" + addr}
	go func() {
		_ = cmd.Wait() // its log says why
		close(d.ended)
	}()
	if err := d.wait(20 * time.Second); err != nil {
		d.stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w; the daemon says:\n%s", err, text)
	}
	return d, nil
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	<-d.ended
}

func (d *daemon) wait(limit time.Duration) error {
	late := time.After(limit)
	for {
		if r, err := http.Get(d.base + "/healthz"); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-d.ended:
			return errors.New("it ended at once")
		case <-late:
			return fmt.Errorf("no answer from %s within %v", d.base, limit)
		case <-time.After(50 * time.Millisecond):
		}
	}
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

func (d *daemon) cameras() (r reading, err error) {
	answer, err := http.Get(d.base + "/api/cameras")
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	return r, json.NewDecoder(answer.Body).Decode(&r)
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// cpuSeconds is user plus system time of a process, fields 14 and 15 of /proc/PID/stat in ticks of 10 ms (proc(5)).
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 13 {
		return 0, fmt.Errorf("read /proc/%d/stat: %d fields", pid, len(f))
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	sys, err2 := strconv.ParseFloat(f[12], 64)
	return (user + sys) / 100, errors.Join(err1, err2)
}

// memory reads resident and anonymous memory in MB (10^6 bytes) from smaps_rollup.
func memory(pid int) (rss, anon float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "Rss":
			rss = kb * 1024 / 1e6
		case "Anonymous":
			anon = kb * 1024 / 1e6
		}
	}
	return rss, anon, nil
}

// load is the system's mean of runnable tasks over the last minute: above the number of CPUs others take their share.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
