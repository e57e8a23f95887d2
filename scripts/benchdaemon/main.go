// Command benchdaemon measures the whole daemon from outside: CPU seconds per second, resident and anonymous memory, with no
// viewer and with one WebRTC viewer, over the 640x480x30 demo clip at 10 detections a second; and says by stage where the
// CPU time goes. That comes from the daemon's own CPU profile, labelled by stage, of another run: a profile takes memory.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	bin, clip string
	fps       float64
	span      time.Duration
	starts    int
	json      string
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/yfv2d", "the daemon's binary")
	flag.StringVar(&o.clip, "clip", "testdata/videos/demo-640x480.mp4", "the video to loop")
	flag.Float64Var(&o.fps, "detect-fps", 10, "detections a second")
	seconds := flag.Int("seconds", 30, "length of each measurement")
	flag.IntVar(&o.starts, "starts", 3, "how often the daemon is started without a viewer: memory differs from start to start")
	flag.StringVar(&o.json, "json", "", "also write the figures to this file")
	flag.Parse()
	o.span, o.starts = time.Duration(*seconds)*time.Second, max(o.starts, 1)
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "benchdaemon:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "yfv2d-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("machine: %s, %d CPUs, %s/%s\n", cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("%-22s %10s %10s %10s\n", "daemon, "+filepath.Base(o.clip), "CPU s/s", "RSS MB", "anon MB")
	var all []figures
	for _, viewers := range []int{0, 1} {
		starts := o.starts
		if viewers > 0 {
			starts = 1
		}
		f, err := repeat(o, viewers, starts, dir)
		if err != nil {
			return fmt.Errorf("measure with %d viewers: %w", viewers, err)
		}
		all = append(all, f)
		profile := filepath.Join(dir, fmt.Sprintf("viewers%d.pprof", viewers))
		if _, err := measure(o, viewers, dir, profile); err != nil {
			return fmt.Errorf("profile with %d viewers: %w", viewers, err)
		}
		if err := printStages(o.bin, profile); err != nil {
			return err
		}
	}
	if o.json == "" {
		return nil
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, data, 0o644)
}

// repeat measures so many starts of the daemon and prints each. What it gives is the median of CPU time and the most
// memory that a start had.
func repeat(o options, viewers, starts int, dir string) (figures, error) {
	f := figures{Viewers: viewers}
	var cores []float64
	for range starts {
		m, err := measure(o, viewers, dir, "")
		if err != nil {
			return f, err
		}
		fmt.Printf("%-22s %10.3f %10.1f %10.1f\n", fmt.Sprintf("%d viewers", viewers), m.cores, m.rssMB, m.anonMB)
		if viewers > 0 {
			fmt.Printf("  the viewer received %d RTP packets, %.2f Mbit/s\n", m.packets, m.mbps)
		}
		cores = append(cores, m.cores)
		f.RSSMB, f.AnonMB = max(f.RSSMB, m.rssMB), max(f.AnonMB, m.anonMB)
	}
	slices.Sort(cores)
	f.Cores = cores[len(cores)/2]
	return f, nil
}

// figures are what -json writes.
type figures struct {
	Viewers int     `json:"viewers"`
	Cores   float64 `json:"cores"` // CPU seconds a second
	RSSMB   float64 `json:"rss_mb"`
	AnonMB  float64 `json:"anon_mb"`
}

type measured struct {
	cores, rssMB, anonMB float64
	packets              uint64
	mbps                 float64
}

// measure runs the daemon for o.span after a settling time and reads its accounts from /proc. A profile, if it has a
// name, is complete when measure returns.
func measure(o options, viewers int, dir, profile string) (measured, error) {
	var m measured
	abs, err := filepath.Abs(o.clip)
	if err != nil {
		return m, err
	}
	addr, err := freeAddr()
	if err != nil {
		return m, err
	}
	conf := filepath.Join(dir, "bench.toml")
	text := fmt.Sprintf("[server]\nlisten = %q\n[detect]\nfps = %g\n[[camera]]\nname = \"demo\"\nsource = %q\nloop = true\n",
		addr, o.fps, "file:"+abs)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return m, err
	}
	cmd := exec.Command(o.bin, "run", "-c", conf)
	if profile != "" {
		cmd.Args = append(cmd.Args, "--cpuprofile", profile)
	}
	log, err := os.Create(filepath.Join(dir, "daemon.log"))
	if err != nil {
		return m, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return m, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // the profile is complete when the daemon has ended
	}()
	if err := waitHealthy("http://"+addr+"/healthz", 20*time.Second); err != nil {
		return m, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var v *viewer
	if viewers > 0 {
		if v, err = watch(ctx, "http://"+addr+"/api/cameras/demo/whep"); err != nil {
			return m, err
		}
		defer v.close()
	}
	time.Sleep(3 * time.Second) // connections made, encoder's rate control settled
	packets0, bytes0 := v.counts()
	cpu0, err := cpuSeconds(cmd.Process.Pid)
	if err != nil {
		return m, err
	}
	t0 := time.Now()
	time.Sleep(o.span)
	cpu1, err := cpuSeconds(cmd.Process.Pid)
	if err != nil {
		return m, err
	}
	wall := time.Since(t0).Seconds()
	packets1, bytes1 := v.counts()
	m.cores = (cpu1 - cpu0) / wall
	m.packets, m.mbps = packets1-packets0, float64(bytes1-bytes0)*8/wall/1e6
	m.rssMB, m.anonMB, err = memory(cmd.Process.Pid)
	return m, err
}

// printStages prints the share of each stage in the CPU profile, by the label that the daemon's goroutines carry.
func printStages(bin, profile string) error {
	out, err := exec.Command("go", "tool", "pprof", "-tags", bin, profile).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go tool pprof: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "%") || strings.Contains(line, "stage") {
			fmt.Print("  ", line)
		}
	}
	return nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func waitHealthy(url string, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if r, err := http.Get(url); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return fmt.Errorf("no answer from %s within %v", url, limit)
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
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("read /proc/%d/stat: %q", pid, s)
	}
	return (user + sys) / 100, nil
}

// memory reads resident and anonymous memory from /proc/PID/status, in MB of 10^6 bytes.
func memory(pid int) (rss, anon float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "VmRSS:":
			rss = kb * 1024 / 1e6
		case "RssAnon:":
			anon = kb * 1024 / 1e6
		}
	}
	return rss, anon, nil
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown CPU"
}
