package yuv

import (
	"fmt"
	"image"
	"math"
	"strings"
	"testing"
)

// reference turns one BGR pixel into BT.601 limited range.
func reference(b, g, r float64) (y, u, v float64) {
	y = 16 + (65.481*r+128.553*g+24.966*b)/255
	u = 128 + (-37.797*r-74.203*g+112*b)/255
	v = 128 + (112*r-93.786*g-18.214*b)/255
	return y, u, v
}

func near(got uint8, want, by float64) bool { return math.Abs(float64(got)-want) <= by }

func TestFlatColours(t *testing.T) {
	for _, c := range []struct {
		name    string
		b, g, r uint8
	}{
		{"black", 0, 0, 0}, {"white", 255, 255, 255}, {"grey", 114, 114, 114},
		{"red", 0, 0, 255}, {"green", 0, 255, 0}, {"blue", 255, 0, 0}, {"brown", 40, 80, 120},
	} {
		for _, size := range []image.Point{{2, 2}, {18, 4}, {64, 48}, {66, 50}} {
			t.Run(fmt.Sprintf("%s %v", c.name, size), func(t *testing.T) {
				stride := size.X*3 + 5
				bgr := make([]byte, stride*size.Y)
				for i := range bgr {
					bgr[i] = [3]uint8{c.b, c.g, c.r}[i%stride%3]
				}
				i420 := make([]byte, Len(size))
				if err := FromBGR(i420, bgr, stride, size); err != nil {
					t.Fatal(err)
				}
				y, u, v := reference(float64(c.b), float64(c.g), float64(c.r))
				n := size.X * size.Y
				for i, got := range i420 {
					want := y
					if i >= n {
						want = u
					}
					if i >= n+n/4 {
						want = v
					}
					if !near(got, want, 2) {
						t.Fatalf("byte %d is %d, want %.1f", i, got, want)
					}
				}
				back := make([]byte, size.X*3*size.Y)
				if err := ToBGR(back, size.X*3, i420, size); err != nil {
					t.Fatal(err)
				}
				for i, got := range back {
					if want := [3]uint8{c.b, c.g, c.r}[i%3]; !near(got, float64(want), 5) {
						t.Fatalf("byte %d came back as %d, want %d", i, got, want)
					}
				}
			})
		}
	}
}

func TestToBGRKeepsRowPadding(t *testing.T) {
	size, stride := image.Pt(6, 4), 32
	dst := make([]byte, stride*size.Y)
	for i := range dst {
		dst[i] = 114
	}
	if err := ToBGR(dst, stride, make([]byte, Len(size)), size); err != nil {
		t.Fatal(err)
	}
	for i, v := range dst {
		if i%stride >= size.X*3 && v != 114 {
			t.Fatalf("byte %d of row %d was written", i%stride, i/stride)
		}
	}
}

// A linear ramp stays one when it is scaled, with the same ends.
func TestScaleRamp(t *testing.T) {
	for _, c := range []struct{ name, from, to string }{
		{"down", "640x480", "416x312"}, {"half", "640x480", "320x240"}, {"up", "64x48", "100x80"},
		{"same", "64x48", "64x48"}, {"to the smallest", "64x48", "2x2"}, {"flat", "1600x128", "352x28"},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to := point(t, c.from), point(t, c.to)
			src, dst := make([]byte, Len(from)), make([]byte, Len(to))
			ramp := func(p []byte, w int) {
				for i := range p {
					p[i] = uint8(20 + 200*(float64(i%w)+0.5)/float64(w))
				}
			}
			n := from.X * from.Y
			ramp(src[:n], from.X)
			ramp(src[n:], from.X/2)
			if err := Scale(dst, to, src, from); err != nil {
				t.Fatal(err)
			}
			for i, got := range dst[:to.X*to.Y] {
				// libyuv aligns the corners when it enlarges, and the centres when it reduces.
				if want := 20 + 200*(float64(i%to.X)+0.5)/float64(to.X); !near(got, want, 3) {
					t.Fatalf("luma %d is %d, want %.1f", i%to.X, got, want)
				}
			}
		})
	}
}

func point(t *testing.T, s string) (p image.Point) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "%dx%d", &p.X, &p.Y); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRefusals(t *testing.T) {
	ok := image.Pt(4, 4)
	buf := make([]byte, 1000)
	for _, c := range []struct {
		name string
		call func() error
		want string
	}{
		{"odd width", func() error { return FromBGR(buf, buf, 15, image.Pt(5, 4)) }, "even"},
		{"odd height", func() error { return ToBGR(buf, 12, buf, image.Pt(4, 3)) }, "even"},
		{"no width", func() error { return FromBGR(buf, buf, 0, image.Pt(0, 4)) }, "positive"},
		{"negative", func() error { return ToBGR(buf, 12, buf, image.Pt(-4, 4)) }, "positive"},
		{"too large", func() error { return ToBGR(buf, 12, buf, image.Pt(1<<40, 1<<40)) }, "at most"},
		{"short BGR", func() error { return FromBGR(buf, buf[:47], 12, ok) }, "hold no BGR"},
		{"short I420", func() error { return FromBGR(buf[:23], buf, 12, ok) }, "hold no I420"},
		{"short stride", func() error { return FromBGR(buf, buf, 11, ok) }, "hold no BGR"},
		{"huge stride", func() error { return FromBGR(buf, buf, math.MaxInt, ok) }, "hold no BGR"},
		{"short target", func() error { return ToBGR(buf[:47], 12, buf, ok) }, "hold no BGR"},
		{"short source", func() error { return ToBGR(buf, 12, buf[:23], ok) }, "hold no I420"},
		{"nothing to scale", func() error { return Scale(buf, ok, nil, ok) }, "scale from"},
		{"nowhere to scale to", func() error { return Scale(buf[:5], ok, buf, ok) }, "scale to"},
		{"scale to odd", func() error { return Scale(buf, image.Pt(3, 4), buf, ok) }, "scale to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.call(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
