package live

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"yfv2d/pipeline"
)

// join says how decoding may begin with a unit.
type join uint8

const (
	joinNot      join = iota
	joinKey           // nothing before it is needed
	joinIntra         // the picture stands alone, and so do those shown after it
	joinRecovery      // pictures are sound some units later, and the decoder knows when
)

// unit is an access unit on its way.
type unit struct {
	*pipeline.AccessUnit
	traits
	came   time.Time
	broken bool // units before it were lost
}

// traits are what is to be known of a unit before it is decoded.
type traits struct {
	picture bool // it holds a picture, not parameter sets only
	ref     bool // other pictures may need it
	leading bool // it may need pictures before the key unit that it follows
	join    join
	order   order
}

// inspector reads units' headers. It belongs to whoever pushes.
type inspector struct {
	codec pipeline.Codec
	h264  h264Sets
	h265  h265Sets
}

// inspect takes any bytes; what cannot be read is taken as a picture that needs others.
func (i *inspector) inspect(codec pipeline.Codec, data []byte) traits {
	if codec != i.codec {
		*i = inspector{codec: codec}
	}
	if codec == pipeline.JPEG {
		return traits{picture: true, ref: true, join: joinKey}
	}
	var nalus h264.AnnexB // H.265 is split alike
	if err := nalus.Unmarshal(data); err != nil {
		return traits{picture: true, ref: true}
	}
	if codec == pipeline.H265 {
		return i.h265.inspect(nalus)
	}
	return i.h264.inspect(nalus)
}
