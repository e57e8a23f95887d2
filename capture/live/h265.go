package live

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// h265Sets is what of a stream's parameter sets slice headers need.
type h265Sets struct{}

func (s *h265Sets) inspect(nalus [][]byte) traits {
	var t traits
	t.order.num = -1
	for _, n := range nalus {
		if len(n) < 2 {
			continue
		}
		kind := h265.NALUType(n[0] >> 1 & 0x3f)
		if kind > h265.NALUType_RSV_IRAP_VCL23 {
			continue // parameter sets, messages, and reserved ones between them
		}
		t.picture = true
		key := kind >= h265.NALUType_BLA_W_LP
		if key {
			t.join, t.order.first = joinKey, true
		}
		// Below 16, the even types are pictures that others of their layer do not refer to.
		t.ref = t.ref || key || kind%2 == 1
		t.leading = kind == h265.NALUType_RASL_N || kind == h265.NALUType_RASL_R
	}
	return t
}
