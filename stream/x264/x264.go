//go:build x264 && cgo

package x264

/*
#cgo pkg-config: x264
#include "x264_yfv.h"
*/
import "C"

import (
	"fmt"
	"image"
	"math"
	"unsafe"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

// Built says whether the program has the encoder.
const Built = true

// Limits: sides in pixels (level 5.2 holds 3840x2160), frames a second, bits a second.
const (
	minSide    = 16
	maxPixels  = 3840 * 2160
	minFPS     = 1
	maxFPS     = 60
	minBitrate = 10_000
	maxBitrate = 100_000_000
)

// Encoder is one libx264 encoder. It belongs to one goroutine at a time. It skips no frame: where the bitrate does not
// suffice, pictures get coarser.
type Encoder struct {
	c       *C.yfv_x264
	size    image.Point
	bitrate int
}

var _ stream.Encoder = (*Encoder)(nil)

// New makes an encoder; it is ready for frames of cfg.Size. The caller closes it. A frame rate outside of 1 to 60 is brought
// to that limit. Rate control counts frames and not times: a camera that gives fewer than cfg.FPS gets fewer bits.
func New(cfg stream.EncoderConfig) (stream.Encoder, error) {
	if err := checkSize(cfg.Size); err != nil {
		return nil, err
	}
	if err := checkBitrate(cfg.Bitrate); err != nil {
		return nil, err
	}
	if math.IsNaN(cfg.FPS) || cfg.FPS <= 0 {
		return nil, fmt.Errorf("x264: %v frames a second: must be above 0", cfg.FPS)
	}
	fps := min(max(cfg.FPS, minFPS), maxFPS)
	c := C.yfv_x264_new(C.int(cfg.Size.X), C.int(cfg.Size.Y), C.double(fps), C.int(cfg.Bitrate))
	if c == nil {
		return nil, fmt.Errorf("x264: make an encoder for %dx%d at %g frames/s and %d bit/s: the library refuses",
			cfg.Size.X, cfg.Size.Y, fps, cfg.Bitrate)
	}
	return &Encoder{c: c, size: cfg.Size, bitrate: cfg.Bitrate}, nil
}

func checkSize(s image.Point) error {
	if s.X%2 != 0 || s.Y%2 != 0 || s.X < minSide || s.Y < minSide || s.X > maxPixels || s.Y > maxPixels || s.X*s.Y > maxPixels {
		return fmt.Errorf("x264: frame of %dx%d pixels: sides must be even, from %d, and within %d pixels in all",
			s.X, s.Y, minSide, maxPixels)
	}
	return nil
}

func checkBitrate(bps int) error {
	if bps < minBitrate || bps > maxBitrate {
		return fmt.Errorf("x264: bitrate of %d bit/s: must be %d to %d", bps, minBitrate, maxBitrate)
	}
	return nil
}

// Encode codes one frame, which it borrows for the call. The first unit is a key picture, and so is one that key asks for.
func (e *Encoder) Encode(f *pipeline.Frame, key bool) (pipeline.AccessUnit, error) {
	if e.c == nil {
		return pipeline.AccessUnit{}, ErrClosed
	}
	if f.Format != pipeline.I420 || f.Size() != e.size {
		return pipeline.AccessUnit{}, fmt.Errorf("x264: frame %d is %s of %dx%d, the encoder was made for i420 of %dx%d",
			f.Seq, f.Format, f.Size().X, f.Size().Y, e.size.X, e.size.Y)
	}
	y, u, v := f.Planes()
	var k, isKey C.int
	if key {
		k = 1
	}
	n := C.yfv_x264_encode(e.c, (*C.uint8_t)(&y[0]), (*C.uint8_t)(&u[0]), (*C.uint8_t)(&v[0]),
		k, &isKey)
	if n < 0 {
		return pipeline.AccessUnit{}, fmt.Errorf("x264: encode frame %d of %dx%d: the library fails", f.Seq, e.size.X, e.size.Y)
	}
	au := pipeline.AccessUnit{Seq: f.Seq, At: f.At, Codec: pipeline.H264, Key: isKey != 0}
	if n > 0 {
		au.Data = make([]byte, n)
		C.yfv_x264_copy(e.c, (*C.uint8_t)(unsafe.Pointer(&au.Data[0])))
	}
	return au, nil
}

// SetBitrate takes bits per second, 10 000 to 100 000 000.
func (e *Encoder) SetBitrate(bps int) error {
	if e.c == nil {
		return ErrClosed
	}
	if err := checkBitrate(bps); err != nil {
		return err
	}
	if bps == e.bitrate {
		return nil
	}
	if C.yfv_x264_bitrate(e.c, C.int(bps)) != 0 {
		return fmt.Errorf("x264: set the bitrate to %d bit/s: the library refuses", bps)
	}
	e.bitrate = bps
	return nil
}

// Close frees the encoder. It may be called twice.
func (e *Encoder) Close() error {
	C.yfv_x264_free(e.c)
	e.c = nil
	return nil
}

// String is the library's name and version.
func (e *Encoder) String() string { return Version() }

// Version is the linked library's name and the version of its interface, by which it is told apart.
func Version() string { return fmt.Sprintf("libx264 %d", int(C.yfv_x264_build())) }
