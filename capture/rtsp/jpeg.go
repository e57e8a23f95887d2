package rtsp

import "encoding/binary"

// jpegPayload gathers JPEG pictures (RFC 2435) and writes the headers that RTP leaves out.
type jpegPayload struct {
	size   [2]int // of pictures that are too large for RTP's bytes, by the announcement; may be zero
	tables [256][]byte
	buf    []byte
	head   int // bytes of buf that are headers of our making
	usual  int // bytes of the newest picture
}

func (p *jpegPayload) reset() { p.buf, p.head = nil, 0 }

// jpegHeader is RTP's main header of JPEG, with the one of restart markers.
type jpegHeader struct {
	offset   int
	kind, q  byte
	w, h     int
	interval uint16 // of restart markers; 0: none
}

const (
	jpegHeaderSize  = 8
	jpegRestart     = 64 // types from here have restart markers
	jpegDynamic     = 128
	jpegInEach      = 255 // its tables come with each picture
	jpegSide        = 8   // pixels that RTP counts in
	jpegTablesBytes = 64
)

func readJPEGHeader(b []byte) (h jpegHeader, rest []byte, err error) {
	if len(b) < jpegHeaderSize {
		return h, nil, errShort
	}
	h = jpegHeader{offset: int(b[1])<<16 | int(b[2])<<8 | int(b[3]), kind: b[4], q: b[5], w: int(b[6]) * jpegSide, h: int(b[7]) * jpegSide}
	rest = b[jpegHeaderSize:]
	if h.kind >= jpegRestart && h.kind < jpegDynamic {
		if len(rest) < 4 {
			return h, nil, errShort
		}
		h.interval, h.kind = binary.BigEndian.Uint16(rest), h.kind-jpegRestart
		rest = rest[4:]
	}
	if h.kind > 1 { // 4:2:2 and 4:2:0 are the only ones that were ever defined
		return h, nil, errKind
	}
	return h, rest, nil
}

func (p *jpegPayload) starts(b []byte) bool {
	h, _, err := readJPEGHeader(b)
	return err == nil && h.offset == 0
}

func (p *jpegPayload) add(b []byte, limit int) error {
	h, rest, err := readJPEGHeader(b)
	if err != nil {
		return err
	}
	if h.offset == 0 && p.head == 0 {
		if rest, err = p.begin(h, rest); err != nil {
			return err
		}
	}
	if p.head == 0 || h.offset != len(p.buf)-p.head {
		return errFragment
	}
	if len(p.buf)+len(rest) > limit {
		return errTooLarge
	}
	p.buf = append(p.buf, rest...)
	return nil
}

// begin writes a picture's headers.
func (p *jpegPayload) begin(h jpegHeader, b []byte) (rest []byte, err error) {
	if h.w == 0 || h.h == 0 {
		h.w, h.h = p.size[0], p.size[1]
	}
	if h.w == 0 || h.h == 0 {
		return nil, errKind
	}
	tables, rest, err := p.quantizers(h.q, b)
	if err != nil {
		return nil, err
	}
	p.buf = writeJPEGHeaders(make([]byte, 0, max(1024+2*len(rest), p.usual+p.usual/8)), h, tables)
	p.head = len(p.buf)
	return rest, nil
}

// quantizers are a picture's quantization tables, one of 64 bytes for brightness, and perhaps one for colour.
func (p *jpegPayload) quantizers(q byte, b []byte) (tables, rest []byte, err error) {
	if q < jpegDynamic {
		if q == 0 || q > 99 {
			return nil, nil, errKind
		}
		return scaledTables(int(q)), b, nil
	}
	if len(b) < 4 {
		return nil, nil, errShort
	}
	precision, n := b[1], int(binary.BigEndian.Uint16(b[2:]))
	b = b[4:]
	switch {
	case n == 0 && q != jpegInEach && p.tables[q] != nil:
		return p.tables[q], b, nil
	case precision != 0, n != jpegTablesBytes && n != 2*jpegTablesBytes:
		return nil, nil, errKind
	case n > len(b):
		return nil, nil, errShort
	}
	if q != jpegInEach {
		p.tables[q] = append([]byte(nil), b[:n]...)
	}
	return b[:n], b[n:], nil
}

var jpegEnd = []byte{0xff, 0xd9}

// take gives the picture. Without a marker, only the picture itself can tell that it is whole.
func (p *jpegPayload) take(ended bool) ([]byte, error) {
	n := len(p.buf)
	if n == p.head {
		return nil, errFragment
	}
	whole := n >= p.head+2 && p.buf[n-2] == jpegEnd[0] && p.buf[n-1] == jpegEnd[1]
	if !whole && !ended {
		return nil, errFragment
	}
	if !whole {
		p.buf = append(p.buf, jpegEnd...)
	}
	p.usual = len(p.buf)
	return p.buf, nil
}

// writeJPEGHeaders writes all that stands before the coded pixels. 4:2:2 and 4:2:0 differ in the height of a block of
// brightness.
func writeJPEGHeaders(b []byte, h jpegHeader, tables []byte) []byte {
	b = append(b, 0xff, 0xd8)
	colour := byte(0)
	for i := 0; i*jpegTablesBytes < len(tables); i++ {
		b = append(b, 0xff, 0xdb, 0, 3+jpegTablesBytes, byte(i))
		b = append(b, tables[i*jpegTablesBytes:(i+1)*jpegTablesBytes]...)
		colour = byte(i)
	}
	if h.interval > 0 {
		b = append(b, 0xff, 0xdd, 0, 4, byte(h.interval>>8), byte(h.interval))
	}
	sampling := byte(0x21) + h.kind
	b = append(b, 0xff, 0xc0, 0, 17, 8, byte(h.h>>8), byte(h.h), byte(h.w>>8), byte(h.w), 3,
		1, sampling, 0, 2, 0x11, colour, 3, 0x11, colour)
	for _, t := range huffmanTables {
		n := 3 + len(t.lengths) + len(t.symbols)
		b = append(b, 0xff, 0xc4, byte(n>>8), byte(n), t.class)
		b = append(append(b, t.lengths...), t.symbols...)
	}
	return append(b, 0xff, 0xda, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)
}

// scaledTables are the standard tables (ITU-T T.81, annex K.1, in zigzag order) at a quality of 1 to 99, as RFC 2435
// appendix A computes them.
func scaledTables(q int) []byte {
	factor := 200 - 2*q
	if q < 50 {
		factor = 5000 / q
	}
	out := make([]byte, len(quantizers))
	for i, v := range quantizers {
		out[i] = byte(min(max((int(v)*factor+50)/100, 1), 255))
	}
	return out
}
