package capture

import (
	"encoding/binary"
	"time"

	"yfv2d/pipeline"
)

// The stamp is the top eighth of a test picture: three rows of 32 cells, dark for 0 and bright for 1, each w/32 wide and
// h/24 high, so that a reader finds them at any size of the picture: the middle of cell (column, row) lies at
// ((column+0.5)/32*w, (row+0.5)/24*h). A cell brighter than the middle grey (luma 125; 127 of 255 on a canvas) is 1. Read
// row by row from the left, most significant bit first, the 96 bits are:
//
//	32 bits  counter, from 0, of the frames the pattern made
//	48 bits  capture time, milliseconds since 1970
//	16 bits  CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xffff) of the ten bytes before
const (
	stampColumns = 32
	stampRows    = 3
	stampParts   = 24 // the picture's height has this many cells
	stampDark    = 30
	stampBright  = 220
	stampMiddle  = (stampDark + stampBright) / 2
)

// stampBits are the stamp's twelve bytes.
func stampBits(counter uint32, at time.Time) (b [12]byte) {
	binary.BigEndian.PutUint32(b[:], counter)
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint16(b[4:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[6:], uint32(ms))
	binary.BigEndian.PutUint16(b[10:], crc16(b[:10]))
	return b
}

// cellEdge is where cell i of n begins in a picture's side.
func cellEdge(i, n, side int) int { return i * side / n }

// drawStamp draws on a Y plane of w x h.
func drawStamp(y []byte, w, h int, bits [12]byte) {
	for row := range stampRows {
		top, bottom := cellEdge(row, stampParts, h), cellEdge(row+1, stampParts, h)
		line := y[top*w : (top+1)*w]
		for col := range stampColumns {
			v := byte(stampDark)
			if i := row*stampColumns + col; bits[i/8]>>(7-i%8)&1 == 1 {
				v = stampBright
			}
			fill(line[cellEdge(col, stampColumns, w):cellEdge(col+1, stampColumns, w)], v)
		}
		for r := top + 1; r < bottom; r++ {
			copy(y[r*w:(r+1)*w], line)
		}
	}
}

// ReadStamp reads the counter and the capture time (to the millisecond) from an I420 frame that shows a test pattern, in
// its own size or scaled, also after lossy coding. ok is false if the frame shows none.
func ReadStamp(f *pipeline.Frame) (counter uint32, at time.Time, ok bool) {
	size := f.Size()
	if f.Format != pipeline.I420 || size.X < stampColumns || size.Y < stampParts {
		return 0, time.Time{}, false
	}
	y, _, _ := f.Planes()
	var b [12]byte
	for i := range stampRows * stampColumns {
		if cellMean(y, size.X, size.Y, i%stampColumns, i/stampColumns) > stampMiddle {
			b[i/8] |= 1 << (7 - i%8)
		}
	}
	if crc16(b[:10]) != binary.BigEndian.Uint16(b[10:]) {
		return 0, time.Time{}, false
	}
	ms := int64(binary.BigEndian.Uint16(b[4:]))<<32 | int64(binary.BigEndian.Uint32(b[6:]))
	return binary.BigEndian.Uint32(b[:]), time.UnixMilli(ms), true
}

// cellMean is the mean luma of the middle half of a cell, where coding and scaling blur least.
func cellMean(y []byte, w, h, col, row int) int {
	x0, x1 := middle(col, stampColumns, w)
	y0, y1 := middle(row, stampParts, h)
	sum := 0
	for r := y0; r < y1; r++ {
		for _, v := range y[r*w+x0 : r*w+x1] {
			sum += int(v)
		}
	}
	return sum / ((x1 - x0) * (y1 - y0))
}

// middle is the middle half of cell i of n along a side, at least a pixel.
func middle(i, n, side int) (from, to int) {
	from, to = (4*i+1)*side/(4*n), (4*i+3)*side/(4*n)
	return from, max(to, from+1)
}

func crc16(data []byte) uint16 {
	crc := uint16(0xffff)
	for _, b := range data {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}
