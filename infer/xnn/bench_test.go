//go:build cgo && !noxnnpack

package xnn

import (
	"image"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yfv2d/infer/dnn"
)

// stopwatch collects the CPU times of one thing on the caller's thread: other programs on the machine change them little.
type stopwatch []time.Duration

func (s *stopwatch) time(f func()) {
	start := threadTime()
	f()
	*s = append(*s, threadTime()-start)
}

func (s stopwatch) medianMS() float64 {
	slices.Sort(s)
	return float64(s[len(s)/2].Nanoseconds()) / 1e6
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// This engine against OpenCV's, of the same weights (the official ones if they are at hand, else the built-in ones), turn
// by turn on one thread at 352x352. Medians of CPU milliseconds for a forward.
func BenchmarkForward(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := official(b)
	if m == nil {
		m = builtin(b)
	}
	ours := newEngineOf(b, m)
	ref, err := dnn.New(m)
	if err != nil {
		b.Fatal(err)
	}
	defer ref.Close()
	c := noise(image.Pt(352, 352), 1)
	opencv := func() {
		if _, err := ref.Forward(c); err != nil {
			b.Fatal(err)
		}
	}
	forward(b, ours, c)
	opencv()
	var o, d stopwatch
	for b.Loop() {
		o.time(func() { forward(b, ours, c) })
		d.time(opencv)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(o.medianMS(), "xnnpack-ms")
	b.ReportMetric(d.medianMS(), "opencv-ms")
	b.ReportMetric(o.medianMS()/d.medianMS(), "ratio")
}
