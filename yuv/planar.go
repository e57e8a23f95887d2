package yuv

/*
#cgo CFLAGS: -O3
#include <stdlib.h>
#include "planar.h"
*/
import "C"

import (
	"fmt"
	"image"
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
	c := C.yfv_planar{y: ptr(p.Y), u: ptr(p.U), v: ptr(p.V), ys: C.int(p.StrideY), us: C.int(p.StrideC), vs: C.int(p.StrideC),
		cw: C.int(cw), ch: C.int(ch), depth: C.int(p.Depth)}
	if p.U != nil && p.V == nil {
		c.interleaved = 1
	}
	if code := fromPlanar(&c, dst, p.Size); code != 0 {
		return fmt.Errorf("planes to I420: libyuv refused %dx%d pixels (%d)", p.Size.X, p.Size.Y, code)
	}
	return ToBT601(dst, p.Size, p.Full, p.Matrix)
}
