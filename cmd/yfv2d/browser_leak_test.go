package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"testing"

	"go.uber.org/goleak"
)

// rounds is how often the page is opened and left.
const rounds = 20

// held is what a process could leak.
type held struct{ goroutines, files, mats int }

func holds() held { return held{runtime.NumGoroutine(), openFiles(), openMats()} }

func (h held) plus(o held) held {
	return held{h.goroutines + o.goroutines, h.files + o.files, h.mats + o.mats}
}

func (h held) within(o held) bool {
	return h.goroutines <= o.goroutines && h.files <= o.files && h.mats <= o.mats
}

// TestBrowserRoundsLeakNothing opens and leaves the page many times. Afterwards the daemon, which runs on, holds no more
// goroutines, file descriptors and (built with the tag matprofile) Mats than before, and after its end none.
func TestBrowserRoundsLeakNothing(t *testing.T) {
	atStart, matsAtStart := goleak.IgnoreCurrent(), openMats()
	s := serve(t, "127.0.0.1:0", demo(t))
	watch := func(rounds int) {
		b := openBrowser(t)
		defer b.close() // its connections end with it
		for range rounds {
			b.open(s.url, "demo")
			b.leave()
			s.waitUnwatched("demo")
		}
	}
	waitUntil(t, "the pipeline is warm", func() bool { return s.camera("demo").pipe.Stats().Ledger.Detected >= 5 })
	before := holds()
	watch(1) // what is made once, with the first viewer, shows here
	once := settle(t, before.plus(held{goroutines: 2, files: 2, mats: lazyMats}))
	watch(rounds)
	after := settle(t, once.plus(held{mats: lazyMats}))
	t.Logf("before the first viewer %+v, after it %+v, after %d more %+v", before, once, rounds, after)

	s.stop()
	if err := goleak.Find(atStart); err != nil {
		t.Errorf("after the daemon's end: %v", err)
	}
	if n := openMats() - matsAtStart; n != 0 {
		t.Errorf("%d Mats left after the daemon's end", n)
	}
}

// lazyMats is what the pool's frames may still make when they are first used; a leak in each round is more.
const lazyMats = rounds / 2

// settle waits until no more is held than limit and returns what is held then: a clip that begins again and connections
// that close hold a little more for a moment.
func settle(t *testing.T, limit held) (now held) {
	t.Helper()
	defer func() {
		if t.Failed() {
			_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			t.Logf("held %+v, want at most %+v", now, limit)
		}
	}()
	waitUntil(t, "nothing more is held than before", func() bool {
		now = holds()
		return now.within(limit)
	})
	return now
}

// openFiles is the number of open file descriptors.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
