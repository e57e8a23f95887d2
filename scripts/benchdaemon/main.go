// Command benchdaemon measures the whole daemon from outside: CPU seconds per second, resident and anonymous memory, with no
// viewer and with one WebRTC viewer, over the 640x480x30 demo clip at 10 detections a second; and says by stage where the
// CPU time goes (the daemon's own CPU profile, labelled by stage).
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
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	bin := flag.String("bin", "bin/yfv2d", "the daemon's binary")
	clip := flag.String("clip", "testdata/videos/demo-640x480.mp4", "the video to loop")
	fps := flag.Float64("detect-fps", 10, "detections a second")
	seconds := flag.Int("seconds", 30, "length of each measurement")
	asJSON := flag.String("json", "", "also write the figures to this file")
	flag.Parse()
	if err := run(*bin, *clip, *fps, time.Duration(*seconds)*time.Second, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "benchdaemon:", err)
		os.Exit(1)
	}
}

func run(bin, clip string, fps float64, span time.Duration, jsonFile string) error {
	dir, err := os.MkdirTemp("", "yfv2d-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("machine: %s, %d CPUs, %s/%s\n", cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("%-22s %10s %10s %10s\n", "daemon, "+filepath.Base(clip), "CPU s/s", "RSS MB", "anon MB")
	var all []figures
	for _, viewers := range []int{0, 1} {
		profile := filepath.Join(dir, fmt.Sprintf("viewers%d.pprof", viewers))
		m, err := measure(bin, clip, fps, span, viewers, dir, profile)
		if err != nil {
			return fmt.Errorf("measure with %d viewers: %w", viewers, err)
		}
		fmt.Printf("%-22s %10.3f %10.1f %10.1f\n", fmt.Sprintf("%d viewers", viewers), m.cores, m.rssMB, m.anonMB)
		all = append(all, figures{viewers, m.cores, m.rssMB, m.anonMB})
		if err := printStages(bin, profile); err != nil {
			return err
		}
		if viewers > 0 {
			fmt.Printf("  the viewer received %d RTP packets, %.2f Mbit/s\n", m.packets, m.mbps)
		}
	}
	if jsonFile == "" {
		return nil
	}
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return os.WriteFile(jsonFile, data, 0o644)
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

// measure runs the daemon for span after a settling time and reads its accounts from /proc.
func measure(bin, clip string, fps float64, span time.Duration, viewers int, dir, profile string) (measured, error) {
	var m measured
	abs, err := filepath.Abs(clip)
	if err != nil {
		return m, err
	}
	addr, err := freeAddr()
	if err != nil {
		return m, err
	}
	conf := filepath.Join(dir, "bench.toml")
	text := fmt.Sprintf("[server]\nlisten = %q\n[detect]\nfps = %g\n[[camera]]\nname = \"demo\"\nsource = %q\nloop = true\n",
		addr, fps, "file:"+abs)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return m, err
	}
	cmd := exec.Command(bin, "run", "-c", conf, "--cpuprofile", profile)
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
	time.Sleep(span)
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
	for range 50 { // written at the daemon's end
		if st, err := os.Stat(profile); err == nil && st.Size() > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
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

// memory reads resident and anonymous memory in MB (10^6 bytes) from smaps_rollup.
func memory(pid int) (rss, anon float64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
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
		case "Rss:":
			rss = kb * 1024 / 1e6
		case "Anonymous:":
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
