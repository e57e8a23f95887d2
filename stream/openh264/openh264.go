// Package openh264 encodes I420 frames to H.264 constrained baseline with the system's libopenh264, on the caller's
// thread.
package openh264

/*
#cgo pkg-config: openh264
#include "openh264.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"math"
	"time"
	"unsafe"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

// Limits of the library: sides in pixels (level 5.2 holds 3840x2160), frames a second, bits a second.
const (
	minSide    = 16
	maxPixels  = 3840 * 2160
	minFPS     = 1
	maxFPS     = 60
	minBitrate = 10_000
	maxBitrate = 100_000_000
)

// ErrClosed is returned by an encoder that was closed.
var ErrClosed = errors.New("openh264: the encoder is closed")

// Encoder is one libopenh264 encoder. It belongs to one goroutine at a time.
type Encoder struct {
	c       *C.yfv_h264
	size    image.Point
	bitrate int
	base    time.Time // capture time of the first frame
}

var _ stream.Encoder = (*Encoder)(nil)

// New makes an encoder; it is ready for frames of cfg.Size. The caller closes it. A frame rate beyond what the library
// takes (1 to 60) is brought to its limit, which only shifts the rate control's idea of a frame's share.
func New(cfg stream.EncoderConfig) (stream.Encoder, error) {
	if err := checkSize(cfg.Size); err != nil {
		return nil, err
	}
	if err := checkBitrate(cfg.Bitrate); err != nil {
		return nil, err
	}
	if math.IsNaN(cfg.FPS) || cfg.FPS <= 0 {
		return nil, fmt.Errorf("openh264: %v frames a second: must be above 0", cfg.FPS)
	}
	fps := min(max(cfg.FPS, minFPS), maxFPS)
	var code C.int
	c := C.yfv_h264_new(C.int(cfg.Size.X), C.int(cfg.Size.Y), C.float(fps), C.int(cfg.Bitrate), &code)
	if c == nil {
		return nil, fmt.Errorf("openh264: make an encoder for %dx%d at %g frames/s and %d bit/s: %s",
			cfg.Size.X, cfg.Size.Y, fps, cfg.Bitrate, reason(code))
	}
	return &Encoder{c: c, size: cfg.Size, bitrate: cfg.Bitrate}, nil
}

func checkSize(s image.Point) error {
	if s.X%2 != 0 || s.Y%2 != 0 || s.X < minSide || s.Y < minSide || s.X > maxPixels || s.Y > maxPixels || s.X*s.Y > maxPixels {
		return fmt.Errorf("openh264: frame of %dx%d pixels: sides must be even, from %d, and within %d pixels in all",
			s.X, s.Y, minSide, maxPixels)
	}
	return nil
}

func checkBitrate(bps int) error {
	if bps < minBitrate || bps > maxBitrate {
		return fmt.Errorf("openh264: bitrate of %d bit/s: must be %d to %d", bps, minBitrate, maxBitrate)
	}
	return nil
}

// Encode codes one frame, which it borrows for the call. The first unit is a key picture, and so is one that key asks
// for unless rate control skips the frame (no Data; ask again).
func (e *Encoder) Encode(f *pipeline.Frame, key bool) (pipeline.AccessUnit, error) {
	if e.c == nil {
		return pipeline.AccessUnit{}, ErrClosed
	}
	if f.Format != pipeline.I420 || f.Size() != e.size {
		return pipeline.AccessUnit{}, fmt.Errorf("openh264: frame %d is %s of %dx%d, the encoder was made for i420 of %dx%d",
			f.Seq, f.Format, f.Size().X, f.Size().Y, e.size.X, e.size.Y)
	}
	if e.base.IsZero() {
		e.base = f.At
	}
	y, u, v := f.Planes()
	var n, isKey, k C.int
	if key {
		k = 1
	}
	code := C.yfv_h264_encode(e.c, (*C.uint8_t)(&y[0]), (*C.uint8_t)(&u[0]), (*C.uint8_t)(&v[0]),
		C.int64_t(f.At.Sub(e.base).Milliseconds()), k, &n, &isKey)
	if code != 0 {
		return pipeline.AccessUnit{}, fmt.Errorf("openh264: encode frame %d of %dx%d: %s", f.Seq, e.size.X, e.size.Y, reason(code))
	}
	au := pipeline.AccessUnit{Seq: f.Seq, At: f.At, Codec: pipeline.H264, Key: isKey != 0}
	if n > 0 {
		au.Data = make([]byte, n)
		C.yfv_h264_copy(e.c, (*C.uint8_t)(unsafe.Pointer(&au.Data[0])))
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
	if code := C.yfv_h264_bitrate(e.c, C.int(bps)); code != 0 {
		return fmt.Errorf("openh264: set the bitrate to %d bit/s: %s", bps, reason(code))
	}
	e.bitrate = bps
	return nil
}

// Close frees the encoder. It may be called twice.
func (e *Encoder) Close() error {
	C.yfv_h264_free(e.c)
	e.c = nil
	return nil
}

// String is the library's name and version.
func (e *Encoder) String() string { return Version() }

// Version is the linked library's name and version.
func Version() string {
	var major, minor, revision C.int
	C.yfv_h264_version(&major, &minor, &revision)
	return fmt.Sprintf("openh264 %d.%d.%d", major, minor, revision)
}

// reason names CM_RETURN of codec_def.h.
func reason(code C.int) string {
	names := map[C.int]string{
		1: "invalid parameter", 2: "unknown reason", 3: "out of memory", 4: "not initialized", 5: "unsupported data",
	}
	if s, ok := names[code]; ok {
		return s
	}
	return fmt.Sprintf("code %d", code)
}
