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

// planes makes a flat picture with padded rows.
func planes(size image.Point, shiftX, shiftY, depth int, y, u, v int) *Planar {
	p := &Planar{Size: size, ShiftX: shiftX, ShiftY: shiftY, Depth: depth}
	n := 1
	if depth > 8 {
		n = 2
	}
	fill := func(w, h, value int) ([]byte, int) {
		stride := (w+7)*n + n
		b := make([]byte, stride*h)
		for i := range b {
			b[i] = byte(value)
			if n == 2 && i%2 == 1 {
				b[i] = byte(value >> 8)
			}
		}
		return b, stride
	}
	p.Y, p.StrideY = fill(size.X, size.Y, y)
	if u >= 0 {
		w, h := p.chroma()
		p.U, p.StrideC = fill(w, h, u)
		p.V, _ = fill(w, h, v)
	}
	return p
}

func TestFromPlanar(t *testing.T) {
	for _, tc := range []struct {
		name                  string
		shiftX, shiftY, depth int
	}{
		{"4:2:0", 1, 1, 8}, {"4:2:2", 1, 0, 8}, {"4:4:4", 0, 0, 8}, {"4:4:0", 0, 1, 8}, {"4:1:1", 2, 0, 8}, {"4:1:0", 2, 2, 8},
		{"4:2:0 of 10 bits", 1, 1, 10}, {"4:2:2 of 10 bits", 1, 0, 10}, {"4:4:4 of 10 bits", 0, 0, 10},
	} {
		for _, size := range []image.Point{{2, 2}, {6, 4}, {34, 18}, {640, 480}} {
			t.Run(fmt.Sprint(tc.name, " ", size), func(t *testing.T) {
				k := 1 << (tc.depth - 8)
				p := planes(size, tc.shiftX, tc.shiftY, tc.depth, 100*k, 60*k, 200*k)
				dst := make([]byte, Len(size))
				if err := FromPlanar(dst, p); err != nil {
					t.Fatal(err)
				}
				n := size.X * size.Y
				for i, got := range dst {
					want := byte(100)
					if i >= n {
						want = 60
					}
					if i >= n+n/4 {
						want = 200
					}
					if got != want {
						t.Fatalf("byte %d is %d, want %d", i, got, want)
					}
				}
			})
		}
	}
}

func TestGreyAndInterleaved(t *testing.T) {
	size := image.Pt(8, 4)
	dst := make([]byte, Len(size))
	if err := FromPlanar(dst, planes(size, 1, 1, 8, 77, -1, -1)); err != nil {
		t.Fatal(err)
	}
	if want := append(bytes.Repeat([]byte{77}, 32), bytes.Repeat([]byte{128}, 16)...); !bytes.Equal(dst, want) {
		t.Errorf("grey: %v", dst)
	}
	y, uv := bytes.Repeat([]byte{5}, 10*4), bytes.Repeat([]byte{6, 7}, 5*2)
	if err := FromNV12(dst, y, uv, 10, size); err != nil {
		t.Fatal(err)
	}
	want := bytes.Join([][]byte{bytes.Repeat([]byte{5}, 32), bytes.Repeat([]byte{6}, 8), bytes.Repeat([]byte{7}, 8)}, nil)
	if !bytes.Equal(dst, want) {
		t.Errorf("NV12: %v", dst)
	}
	if err := FromYUYV(dst, bytes.Repeat([]byte{5, 6, 5, 7}, 5*4), 20, size); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dst, want) {
		t.Errorf("YUYV: %v", dst)
	}
}

// TestToBT601 compares with the arithmetic of the standards, by way of red, green and blue, for colours that there are.
func TestToBT601(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, m := range []struct {
		name string
		from Matrix
	}{{"BT.601", BT601}, {"BT.709", BT709}, {"BT.2020", BT2020}} {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s full %v", m.name, full), func(t *testing.T) {
				from := m.from
				if from == BT601 {
					from = bt601
				}
				for range 2000 {
					r, g, b := rng.Float64(), rng.Float64(), rng.Float64()
					in := quantize(from, full, r, g, b)
					size := image.Pt(2, 2)
					pix := []byte{in[0], in[0], in[0], in[0], in[1], in[2]}
					if err := ToBT601(pix, size, full, m.from); err != nil {
						t.Fatal(err)
					}
					want := coded(bt601, false, r, g, b)
					for i, got := range []byte{pix[0], pix[4], pix[5]} {
						if math.Abs(float64(got)-want[i]) > 2 { // two roundings in, two out
							t.Fatalf("%.2f %.2f %.2f is %v, and becomes %v, want %.1f", r, g, b, in, pix, want)
						}
					}
				}
			})
		}
	}
}

