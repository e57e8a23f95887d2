package infer

import (
	"encoding/binary"
	"image"
	"math"
	"testing"
)

// Whatever bits the heads and thresholds hold, Decode neither panics nor gives a box that is not in the picture.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f}, float32(0.3), float32(0.4), uint16(640), uint16(480))
	f.Add([]byte{}, float32(0), float32(1), uint16(1), uint16(65535))
	h := Head{Classes: 2, Strides: []int{16, 32}, Anchors: [][][2]float32{{{10, 20}, {30, 60}}, {{200, 100}}}}
	size := image.Pt(64, 32)
	n, err := h.Len(size)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, bits []byte, score, nms float32, w, ht uint16) {
		d, err := NewDecoder(h, Thresholds{Score: score, NMS: nms})
		if err != nil {
			return
		}
		heads := make([]float32, n)
		for i := range heads {
			if at := i * 4 % max(len(bits), 1); at+4 <= len(bits) {
				heads[i] = math.Float32frombits(binary.LittleEndian.Uint32(bits[at:]))
			}
		}
		in := image.Pt(int(w)+1, int(ht)+1)
		for _, lb := range [...]Letterbox{NewLetterbox(in, size), NewStillLetterbox(in, size), NewStretch(in, size)} {
			dets, err := d.Decode(heads, size, lb)
			if err != nil {
				t.Fatal(err)
			}
			checkSane(t, dets, in)
		}
	})
}

func FuzzParseInput(f *testing.F) {
	for _, s := range []string{"auto", "352x352", "640x192", "x", "-1x-1", "99999999999999999999x32", "32x32x32"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseInput(s)
		if err == nil && p != (image.Point{}) && CheckInput(p) != nil {
			t.Errorf("%q gave %v, which is no input", s, p)
		}
	})
}
