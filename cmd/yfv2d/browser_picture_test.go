package main

import (
	"image"
	"image/draw"
	"testing"

	"yfv2d/infer"
	"yfv2d/pipeline"
)

// inkShare is how much of an edge must have the line's colour: a dashed line has more than half.
const inkShare = 0.4

// drawnBox finds the outline that was drawn around near, in the colour of class 0; each edge may be off by a quarter of
// the side. ok is false if an edge is missing.
func drawnBox(img *image.NRGBA, near infer.Box) (box infer.Box, ok bool) {
	size := img.Bounds().Size()
	x0, x1 := clampInt(near.X0, size.X), clampInt(near.X1-1, size.X)
	y0, y1 := clampInt(near.Y0, size.Y), clampInt(near.Y1-1, size.Y)
	dx, dy := (x1-x0)/4, (y1-y0)/4
	column := func(x int) float64 { return share(y0, y1, func(y int) bool { return isInk(img, x, y) }) }
	row := func(y int) float64 { return share(x0, x1, func(x int) bool { return isInk(img, x, y) }) }
	left, a := best(x0-dx, x0+dx, size.X, column)
	right, b := best(x1-dx, x1+dx, size.X, column)
	top, c := best(y0-dy, y0+dy, size.Y, row)
	bottom, d := best(y1-dy, y1+dy, size.Y, row)
	if min(a, b, c, d) < inkShare {
		return infer.Box{}, false
	}
	return infer.Box{X0: float32(left), Y0: float32(top), X1: float32(right + 1), Y1: float32(bottom + 1)}, true
}

func clampInt(v float32, side int) int { return max(0, min(int(v), side-1)) }

// isInk says whether a pixel has the colour of class 0, a green that no lawn has.
func isInk(img *image.NRGBA, x, y int) bool {
	p := img.NRGBAAt(x, y)
	return p.G > 150 && int(p.G)-int(p.R) > 70 && int(p.G)-int(p.B) > 60
}

func share(from, to int, is func(int) bool) float64 {
	n := 0
	for i := from; i <= to; i++ {
		if is(i) {
			n++
		}
	}
	return float64(n) / float64(to-from+1)
}

// best is the line between from and to, inside the picture, with the greatest share of ink.
func best(from, to, side int, score func(int) float64) (at int, top float64) {
	for i := max(0, from); i <= min(to, side-1); i++ {
		if s := score(i); s > top {
			at, top = i, s
		}
	}
	return at, top
}

func nrgba(img image.Image) *image.NRGBA {
	out := image.NewNRGBA(img.Bounds())
	draw.Draw(out, out.Bounds(), img, img.Bounds().Min, draw.Src)
	return out
}

// lumaFrame is the picture's brightness as an I420 frame, which is what reads a test pattern's stamp.
func lumaFrame(t *testing.T, img *image.NRGBA) *pipeline.Frame {
	t.Helper()
	f := pipeline.NewFrame()
	size := img.Bounds().Size()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		t.Fatal(err)
	}
	luma, _, _ := f.Planes()
	for y := range size.Y {
		for x := range size.X {
			p := img.NRGBAAt(x, y)
			luma[y*size.X+x] = uint8(16 + (66*int(p.R)+129*int(p.G)+25*int(p.B))/256)
		}
	}
	return f
}
