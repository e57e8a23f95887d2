// Command bench compares the engines with each other and with ONNX Runtime on this machine, all in one run: in turns, on one
// thread each, on one core. It writes bench/RESULTS.md and bench/results.json. With -int8-only it compares XNNPACK in float
// and in int8, and writes the figures to a file of their own, which RESULTS.md shows too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// options are the flags.
type options struct {
	bin, model, clip string
	out              string
	rounds           int
	slice            time.Duration
	daemonSeconds    int
	ort, calibrate   string
	count            bool
	int8Only         string // file
	render           bool
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/yfv2d", "the program")
	flag.StringVar(&o.model, "model", "builtin", "a model of the program's")
	flag.StringVar(&o.clip, "clip", "testdata/videos/demo-640x480.mp4", "the video whose first frame is looked at, and that the daemon plays")
	flag.StringVar(&o.calibrate, "calibrate", "testdata/videos", "pictures or videos for the int8 model; ranges do not change its speed")
	flag.StringVar(&o.out, "out", "bench", "folder of the results")
	flag.StringVar(&o.ort, "ort", "bin/bench-ort", "folder for ONNX Runtime's npm package")
	flag.IntVar(&o.rounds, "rounds", 60, "turns of each engine")
	flag.DurationVar(&o.slice, "slice", 150*time.Millisecond, "length of a turn")
	flag.BoolVar(&o.count, "count", false, "count the instructions of a detect step with valgrind too, which takes minutes")
	flag.StringVar(&o.int8Only, "int8-only", "", "measure only XNNPACK in float and int8, and write the figures to this file")
	flag.BoolVar(&o.render, "render", false, "measure nothing: write RESULTS.md anew from the figures in the folder of the results")
	flag.IntVar(&o.daemonSeconds, "daemon-seconds", 30, "length of each measurement of the daemon; 0: none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// side is the network's input, pixels, the one that its multiply-adds are counted for.
const side = 352

func run(ctx context.Context, o *options) error {
	if o.rounds < 1 || o.slice <= 0 {
		return errors.New("-rounds and -slice must be positive")
	}
	if o.render {
		return render(o.out)
	}
	dir, err := os.MkdirTemp("", "yfv2d-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := newResults(o)
	r.LoadBefore = loadAverage()
	workers, err := start(ctx, o, dir, r)
	defer closeAll(workers)
	if err != nil {
		return err
	}
	if err := measure(ctx, o, workers); err != nil {
		return err
	}
	closeAll(workers)
	r.sum(workers)
	r.LoadAfter = loadAverage()
	if o.int8Only != "" {
		return r.writeInt8(o.int8Only)
	}
	if o.daemonSeconds > 0 {
		if err := r.daemon(ctx, o, filepath.Join(dir, "daemon.json")); err != nil {
			return err
		}
	}
	if o.count {
		r.count(ctx, o, dir)
	}
	return r.write(o.out)
}

// start opens all that can be measured on this machine. What is closed needs no second thought: closeAll takes any.
func start(ctx context.Context, o *options, dir string, r *results) ([]*worker, error) {
	names := []string{"opencv-stock", "opencv", "xnnpack"}
	if o.int8Only != "" {
		names = names[2:]
	}
	var all []*worker
	for _, name := range names {
		e, _ := o.engineOf(name, dir)
		w, err := e.start(ctx, o)
		if err != nil {
			return all, err
		}
		all = append(all, w)
	}
	w, err := startInt8(ctx, o, dir)
	switch {
	case err == nil:
		all = append(all, w)
	case o.int8Only != "":
		return all, err
	default:
		r.note("XNNPACK int8: not built (%v)", err)
	}
	if o.int8Only != "" {
		return all, nil
	}
	ort, err := startORT(ctx, o, dir, r)
	return append(all, ort...), err
}

// measure lets them run in turns. Each round begins with another engine, so that none always follows the same one.
func measure(ctx context.Context, o *options, workers []*worker) error {
	for round := range o.rounds {
		for i := range workers {
			w := workers[(round+i)%len(workers)]
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.run(o.slice); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
		fmt.Fprintf(os.Stderr, "\rbench: round %d of %d", round+1, o.rounds)
	}
	fmt.Fprintln(os.Stderr)
	return nil
}
