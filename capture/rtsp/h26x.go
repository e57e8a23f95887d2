package rtsp

import "yfv2d/pipeline"

// NAL unit types that RTP gives a meaning of its own: RFC 6184 section 5.4, RFC 7798 section 4.4.
const (
	h264Aggregate = 24 // STAP-A
	h264Fragment  = 28 // FU-A
	h265Aggregate = 48
	h265Fragment  = 49
	h265Highest   = 47 // of types that are the codec's own
)

// nalPayload gathers H.264 and H.265 into Annex B.
type nalPayload struct {
	codec pipeline.Codec
	sets  parameterSets
	buf   []byte
	part  bool // the last NAL unit in buf lacks its end
	usual int  // bytes of a unit that is no key unit: the next will be about as large
}

func (p *nalPayload) reset() { p.buf, p.part = nil, false }

// head is the type of a NAL unit, and the length of its header.
func (p *nalPayload) head(b []byte) (kind byte, size int, ok bool) {
	if p.codec == pipeline.H265 {
		if len(b) < 2 {
			return 0, 0, false
		}
		return b[0] >> 1 & 0x3f, 2, true
	}
	if len(b) < 1 {
		return 0, 0, false
	}
	return b[0] & 0x1f, 1, true
}

// starts looks whether a payload is the first slice of a picture, or what stands before one.
func (p *nalPayload) starts(b []byte) bool {
	kind, size, ok := p.head(b)
	if !ok {
		return false
	}
	switch {
	case p.aggregate(kind):
		if len(b) < size+2 {
			return false
		}
		return p.startsNAL(b[size+2:])
	case p.fragment(kind):
		first, _, nal, ok := p.unfragment(b)
		return ok && first && p.startsNAL(nal)
	}
	return p.startsNAL(b)
}

func (p *nalPayload) startsNAL(b []byte) bool {
	if len(b) > 4 && b[0] == 0 && b[1] == 0 { // some cameras leave start codes in
		for len(b) > 4 && b[0] == 0 {
			b = b[1:]
		}
		b = b[1:]
	}
	kind, size, ok := p.head(b)
	if !ok {
		return false
	}
	// The first bit of a slice says, in either codec, that it is the first: first_mb_in_slice is 0, or
	// first_slice_segment_in_pic_flag is 1.
	first := len(b) > size && b[size]&0x80 != 0
	if p.codec == pipeline.H265 {
		return kind < 32 && first || kind >= 32 && kind <= 35 || kind == 39
	}
	return (kind == 1 || kind == 2 || kind == 5) && first || kind >= 6 && kind <= 9
}

func (p *nalPayload) aggregate(kind byte) bool {
	return p.codec == pipeline.H264 && kind == h264Aggregate || p.codec == pipeline.H265 && kind == h265Aggregate
}

func (p *nalPayload) fragment(kind byte) bool {
	return p.codec == pipeline.H264 && kind == h264Fragment || p.codec == pipeline.H265 && kind == h265Fragment
}

// unfragment takes a fragment apart. nal is what it holds, with the header of the NAL unit if it is the first.
func (p *nalPayload) unfragment(b []byte) (first, last bool, nal []byte, ok bool) {
	_, size, _ := p.head(b)
	if len(b) < size+2 {
		return false, false, nil, false
	}
	h := b[size]
	first, last, nal = h&0x80 != 0, h&0x40 != 0, b[size+1:]
	if !first {
		return first, last, nal, true
	}
	whole := make([]byte, 0, len(nal)+size)
	if p.codec == pipeline.H265 {
		whole = append(whole, b[0]&0x81|h&0x3f<<1, b[1])
	} else {
		whole = append(whole, b[0]&0xe0|h&0x1f)
	}
	return first, last, append(whole, nal...), true
}

func (p *nalPayload) add(b []byte, limit int) error {
	kind, size, ok := p.head(b)
	if !ok {
		return errShort
	}
	if p.part != p.continues(kind, b) {
		return errFragment
	}
	switch {
	case p.aggregate(kind):
		return p.addAggregate(b[size:], limit)
	case p.fragment(kind):
		return p.addFragment(b, limit)
	case p.codec == pipeline.H265 && kind > h265Highest, p.codec == pipeline.H264 && kind > 23:
		return errKind
	}
	return p.addNAL(b, limit)
}

// continues says whether a payload is a further fragment.
func (p *nalPayload) continues(kind byte, b []byte) bool {
	if !p.fragment(kind) {
		return false
	}
	first, _, _, ok := p.unfragment(b)
	return ok && !first
}

func (p *nalPayload) addAggregate(b []byte, limit int) error {
	for len(b) > 0 {
		if len(b) < 2 {
			return errShort
		}
		n := int(b[0])<<8 | int(b[1])
		if n > len(b)-2 {
			return errShort
		}
		if n > 0 { // a few cameras pad with zeros
			if err := p.addNAL(b[2:2+n], limit); err != nil {
				return err
			}
		}
		b = b[2+n:]
	}
	return nil
}

func (p *nalPayload) addFragment(b []byte, limit int) error {
	first, last, nal, ok := p.unfragment(b)
	if !ok {
		return errShort
	}
	p.part = !last
	if first {
		return p.addNAL(nal, limit)
	}
	return p.append(nal, limit)
}

func (p *nalPayload) addNAL(nal []byte, limit int) error {
	if err := p.append(startCode, limit); err != nil {
		return err
	}
	return p.append(nal, limit)
}

func (p *nalPayload) append(b []byte, limit int) error {
	if len(p.buf)+len(b) > limit {
		return errTooLarge
	}
	if p.buf == nil {
		p.buf = make([]byte, 0, max(2*len(b), p.usual+p.usual/4))
	}
	p.buf = append(p.buf, b...)
	return nil
}

// take gives the unit in Annex B, with the parameter sets that it needs. Sets that come by themselves are no unit: they
// are remembered.
func (p *nalPayload) take(bool) ([]byte, error) {
	if p.part {
		return nil, errFragment
	}
	data := p.buf
	k := look(p.codec, data)
	if !k.joins {
		p.usual = len(data)
	}
	data = p.sets.complete(data, k)
	if !k.picture {
		return nil, nil
	}
	return data, nil
}
