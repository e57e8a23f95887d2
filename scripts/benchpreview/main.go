// Command benchpreview measures the live preview from outside, as people see it: the real daemon, headless Chromium running
// the page's own self-test, and WHEP clients. It prints each figure beside its goal and writes bench/PREVIEW.md and
// bench/preview.json; with -only it measures those parts and keeps the other figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"yfv2d/scripts/daemon"
)

// options are the flags.
type options struct {
	bin, clip, out string
	runs           int
	seconds        int // of the latency measurement; the other parts have their own length
	only           string
	render         bool
	verbose        bool
}

func main() {
	var o options
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	flag.StringVar(&o.bin, "bin", "bin/yfv2d", "the daemon's binary")
	flag.StringVar(&o.clip, "clip", "testdata/videos/demo-640x480.mp4", "the video for the CPU figures beside those of the test picture")
	flag.StringVar(&o.out, "o", "bench", "folder of PREVIEW.md and preview.json")
	flag.IntVar(&o.runs, "runs", 3, "how often the parts that repeat are measured; the figure is the median")
	flag.IntVar(&o.seconds, "seconds", 60, "length of a latency measurement, at least 10")
	flag.StringVar(&o.only, "only", "", "parts with commas between them: "+strings.Join(names, ", ")+"; empty: all")
	flag.BoolVar(&o.render, "render", false, "write PREVIEW.md anew from preview.json")
	flag.BoolVar(&o.verbose, "v", false, "print what the page reported")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "benchpreview:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.runs < 1 || o.seconds < 10 {
		return errors.New("-runs must be at least 1 and -seconds at least 10")
	}
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	r, err := readResults(filepath.Join(o.out, jsonFile))
	if err != nil {
		return err
	}
	if o.render {
		return r.write(o.out)
	}
	b := &bench{options: o}
	for _, p := range chosen {
		if err := b.measure(ctx, p, r); err != nil {
			return err
		}
		if err := r.write(o.out); err != nil { // what was measured is kept, whatever becomes of the next
			return err
		}
	}
	fmt.Print("\n", r.table())
	return nil
}

// part is a measurement that can be chosen with -only.
type part struct {
	name, about string
	once        bool // not repeated: it is long, or counts to an end
	run         func(ctx context.Context, b *bench) (figures, error)
}

// figures are measured values by their key in preview.json.
type figures map[string]float64

var parts = []part{
	{"latency", "capture to screen in mode low_latency", false, latency},
	{"exact", "capture to screen and boxes in mode exact", false, exact},
	{"first", "first picture after opening the page", false, firstPicture},
	{"cpu", "CPU of viewers", false, cpu},
	{"cut", "link cut to 500 kbit/s", false, cut},
	{"loss", "2 % loss and 40 ms each way", false, loss},
	{"crowd", "50 viewers of one camera", false, crowd},
	{"churn", "500 connect and leave rounds", true, churn},
	{"posts", "10,000 half-open POSTs in a minute", true, posts},
	{"clock", "24 h of RTP timestamps", true, clock},
}

func choose(only string) ([]part, error) {
	if only == "" {
		return parts, nil
	}
	var chosen []part
	for _, name := range strings.Split(only, ",") {
		known := false
		for _, p := range parts {
			if p.name == strings.TrimSpace(name) {
				chosen, known = append(chosen, p), true
			}
		}
		if !known {
			return nil, fmt.Errorf("-only: there is no part %q; see -help", name)
		}
	}
	return chosen, nil
}

// bench is what the parts share.
type bench struct {
	options
	series map[string][]float64 // curves that the part under measurement drew
}

// skipped says why a part cannot be measured here.
type skipped struct{ why string }

func (s skipped) Error() string { return s.why }

// measure runs a part as often as it repeats and takes the medians. A part that fails is noted as such; the next goes on.
func (b *bench) measure(ctx context.Context, p part, r *results) error {
	note := session{
		Date: time.Now().Format("2006-01-02 15:04"), Machine: machine(), System: daemon.System(), Daemon: version(b.bin),
		LoadBefore: daemon.Load(), Command: strings.Join(os.Args[1:], " "), Runs: b.runs, Seconds: b.seconds,
	}
	if p.once {
		note.Runs = 1
	}
	b.series = map[string][]float64{}
	var all []figures
	for i := range note.Runs {
		fmt.Printf("%s: %s, run %d of %d\n", p.name, p.about, i+1, note.Runs)
		f, err := p.run(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var skip skipped
		switch {
		case errors.As(err, &skip):
			fmt.Printf("  skipped: %v\n", err)
			r.skip(p.name, "skipped: "+skip.why)
			return nil
		case err != nil:
			fmt.Printf("  failed: %v\n", err)
			note.Failed = append(note.Failed, oneLine(err.Error()))
			continue
		}
		f.print()
		all = append(all, f)
	}
	note.LoadAfter = daemon.Load()
	r.put(p.name, note, medians(all), b.series)
	return nil
}

// start runs a daemon in a folder of its own. stop ends it and removes the folder.
func (b *bench) start(ctx context.Context, cfg daemon.Config) (d *daemon.Daemon, stop func(), err error) {
	dir, err := os.MkdirTemp("", "yfv2d-bench")
	if err != nil {
		return nil, nil, err
	}
	cfg.Bin, cfg.Dir = b.bin, dir
	d, err = daemon.Start(ctx, cfg)
	if err != nil {
		os.RemoveAll(dir)
		return nil, nil, err
	}
	return d, func() {
		d.Stop()
		os.RemoveAll(dir)
	}, nil
}
