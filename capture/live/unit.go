package live

import (
	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"yfv2d/pipeline"
)

// join says how decoding may begin with a unit.
type join uint8

const (
	joinNot      join = iota
	joinKey           // nothing before it is needed
	joinIntra         // the picture stands alone, though the stream does not mark it: pictures are sound from it on
	joinRecovery      // pictures are sound some units later, and the decoder knows when
)

// traits are what is to be known of a unit before it is decoded.
type traits struct {
	picture bool // it holds a picture, not parameter sets only
	ref     bool // other pictures may need it
	join    join
}

// inspect reads a unit's headers. It takes any bytes; what cannot be read is a picture that needs others.
func inspect(codec pipeline.Codec, data []byte) traits {
	if codec == pipeline.JPEG {
		return traits{picture: true, ref: true, join: joinKey}
	}
	var nalus h264.AnnexB
	if err := nalus.Unmarshal(data); err != nil {
		return traits{picture: true, ref: true}
	}
	if codec == pipeline.H265 {
		return inspectH265(nalus)
	}
	return inspectH264(nalus)
}

func inspectH264(nalus [][]byte) traits {
	var t traits
	sets, intra, recovery := false, true, -1
	for _, n := range nalus {
		if len(n) == 0 {
			continue
		}
		switch h264.NALUType(n[0] & 0x1f) {
		case h264.NALUTypeIDR:
			t.picture, t.join = true, joinKey
		case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA:
			t.picture = true
			intra = intra && intraSlice(n)
		case h264.NALUTypeSPS:
			sets = true
		case h264.NALUTypeSEI:
			recovery = max(recovery, recoveryPoint(n))
			continue
		default:
			continue
		}
		t.ref = t.ref || n[0]&0x60 != 0
	}
	switch {
	case !t.picture || t.join == joinKey:
	case recovery >= 0:
		t.join = joinRecovery
	case sets && intra:
		t.join = joinIntra
	}
	return t
}

// headBytes of a slice are enough for the numbers at its start.
const headBytes = 24

// intraSlice says whether a slice header (H.264 section 7.3.3) names an I slice.
func intraSlice(nalu []byte) bool {
	head := h264.EmulationPreventionRemove(nalu[:min(len(nalu), headBytes)])
	pos := 8
	if _, err := bits.ReadGolombUnsigned(head, &pos); err != nil { // first_mb_in_slice
		return false
	}
	kind, err := bits.ReadGolombUnsigned(head, &pos)
	return err == nil && kind%5 == 2
}

// recoveryPoint is the recovery_frame_cnt of a recovery point SEI message (H.264 section D.1.8), or -1.
func recoveryPoint(nalu []byte) int {
	const message = 6
	b := h264.EmulationPreventionRemove(nalu[:min(len(nalu), 1024)])[1:]
	for len(b) > 2 {
		kind, rest := varLen(b)
		size, rest := varLen(rest)
		if size > len(rest) {
			return -1
		}
		if kind == message {
			pos := 0
			n, err := bits.ReadGolombUnsigned(rest[:size], &pos)
			if err != nil || n > 1<<16 {
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

func inspectH265(nalus [][]byte) traits {
	var t traits
	for _, n := range nalus {
		if len(n) < 2 {
			continue
		}
		kind := h265.NALUType(n[0] >> 1 & 0x3f)
		if kind > h265.NALUType_RSV_IRAP_VCL23 {
			continue // parameter sets, messages, and reserved ones between them
		}
		t.picture = true
		if kind >= h265.NALUType_BLA_W_LP {
			t.join = joinKey
		}
		// Below 16, the even types are pictures that others of their layer do not refer to.
		t.ref = t.ref || kind >= h265.NALUType_BLA_W_LP || kind%2 == 1
	}
	return t
}
