// Package decoder decodes H.264 to I420 with the system's libopenh264, so that tests can look at what viewers get.
package decoder

/*
#cgo pkg-config: openh264
#include <stdlib.h>
#include <string.h>
#include <wels/codec_api.h>

static int yfv_dec_open(ISVCDecoder **d) {
	long rc = WelsCreateDecoder(d);
	if (rc != 0) return (int)rc;
	int level = WELS_LOG_QUIET;
	(**d)->SetOption(*d, DECODER_OPTION_TRACE_LEVEL, &level);
	SDecodingParam p;
	memset(&p, 0, sizeof p);
	p.eEcActiveIdc = ERROR_CON_DISABLE;
	p.sVideoProperty.size = sizeof p.sVideoProperty;
	p.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC;
	rc = (**d)->Initialize(*d, &p);
	if (rc != 0) WelsDestroyDecoder(*d);
	return (int)rc;
}

// planes point into the decoder's memory until the next call.
static int yfv_dec_decode(ISVCDecoder *d, const unsigned char *src, int n, unsigned char **planes, int *stride, int *w, int *h) {
	SBufferInfo info;
	memset(&info, 0, sizeof info);
	int rc = (*d)->DecodeFrameNoDelay(d, src, n, planes, &info);
	*w = *h = 0;
	if (rc != 0 || info.iBufferStatus != 1) return rc;
	*w = info.UsrData.sSystemBuffer.iWidth;
	*h = info.UsrData.sSystemBuffer.iHeight;
	stride[0] = info.UsrData.sSystemBuffer.iStride[0];
	stride[1] = info.UsrData.sSystemBuffer.iStride[1];
	return 0;
}

static void yfv_dec_close(ISVCDecoder *d) {
	if (d == NULL) return;
	(*d)->Uninitialize(d);
	WelsDestroyDecoder(d);
}

static void yfv_dec_plane(unsigned char *dst, const unsigned char *src, int stride, int w, int h) {
	for (int i = 0; i < h; i++) memcpy(dst + (size_t)i * w, src + (size_t)i * stride, w);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"
)

// Decoder belongs to one goroutine.
type Decoder struct{ c *C.ISVCDecoder }

// New makes a decoder. The caller closes it.
func New() (*Decoder, error) {
	var c *C.ISVCDecoder
	if rc := C.yfv_dec_open(&c); rc != 0 {
		return nil, fmt.Errorf("openh264: make a decoder: code %d", rc)
	}
	return &Decoder{c: c}, nil
}

// Decode takes one Annex B access unit and returns its picture, I420 planes one after another without padding. A unit
// that gives no picture (damaged, or its reference is missing) is an error.
func (d *Decoder) Decode(data []byte) ([]byte, image.Point, error) {
	if d.c == nil {
		return nil, image.Point{}, errors.New("openh264: the decoder is closed")
	}
	if len(data) == 0 {
		return nil, image.Point{}, errors.New("openh264: decode an empty access unit")
	}
	src := C.CBytes(data)
	defer C.free(src)
	planes := (*[3]*C.uchar)(C.calloc(3, C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(planes))
	var stride [2]C.int
	var w, h C.int
	rc := C.yfv_dec_decode(d.c, (*C.uchar)(src), C.int(len(data)), &planes[0], &stride[0], &w, &h)
	if rc != 0 || w <= 0 || h <= 0 {
		return nil, image.Point{}, fmt.Errorf("openh264: decode %d bytes: no picture, state %#x", len(data), int(rc))
	}
	n := int(w) * int(h)
	out := make([]byte, n*3/2)
	C.yfv_dec_plane((*C.uchar)(&out[0]), planes[0], stride[0], w, h)
	C.yfv_dec_plane((*C.uchar)(&out[n]), planes[1], stride[1], w/2, h/2)
	C.yfv_dec_plane((*C.uchar)(&out[n+n/4]), planes[2], stride[1], w/2, h/2)
	return out, image.Pt(int(w), int(h)), nil
}

// Close frees the decoder. It may be called twice.
func (d *Decoder) Close() error {
	C.yfv_dec_close(d.c)
	d.c = nil
	return nil
}
