package rtsp

import (
	"bytes"

	"yfv2d/pipeline"
)

var startCode = []byte{0, 0, 0, 1}

// splitNALs cuts Annex B into NAL units without their start codes.
func splitNALs(b []byte) (nals [][]byte) {
	i := bytes.Index(b, startCode[1:])
	for i >= 0 {
		b = b[i+3:]
		i = bytes.Index(b, startCode[1:])
		nal := b
		if i >= 0 {
			nal = bytes.TrimRight(b[:i], "\x00")
		}
		if len(nal) > 0 {
			nals = append(nals, nal)
		}
	}
	return nals
}

// set is a kind of parameter set.
type set uint8

const (
	notSet set = iota
	vps        // H.265 only
	sps
	pps
)

func setKind(c pipeline.Codec, nal []byte) set {
	if c == pipeline.H265 {
		switch nal[0] >> 1 & 0x3f {
		case 32:
			return vps
		case 33:
			return sps
		case 34:
			return pps
		}
		return notSet
	}
	switch nal[0] & 0x1f {
	case 7:
		return sps
	case 8:
		return pps
	}
	return notSet
}

// content is what a unit holds, as far as it matters here.
type content struct {
	picture bool
	joins   bool // a key picture, or one that decoding may begin with as its message says: it needs parameter sets
	sets    [pps + 1][][]byte
}

func look(c pipeline.Codec, data []byte) (k content) {
	for _, nal := range splitNALs(data) {
		if s := setKind(c, nal); s != notSet {
			k.sets[s] = append(k.sets[s], nal)
			continue
		}
		if c == pipeline.H265 {
			t := nal[0] >> 1 & 0x3f
			k.picture = k.picture || t < 32
			k.joins = k.joins || t >= 16 && t <= 23
			continue
		}
		const sei, recoveryPoint = 6, 6
		t := nal[0] & 0x1f
		k.picture = k.picture || t >= 1 && t <= 5
		k.joins = k.joins || t == 5 || t == sei && len(nal) > 1 && nal[1] == recoveryPoint
	}
	return k
}

// parameterSets are the newest of a stream, as NAL units: those announced, until the stream itself holds others.
type parameterSets struct {
	codec pipeline.Codec
	kinds [pps + 1][][]byte
}

func newSets(c pipeline.Codec, nals [][]byte) parameterSets {
	p := parameterSets{codec: c}
	for _, nal := range nals {
		k := setKind(c, nal)
		p.kinds[k] = append(p.kinds[k], nal)
	}
	return p
}

// complete learns the sets that a unit holds, and puts those it lacks before a unit that needs them.
func (p *parameterSets) complete(data []byte, k content) []byte {
	var missing []byte
	for kind := vps; kind <= pps; kind++ {
		if len(k.sets[kind]) > 0 {
			p.learn(kind, k.sets[kind])
			continue
		}
		for _, nal := range p.kinds[kind] {
			missing = append(append(missing, startCode...), nal...)
		}
	}
	if !k.joins || len(missing) == 0 {
		return data
	}
	if d := delimiter(p.codec, data); d > 0 { // it must stay the first
		return append(append(append([]byte(nil), data[:d]...), missing...), data[d:]...)
	}
	return append(missing, data...)
}

// learn keeps the sets of a kind.
func (p *parameterSets) learn(kind set, nals [][]byte) {
	total := 0
	for i, nal := range nals {
		if total += len(nal); total > maxSetBytes {
			nals = nals[:i]
			break
		}
	}
	if len(p.kinds[kind]) == len(nals) {
		same := true
		for i, nal := range nals {
			same = same && bytes.Equal(nal, p.kinds[kind][i])
		}
		if same {
			return
		}
	}
	p.kinds[kind] = nil
	for _, nal := range nals {
		p.kinds[kind] = append(p.kinds[kind], bytes.Clone(nal))
	}
}

// delimiter is how many bytes an access unit delimiter at the unit's beginning takes, with its start code.
func delimiter(c pipeline.Codec, data []byte) int {
	if len(data) < 6 {
		return 0
	}
	aud := data[4]&0x1f == 9
	if c == pipeline.H265 {
		aud = data[4]>>1&0x3f == 35
	}
	if i := bytes.Index(data[4:], startCode); aud && i > 0 {
		return 4 + i
	}
	return 0
}
