package live

import (
	"bytes"
	"errors"
	"math/bits"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// h265Sets is what of a stream's parameter sets slice headers need.
type h265Sets struct {
	rawSPS, rawPPS []byte // the newest
	sps            *h265.SPS
	pps            *h265.PPS
	layers         byte // the highest temporal layer seen
}

func (s *h265Sets) inspect(nalus [][]byte) traits {
	var t traits
	for _, n := range nalus {
		if len(n) < 3 {
			continue
		}
		kind := h265.NALUType(n[0] >> 1 & 0x3f)
		if kind > h265.NALUType_RSV_IRAP_VCL23 {
			s.learn(kind, n)
			continue
		}
		layer := n[1] & 7 // nuh_temporal_id_plus1
		s.layers = max(s.layers, layer)
		key := kind >= h265.NALUType_BLA_W_LP
		if key {
			t.join = joinKey
		}
		// Below 16, the even types are pictures that others of their layer do not refer to; those of higher layers may.
		alone := !key && kind%2 == 0
		t.ref = t.ref || !alone || layer < s.layers
		t.leading = kind == h265.NALUType_RASL_N || kind == h265.NALUType_RASL_R
		if !t.picture {
			t.order = s.slice(kind, n)
			t.order.base = layer == 1 && !alone && (kind < h265.NALUType_RADL_N || key)
		}
		t.picture = true
	}
	return t
}

// learn reads a parameter set; others it does not need.
func (s *h265Sets) learn(kind h265.NALUType, nalu []byte) {
	switch {
	case kind == h265.NALUType_SPS_NUT && !bytes.Equal(nalu, s.rawSPS):
		s.rawSPS, s.sps = bytes.Clone(nalu), new(h265.SPS)
		if err := s.sps.Unmarshal(nalu); err != nil || s.sps.Log2MaxPicOrderCntLsbMinus4 > 12 {
			s.sps = nil
		}
	case kind == h265.NALUType_PPS_NUT && !bytes.Equal(nalu, s.rawPPS):
		s.rawPPS, s.pps = bytes.Clone(nalu), new(h265.PPS)
		if err := s.pps.Unmarshal(nalu); err != nil {
			s.pps = nil
		}
	}
}

// sliceHeadBytes hold a slice header up to its reference picture set.
const sliceHeadBytes = 128

var errUnread = errors.New("slice header of a kind that is not read")

// slice reads a slice header's start (H.265 section 7.3.6.1): the picture's number and those that it refers to.
func (s *h265Sets) slice(kind h265.NALUType, nalu []byte) order {
	if s.sps == nil || s.pps == nil {
		return order{}
	}
	r := bitReader{buf: h264.EmulationPreventionRemove(nalu[:min(len(nalu), sliceHeadBytes)]), pos: 16}
	first := r.flag()
	if kind >= h265.NALUType_BLA_W_LP {
		r.skip(1) // no_output_of_prior_pics_flag
	}
	if id := r.golomb(); !first || id != s.pps.ID || s.pps.SPSID != uint32(s.sps.ID) {
		return order{}
	}
	r.skip(int(s.pps.NumExtraSliceHeaderBits))
	r.golomb() // slice_type
	if s.pps.OutputFlagPresentFlag {
		r.skip(1)
	}
	if s.sps.SeparateColourPlaneFlag {
		r.skip(2)
	}
	o := order{bits: int(s.sps.Log2MaxPicOrderCntLsbMinus4) + 4, first: kind == h265.NALUType_IDR_W_RADL || kind == h265.NALUType_IDR_N_LP}
	if !o.first {
		o.num = r.bits(o.bits)
		o.refs = s.references(&r)
		o.refs.none = kind >= h265.NALUType_BLA_W_LP
	}
	if r.err != nil {
		return order{}
	}
	return o
}

// references reads the short-term reference picture set of a slice (sections 7.3.7 and 7.4.8).
func (s *h265Sets) references(r *bitReader) (refs references) {
	sets := s.sps.ShortTermRefPicSets
	if r.flag() { // short_term_ref_pic_set_sps_flag
		i := 0
		if len(sets) > 1 {
			i = r.bits(bits.Len(uint(len(sets) - 1)))
		}
		if i >= len(sets) {
			r.err = errUnread
			return references{}
		}
		return known(sets[i])
	}
	if len(sets) > 0 && r.flag() { // inter_ref_pic_set_prediction_flag
		return predicted(r, sets)
	}
	negative, positive := r.golomb(), r.golomb()
	refs.read(r, negative, -1)
	refs.read(r, positive, 1)
	return refs
}

// known is a set of the parameter set.
func known(set *h265.SPS_ShortTermRefPicSet) (refs references) {
	refs.deltas = append(append(refs.deltas, set.DeltaPocS0...), set.DeltaPocS1...)
	refs.used = append(append(refs.used, set.UsedByCurrPicS0Flag...), set.UsedByCurrPicS1Flag...)
	if len(refs.deltas) != len(refs.used) {
		return references{}
	}
	return refs
}

// predicted reads a set that is coded as the difference to one of the parameter set's (equations 7-61 and 7-62).
func predicted(r *bitReader, sets []*h265.SPS_ShortTermRefPicSet) (refs references) {
	back, negative, size := r.golomb(), r.flag(), r.golomb()
	if back >= uint32(len(sets)) || size > 1<<15 {
		r.err = errUnread
		return references{}
	}
	shift := int32(size) + 1
	if negative {
		shift = -shift
	}
	from := known(sets[len(sets)-1-int(back)])
	for _, d := range append(from.deltas, 0) { // the last is the picture itself
		used := r.flag()
		if keep := used || r.flag(); keep && d+shift != 0 {
			refs.deltas, refs.used = append(refs.deltas, d+shift), append(refs.used, used)
		}
	}
	return refs
}
