package pipeline

import (
	"fmt"
	"image"
	"math"
	"strconv"

	"yfv2d/tracker"
)

// Sizes on a frame, as parts of its shorter side.
const (
	linePart   = 240 // line width
	letterPart = 36  // letter size
	minLine    = 2   // pixels
	minLetter  = 11
	maxLetter  = 64
)

// Alphas of what does not cover fully.
const (
	casingAlpha    = opaque * 2 / 5
	predictedAlpha = opaque * 3 / 4
)

// Overlay draws boxes and labels on frames. One goroutine at a time. It holds Go memory only, and after the first
// frames of a size it allocates none.
type Overlay struct {
	names   []string
	inks    []ink
	letters *lettering
	i420    i420Surface
	bgr     bgrSurface
}

// NewOverlay makes an overlay for a model's classes, by class number.
func NewOverlay(classes []string) (*Overlay, error) {
	letters, err := newLettering()
	if err != nil {
		return nil, err
	}
	o := &Overlay{letters: letters}
	for i, name := range classes {
		o.names = append(o.names, printable(name))
		o.inks = append(o.inks, classInk(i))
	}
	return o, nil
}

// Draw draws the tracks on f in place: on the planes of an I420 frame, on the pixels of a BGR one. A held position
// (Predicted) has a dashed line; a track without an ID shows none. A stationary track's label tells for how long it has
// stood, a moving one has an arrow from its middle to where that will be in half a second. What lies outside the frame
// is not drawn, labels are moved inside. Boxes that are not finite numbers are left out.
func (o *Overlay) Draw(f *Frame, tracks []tracker.Track) error {
	s, err := o.surface(f)
	if err != nil || len(tracks) == 0 {
		return err
	}
	size := f.Size()
	short := min(size.X, size.Y)
	line := max(minLine, (short+linePart/2)/linePart)
	o.letters.setSize(min(max(minLetter, (short+letterPart/2)/letterPart), maxLetter))
	for i := range tracks {
		if r, ok := pixels(&tracks[i], size); ok {
			c := o.ink(tracks[i].Class)
			drawBox(s, r, line, c, tracks[i].Predicted)
			if a, ok := arrowOf(&tracks[i], size, line); ok {
				a.draw(s, line, c)
			}
		}
	}
	for i := range tracks { // on top of all boxes
		if r, ok := pixels(&tracks[i], size); ok {
			o.drawLabel(s, r, line, &tracks[i])
		}
	}
	return nil
}

func (o *Overlay) surface(f *Frame) (surface, error) {
	size := f.Size()
	if size.X == 0 {
		return nil, fmt.Errorf("draw on frame %d: it is empty", f.Seq)
	}
	if f.Format == BGR {
		o.bgr = bgrSurface{pix: f.Pix(), size: size}
		return &o.bgr, nil
	}
	o.i420.y, o.i420.u, o.i420.v = f.Planes()
	o.i420.size = size
	return &o.i420, nil
}

func (o *Overlay) ink(class int) ink {
	if class >= 0 && class < len(o.inks) {
		return o.inks[class]
	}
	return classInk(max(class, 0))
}

func (o *Overlay) name(class int) string {
	if class >= 0 && class < len(o.names) {
		return o.names[class]
	}
	return "class " + strconv.Itoa(class)
}

// pixels is the part of a track's box that lies in the picture; false if there is none.
func pixels(t *tracker.Track, size image.Point) (image.Rectangle, bool) {
	at := func(v float32, limit int) int { return int(math.Round(float64(min(max(v, 0), float32(limit))))) }
	b := t.Box
	if !(b.X1 > b.X0 && b.Y1 > b.Y0) { // also refuses NaN
		return image.Rectangle{}, false
	}
	r := image.Rect(at(b.X0, size.X), at(b.Y0, size.Y), at(b.X1, size.X), at(b.Y1, size.Y))
	return r, !r.Empty()
}

// drawBox draws the outline inside r, with a thin dark casing on both sides of the line.
func drawBox(s surface, r image.Rectangle, line int, c ink, dashed bool) {
	if dashed {
		drawDashed(s, r, line, c)
		return
	}
	outline(r.Inset(-1), line+2, func(r image.Rectangle) { s.shade(r, casingAlpha) })
	outline(r, line, func(r image.Rectangle) { s.fill(r, c, opaque) })
}

// outline gives the four sides of a line inside the edge of r, each pixel once.
func outline(r image.Rectangle, line int, draw func(image.Rectangle)) {
	if r.Dx() <= 2*line || r.Dy() <= 2*line {
		draw(r)
		return
	}
	draw(image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+line))
	draw(image.Rect(r.Min.X, r.Max.Y-line, r.Max.X, r.Max.Y))
	draw(image.Rect(r.Min.X, r.Min.Y+line, r.Min.X+line, r.Max.Y-line))
	draw(image.Rect(r.Max.X-line, r.Min.Y+line, r.Max.X, r.Max.Y-line))
}

// drawDashed draws the outline in dashes, starting at the upper left corner on both ways.
func drawDashed(s surface, r image.Rectangle, line int, c ink) {
	dash, step := 4*line, 7*line
	draw := func(d, in image.Rectangle) {
		d = d.Intersect(in)
		s.shade(d.Inset(-1), casingAlpha)
		s.fill(d, c, predictedAlpha)
	}
	for x := r.Min.X; x < r.Max.X; x += step {
		draw(image.Rect(x, r.Min.Y, x+dash, r.Min.Y+line), r)
		draw(image.Rect(x, r.Max.Y-line, x+dash, r.Max.Y), r)
	}
	between := image.Rect(r.Min.X, r.Min.Y+line+2, r.Max.X, r.Max.Y-line-2) // clear of the casings above and below
	for y := r.Min.Y + step; y < between.Max.Y; y += step {
		draw(image.Rect(r.Min.X, y, r.Min.X+line, y+dash), between)
		draw(image.Rect(r.Max.X-line, y, r.Max.X, y+dash), between)
	}
}

// drawLabel puts the label above the box, or inside it where there is no room above.
func (o *Overlay) drawLabel(s surface, box image.Rectangle, line int, t *tracker.Track) {
	m := o.letters.set(o.letters.labelText(o.name(t.Class), t), max(2, o.letters.px/4))
	size := s.bounds().Max
	at := image.Pt(box.Min.X, box.Min.Y-m.h)
	if at.Y < 0 {
		at.Y = box.Min.Y + line
	}
	at.X = max(0, min(at.X, size.X-m.w)) &^ 1
	at.Y = max(0, min(at.Y, size.Y-m.h)) &^ 1
	area := image.Rect(at.X, at.Y, at.X+m.w, at.Y+m.h)
	outline(area.Inset(-1), 1, func(r image.Rectangle) { s.shade(r, casingAlpha) })
	s.fill(area, o.ink(t.Class), opaque)
	s.stamp(at, m, textInk)
}
