package capture_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"yfv2d/capture/faulttest"
)

// atOnce bounds how many faults are suffered at a time: waiting is most of it.
const atOnce = 8

// TestFaults brings each kind of fault once upon a camera of each transport, and wants it back, however long that takes: how soon is
// for scripts/soaksources to judge.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	var jobs []faulttest.Config
	for _, transport := range faulttest.Transports {
		for i, k := range faulttest.Kinds(transport) {
			jobs = append(jobs, faulttest.Config{Transport: transport, Kinds: []faulttest.Kind{k}, Seed: uint64(i)})
		}
	}
	if err := faulttest.Prepare(); err != nil {
		t.Fatal(err)
	}
	before, err := faulttest.Used()
	if err != nil {
		t.Fatal(err)
	}
	goroutines := goleak.IgnoreCurrent()
	sufferAll(t, jobs)
	if err := faulttest.Left(before, atOnce*threadsEach, goroutines); err != nil {
		t.Error(err)
	}
}

// threadsEach are those that a camera may have needed at a time: a child has one, and C code.
const threadsEach = 2

// sufferAll runs all jobs, some at a time, and reports each as a test of its own.
func sufferAll(t *testing.T, jobs []faulttest.Config) {
	t.Helper()
	type outcome struct {
		results []faulttest.Result
		err     error
	}
	outcomes := make([]outcome, len(jobs))
	var all sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for i, job := range jobs {
		all.Add(1)
		go func() {
			defer all.Done()
			turns <- struct{}{}
			defer func() { <-turns }()
			outcomes[i].results, outcomes[i].err = faulttest.Run(context.Background(), job)
		}()
	}
	all.Wait()
	for i, job := range jobs {
		t.Run(fmt.Sprintf("%s/%s", job.Transport, job.Kinds[0]), func(t *testing.T) {
			if err := outcomes[i].err; err != nil {
				t.Error(err)
			}
			for _, r := range outcomes[i].results {
				t.Logf("back after %.2f s; it said %q", r.Took.Seconds(), r.Reasons)
				for _, p := range r.Problems {
					t.Error(p)
				}
			}
		})
	}
}
