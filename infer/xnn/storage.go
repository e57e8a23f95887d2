//go:build cgo && !noxnnpack

package xnn

import (
	"fmt"
	"slices"

	"yfv2d/infer/model"
)

// storage is memory for h*w pixels of c floats or bytes. One that is part of another has that one's distance between pixels:
// this is how channels are joined without copying them.
type storage struct {
	h, w, c int
	bytes   bool // it holds int8 in place of floats
	parent  *storage
	at      int  // channel of parent where it starts
	fixed   bool // what writes it leaves no gaps: it cannot become part of another

	off         int // floats from the arena's start, of a storage without parent
	first, last int // steps that write it first and use it last
	used        bool
}

// root is the storage that s lies in, and the channel there.
func (s *storage) root() (*storage, int) {
	at := 0
	for s.parent != nil {
		at += s.at
		s = s.parent
	}
	return s, at
}

// floats is how many floats it takes the room of.
func (s *storage) floats() int {
	if s.bytes {
		return (s.h*s.w*s.c + 3) / 4
	}
	return s.h * s.w * s.c
}

func (s *storage) pixels() int { return s.h * s.w }

// area is a run of c channels of all pixels of a storage, or of the pixels from px on.
type area struct {
	st    *storage
	ch, c int
	px    int // only for copies into rows
}

func (st *storage) whole() area { return area{st: st, c: st.c} }

// place is where an area lies in the arena and how far apart its pixels are, in floats or, of int8, in bytes.
func (a area) place() (off, stride int) {
	root, at := a.st.root()
	off = root.off
	if root.bytes {
		off *= 4
	}
	return off + a.px*root.c + at + a.ch, root.c
}

// form says which dimension of a value holds the channels.
type form uint8

const (
	channelsFirst form = iota // dims (1, C, ...): pixels follow in rows
	channelsLast              // dims (1, ..., C)
)

// value is what a node makes: an area seen under ONNX dimensions.
type value struct {
	area
	dims model.Shape
	form form
	step *step         // that makes the whole of it and nothing else; nil otherwise
	q    *model.QParam // of an int8 value
}

func (v *value) channelAxis() int {
	if v.form == channelsFirst {
		return 1
	}
	return len(v.dims) - 1
}

func (v *value) pixels() int { return v.st.pixels() }

// picture is the value's height and width, if it is a picture of channels first.
func (v *value) picture() (h, w int, err error) {
	if v.form != channelsFirst || len(v.dims) != 4 || v.dims[2] != v.st.h || v.dims[3] != v.st.w {
		return 0, 0, fmt.Errorf("input of shape %v is no picture with channels second", []int(v.dims))
	}
	return v.dims[2], v.dims[3], nil
}

// dense says that the value's pixels follow each other without gaps.
func (v *value) dense() bool {
	root, _ := v.st.root()
	return v.c == root.c || v.pixels() == 1
}

// inRows says that the value lies in memory as its dimensions say, outermost first.
func (v *value) inRows() bool {
	return v.dense() && (v.form == channelsLast || v.c == 1 || v.pixels() == 1)
}

// maxArena bounds the memory that one input size takes, bytes. The project's network takes 40 MB at 2048x2048.
const maxArena = 1 << 30

const floatsPerLine = 16 // of the cache

// layOut gives each storage its place in one arena, so that no two overlap in space that do in time: the largest first,
// each as low as it fits. It returns the arena's length in floats.
func layOut(all []*storage) (int, error) {
	roots := slices.DeleteFunc(slices.Clone(all), func(s *storage) bool { return s.parent != nil || !s.used })
	slices.SortStableFunc(roots, func(a, b *storage) int { return b.floats() - a.floats() })
	total := 0
	var placed []*storage // by place
	for _, s := range roots {
		size := lines(s.floats())
		off := 0
		for _, p := range placed {
			if p.last < s.first || s.last < p.first {
				continue
			}
			if off+size <= p.off {
				break
			}
			off = max(off, p.off+lines(p.floats()))
		}
		s.off = off
		total = max(total, off+size)
		if total > maxArena/4 {
			return 0, fmt.Errorf("it needs more than %d MB of memory", maxArena>>20)
		}
		i, _ := slices.BinarySearchFunc(placed, off, func(p *storage, off int) int { return p.off - off })
		placed = slices.Insert(placed, i, s)
	}
	return total, nil
}

// lines rounds up to full lines of the cache, and at least one beyond the end: XNNPACK may read there.
func lines(floats int) int { return (floats/floatsPerLine + 1) * floatsPerLine }