// coded is a colour as a matrix and range code it.
func coded(m Matrix, full bool, r, g, b float64) [3]float64 {
	y := m.Kr*r + (1-m.Kr-m.Kb)*g + m.Kb*b
	cb, cr := (b-y)/(2*(1-m.Kb)), (r-y)/(2*(1-m.Kr))
	if full {
		return [3]float64{255 * y, 128 + 255*cb, 128 + 255*cr}
	}
	return [3]float64{16 + 219*y, 128 + 224*cb, 128 + 224*cr}
}

func quantize(m Matrix, full bool, r, g, b float64) (out [3]byte) {
	for i, v := range coded(m, full, r, g, b) {
		out[i] = byte(math.Round(min(max(v, 0), 255)))
	}
	return out
}

// TestToBT601Clamps: what no colour has becomes the nearest byte, not its opposite.
func TestToBT601Clamps(t *testing.T) {
	for _, in := range [][3]byte{{0, 0, 0}, {255, 255, 255}, {0, 255, 255}, {255, 0, 0}, {0, 0, 255}, {255, 255, 0}} {
		pix := []byte{in[0], in[0], in[0], in[0], in[1], in[2]}
		if err := ToBT601(pix, image.Pt(2, 2), false, BT709); err != nil {
			t.Fatal(err)
		}
		for i, got := range []byte{pix[0], pix[4], pix[5]} {
			if math.Abs(float64(got)-float64(in[i])) > 60 {
				t.Errorf("%v became %v", in, pix)
			}
		}
	}
}

func TestPlanarRefusals(t *testing.T) {
	ok := func() *Planar { return planes(image.Pt(8, 4), 1, 1, 8, 1, 2, 3) }
	for _, tc := range []struct {
		name  string
		spoil func(p *Planar)
		want  string
	}{
		{"odd", func(p *Planar) { p.Size.X = 7 }, "even"},
		{"nothing", func(p *Planar) { p.Size = image.Point{} }, "positive"},
		{"12 bits", func(p *Planar) { p.Depth = 12 }, "12 bits"},
		{"10 bits of grey", func(p *Planar) { p.Depth, p.U, p.V = 10, nil, nil }, "10 bits"},
		{"10 bits of 4:4:0", func(p *Planar) { p.Depth, p.ShiftX = 10, 0 }, "10 bits"},
		{"shift", func(p *Planar) { p.ShiftX = 3 }, "shifted"},
		{"negative shift", func(p *Planar) { p.ShiftY = -1 }, "shifted"},
		{"short Y", func(p *Planar) { p.Y = p.Y[:9] }, "of Y"},
		{"short U", func(p *Planar) { p.U = p.U[:3] }, "of U"},
		{"short V", func(p *Planar) { p.V = p.V[:3] }, "of V"},
		{"no row", func(p *Planar) { p.StrideC = 3 }, "of U"},
		{"negative row", func(p *Planar) { p.StrideY = -8 }, "of Y"},
		{"interleaved 4:2:2", func(p *Planar) { p.V, p.ShiftY = nil, 0 }, "interleaved"},
		{"short UV", func(p *Planar) { p.V, p.StrideC = nil, 6 }, "of UV"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := ok()
			tc.spoil(p)
			if err := FromPlanar(make([]byte, 1000), p); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	if err := FromPlanar(make([]byte, 47), ok()); err == nil {
		t.Error("a short target was taken")
	}
	if err := FromYUYV(make([]byte, 48), make([]byte, 63), 16, image.Pt(8, 4)); err == nil {
		t.Error("short YUYV was taken")
	}
	if err := ToBT601(make([]byte, 5), image.Pt(2, 2), true, BT601); err == nil {
		t.Error("a short picture was taken")
	}
}

// The cost of what a camera's kind of picture takes beside a plain copy, at 1280x720.
func BenchmarkFromPlanar(b *testing.B) {
	size := image.Pt(1280, 720)
	for _, tc := range []struct {
		name                  string
		shiftX, shiftY, depth int
		full                  bool
		from                  Matrix
	}{
		{"4:2:0 BT.601", 1, 1, 8, false, BT601}, {"4:2:0 BT.709", 1, 1, 8, false, BT709}, {"4:2:0 full", 1, 1, 8, true, BT601},
		{"4:2:2 full", 1, 0, 8, true, BT601}, {"4:4:4 full", 0, 0, 8, true, BT601}, {"4:2:0 10 bits", 1, 1, 10, false, BT601},
	} {
		b.Run(tc.name, func(b *testing.B) {
			p := planes(size, tc.shiftX, tc.shiftY, tc.depth, 100, 60, 200)
			p.Full, p.Matrix = tc.full, tc.from
			dst := make([]byte, Len(size))
			for b.Loop() {
				if err := FromPlanar(dst, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
