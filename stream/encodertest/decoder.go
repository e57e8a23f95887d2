package encodertest

/*
#cgo pkg-config: libavcodec libavutil
#include "decoder.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"

	"yfv2d/pipeline"
)

// Decoder decodes what an encoder made, with libavcodec, which shares no code with the encoders. It belongs to one
// goroutine.
type Decoder struct{ c *C.yfv_testdec }

// Picture is one decoded picture.
type Picture struct {
	Pix       []byte // I420, planes one after another without padding
	Size      image.Point
	Type      byte // 'I', 'P' or 'B'
	FullRange bool
	Matrix    int // as H.264 numbers matrix_coefficients (table E-5): 2 unspecified, 5 and 6 BT.601
}

// NewDecoder makes a decoder for H264 or VP8. The caller closes it.
func NewDecoder(codec pipeline.Codec) (*Decoder, error) {
	var vp8 C.int
	switch codec {
	case pipeline.H264:
	case pipeline.VP8:
		vp8 = 1
	default:
		return nil, fmt.Errorf("no decoder for %s", codec)
	}
	c := C.yfv_testdec_new(vp8)
	if c == nil {
		return nil, fmt.Errorf("libavcodec has no decoder for %s", codec)
	}
	return &Decoder{c}, nil
}

// Decode takes one access unit and gives its picture. A unit that gives none (damaged, held back, or its reference is
// missing) is an error.
func (d *Decoder) Decode(data []byte) (Picture, error) {
	if d.c == nil {
		return Picture{}, errors.New("the decoder is closed")
	}
	if len(data) == 0 {
		return Picture{}, errors.New("decode an empty access unit")
	}
	var p C.yfv_picture
	if rc := C.yfv_testdec_decode(d.c, (*C.uint8_t)(&data[0]), C.int(len(data)), &p); rc != 0 {
		return Picture{}, fmt.Errorf("decode %d bytes: no picture, libavcodec's code %d", len(data), int(rc))
	}
	pic := Picture{
		Pix: make([]byte, int(p.w)*int(p.h)*3/2), Size: image.Pt(int(p.w), int(p.h)),
		Type: byte(p._type), FullRange: p.full_range != 0, Matrix: int(p.matrix),
	}
	C.yfv_testdec_copy(d.c, (*C.uint8_t)(&pic.Pix[0]))
	return pic, nil
}

// Close frees the decoder. It may be called twice.
func (d *Decoder) Close() error {
	C.yfv_testdec_free(d.c)
	d.c = nil
	return nil
}
