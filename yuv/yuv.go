// Package yuv works on I420 pictures with libyuv: conversion and scaling, on the caller's thread. Pictures are BT.601
// limited range, planes Y, U, V one after another without row padding (w*h, then two of w/2*h/2 bytes), sides even.
package yuv

/*
#cgo LDFLAGS: -lyuv
#include <stdint.h>
#include <libyuv.h>

static int yfv_from_bgr(const uint8_t *bgr, int stride, uint8_t *d, int w, int h) {
	uint8_t *u = d + (size_t)w * h, *v = u + (size_t)w * h / 4;
	return RGB24ToI420(bgr, stride, d, w, u, w / 2, v, w / 2, w, h);
}
static int yfv_to_bgr(const uint8_t *s, uint8_t *bgr, int stride, int w, int h) {
	const uint8_t *u = s + (size_t)w * h, *v = u + (size_t)w * h / 4;
	return I420ToRGB24(s, w, u, w / 2, v, w / 2, bgr, stride, w, h);
}
static int yfv_scale(const uint8_t *s, int sw, int sh, uint8_t *d, int dw, int dh) {
	const uint8_t *su = s + (size_t)sw * sh, *sv = su + (size_t)sw * sh / 4;
	uint8_t *du = d + (size_t)dw * dh, *dv = du + (size_t)dw * dh / 4;
	return I420Scale(s, sw, su, sw / 2, sv, sw / 2, sw, sh, d, dw, du, dw / 2, dv, dw / 2, dw, dh, kFilterBilinear);
}
*/
import "C"

import (
	"fmt"
	"image"
)

// maxSide bounds widths, heights and row lengths (pixels), so that no product leaves the range of C's int.
const maxSide = 16384

// Len is the number of bytes of an I420 picture.
func Len(size image.Point) int { return size.X * size.Y * 3 / 2 }

func check(op string, size image.Point, i420 int) error {
	if size.X <= 0 || size.Y <= 0 || size.X%2 != 0 || size.Y%2 != 0 {
		return fmt.Errorf("%s: %dx%d pixels: sides must be positive and even", op, size.X, size.Y)
	}
	if size.X > maxSide || size.Y > maxSide {
		return fmt.Errorf("%s: %dx%d pixels: sides are at most %d", op, size.X, size.Y, maxSide)
	}
	if i420 < Len(size) {
		return fmt.Errorf("%s: %d bytes hold no I420 picture of %dx%d, which takes %d", op, i420, size.X, size.Y, Len(size))
	}
	return nil
}

func checkBGR(op string, size image.Point, stride, n int) error {
	if stride < size.X*3 || stride > maxSide*4 || n < stride*(size.Y-1)+size.X*3 {
		return fmt.Errorf("%s: %d bytes with rows of %d hold no BGR picture of %dx%d", op, n, stride, size.X, size.Y)
	}
	return nil
}

// FromBGR converts BGR pixels (rows stride bytes apart) to I420.
func FromBGR(dst, bgr []byte, stride int, size image.Point) error {
	if err := check("BGR to I420", size, len(dst)); err != nil {
		return err
	}
	if err := checkBGR("BGR to I420", size, stride, len(bgr)); err != nil {
		return err
	}
	C.yfv_from_bgr((*C.uint8_t)(&bgr[0]), C.int(stride), (*C.uint8_t)(&dst[0]), C.int(size.X), C.int(size.Y))
	return nil
}

// ToBGR converts an I420 picture to BGR pixels with rows stride bytes apart.
func ToBGR(dst []byte, stride int, src []byte, size image.Point) error {
	if err := check("I420 to BGR", size, len(src)); err != nil {
		return err
	}
	if err := checkBGR("I420 to BGR", size, stride, len(dst)); err != nil {
		return err
	}
	C.yfv_to_bgr((*C.uint8_t)(&src[0]), (*C.uint8_t)(&dst[0]), C.int(stride), C.int(size.X), C.int(size.Y))
	return nil
}

// Scale resizes an I420 picture with bilinear interpolation.
func Scale(dst []byte, dstSize image.Point, src []byte, srcSize image.Point) error {
	if err := check("scale from", srcSize, len(src)); err != nil {
		return err
	}
	if err := check("scale to", dstSize, len(dst)); err != nil {
		return err
	}
	C.yfv_scale((*C.uint8_t)(&src[0]), C.int(srcSize.X), C.int(srcSize.Y),
		(*C.uint8_t)(&dst[0]), C.int(dstSize.X), C.int(dstSize.Y))
	return nil
}
