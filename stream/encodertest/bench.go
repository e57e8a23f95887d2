package encodertest

import (
	"image"
	"testing"
	"time"

	"yfv2d/pipeline"
)

// Bench measures the encoding of a moving scene, a frame an operation.
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
			b.ResetTimer()
			for n := range b.N {
				f := frames[n%len(frames)]
				f.At = at.Add(time.Duration(n) * time.Second / 30)
				encode(b, e, f, false)
			}
		})
	}
}
