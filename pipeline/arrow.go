package pipeline

import (
	"image"
	"math"

	"yfv2d/tracker"
)

// A moving object has a thin arrow from the middle of its box to where that will be arrowAhead later.
const (
	arrowAhead = 0.5 // seconds
	// Below faintSpeed, in box sizes (mean of width and height) per second, there is no arrow; from clearSpeed on it is
	// fully drawn. In between it fades, so that a speed at the limit does not blink. A slow walker makes about 0.3.
	faintSpeed = 0.15
	clearSpeed = 0.35
	headPart   = 0.35 // of the arrow's length
	headLines  = 4    // of the line's width: the head's length at most
	headSpread = 0.5  // of the head's length to either side
)

// arrow is where to draw one.
type arrow struct {
	from, to    vector
	left, right vector // the ends of the head
	alpha       int
}

type vector struct{ x, y float64 }

// arrowOf is false for an object that stands, hardly moves, or whose box is held. No arrow is longer than the picture's
// shorter side.
func arrowOf(t *tracker.Track, size image.Point, line int) (arrow, bool) {
	v, b := vector{float64(t.VX), float64(t.VY)}, t.Box
	speed := math.Hypot(v.x, v.y)
	side := float64(b.X1-b.X0+b.Y1-b.Y0) / 2
	k := (speed/side - faintSpeed) / (clearSpeed - faintSpeed)
	if t.Stationary() || t.Predicted || !(k > 0) || math.IsInf(speed, 0) { // NaN is refused too
		return arrow{}, false
	}
	length := min(speed*arrowAhead, float64(min(size.X, size.Y)))
	d := vector{v.x / speed, v.y / speed}
	head := min(headPart*length, float64(headLines*line))
	a := arrow{from: vector{float64(b.X0+b.X1) / 2, float64(b.Y0+b.Y1) / 2}, alpha: int(opaque * min(k, 1))}
	a.to = vector{a.from.x + d.x*length, a.from.y + d.y*length}
	neck := vector{a.to.x - d.x*head, a.to.y - d.y*head}
	a.left = vector{neck.x + d.y*head*headSpread, neck.y - d.x*head*headSpread}
	a.right = vector{neck.x - d.y*head*headSpread, neck.y + d.x*head*headSpread}
	return a, length >= float64(2*line)
}

// draw draws the arrow in the class's colour over a dark casing.
func (a *arrow) draw(s surface, line int, c ink) {
	shade := func(r image.Rectangle) { s.shade(r.Inset(-1), casingAlpha*a.alpha/opaque) }
	fill := func(r image.Rectangle) { s.fill(r, c, a.alpha) }
	for _, draw := range []func(image.Rectangle){shade, fill} {
		stroke(s.bounds(), a.from, a.to, line, draw)
		stroke(s.bounds(), a.to, a.left, line, draw)
		stroke(s.bounds(), a.to, a.right, line, draw)
	}
}

// stroke gives a line from a to b as rectangles that do not overlap, one for each step of pixels that lie side by side,
// line pixels thick across its main direction. Only what can lie within bounds is given.
func stroke(bounds image.Rectangle, a, b vector, line int, draw func(image.Rectangle)) {
	steep := math.Abs(b.y-a.y) > math.Abs(b.x-a.x)
	if steep {
		a, b = vector{a.y, a.x}, vector{b.y, b.x}
		bounds = image.Rect(bounds.Min.Y, bounds.Min.X, bounds.Max.Y, bounds.Max.X)
	}
	if a.x > b.x {
		a, b = b, a
	}
	slope := (b.y - a.y) / max(b.x-a.x, 1)
	first, last := int(max(a.x, float64(bounds.Min.X))), int(min(b.x, float64(bounds.Max.X-1)))
	across := func(x int) int { return int(math.Floor(a.y + slope*(float64(x)-a.x) - float64(line-1)/2 + 0.5)) }
	for x := first; x <= last; {
		from, y := x, across(x)
		for x++; x <= last && across(x) == y; x++ {
		}
		r := image.Rect(from, y, x, y+line)
		if steep {
			r = image.Rect(y, from, y+line, x)
		}
		draw(r)
	}
}
