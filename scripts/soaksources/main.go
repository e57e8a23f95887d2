// Command soaksources breaks cameras of all transports, many times and in many ways, and measures how soon they are back. The order of
// faults and how long each lasts follow from the seed. It exits with 1 if a camera was not back within its limit, or if anything else
// was wrong. See capture/faulttest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"go.uber.org/goleak"

	"yfv2d/capture/faulttest"
)

func main() {
	faults := flag.Int("faults", 200, "how many faults")
	seed := flag.Uint64("seed", 1, "of their order")
	cameras := flag.Int("cameras", 8, "how many cameras suffer at a time, each beside a healthy one")
	only := flag.String("only", "", "transports and kinds of fault, with commas between them; empty: all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := soak(ctx, plan(*faults, *cameras, *seed, *only))
	if err != nil {
		fmt.Fprintln(os.Stderr, "soaksources:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// plan deals faults out to cameras. All kinds of all transports come about equally often.
func plan(faults, cameras int, seed uint64, only string) []faulttest.Config {
	rng := rand.New(rand.NewPCG(seed, 1))
	type fault struct {
		transport faulttest.Transport
		kind      faulttest.Kind
	}
	var kinds, deck []fault
	for _, t := range faulttest.Transports {
		for _, k := range faulttest.Kinds(t) {
			if chosen(only, string(t), string(k)) {
				kinds = append(kinds, fault{t, k})
			}
		}
	}
	lanes := make([]faulttest.Config, max(cameras, len(faulttest.Transports)))
	for i := range lanes {
		lanes[i] = faulttest.Config{Transport: faulttest.Transports[i%len(faulttest.Transports)], Seed: rng.Uint64(), Clock: true}
	}
	for range faults {
		if len(kinds) == 0 {
			break
		}
		if len(deck) == 0 {
			deck = append(deck, kinds...)
			rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		}
		give(lanes, deck[0].transport, deck[0].kind)
		deck = deck[1:]
	}
	return lanes
}

// chosen says whether a kind is wanted: an empty list wants all, and a list without transports (or without kinds) all of them.
func chosen(only, transport, kind string) bool {
	if only == "" {
		return true
	}
	t, k, someT, someK := false, false, false, false
	for _, w := range strings.Split(only, ",") {
		isTransport := false
		for _, known := range faulttest.Transports {
			isTransport = isTransport || w == string(known)
		}
		if isTransport {
			someT, t = true, t || w == transport
		} else {
			someK, k = true, k || w == kind
		}
	}
	return (t || !someT) && (k || !someK)
}

// give adds a fault to the camera of its transport that has the fewest.
func give(lanes []faulttest.Config, t faulttest.Transport, k faulttest.Kind) {
	best := -1
	for i, l := range lanes {
		if l.Transport == t && (best < 0 || len(l.Kinds) < len(lanes[best].Kinds)) {
			best = i
		}
	}
	lanes[best].Kinds = append(lanes[best].Kinds, k)
}

// soak runs all lanes at once and reports.
func soak(ctx context.Context, lanes []faulttest.Config) (ok bool, err error) {
	// One round first: what is made once for the process, and the runtime's threads, are there after it.
	if err := faulttest.Prepare(); err != nil {
		return false, err
	}
	if _, err := all(ctx, warmUp(lanes), func(faulttest.Result) {}); err != nil {
		return false, fmt.Errorf("before the first fault: %w", err)
	}
	before, err := faulttest.Used()
	if err != nil {
		return false, err
	}
	goroutines := goleak.IgnoreCurrent()
	results, err := all(ctx, lanes, progress(lanes))
	if left := faulttest.Left(before, threads, goroutines); left != nil {
		err = errors.Join(err, fmt.Errorf("after the last fault: %w", left))
	}
	after, _ := faulttest.Used()
	fmt.Printf("descriptors %d -> %d, child processes %d -> %d, threads %d -> %d\n\n",
		before.Files, after.Files, before.Children, after.Children, before.Threads, after.Threads)
	if werr := faulttest.WriteTable(os.Stdout, results); werr != nil {
		return false, werr
	}
	line, ok := faulttest.Summary(results)
	fmt.Printf("\n%s\n", line)
	return ok, err
}

// threads are how many more the runtime may keep than after the first round.
const threads = 8

// warmUp is each lane with no faults.
func warmUp(lanes []faulttest.Config) (out []faulttest.Config) {
	for _, l := range lanes {
		out = append(out, faulttest.Config{Transport: l.Transport, Kinds: []faulttest.Kind{faulttest.Close}, Seed: l.Seed})
	}
	return out
}

func all(ctx context.Context, lanes []faulttest.Config, tell func(faulttest.Result)) (results []faulttest.Result, err error) {
	var wait sync.WaitGroup
	var mu sync.Mutex // over what is returned, and tell
	for _, l := range lanes {
		l.Progress = func(r faulttest.Result) {
			mu.Lock()
			defer mu.Unlock()
			tell(r)
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			rs, e := faulttest.Run(ctx, l)
			mu.Lock()
			defer mu.Unlock()
			results, err = append(results, rs...), errors.Join(err, e)
		}()
	}
	wait.Wait()
	return results, err
}

// progress is a line a fault on standard error.
func progress(lanes []faulttest.Config) func(faulttest.Result) {
	n, of, start := 0, 0, time.Now()
	for _, l := range lanes {
		of += len(l.Kinds)
	}
	return func(r faulttest.Result) {
		n++
		verdict := "ok"
		if !r.OK() {
			verdict = fmt.Sprintf("NOT OK: %q; its state said %q", r.Problems, r.Reasons)
		}
		fmt.Fprintf(os.Stderr, "%4.0f s  %d/%d  %s, %s: %.2f s of %.2f s, %s\n", time.Since(start).Seconds(), n, of, r.Transport, r.Kind,
			r.Took.Seconds(), r.Limit.Seconds(), verdict)
	}
}
