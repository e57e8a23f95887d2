// Package vpx encodes I420 frames to VP8 with the system's libvpx, on the caller's thread.
package vpx

/*
#cgo pkg-config: vpx
#include "vpx.h"
#include <vpx/vpx_codec.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"math"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

// Limits: sides in pixels, pixels in all (those of the H.264 encoders, so that a camera is offered in both or in neither),
// frames a second, bits a second.
const (
	minSide    = 16
	maxPixels  = 3840 * 2160
	minFPS     = 1
	maxFPS     = 60
	minBitrate = 10_000
	maxBitrate = 100_000_000
)

// keySpan is how long the largest key picture takes to send at the bitrate.
const keySpan = 300 * time.Millisecond

// ErrClosed is returned by an encoder that was closed.
var ErrClosed = errors.New("vpx: the encoder is closed")

// Encoder is one libvpx VP8 encoder. It belongs to one goroutine at a time.
type Encoder struct {
	c        *C.yfv_vp8
	size     image.Point
	bitrate  int
	duration C.int64_t // of a frame, ticks of stamps
	stamps   stream.Stamps
}

var _ stream.Encoder = (*Encoder)(nil)

// New makes an encoder; it is ready for frames of cfg.Size. The caller closes it. A frame rate outside of 1 to 60 is brought
// to that limit, which only shifts the rate control's idea of a frame's share.
func New(cfg stream.EncoderConfig) (stream.Encoder, error) {
	if err := checkSize(cfg.Size); err != nil {
		return nil, err
	}
	if err := checkBitrate(cfg.Bitrate); err != nil {
		return nil, err
	}
	if math.IsNaN(cfg.FPS) || cfg.FPS <= 0 {
		return nil, fmt.Errorf("vpx: %v frames a second: must be above 0", cfg.FPS)
	}
	fps := min(max(cfg.FPS, minFPS), maxFPS)
	percent := max(100*keySpan.Seconds()*fps, 100) // of a frame's share
	var code C.int
	c := C.yfv_vp8_new(C.int(cfg.Size.X), C.int(cfg.Size.Y), C.int(cfg.Bitrate), C.int(cpuUsed(runtime.GOARCH)), C.int(percent), &code)
	if c == nil {
		return nil, fmt.Errorf("vpx: make an encoder for %dx%d at %g frames/s and %d bit/s: %s",
			cfg.Size.X, cfg.Size.Y, fps, cfg.Bitrate, reason(code))
	}
	return &Encoder{c: c, size: cfg.Size, bitrate: cfg.Bitrate, duration: C.int64_t(stream.StampClock / fps)}, nil
}

// cpuUsed is how much quality is given for speed, -1 (little) to -16; the sign keeps libvpx from choosing by the clock.
func cpuUsed(arch string) int {
	if arch == "arm64" {
		return -12
	}
	return -8
}

func checkSize(s image.Point) error {
	if s.X%2 != 0 || s.Y%2 != 0 || s.X < minSide || s.Y < minSide || s.X > maxPixels || s.Y > maxPixels || s.X*s.Y > maxPixels ||
		s.X > 1<<14-1 || s.Y > 1<<14-1 { // 14 bits in the frame header, RFC 6386 9.1
		return fmt.Errorf("vpx: frame of %dx%d pixels: sides must be even, from %d, and within %d pixels in all",
			s.X, s.Y, minSide, maxPixels)
	}
	return nil
}

func checkBitrate(bps int) error {
	if bps < minBitrate || bps > maxBitrate {
		return fmt.Errorf("vpx: bitrate of %d bit/s: must be %d to %d", bps, minBitrate, maxBitrate)
	}
	return nil
}

// Encode codes one frame, which it borrows for the call. The first unit is a key picture, and so is one that key asks
// for; a key picture is never skipped.
func (e *Encoder) Encode(f *pipeline.Frame, key bool) (pipeline.AccessUnit, error) {
	if e.c == nil {
		return pipeline.AccessUnit{}, ErrClosed
	}
	if f.Format != pipeline.I420 || f.Size() != e.size {
		return pipeline.AccessUnit{}, fmt.Errorf("vpx: frame %d is %s of %dx%d, the encoder was made for i420 of %dx%d",
			f.Seq, f.Format, f.Size().X, f.Size().Y, e.size.X, e.size.Y)
	}
	y, u, v := f.Planes()
	var k, n, isKey C.int
	if key {
		k = 1
	}
	var data *C.uint8_t
	code := C.yfv_vp8_encode(e.c, (*C.uint8_t)(&y[0]), (*C.uint8_t)(&u[0]), (*C.uint8_t)(&v[0]),
		C.int64_t(e.stamps.Next(f.At)), e.duration, k, &data, &n, &isKey)
	if code != 0 {
		return pipeline.AccessUnit{}, fmt.Errorf("vpx: encode frame %d of %dx%d: %s", f.Seq, e.size.X, e.size.Y, reason(code))
	}
	au := pipeline.AccessUnit{Seq: f.Seq, At: f.At, Codec: pipeline.VP8, Key: isKey != 0}
	if n > 0 {
		au.Data = C.GoBytes(unsafe.Pointer(data), n)
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
	if code := C.yfv_vp8_bitrate(e.c, C.int(bps)); code != 0 {
		return fmt.Errorf("vpx: set the bitrate to %d bit/s: %s", bps, reason(code))
	}
	e.bitrate = bps
	return nil
}

// Close frees the encoder. It may be called twice.
func (e *Encoder) Close() error {
	C.yfv_vp8_free(e.c)
	e.c = nil
	return nil
}

// String is the library's name and version.
func (e *Encoder) String() string { return Version() }

// Version is the linked library's name and version.
func Version() string {
	return "libvpx " + strings.TrimPrefix(C.GoString(C.vpx_codec_version_str()), "v")
}

func reason(code C.int) string { return C.GoString(C.vpx_codec_err_to_string(C.vpx_codec_err_t(code))) }
