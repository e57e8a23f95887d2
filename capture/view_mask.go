package capture

import (
	"cmp"
	"image"
	"math"
	"slices"

	"yfv2d/pipeline"
)

// Black in limited range.
const (
	maskLuma   = 16
	maskChroma = 128
)

// snap is how finely corners are placed, steps a pixel: a corner meant for the edge of a pixel lies on it in spite of the
// rounding of fractions such as 0.1.
const snap = 1e6

// cover is what the masks cover of pictures of one size and format.
type cover struct {
	size   image.Point
	format pipeline.Format
	rows   []span // of pixels
	halves []span // of chroma samples
	black  []byte // a row's worth of what luma, or BGR, is painted with
	grey   []byte // of what chroma is painted with
}

// span is a run of pixels in a row.
type span struct{ y, x0, x1 int }

// fit makes the cover for a picture; nothing is to be done while pictures stay alike.
func (c *cover) fit(masks [][]Point, format pipeline.Format, size image.Point) {
	if c.size == size && c.format == format {
		return
	}
	c.size, c.format, c.rows, c.halves = size, format, nil, nil
	for _, m := range masks {
		c.rows = append(c.rows, scan(m, size)...)
	}
	c.rows = joined(c.rows)
	if format == pipeline.BGR {
		c.black = make([]byte, size.X*3)
		return
	}
	c.black, c.grey = make([]byte, size.X), make([]byte, size.X/2)
	fill(c.black, maskLuma)
	fill(c.grey, maskChroma)
	for _, s := range c.rows { // a sample is covered when one of its four pixels is
		c.halves = append(c.halves, span{s.y / 2, s.x0 / 2, (s.x1 + 1) / 2})
	}
	c.halves = joined(c.halves)
}

// paint covers f, which has the size and format of the last fit.
func (c *cover) paint(f *pipeline.Frame) {
	if f.Format == pipeline.BGR {
		pix := f.Pix()
		for _, s := range c.rows {
			copy(pix[(s.y*c.size.X+s.x0)*3:(s.y*c.size.X+s.x1)*3], c.black)
		}
		return
	}
	y, u, v := f.Planes()
	for _, s := range c.rows {
		copy(y[s.y*c.size.X+s.x0:s.y*c.size.X+s.x1], c.black)
	}
	stride := c.size.X / 2
	for _, s := range c.halves {
		copy(u[s.y*stride+s.x0:s.y*stride+s.x1], c.grey)
		copy(v[s.y*stride+s.x0:s.y*stride+s.x1], c.grey)
	}
}

// joined sorts spans and makes one of those that meet.
func joined(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.y, b.y), cmp.Compare(a.x0, b.x0)) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && out[n-1].y == s.y && s.x0 <= out[n-1].x1 {
			out[n-1].x1 = max(out[n-1].x1, s.x1)
			continue
		}
		out = append(out, s)
	}
	return out
}

// edge is a side of a polygon, pixels.
type edge struct{ x0, y0, x1, y1 float64 }

// scan gives the pixels that a polygon touches: those whose inside an edge passes through, and those around whose centre
// the outline winds.
func scan(m []Point, size image.Point) []span {
	at := func(f float64, side int) float64 { return math.Round(f*float64(side)*snap) / snap }
	edges := make([]edge, len(m))
	for i, p := range m {
		q := m[(i+1)%len(m)]
		edges[i] = edge{at(p.X, size.X), at(p.Y, size.Y), at(q.X, size.X), at(q.Y, size.Y)}
	}
	var out []span
	for y := range size.Y {
		for _, e := range edges {
			if x0, x1, ok := e.within(float64(y), float64(y+1)); ok {
				out = appendSpan(out, y, x0, x1, size.X)
			}
		}
		out = windings(out, edges, y, size.X)
	}
	return out
}

// appendSpan adds the pixels of row y whose inside lies between x0 and x1.
func appendSpan(out []span, y int, x0, x1 float64, width int) []span {
	from, to := max(0, int(math.Floor(x0))), min(width, int(math.Ceil(x1)))
	if x0 == x1 && math.Floor(x0) == x0 || from >= to { // on the edge between two pixels
		return out
	}
	return append(out, span{y, from, to})
}

// within is where an edge runs between two heights; false if it does not.
func (e edge) within(top, bottom float64) (x0, x1 float64, ok bool) {
	if e.y0 > e.y1 {
		e = edge{e.x1, e.y1, e.x0, e.y0}
	}
	if e.y1 <= top || e.y0 >= bottom {
		return 0, 0, false
	}
	x0, x1 = e.x0, e.x1
	if e.y0 < top {
		x0 = e.at(top)
	}
	if e.y1 > bottom {
		x1 = e.at(bottom)
	}
	return min(x0, x1), max(x0, x1), true
}

// at is where an edge that is not level passes a height.
func (e edge) at(y float64) float64 {
	if e.x0 == e.x1 {
		return e.x0
	}
	return e.x0 + (e.x1-e.x0)*(y-e.y0)/(e.y1-e.y0)
}

// windings adds the runs of row y between whose ends the outline winds around the middle line.
func windings(out []span, edges []edge, y, width int) []span {
	type crossing struct {
		x    float64
		down int
	}
	var all []crossing
	mid := float64(y) + 0.5
	for _, e := range edges {
		switch {
		case e.y0 <= mid && e.y1 > mid:
			all = append(all, crossing{e.at(mid), 1})
		case e.y1 <= mid && e.y0 > mid:
			all = append(all, crossing{e.at(mid), -1})
		}
	}
	slices.SortFunc(all, func(a, b crossing) int { return cmp.Compare(a.x, b.x) })
	turns := 0
	for i, c := range all {
		if turns != 0 {
			out = appendSpan(out, y, all[i-1].x, c.x, width)
		}
		turns += c.down
	}
	return out
}
