package yuv

/*
#include <stdint.h>
#include <libyuv.h>

// A negative height makes libyuv read the picture from its last row up: upside down, before it is turned.
static int yfv_turn(const uint8_t *s, int sw, int sh, int x, int y, int w, int h, uint8_t *d, int dw, int dh, int degrees, int upside_down) {
	const uint8_t *su = s + (size_t)sw * sh, *sv = su + (size_t)sw * sh / 4;
	uint8_t *du = d + (size_t)dw * dh, *dv = du + (size_t)dw * dh / 4;
	size_t luma = (size_t)y * sw + x, chroma = (size_t)(y / 2) * (sw / 2) + x / 2;
	return I420Rotate(s + luma, sw, su + chroma, sw / 2, sv + chroma, sw / 2, d, dw, du, dw / 2, dv, dw / 2,
		w, upside_down ? -h : h, (enum RotationMode)degrees);
}
*/
import "C"

import (
	"fmt"
	"image"
)

// TurnedSize is the size of a picture after Turn by that many degrees.
func TurnedSize(size image.Point, degrees int) image.Point {
	if degrees%180 != 0 {
		return image.Pt(size.Y, size.X)
	}
	return size
}

// Turn writes a part of an I420 picture to dst, turned clockwise by 0, 90, 180 or 270 degrees and then, if mirror is set,
// swapped left to right. part lies in the picture, with even corners; dst takes a picture of TurnedSize(part.Size()) and
// shares no memory with src.
func Turn(dst, src []byte, size image.Point, part image.Rectangle, degrees int, mirror bool) error {
	if err := check("turn", size, len(src)); err != nil {
		return err
	}
	if part.Min.X%2 != 0 || part.Min.Y%2 != 0 || !part.In(image.Rectangle{Max: size}) {
		return fmt.Errorf("turn: part %v of a picture of %dx%d: corners must be even and inside", part, size.X, size.Y)
	}
	switch degrees {
	case 0, 90, 180, 270:
	default:
		return fmt.Errorf("turn by %d degrees: must be 0, 90, 180 or 270", degrees)
	}
	to := TurnedSize(part.Size(), degrees)
	if err := check("turn into", to, len(dst)); err != nil {
		return err
	}
	// Upside down and then turned by a quarter is the quarter turn and then mirrored. Without a quarter it is the
	// mirrored picture of the opposite turn.
	if mirror && degrees%180 == 0 {
		degrees = 180 - degrees
	}
	C.yfv_turn((*C.uint8_t)(&src[0]), C.int(size.X), C.int(size.Y),
		C.int(part.Min.X), C.int(part.Min.Y), C.int(part.Dx()), C.int(part.Dy()),
		(*C.uint8_t)(&dst[0]), C.int(to.X), C.int(to.Y), C.int(degrees), C.int(boolInt(mirror)))
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
