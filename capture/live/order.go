package live

import (
	"slices"

	"yfv2d/pipeline"
)

// order is a picture's place among those it may need, as its unit says.
type order struct {
	bits  int  // of num; 0: nothing is known
	num   int  // H.264: frame_num, one more than that of the reference picture before. H.265: slice_pic_order_cnt_lsb
	first bool // nothing before counts
	base  bool // H.265: later pictures' numbers are counted from this one's
	refs  references
}

// references are the pictures that an H.265 picture keeps for itself and those after it.
type references struct {
	deltas []int32 // their numbers, from this one's
	used   []bool  // by this one
	none   bool    // it needs none of them itself
}

// read reads n deltas of one sign (H.265 section 7.3.7).
func (s *references) read(r *bitReader, n uint32, sign int32) {
	const most = 16
	if n > most {
		r.err = errUnread
		return
	}
	at := int32(0)
	for range n {
		d := r.golomb()
		if d > 1<<15 {
			r.err = errUnread
			return
		}
		at += sign * (int32(d) + 1)
		s.deltas, s.used = append(s.deltas, at), append(s.used, r.flag())
	}
}

// follower notices pictures that were lost on their way without anyone's word.
type follower struct {
	known bool
	num   int     // H.264: of the reference picture before. H.265: of the picture that numbers are counted from
	held  []int32 // H.265: the numbers of the pictures that may be referred to
}

// follows says whether nothing that a picture needs is missing before it. H.264 counts reference pictures, and H.265 names
// them.
func (f *follower) follows(u unit) bool {
	o := u.order
	if o.bits == 0 {
		*f = follower{}
		return true
	}
	if u.Codec == pipeline.H265 {
		return f.finds(o, u.ref)
	}
	ok := o.first || !f.known || o.num == f.num || o.num == (f.num+1)&(1<<o.bits-1)
	if u.ref {
		f.known, f.num = true, o.num
	}
	return ok
}

// finds says whether the pictures that one refers to came before it.
func (f *follower) finds(o order, ref bool) bool {
	num := f.full(o)
	var held []int32
	ok := true
	for i, d := range o.refs.deltas {
		there := slices.Contains(f.held, num+d)
		if there {
			held = append(held, num+d)
		}
		ok = ok && (there || !o.refs.used[i] || o.refs.none || !f.known)
	}
	f.held = held
	if ref {
		f.held = append(f.held, num)
	}
	if o.base || !f.known {
		f.known, f.num = true, int(num)
	}
	return ok
}

// full is a picture's whole number, PicOrderCntVal (H.265 section 8.3.1).
func (f *follower) full(o order) int32 {
	if o.first || !f.known {
		return int32(o.num)
	}
	span := 1 << o.bits
	low := f.num & (span - 1)
	high := f.num - low
	switch {
	case o.num < low && low-o.num >= span/2:
		high += span
	case o.num > low && o.num-low > span/2:
		high -= span
	}
	return int32(high + o.num)
}
