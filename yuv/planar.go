package yuv

/*
#cgo CFLAGS: -O3
#include "planar.h"
*/
import "C"

import (
	"fmt"
	"image"
	"math"
	"unsafe"
)

// Matrix says how a picture's Y, Cb and Cr were made of red, green and blue: the weights of red and blue in luma. The zero
// value is BT.601's.
type Matrix struct{ Kr, Kb float64 }

// The matrices that cameras use (H.264 table E-5).
var (
	BT601  = Matrix{}
	BT709  = Matrix{0.2126, 0.0722}
	BT2020 = Matrix{0.2627, 0.0593}
)

var bt601 = Matrix{0.299, 0.114}

// Planar is a picture of separate planes as a decoder or camera gives it. The slices are borrowed and may be C memory.
type Planar struct {
	Size             image.Point // the part to take, from the upper left; even
	Y, U, V          []byte      // no U: grey. No V: U holds U and V by turns
	StrideY, StrideC int         // bytes from row to row
	ShiftX, ShiftY   int         // chroma is 1<<Shift times narrower and lower, at most 2
	Depth            int         // bits a sample: 8, or 10 in two bytes, the lower first
	Full             bool        // full range, as in JPEG
	Matrix           Matrix
}

func (p *Planar) check() error {
	s, n := p.Size, 1
	if p.Depth != 8 && p.Depth != 10 || p.Depth == 10 && (p.V == nil || p.ShiftX > 1 || p.ShiftY > p.ShiftX) {
		return fmt.Errorf("planes to I420: no conversion from %d bits with chroma shifted by %d and %d", p.Depth, p.ShiftX, p.ShiftY)
	}
	if p.Depth > 8 {
		n = 2
	}
	if p.ShiftX < 0 || p.ShiftX > 2 || p.ShiftY < 0 || p.ShiftY > 2 {
		return fmt.Errorf("planes to I420: chroma shifted by %d and %d", p.ShiftX, p.ShiftY)
	}
	if err := checkPlane("Y", p.Y, p.StrideY, s.X*n, s.Y); err != nil || p.U == nil {
		return err
	}
	cw, ch := p.chroma()
	if p.V == nil {
		if p.ShiftX != 1 || p.ShiftY != 1 {
			return fmt.Errorf("planes to I420: interleaved chroma must be half as wide and high")
		}
		return checkPlane("UV", p.U, p.StrideC, 2*cw, ch)
	}
	if err := checkPlane("U", p.U, p.StrideC, cw*n, ch); err != nil {
		return err
	}
	return checkPlane("V", p.V, p.StrideC, cw*n, ch)
}

// chroma is the size of the chroma planes' part that belongs to Size.
func (p *Planar) chroma() (w, h int) { return max(p.Size.X>>p.ShiftX, 1), max(p.Size.Y>>p.ShiftY, 1) }

func checkPlane(name string, pix []byte, stride, width, rows int) error {
	if stride < width || stride > maxSide*16 || len(pix) < stride*(rows-1)+width {
		return fmt.Errorf("planes to I420: %d bytes of %s with rows of %d hold no %d rows of %d bytes", len(pix), name, stride, rows, width)
	}
	return nil
}

// FromPlanar converts a picture to I420, BT.601 limited range.
func FromPlanar(dst []byte, p *Planar) error {
	if err := check("planes to I420", p.Size, len(dst)); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	cw, ch := p.chroma()
	code := C.yfv_from_planar(ptr(p.Y), ptr(p.U), ptr(p.V), C.int(p.StrideY), C.int(p.StrideC), C.int(cw), C.int(ch), C.int(p.Depth),
		ptr(dst), C.int(p.Size.X), C.int(p.Size.Y))
	if code != 0 {
		return fmt.Errorf("planes to I420: libyuv refused %dx%d pixels (%d)", p.Size.X, p.Size.Y, code)
	}
	return ToBT601(dst, p.Size, p.Full, p.Matrix)
}

// FromNV12 converts Y and interleaved UV planes, rows stride bytes apart in both, to I420.
func FromNV12(dst, y, uv []byte, stride int, size image.Point) error {
	return FromPlanar(dst, &Planar{Size: size, Y: y, U: uv, StrideY: stride, StrideC: stride, ShiftX: 1, ShiftY: 1, Depth: 8})
}

// FromYUYV converts pixels of Y, U, Y, V (rows stride bytes apart) to I420.
func FromYUYV(dst, yuyv []byte, stride int, size image.Point) error {
	if err := check("YUYV to I420", size, len(dst)); err != nil {
		return err
	}
	if err := checkPlane("YUYV", yuyv, stride, size.X*2, size.Y); err != nil {
		return err
	}
	if code := C.yfv_from_yuy2(ptr(yuyv), C.int(stride), ptr(dst), C.int(size.X), C.int(size.Y)); code != 0 {
		return fmt.Errorf("YUYV to I420: libyuv refused %dx%d pixels (%d)", size.X, size.Y, code)
	}
	return nil
}

// ToBT601 converts an I420 picture of another range or matrix to BT.601 limited range in place; with neither it does nothing.
func ToBT601(pix []byte, size image.Point, full bool, from Matrix) error {
	if err := check("to BT.601", size, len(pix)); err != nil {
		return err
	}
	if !full && (from == BT601 || from == bt601) {
		return nil
	}
	m := coefficients(from, full)
	var k C.int
	if full {
		k = 1
	}
	C.yfv_to_601(ptr(pix), C.int(size.X), C.int(size.Y), k, &m[0])
	return nil
}

// coefficients are what yfv_to_601 takes. Luma and chroma of limited range span 219 and 224 steps, of full range 255.
func coefficients(from Matrix, full bool) (m [6]C.int16_t) {
	if from == BT601 {
		from = bt601
	}
	kg := 1 - from.Kr - from.Kb
	// Red, green and blue of one Cb or Cr (each -0.5 to 0.5), without luma.
	cb := [3]float64{0, -2 * from.Kb * (1 - from.Kb) / kg, 2 * (1 - from.Kb)}
	cr := [3]float64{2 * (1 - from.Kr), -2 * from.Kr * (1 - from.Kr) / kg, 0}
	chroma, luma := 1.0, 219.0/224
	if full {
		chroma, luma = 224.0/255, 219.0/255
	}
	for i, rgb := range [2][3]float64{cb, cr} {
		y := bt601.Kr*rgb[0] + (1-bt601.Kr-bt601.Kb)*rgb[1] + bt601.Kb*rgb[2]
		m[i] = fixed(luma * y)
		m[2+i] = fixed(chroma * (rgb[2] - y) / (2 * (1 - bt601.Kb)))
		m[4+i] = fixed(chroma * (rgb[0] - y) / (2 * (1 - bt601.Kr)))
	}
	return m
}

func fixed(v float64) C.int16_t { return C.int16_t(min(math.Round(v*(1<<15)), math.MaxInt16)) }

func ptr(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(b)) }
