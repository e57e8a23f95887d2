// Package avdec decodes access units of H.264, H.265 and JPEG to I420 frames with the system's libavcodec, on the caller's
// thread and without delay, unless the stream itself wants its pictures put in order.
package avdec

/*
#cgo pkg-config: libavcodec libavutil
#include "avdec.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// What a stream may ask for; beyond it, its pictures are refused as damaged. A hostile parameter set of forty bytes can
// announce any size, and 16 pictures of it to be kept.
const (
	maxPixels = 36_000_000 // 8K video has 33 million, the largest still of a camera some 24
	maxBytes  = 512 << 20  // of all pictures that the decoder holds: 16 of 4K and 16 bits
	maxUnit   = 64 << 20   // bytes of one access unit
	minSide   = 2
)

// ErrClosed is returned by a decoder that was closed.
var ErrClosed = errors.New("decoder is closed")

// Unsupported is the error for pictures that are sound but of a kind that is not converted.
type Unsupported struct{ Format string }

func (e *Unsupported) Error() string {
	return fmt.Sprintf("pictures of pixel format %s: only 8 and 10 bits of grey, 4:2:0, 4:2:2 and 4:4:4 are supported: set the camera to 8 bits and 4:2:0", e.Format)
}

// Skip says which pictures a decoder leaves out.
type Skip uint8

const (
	SkipNone   Skip = iota
	SkipNonRef      // those that no other picture needs
	SkipNonKey      // all that need others
)

// Picture says what the decoder found out about a frame.
type Picture struct {
	Tag     int64 // of the access unit that it came from
	Damaged bool  // parts were missing or wrong, or a picture that it refers to was
	// Unrecovered: no key picture and no recovery point came before it since the start or the last Flush. It may be sound
	// all the same, if its stream marks its intra pictures as neither.
	Unrecovered bool
	Cropped     bool // an odd side lost its last column or row
}

// Decoder is one libavcodec decoder. It belongs to one goroutine at a time.
type Decoder struct {
	c     *C.yfv_avdec
	codec pipeline.Codec
	pic   C.yfv_picture
	held  bool // pic is lent by c
}

var kinds = map[pipeline.Codec]C.int{pipeline.H264: C.YFV_H264, pipeline.H265: C.YFV_H265, pipeline.JPEG: C.YFV_JPEG}

// Supports says whether there are decoders for a codec.
func Supports(codec pipeline.Codec) bool {
	_, ok := kinds[codec]
	return ok
}

// New makes a decoder for a codec. The caller closes it.
func New(codec pipeline.Codec) (*Decoder, error) { return limited(codec, maxPixels, maxBytes) }

func limited(codec pipeline.Codec, pixels, bytes int64) (*Decoder, error) {
	kind, ok := kinds[codec]
	if !ok {
		return nil, fmt.Errorf("decode %q: only %s, %s and %s are supported", codec, pipeline.H264, pipeline.H265, pipeline.JPEG)
	}
	var code C.int
	c := C.yfv_avdec_new(kind, C.int64_t(pixels), C.int64_t(bytes), &code)
	if c == nil {
		return nil, fmt.Errorf("make a decoder for %s: libavcodec says: %s", codec, reason(code))
	}
	return &Decoder{c: c, codec: codec}, nil
}

// Send gives the decoder one access unit, which it copies; tag comes back with the unit's picture. Call Receive until there
// is none before the next Send. An error means that the unit is damaged, or refused for its size; the decoder goes on.
func (d *Decoder) Send(data []byte, tag int64) error {
	if d.c == nil {
		return ErrClosed
	}
	d.release()
	if len(data) == 0 || len(data) > maxUnit {
		return fmt.Errorf("decode %s: unit of %d bytes: at least 1 and at most %d are taken", d.codec, len(data), maxUnit)
	}
	code := C.yfv_avdec_send(d.c, (*C.uint8_t)(unsafe.Pointer(&data[0])), C.int(len(data)), C.int64_t(tag))
	return d.fault(code)
}

// Drain makes the decoder give all pictures that it holds: Receive until there is none. Then it is as new, and the next unit
// must be a key unit.
func (d *Decoder) Drain() error {
	if d.c == nil {
		return ErrClosed
	}
	d.release()
	return d.fault(C.yfv_avdec_send(d.c, nil, 0, 0))
}

// Receive takes the next picture in order of presentation; false if there is none yet. The picture is lent until the next
// call: Convert reads it. An error means that a picture is lost.
func (d *Decoder) Receive() (Picture, bool, error) {
	if d.c == nil {
		return Picture{}, false, ErrClosed
	}
	d.release()
	switch code := C.yfv_avdec_receive(d.c, &d.pic); code {
	case C.YFV_OK:
	case C.YFV_NONE, C.YFV_END:
		return Picture{}, false, nil
	default:
		return Picture{}, false, d.fault(code)
	}
	d.held = true
	return Picture{
		Tag: int64(d.pic.tag), Damaged: d.pic.flags&C.YFV_DAMAGED != 0, Unrecovered: d.pic.flags&C.YFV_UNRECOVERED != 0,
		Cropped: (d.pic.w|d.pic.h)&1 != 0,
	}, true, nil
}

// Convert writes the received picture into f as I420 of even sides, BT.601 limited range. An *Unsupported error will come
// again with the next picture.
func (d *Decoder) Convert(f *pipeline.Frame) error {
	if d.c == nil {
		return ErrClosed
	}
	if !d.held {
		return fmt.Errorf("decode %s: no picture to convert", d.codec)
	}
	p, err := d.planar()
	if err != nil {
		return err
	}
	if err := f.Prepare(pipeline.I420, p.Size); err != nil {
		return err
	}
	return yuv.FromPlanar(f.Pix(), p)
}

// planar describes the received picture.
func (d *Decoder) planar() (*yuv.Planar, error) {
	c := &d.pic
	p := &yuv.Planar{
		Size:    image.Pt(int(c.w)&^1, int(c.h)&^1),
		StrideY: int(c.stride[0]), StrideC: int(c.stride[1]),
		ShiftX: int(c.shift_x), ShiftY: int(c.shift_y),
		Depth: int(c.depth), Full: c.full != 0, Matrix: matrix(c.matrix),
	}
	if p.Size.X < minSide || p.Size.Y < minSide {
		return nil, fmt.Errorf("decode %s: picture of %dx%d pixels: sides must be at least %d", d.codec, c.w, c.h, minSide)
	}
	odd := c.planes == 2 && (p.ShiftX != 1 || p.ShiftY != 1 || p.Depth != 8) || p.Depth == 10 && c.planes == 1
	if c.rgb != 0 || c.alpha != 0 || c.big_endian != 0 || p.Depth != 8 && p.Depth != 10 || odd {
		return nil, &Unsupported{Format: C.GoString(c.format)}
	}
	p.Y = plane(c.plane[0], p.StrideY, int(c.h))
	if c.planes > 1 {
		p.U = plane(c.plane[1], p.StrideC, (int(c.h)+1<<p.ShiftY-1)>>p.ShiftY)
	}
	if c.planes > 2 {
		p.V = plane(c.plane[2], p.StrideC, (int(c.h)+1<<p.ShiftY-1)>>p.ShiftY)
	}
	return p, nil
}

// plane is the decoder's memory as a slice.
func plane(p *C.uint8_t, stride, rows int) []byte { return unsafe.Slice((*byte)(p), stride*rows) }

// matrix reads H.264 table E-5. What is not said is taken as BT.601, as it stands.
func matrix(code C.int) yuv.Matrix {
	switch code {
	case 1:
		return yuv.BT709
	case 9, 10:
		return yuv.BT2020
	}
	return yuv.BT601
}

// Skip sets which pictures are left out from the next unit on.
func (d *Decoder) Skip(s Skip) {
	if d.c != nil {
		C.yfv_avdec_skip(d.c, C.int(s))
	}
}

// Strict sets whether units with faults that a player would play over are errors. They are unless it is turned off: H.265
// and JPEG pictures with missing parts are not marked as damaged otherwise. Some encoders break their standard in every unit.
func (d *Decoder) Strict(on bool) {
	if d.c == nil {
		return
	}
	var k C.int
	if on {
		k = 1
	}
	C.yfv_avdec_strict(d.c, k)
}

// Delay is how many pictures the stream makes the decoder keep to put them in order: 0 without B-frames.
func (d *Decoder) Delay() int {
	if d.c == nil {
		return 0
	}
	return int(C.yfv_avdec_delay(d.c))
}

// Flush forgets all that came before. The next unit must be a key unit.
func (d *Decoder) Flush() {
	if d.c != nil {
		d.release()
		C.yfv_avdec_flush(d.c)
	}
}

// release gives the lent picture back.
func (d *Decoder) release() {
	if d.held {
		C.yfv_avdec_release(d.c)
		d.held = false
	}
}

// Close frees the decoder. It may be called twice.
func (d *Decoder) Close() error {
	C.yfv_avdec_free(d.c)
	d.c, d.held = nil, false
	return nil
}

func (d *Decoder) fault(code C.int) error {
	if code >= 0 {
		return nil
	}
	return fmt.Errorf("decode %s: %s", d.codec, reason(code))
}

func reason(code C.int) string {
	var buf [128]C.char
	C.yfv_avdec_error(code, &buf[0], C.int(len(buf)))
	return C.GoString(&buf[0])
}

// Version is the linked library's name and version.
func Version() string {
	v := uint(C.yfv_avdec_version())
	return fmt.Sprintf("libavcodec %d.%d.%d", v>>16, v>>8&0xff, v&0xff)
}
