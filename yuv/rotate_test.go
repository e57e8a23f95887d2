package yuv

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func noise(size image.Point, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, Len(size))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// turnPlane is the plain way to turn a part of one plane.
func turnPlane(src []byte, stride int, part image.Rectangle, degrees int, mirror bool) []byte {
	to := TurnedSize(part.Size(), degrees)
	dst := make([]byte, 0, to.X*to.Y)
	for y := range to.Y {
		for x := range to.X {
			sx, sy := x, y
			if mirror {
				sx = to.X - 1 - x
			}
			switch degrees { // where a pixel of the turned picture was before
			case 90:
				sx, sy = sy, part.Dy()-1-sx
			case 180:
				sx, sy = part.Dx()-1-sx, part.Dy()-1-sy
			case 270:
				sx, sy = part.Dx()-1-sy, sx
			}
			dst = append(dst, src[(part.Min.Y+sy)*stride+part.Min.X+sx])
		}
	}
	return dst
}

func half(r image.Rectangle) image.Rectangle {
	return image.Rect(r.Min.X/2, r.Min.Y/2, r.Max.X/2, r.Max.Y/2)
}

func TestTurnAgainstThePlainWay(t *testing.T) {
	for _, c := range []struct {
		name string
		size image.Point
		part image.Rectangle
	}{
		{"smallest", image.Pt(2, 2), image.Rect(0, 0, 2, 2)},
		{"column", image.Pt(2, 64), image.Rect(0, 0, 2, 64)},
		{"row", image.Pt(70, 2), image.Rect(0, 0, 70, 2)},
		{"whole", image.Pt(66, 34), image.Rect(0, 0, 66, 34)},
		{"large", image.Pt(640, 480), image.Rect(0, 0, 640, 480)},
		{"corner", image.Pt(66, 34), image.Rect(0, 0, 18, 6)},
		{"middle", image.Pt(66, 34), image.Rect(10, 6, 52, 30)},
		{"far corner", image.Pt(66, 34), image.Rect(64, 32, 66, 34)},
	} {
		src := noise(c.size, 7)
		n := c.size.X * c.size.Y
		for _, degrees := range []int{0, 90, 180, 270} {
			for _, mirror := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d %v", c.name, degrees, mirror), func(t *testing.T) {
					want := turnPlane(src[:n], c.size.X, c.part, degrees, mirror)
					want = append(want, turnPlane(src[n:n+n/4], c.size.X/2, half(c.part), degrees, mirror)...)
					want = append(want, turnPlane(src[n+n/4:], c.size.X/2, half(c.part), degrees, mirror)...)
					got := make([]byte, len(want)+8)
					if err := Turn(got, src, c.size, c.part, degrees, mirror); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(got[:len(want)], want) {
						t.Error("pixels differ")
					}
					if !bytes.Equal(got[len(want):], make([]byte, 8)) {
						t.Error("written beyond the end")
					}
				})
			}
		}
	}
}

func TestFourTurnsAreNone(t *testing.T) {
	size := image.Pt(38, 22)
	first := noise(size, 3)
	for _, degrees := range []int{90, 180, 270} {
		p, s := bytes.Clone(first), size
		for range 4 {
			next := make([]byte, len(p))
			if err := Turn(next, p, s, image.Rectangle{Max: s}, degrees, false); err != nil {
				t.Fatal(err)
			}
			p, s = next, TurnedSize(s, degrees)
		}
		if s != size || !bytes.Equal(p, first) {
			t.Errorf("four turns by %d change the picture", degrees)
		}
	}
}

func TestTurnRefusals(t *testing.T) {
	size, all := image.Pt(8, 4), image.Rect(0, 0, 8, 4)
	buf := make([]byte, Len(size))
	for _, c := range []struct {
		name    string
		dst     []byte
		src     []byte
		size    image.Point
		part    image.Rectangle
		degrees int
		want    string
	}{
		{"odd picture", buf, buf, image.Pt(7, 4), all, 0, "even"},
		{"short picture", buf, buf[1:], size, all, 0, "hold no I420"},
		{"short target", buf[1:], buf, size, all, 90, "turn into"},
		{"odd corner", buf, buf, size, image.Rect(1, 0, 3, 2), 0, "corners must be even"},
		{"odd part", buf, buf, size, image.Rect(0, 0, 3, 2), 0, "must be positive and even"},
		{"no part", buf, buf, size, image.Rectangle{}, 0, "must be positive and even"},
		{"inside out", buf, buf, size, image.Rectangle{Min: image.Pt(4, 2), Max: image.Pt(2, 0)}, 0, "must be positive and even"},
		{"outside", buf, buf, size, image.Rect(0, 0, 10, 4), 0, "inside"},
		{"before it", buf, buf, size, image.Rect(-2, 0, 4, 4), 0, "inside"},
		{"odd angle", buf, buf, size, all, 45, "0, 90, 180 or 270"},
		{"negative angle", buf, buf, size, all, -90, "0, 90, 180 or 270"},
		{"huge part", buf, buf, size, image.Rect(0, 0, math.MaxInt&^1, 2), 0, "inside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Turn(c.dst, c.src, c.size, c.part, c.degrees, false); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func BenchmarkTurn(b *testing.B) {
	size := image.Pt(1280, 720)
	src, dst := noise(size, 1), make([]byte, Len(size))
	for _, degrees := range []int{0, 90, 180, 270} {
		for _, mirror := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/mirror=%v", degrees, mirror), func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					if err := Turn(dst, src, size, image.Rectangle{Max: size}, degrees, mirror); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
