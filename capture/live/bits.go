package live

import "github.com/bluenviron/mediacommon/v2/pkg/bits"

// bitReader reads numbers of a header; after an error it gives zeros.
type bitReader struct {
	buf []byte
	pos int // in bits
	err error
}

func (r *bitReader) flag() bool { return r.bits(1) != 0 }

func (r *bitReader) skip(n int) { r.bits(n) }

// bits reads an unsigned number of n bits, at most 32.
func (r *bitReader) bits(n int) int {
	if r.err != nil {
		return 0
	}
	var v uint64
	v, r.err = bits.ReadBits(r.buf, &r.pos, n)
	return int(v)
}

// golomb reads an unsigned Exp-Golomb number.
func (r *bitReader) golomb() uint32 {
	if r.err != nil {
		return 0
	}
	var v uint32
	v, r.err = bits.ReadGolombUnsigned(r.buf, &r.pos)
	return v
}
