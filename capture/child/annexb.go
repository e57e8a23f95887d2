package child

import (
	"bytes"
	"time"
)

// splitter cuts an H.264 or H.265 byte stream (Annex B) into access units. A unit is known to be whole when the next one begins, so
// each is given one picture late; its time is that of its first byte all the same.
type splitter struct {
	h265 bool
	max  int // bytes of a unit
	// emit gets each unit, its own from then on; nil: a unit was lost.
	emit func(unit []byte, at time.Time)

	buf      []byte
	at       time.Time // when the unit's first byte came
	scan     int       // no start code begins before it that was not seen
	nals     []int     // where the unit's NAL units begin, behind their start codes
	picture  bool      // one of them is of a picture
	skipping bool      // until a unit begins
	sets     []byte    // the parameter sets that came last
}

const maxSets = 64 << 10

var startCode = []byte{0, 0, 1}

// write takes what came at a time.
func (s *splitter) write(b []byte, at time.Time) {
	if len(s.buf) == 0 {
		s.at = at
	}
	s.buf = append(s.buf, b...)
	for s.next(at) {
	}
	if len(s.buf) > s.max {
		s.skip()
	}
}

// skip gives up the present unit.
func (s *splitter) skip() {
	s.buf, s.nals, s.scan, s.picture, s.skipping = s.buf[:0], s.nals[:0], 0, false, true
	s.emit(nil, s.at)
}

// lost is for when something is missing of the stream.
func (s *splitter) lost() {
	if !s.skipping && len(s.nals) > 0 {
		s.skip()
		return
	}
	s.buf, s.nals, s.scan, s.picture = s.buf[:0], s.nals[:0], 0, false
}

// flush gives the last unit.
func (s *splitter) flush() {
	if s.picture {
		s.give(len(s.buf))
	}
}

// next looks at the next NAL unit; false if it is not there yet.
func (s *splitter) next(at time.Time) bool {
	i := bytes.Index(s.buf[s.scan:], startCode)
	if i < 0 {
		s.scan = max(s.scan, len(s.buf)-len(startCode)+1)
		if s.skipping || len(s.nals) == 0 {
			s.drop(max(0, s.scan-1)) // a start code may have a zero more
		}
		return false
	}
	i += s.scan
	head := s.buf[i+len(startCode):]
	if len(head) < 3 {
		s.scan = i
		return false
	}
	begins, slice := s.kind(head)
	begin := i
	if i > 0 && s.buf[i-1] == 0 {
		begin--
	}
	switch {
	case s.skipping && !begins:
		s.scan = i + len(startCode)
		return true
	case s.skipping, len(s.nals) == 0:
		s.drop(begin)
		s.at = at
	case s.picture && begins:
		s.give(begin)
		s.drop(begin)
		s.at = at
	default:
		begin = 0
	}
	s.skipping = false
	s.picture = s.picture || slice
	s.scan = i - begin + len(startCode)
	s.nals = append(s.nals, s.scan)
	return true
}

// drop forgets the first n bytes.
func (s *splitter) drop(n int) {
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	s.scan = max(0, s.scan-n)
	if n > 0 {
		s.nals, s.picture = s.nals[:0], false
	}
}

// kind says of a NAL unit whether it begins an access unit if a picture stands before it, and whether it is part of a picture
// (H.264 section 7.4.1.2.3, H.265 section 7.4.2.4.4). A picture's first slice is the one that begins with its first block.
func (s *splitter) kind(head []byte) (begins, slice bool) {
	if !s.h265 {
		switch t := head[0] & 0x1f; {
		case t == 1, t == 2, t == 5:
			return head[1]&0x80 != 0, true
		case t >= 6 && t <= 9, t >= 15 && t <= 18:
			return true, false
		}
		return false, false
	}
	if head[0]&1 != 0 || head[1]&0xf8 != 0 {
		return false, false // another layer
	}
	switch t := head[0] >> 1 & 0x3f; {
	case t < 32:
		return head[2]&0x80 != 0, true
	case t <= 35, t == 39, t >= 41 && t <= 44, t >= 48 && t <= 55:
		return true, false
	}
	return false, false
}

// give gives the unit that ends at end.
func (s *splitter) give(end int) {
	unit := s.complete(s.buf[:end])
	s.emit(unit, s.at)
}

// complete copies a unit and puts the parameter sets before a key picture that has none: whoever joins there needs them.
func (s *splitter) complete(unit []byte) []byte {
	var own []byte
	key, first, insert := false, false, 0
	for k, at := range s.nals {
		end := len(unit)
		if k+1 < len(s.nals) {
			end = s.nals[k+1] - len(startCode)
		}
		nal := bytes.TrimRight(unit[at:end], "\x00")
		switch set, sequence, irap, delimiter := s.role(nal); {
		case set:
			own = append(append(own, 0, 0, 0, 1), nal...)
			first = first || sequence
		case irap:
			key = true
		case delimiter && k == 0:
			insert = end
		}
	}
	switch {
	case first && len(own) <= maxSets:
		s.sets = own
	case len(own) > 0 && len(s.sets)+len(own) <= maxSets && !bytes.Contains(s.sets, own):
		s.sets = append(s.sets[:len(s.sets):len(s.sets)], own...)
	}
	if !key || first || len(s.sets) == 0 {
		return bytes.Clone(unit)
	}
	if insert > 0 && unit[insert-1] == 0 {
		insert--
	}
	return bytes.Join([][]byte{unit[:insert], s.sets, unit[insert:]}, nil)
}

// role says of a NAL unit whether it is a parameter set, one of a sequence, part of a key picture, a delimiter.
func (s *splitter) role(nal []byte) (set, sequence, key, delimiter bool) {
	if len(nal) == 0 {
		return false, false, false, false
	}
	if !s.h265 {
		t := nal[0] & 0x1f
		return t == 7 || t == 8, t == 7, t == 5, t == 9
	}
	t := nal[0] >> 1 & 0x3f
	return t >= 32 && t <= 34, t == 33, t >= 16 && t <= 23, t == 35
}
