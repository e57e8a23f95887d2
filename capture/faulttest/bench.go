package faulttest

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// bench is what peers think is a test: they report to it and are closed by its end, also where no test runs.
type bench struct {
	testing.TB // nil: only what is below is there

	mu       sync.Mutex
	problems []string // guarded by mu
	cleanups []func() // guarded by mu
}

// fatal is what Fatalf leaves a function with.
type fatal struct{ why string }

func (b *bench) Helper() {}

func (b *bench) Errorf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

func (b *bench) Fatalf(format string, args ...any) { panic(fatal{fmt.Sprintf(format, args...)}) }

func (b *bench) Cleanup(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cleanups = append(b.cleanups, f)
}

func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "faulttest")
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// try runs f up to its Fatalf.
func (b *bench) try(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			why, ok := r.(fatal)
			if !ok {
				panic(r)
			}
			err = errors.New(why.why)
		}
	}()
	f()
	return nil
}

// failures are what was reported since it was last asked.
func (b *bench) failures() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.problems
	b.problems = nil
	return p
}

// end cleans up, the newest first, and gives what was reported meanwhile.
func (b *bench) end() error {
	b.mu.Lock()
	cleanups := b.cleanups
	b.cleanups = nil
	b.mu.Unlock()
	for i := len(cleanups) - 1; i >= 0; i-- {
		cleanups[i]()
	}
	var all []error
	for _, p := range b.failures() {
		all = append(all, errors.New(p))
	}
	return errors.Join(all...)
}
