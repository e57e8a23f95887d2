package encodertest

import (
	"image"
	"runtime"
	"syscall"
	"testing"
	"time"

	"yfv2d/pipeline"
)

// Bench measures the encoding of a moving scene, a frame an operation: time, and the thread's processor time, which other
// programs on the machine disturb less.
func Bench(b *testing.B, c Contract) {
	for _, bc := range []struct {
		name string
		size image.Point
		bps  int
	}{{"640x480", vga, 1_000_000}, {"1280x720", hd, 2_500_000}} {
		b.Run(bc.name, func(b *testing.B) {
			e := c.open(b, bc.size, bc.bps)
			frames := make([]*pipeline.Frame, 30)
			for n := range frames {
				frames[n] = NewFrame(b, bc.size)
				Paint(frames[n], n)
			}
			at := time.Unix(1000, 0)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			b.ResetTimer()
			before := used(b)
			for n := range b.N {
				f := frames[n%len(frames)]
				f.At = at.Add(time.Duration(n) * time.Second / 30)
				encode(b, e, f, false)
			}
			b.ReportMetric((used(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/frame")
		})
	}
}

// used is the processor time of this thread.
func used(b *testing.B) time.Duration {
	b.Helper()
	const thread = 1 // RUSAGE_THREAD of Linux
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
