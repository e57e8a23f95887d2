package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// count counts the instructions of a detect step of each of our engines under valgrind: stable where time is not. Cachegrind
// counts what callgrind does and does not stumble over goroutines' stacks.
func (r *results) count(ctx context.Context, o *options, dir string) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		r.note("Instructions were not counted: valgrind is not installed.")
		return
	}
	preload, err := standIn(ctx, dir)
	if err != nil {
		r.note("Instructions were not counted: %v.", err)
		return
	}
	for _, name := range order {
		e, ok := o.engineOf(name, dir)
		if _, measured := r.Engines[name]; !ok || !measured {
			continue // ONNX Runtime, or not built
		}
		fmt.Fprintln(os.Stderr, "bench: counting instructions:", name)
		n, err := countEngine(ctx, o, preload, e)
		if err != nil {
			r.note("Instructions of %s were not counted: valgrind does not run the program on this machine (%v).", name, err)
			continue
		}
		f := r.Engines[name]
		f.Instructions = &n
		r.Engines[name] = f
	}
	r.note("Instructions are those that valgrind counts; it knows no AVX-512, so the engines take their AVX2 ways there.")
}

//go:embed c/rdtscp.c
var rdtscp []byte

// standIn compiles rdtscp.c and gives the library's path.
func standIn(ctx context.Context, dir string) (string, error) {
	src, lib := filepath.Join(dir, "rdtscp.c"), filepath.Join(dir, "rdtscp.so")
	if err := os.WriteFile(src, rdtscp, 0o644); err != nil {
		return "", err
	}
	if out, err := exec.CommandContext(ctx, "cc", "-shared", "-fPIC", "-o", lib, src).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cc: %w: %s", err, firstLine(out))
	}
	return lib, nil
}

// Two runs that differ by countSteps steps: what is left is the steps'.
const (
	fewSteps   = 1
	countSteps = 2
)

func countEngine(ctx context.Context, o *options, preload string, e engine) (int64, error) {
	few, err := instructions(ctx, o, preload, e, fewSteps)
	if err != nil {
		return 0, err
	}
	many, err := instructions(ctx, o, preload, e, fewSteps+countSteps)
	return (many - few) / countSteps, err
}

var (
	counted   = regexp.MustCompile(`I\s+refs:\s+([0-9,]+)`)
	stumbled  = regexp.MustCompile(`Unrecognised instruction[^\n]*\n[^\n]*: ([^\n]+)`)
	countTime = 5 * time.Minute
)

// instructions is how many a worker takes for so many steps and for its start.
func instructions(ctx context.Context, o *options, preload string, e engine, steps int) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "valgrind", append([]string{"--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"},
		e.command(o)...)...)
	// Go's scheduler reads the clock by that instruction too. Without idle threads that spin, and without garbage collection, two
	// runs differ by 0.3 million.
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+preload, "GODEBUG=cpu.rdtscp=off", "GOMAXPROCS=1", "GOGC=off")
	cmd.Stdin = strings.NewReader(fmt.Sprintf("%d steps\n", steps))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	err := cmd.Run()
	if m := stumbled.FindStringSubmatch(errs.String()); m != nil {
		return 0, fmt.Errorf("it does not know an instruction in %s", m[1])
	}
	if err != nil {
		return 0, err
	}
	m := counted.FindStringSubmatch(errs.String())
	if m == nil {
		return 0, fmt.Errorf("it printed no count")
	}
	return strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
}
