package encodertest

import (
	"bytes"
	"image"
	"math"
	"testing"
	"time"

	"yfv2d/pipeline"
)

// NewFrame makes an I420 frame that is freed with the test.
func NewFrame(t testing.TB, size image.Point) *pipeline.Frame {
	t.Helper()
	f := pipeline.NewFrame()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// Paint draws picture n of a scene that moves, 30 a second: a textured ground that pans and a disc that crosses it.
func Paint(f *pipeline.Frame, n int) {
	s := f.Size()
	y, u, v := f.Planes()
	cx, cy, r := (n*5)%s.X, s.Y/2, s.Y/6
	wave := make([]int, s.X)
	for i := range wave {
		wave[i] = int(50 * math.Sin(float64(i+n)/17))
	}
	for j := range s.Y {
		row, swell := y[j*s.X:(j+1)*s.X], int(64*math.Cos(float64(j)/13))
		for i := range row {
			row[i] = byte(110 + wave[i]*swell/64 + ((i+n)*7+j*3)%11)
		}
		for i := max(cx-r, 0); i < min(cx+r, s.X); i++ {
			if dx, dy := i-cx, j-cy; dx*dx+dy*dy < r*r {
				row[i] = 210
			}
		}
	}
	for j := range s.Y / 2 {
		for i := range s.X / 2 {
			u[j*s.X/2+i] = byte(90 + (i+n/2)*60/s.X)
			v[j*s.X/2+i] = byte(120 + j*60/s.Y)
		}
	}
	f.Seq = uint64(n + 1)
	f.At = time.Unix(1000, 0).Add(time.Duration(n) * time.Second / 30)
}

// Roughen adds noise of so many steps up and down to the brightness, so that a rate control has something to spend on.
func Roughen(f *pipeline.Frame, n, steps int) {
	y, _, _ := f.Planes()
	state := uint32(n)*2654435761 + 1
	for i := range y {
		state = state*1664525 + 1013904223
		y[i] = byte(min(max(int(y[i])+int(state>>16)%(2*steps+1)-steps, 16), 235))
	}
}

// PSNR is the peak signal-to-noise ratio of two pictures, dB.
func PSNR(a, b []byte) float64 {
	var sum float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/max(sum, 1e-9))
}

// NALTypes lists the types of the NAL units in an Annex B access unit.
func NALTypes(data []byte) []int {
	var types []int
	for _, part := range bytes.Split(data, []byte{0, 0, 1})[1:] {
		types = append(types, int(part[0]&0x1f))
	}
	return types
}
