package live

// order is a picture's place among those it may need, as its unit says.
type order struct {
	first bool // nothing before counts
	num   int  // H.264 frame_num: one more than that of the reference picture before; -1: unknown
	bits  int  // of num
}

// follower notices pictures that were lost on their way without anyone's word.
type follower struct {
	known bool
	num   int // of the reference picture before
}

// follows says whether nothing is missing between a unit and those before it.
func (f *follower) follows(o order, ref bool) bool {
	if o.num < 0 || o.bits == 0 {
		f.known = false
		return true
	}
	ok := o.first || !f.known || o.num == f.num || o.num == (f.num+1)&(1<<o.bits-1)
	if ref {
		f.known, f.num = true, o.num
	}
	return ok
}
