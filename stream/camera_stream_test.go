package stream

import (
	"errors"
	"fmt"
	"time"

	"yfv2d/pipeline"
)

// bitWriter writes the numbers of H.264 headers.
type bitWriter struct {
	buf  []byte
	free int // bits of the last byte
}

func (w *bitWriter) bits(n int, v uint32) *bitWriter {
	for i := n - 1; i >= 0; i-- {
		if w.free == 0 {
			w.buf, w.free = append(w.buf, 0), 8
		}
		w.free--
		w.buf[len(w.buf)-1] |= byte(v>>i&1) << w.free
	}
	return w
}

// ue writes unsigned Exp-Golomb numbers.
func (w *bitWriter) ue(values ...uint32) *bitWriter {
	for _, v := range values {
		n := 0
		for (v+1)>>(n+1) != 0 {
			n++
		}
		w.bits(n, 0).bits(n+1, v+1)
	}
	return w
}

// nal closes the bits and makes a NAL unit of them.
func (w *bitWriter) nal(header ...byte) []byte {
	w.bits(1, 1)
	nal, zeros := append([]byte{}, header...), 0
	for _, b := range w.buf {
		if zeros >= 2 && b <= 3 {
			nal, zeros = append(nal, 3), 0
		}
		if nal = append(nal, b); b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return nal
}

// setOf describes a sequence parameter set. Frame numbers have four bits.
type setOf struct {
	profile           byte
	wide, high        uint32 // macroblocks
	chroma            uint32 // chroma_format_idc of high profiles; 1 is 4:2:0
	order             uint32 // pic_order_cnt_type: 2 says that pictures are shown as they come
	noReorder, fields bool
}

func (s setOf) nal() []byte {
	w := &bitWriter{}
	w.ue(0)
	if s.profile >= 100 {
		w.ue(s.chroma)
		if s.chroma == 3 {
			w.bits(1, 0)
		}
		w.ue(0, 0).bits(2, 0)
	}
	w.ue(0, s.order)
	if s.order == 0 {
		w.ue(0)
	}
	w.ue(1).bits(1, 0).ue(s.wide-1, s.high-1)
	if s.fields {
		w.bits(2, 0)
	} else {
		w.bits(1, 1)
	}
	w.bits(2, 0b10) // direct_8x8_inference, no cropping
	if s.noReorder {
		w.bits(1, 1).bits(4, 0).bits(1, 0).bits(3, 0).bits(2, 0b11) // all but bitstream_restriction absent
		w.ue(0, 0, 0, 0, 0, 1)
	} else {
		w.bits(1, 0)
	}
	return w.nal(0x67, s.profile, 0, 31)
}

var testPPS = []byte{0x68, 0xce, 0x38, 0x80}

// ownStream is a camera's own H.264 stream. Its pictures tell their number, as those of faultyEncoder do.
type ownStream struct {
	set      []byte
	interval int // pictures from key to key
	bytes    int // of a picture at least
	frameNum int
	sent     int  // pictures so far
	noSets   bool // key pictures come without parameter sets
	bEvery   int  // every so many pictures is a B picture; 0: none is
}

const (
	sliceTypeP, sliceTypeB, sliceTypeI = 5, 6, 7
)

// unit is picture n, counted from 1, captured then.
func (c *ownStream) unit(n int, at time.Time) *pipeline.AccessUnit {
	key := (n-1)%c.interval == 0
	header, kind := byte(0x41), uint32(sliceTypeP)
	var nals [][]byte
	switch {
	case key:
		header, kind, c.frameNum = 0x65, sliceTypeI, 0
		if !c.noSets {
			nals = [][]byte{{0x09, 0xf0}, c.set, testPPS}
		}
	case c.bEvery > 0 && n%c.bEvery == 0:
		header, kind = 0x01, sliceTypeB
	}
	w := (&bitWriter{}).ue(0, kind, 0).bits(4, uint32(c.frameNum&15))
	slice := fmt.Appendf(w.nal(header), "frame %d of its own;camera;%d", n, n)
	for len(slice) < c.bytes {
		slice = append(slice, ' ')
	}
	if header != 0x01 {
		c.frameNum++
	}
	return &pipeline.AccessUnit{Seq: uint64(n), At: at, Codec: pipeline.H264, Key: key, Data: annexB(append(nals, slice))}
}

// baseline is a set of 64x48 pixels that browsers take.
var baseline = setOf{profile: 66, wide: 4, high: 3, chroma: 1}

// frameAt is when frame n of a stage comes.
func frameAt(n int) time.Time { return start.Add(time.Duration(n) * time.Second / 30) }

// camera gives the camera's units up to that of the stage's next frame, and so many more: a decoder is that far behind.
func (s *stage) camera(c *ownStream, ahead int) {
	for ; c.sent < s.n+1+ahead; c.sent++ {
		s.b.Unit(c.unit(c.sent+1, frameAt(c.sent+1)))
	}
}

// plays lets so many frames come, and their units before them.
func (s *stage) plays(c *ownStream, n int) {
	s.t.Helper()
	for range n {
		s.camera(c, 1)
		s.tryWrite()
	}
}

// tryWrite gives a frame that nobody may have use for.
func (s *stage) tryWrite() {
	s.t.Helper()
	if err := s.write(); err != nil && !errors.Is(err, pipeline.ErrSkipped) {
		s.t.Fatal(err)
	}
}
