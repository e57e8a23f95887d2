//go:build cgo && !noxnnpack

package xnn

import (
	"image"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yfv2d/infer/model"
	"yfv2d/infer/xnn/xnntest"
)

// slack is what Go's runtime may put on the C heap meanwhile, bytes: it starts threads when it likes.
const slack = 64 << 10

// A forward leaves nothing on the C heap, and makes nothing on Go's, at each of several sizes kept.
func TestForwardAllocatesNothing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e := newEngineOf(t, builtin(t))
	for i, size := range []image.Point{{96, 96}, {160, 64}, {352, 352}} {
		c := noise(size, uint64(i))
		for range 5 {
			forward(t, e, c)
		}
		forwards := 2000
		if size.X == 352 {
			forwards = 50
		}
		before := xnntest.Heap()
		for range forwards {
			forward(t, e, c)
		}
		if grown := xnntest.Heap() - before; grown > slack {
			t.Errorf("%v: %d forwards left %d bytes", size, forwards, grown)
		}
		if n := testing.AllocsPerRun(100, func() { forward(t, e, c) }); n != 0 {
			t.Errorf("%v: a forward makes %g objects", size, n)
		}
	}
}

// Engines that switch sizes, that fail and that are closed give all of their memory back.
func TestNoMemoryIsLeft(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := builtin(t)
	round := func() {
		e, err := New(m, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range DefaultSizes + 2 {
			forward(t, e, noise(image.Pt(64+32*i, 64), 1))
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		bad, err := newEngine(m.Head, func(size image.Point) (*model.Graph, error) {
			g, err := m.Graph(size)
			if err == nil {
				g.Nodes[2].Attrs = nil // the pool's kernel
			}
			return g, err
		}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bad.Forward(noise(image.Pt(64, 64), 1)); err == nil {
			t.Fatal("a bad graph was taken")
		}
		_ = bad.Close()
	}
	round()
	before := xnntest.Heap()
	for range 20 {
		round()
	}
	if grown := xnntest.Heap() - before; grown > slack {
		t.Errorf("%d bytes left", grown)
	}
}

// What XNNPACK refuses halfway is freed too.
func TestNoMemoryIsLeftOfRefusedPlans(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	g, err := builtin(t).Graph(image.Pt(64, 64))
	if err != nil {
		t.Fatal(err)
	}
	round := func() {
		p, err := newPlan(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.steps[len(p.steps)/2:] {
			s.window.kh = 0
		}
		m, err := newMemory()
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		if pr, err := newProgram(p, m); err == nil {
			pr.close()
			t.Fatal("a kernel of no rows was taken")
		}
	}
	round()
	before := xnntest.Heap()
	for range 20 {
		round()
	}
	if grown := xnntest.Heap() - before; grown > slack {
		t.Errorf("%d bytes left", grown)
	}
}

// The whole network runs on the caller's thread: the rest of the process uses less than 10 % of its time. Go's own
// housekeeping comes near that on a machine that is busy otherwise, so the best of three tries counts.
func TestOneThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e := newEngineOf(t, builtin(t))
	c := noise(image.Pt(352, 352), 1)
	forward(t, e, c)
	least := 1.0
	for range 3 {
		self, all := threadTime(), processTime(t)
		for range 100 {
			forward(t, e, c)
		}
		self, all = threadTime()-self, processTime(t)-all
		least = min(least, float64(all-self)/float64(self))
	}
	if least > 0.1 {
		t.Errorf("other threads used %.0f %% of the caller's time in each of three tries", 100*least)
	}
}

func processTime(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}
