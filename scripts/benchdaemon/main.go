// Command benchdaemon measures the whole daemon from outside: CPU seconds per second, resident and anonymous memory, with no
// viewer and with one WebRTC viewer, over the 640x480x30 demo clip at 10 detections a second; and says by stage where the
// CPU time goes. That comes from the daemon's own CPU profile, labelled by stage, of another run: a profile takes memory.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"yfv2d/scripts/daemon"
	"yfv2d/scripts/viewer"
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
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "benchdaemon:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "yfv2d-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("machine: %s, %d CPUs, %s/%s\n", daemon.CPUModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	fmt.Printf("%-22s %10s %10s %10s\n", "daemon, "+filepath.Base(o.clip), "CPU s/s", "RSS MB", "anon MB")
	var all []figures
	for _, viewers := range []int{0, 1} {
		starts := o.starts
		if viewers > 0 {
			starts = 1
		}
		f, err := repeat(ctx, o, viewers, starts, dir)
		if err != nil {
			return fmt.Errorf("measure with %d viewers: %w", viewers, err)
		}
		all = append(all, f)
		profile := filepath.Join(dir, fmt.Sprintf("viewers%d.pprof", viewers))
		if _, err := measure(ctx, o, viewers, dir, profile); err != nil {
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
func repeat(ctx context.Context, o options, viewers, starts int, dir string) (figures, error) {
	f := figures{Viewers: viewers}
	var cores []float64
	for range starts {
		m, err := measure(ctx, o, viewers, dir, "")
		if err != nil {
			return f, err
		}
		fmt.Printf("%-22s %10.3f %10.1f %10.1f\n", fmt.Sprintf("%d viewers", viewers), m.cores, m.RSSMB, m.AnonMB)
		if viewers > 0 {
			fmt.Printf("  the viewer received %d RTP packets, %.2f Mbit/s\n", m.packets, m.mbps)
		}
		cores = append(cores, m.cores)
		f.RSSMB, f.AnonMB = max(f.RSSMB, m.RSSMB), max(f.AnonMB, m.AnonMB)
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
	daemon.Accounts
	cores   float64
	packets uint64
	mbps    float64
}

// measure runs the daemon for o.span after a settling time and reads its accounts from /proc. A profile, if it has a
// name, is complete when measure returns.
func measure(ctx context.Context, o options, viewers int, dir, profile string) (m measured, err error) {
	clip, err := filepath.Abs(o.clip)
	if err != nil {
		return m, err
	}
	cfg := daemon.Config{Bin: o.bin, Dir: dir, TOML: fmt.Sprintf("[webrtc]\nport = 0\n[detect]\nfps = %g\n[[camera]]\nname = \"demo\"\nsource = %q\nloop = true\n",
		o.fps, "file:"+clip)}
	if profile != "" {
		cfg.Args = []string{"--cpuprofile", profile}
	}
	d, err := daemon.Start(ctx, cfg)
	if err != nil {
		return m, err
	}
	defer d.Stop() // the profile is complete when the daemon has ended
	var v *viewer.Viewer
	if viewers > 0 {
		if v, err = viewer.Watch(ctx, d.URL+"/api/cameras/demo/whep"); err != nil {
			return m, err
		}
		defer v.Close()
	}
	time.Sleep(3 * time.Second) // the encoder's rate control has settled
	before := v.Counts()
	cpu, err := d.CPUSeconds()
	if err != nil {
		return m, err
	}
	start := time.Now()
	time.Sleep(o.span)
	used, err := d.CPUSeconds()
	if err != nil {
		return m, err
	}
	wall := time.Since(start).Seconds()
	after := v.Counts()
	m.cores = (used - cpu) / wall
	m.packets, m.mbps = after.Packets-before.Packets, float64(after.Bytes-before.Bytes)*8/wall/1e6
	m.Accounts, err = d.Accounts()
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
