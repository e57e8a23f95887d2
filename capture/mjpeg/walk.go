package mjpeg

import "bytes"

// Markers of ITU-T T.81, table B.1.
const (
	tem = 0x01
	sof = 0xc0 // the first that has a segment
	dht = 0xc4
	rst = 0xd0 // to 0xd7
	soi = 0xd8
	eoi = 0xd9
	sos = 0xda
	dqt = 0xdb
	dnl = 0xdc
	dri = 0xdd
	app = 0xe0 // to 0xef
	com = 0xfe
)

type verdict uint8

const (
	going verdict = iota
	more          // more bytes are needed
	whole         // a picture ends there
	cut           // a picture without end is followed there by another
	junk          // it is no picture; from there the search may go on
)

// walker follows a picture's markers, so that a thumbnail in it is not taken for a picture. With pos 2 it stands behind SOI.
type walker struct {
	pos    int
	data   bool // pos is in entropy-coded data
	scans  bool // entropy-coded data came
	marker int  // the last marker: if none follows where one must, it was damaged data
}

// walk goes on in b, which begins with the picture. The same bytes come again, and more behind them, until there is a verdict
// with its place.
func (w *walker) walk(b []byte) (int, verdict) {
	for {
		if at, v := w.step(b); v != going {
			return at, v
		}
	}
}

func (w *walker) step(b []byte) (int, verdict) {
	if w.data && !w.skipData(b) || w.pos+2 > len(b) {
		return 0, more
	}
	switch m := b[w.pos+1]; {
	case b[w.pos] != 0xff:
		return w.lost()
	case m == 0xff: // fill
		w.pos++
	case m == eoi && w.scans:
		return w.pos + 2, whole
	case m == soi && w.scans:
		return w.pos, cut
	case m == soi:
		return w.pos, junk
	case m == eoi:
		return w.pos + 2, junk
	case m == tem, m >= rst && m < soi:
		w.pos += 2
	case m < sof:
		return w.lost()
	default:
		return w.segment(b, m)
	}
	return 0, going
}

// segment passes a marker with a length.
func (w *walker) segment(b []byte, m byte) (int, verdict) {
	if w.pos+4 > len(b) {
		return 0, more
	}
	n := int(b[w.pos+2])<<8 | int(b[w.pos+3])
	if n < 2 {
		w.marker = w.pos
		return w.lost()
	}
	if end := w.pos + 2 + n; w.scans { // a damaged length must not swallow the pictures that follow
		if i := bytes.Index(b[w.pos+2:min(end, len(b))], start); i >= 0 {
			return w.pos + 2 + i, cut
		}
	}
	if w.pos+2+n > len(b) {
		return 0, more
	}
	w.marker = w.pos
	w.pos += 2 + n
	w.data = m == sos
	w.scans = w.scans || w.data
	return 0, going
}

// lost is for when no marker stands where one must. Behind a scan, the last one was damaged data.
func (w *walker) lost() (int, verdict) {
	if !w.scans {
		return len(start) - 1, junk
	}
	w.pos, w.data = w.marker+2, true
	return 0, going
}

// skipData goes to the next marker that may stand behind a scan; false if it is not there yet.
func (w *walker) skipData(b []byte) bool {
	for w.pos < len(b) {
		i := bytes.IndexByte(b[w.pos:], 0xff)
		if i < 0 {
			w.pos = len(b)
			return false
		}
		w.pos += i
		if w.pos+2 > len(b) {
			return false
		}
		switch m := b[w.pos+1]; {
		case m == 0xff:
			w.pos++
		case m == soi, m == eoi, m == sos, m == dht, m == dqt, m == dnl, m == dri, m >= app && m < app+16, m == com:
			w.data = false
			return true
		default: // stuffed, a restart, or damage
			w.pos += 2
		}
	}
	return false
}
