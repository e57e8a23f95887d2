package live

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// headBytes of a slice or message are enough for the numbers at its start.
const headBytes = 32

// h264Sets is what of a stream's parameter sets slice headers need.
type h264Sets struct {
	sps     []byte // the newest
	numBits int    // of frame_num; 0: unknown, or gaps in it are allowed
	planes  bool   // slices name their colour plane
}

func (s *h264Sets) inspect(nalus [][]byte) traits {
	var t traits
	sets, intra, recovery := false, true, -1
	for _, n := range nalus {
		if len(n) == 0 {
			continue
		}
		kind := h264.NALUType(n[0] & 0x1f)
		switch kind {
		case h264.NALUTypeSPS:
			sets = true
			s.learn(n)
		case h264.NALUTypeSEI:
			recovery = max(recovery, recoveryPoint(n))
		case h264.NALUTypeIDR, h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA:
			slice, num := s.slice(n)
			t.picture = true
			if num >= 0 {
				t.order.num, t.order.bits = num, s.numBits
			}
			t.ref = t.ref || n[0]&0x60 != 0
			intra = intra && slice == sliceI
		}
		if kind == h264.NALUTypeIDR {
			t.join = joinKey
		}
	}
	switch {
	case !t.picture || t.join == joinKey:
	case intra && (sets || recovery == 0):
		t.join = joinIntra
	case recovery >= 0:
		t.join = joinRecovery
	}
	t.order.first = t.join == joinKey
	return t
}

// learn reads a sequence parameter set.
func (s *h264Sets) learn(nalu []byte) {
	if bytes.Equal(s.sps, nalu) {
		return
	}
	s.sps, s.numBits, s.planes = bytes.Clone(nalu), 0, false
	var sps h264.SPS
	if err := sps.Unmarshal(nalu); err != nil || sps.GapsInFrameNumValueAllowedFlag || sps.Log2MaxFrameNumMinus4 > 12 {
		return
	}
	s.numBits, s.planes = int(sps.Log2MaxFrameNumMinus4)+4, sps.SeparateColourPlaneFlag
}

// sliceI is slice_type of I slices, modulo 5 (H.264 table 7-6).
const sliceI = 2

// slice reads a slice header's start (H.264 section 7.3.3): slice_type modulo 5, and frame_num; -1 if unknown.
func (s *h264Sets) slice(nalu []byte) (kind, num int) {
	r := bitReader{buf: h264.EmulationPreventionRemove(nalu[:min(len(nalu), headBytes)]), pos: 8}
	r.golomb() // first_mb_in_slice
	kind = int(r.golomb() % 5)
	if r.err != nil {
		return -1, -1
	}
	r.golomb() // pic_parameter_set_id
	if s.planes {
		r.skip(2)
	}
	num = r.bits(s.numBits)
	if r.err != nil {
		return kind, -1
	}
	return kind, num
}

// recoveryPoint is the recovery_frame_cnt of a recovery point SEI message (H.264 section D.1.8), or -1.
func recoveryPoint(nalu []byte) int {
	const message, longest = 6, 4096
	b := h264.EmulationPreventionRemove(nalu[:min(len(nalu), longest)])[1:]
	for len(b) > 2 {
		kind, rest := varLen(b)
		size, rest := varLen(rest)
		if size > len(rest) {
			return -1
		}
		if kind == message {
			r := bitReader{buf: rest[:size]}
			n := r.golomb()
			if r.err != nil || n > 1<<16 {
				return -1
			}
			return int(n)
		}
		b = rest[size:]
	}
	return -1
}

// varLen reads a number that is coded as bytes of 255 and a last one.
func varLen(b []byte) (n int, rest []byte) {
	for len(b) > 0 {
		n += int(b[0])
		last := b[0] != 0xff
		b = b[1:]
		if last {
			break
		}
	}
	return n, b
}
