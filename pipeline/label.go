package pipeline

import (
	"fmt"
	"image"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang/freetype/truetype"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/math/fixed"

	"yfv2d/tracker"
)

// maxName bounds a class name on a label, characters.
const maxName = 32

// lettering sets text in one size. Glyphs are drawn once and kept.
type lettering struct {
	font    *truetype.Font
	px      int // font size, pixels; 0 before the first use
	face    font.Face
	ascent  int
	descent int
	glyphs  map[rune]glyph
	text    []byte // of the label at hand
	mask    mask
}

// glyph is a drawn character; its alpha lies at offset from the pen on the base line.
type glyph struct {
	box     image.Rectangle
	alpha   []byte
	advance int
}

func newLettering() (*lettering, error) {
	f, err := truetype.Parse(gomedium.TTF)
	if err != nil {
		return nil, fmt.Errorf("read the built-in font: %w", err)
	}
	return &lettering{font: f}, nil
}

// setSize makes the letters px pixels high (an em).
func (l *lettering) setSize(px int) {
	if l.px == px {
		return
	}
	l.px = px
	l.face = truetype.NewFace(l.font, &truetype.Options{Size: float64(px), DPI: 72, Hinting: font.HintingFull, GlyphCacheEntries: 1})
	m := l.face.Metrics()
	l.ascent, l.descent = m.Ascent.Ceil(), m.Descent.Ceil()
	l.glyphs = make(map[rune]glyph)
}

// glyph draws r at the first use of the size.
func (l *lettering) glyph(r rune) glyph {
	if g, ok := l.glyphs[r]; ok {
		return g
	}
	var g glyph
	box, src, from, advance, ok := l.face.Glyph(fixed.Point26_6{}, r)
	if a, isAlpha := src.(*image.Alpha); ok && isAlpha {
		g.box = box
		for y := range box.Dy() {
			i := a.PixOffset(from.X, from.Y+y)
			g.alpha = append(g.alpha, a.Pix[i:i+box.Dx()]...)
		}
	}
	g.advance = advance.Round()
	l.glyphs[r] = g
	return g
}

// set puts text into the mask: even sides, pad pixels of room around it.
func (l *lettering) set(text []byte, pad int) *mask {
	width := 0
	for rest := text; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		width, rest = width+l.glyph(r).advance, rest[n:]
	}
	l.mask.reset((width+2*pad+1)&^1, (l.ascent+l.descent+pad+1)&^1)
	pen := image.Pt(pad, pad/2+l.ascent)
	for rest := text; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		g := l.glyph(r)
		l.mask.add(g, pen)
		pen.X, rest = pen.X+g.advance, rest[n:]
	}
	return &l.mask
}

// add draws a glyph into the mask.
func (m *mask) add(g glyph, pen image.Point) {
	r := g.box.Add(pen)
	in := r.Intersect(image.Rect(0, 0, m.w, m.h))
	for y := in.Min.Y; y < in.Max.Y; y++ {
		src := g.alpha[(y-r.Min.Y)*r.Dx()+in.Min.X-r.Min.X:][:in.Dx()]
		dst := m.pix[y*m.w+in.Min.X:][:in.Dx()]
		for i, a := range src {
			dst[i] = max(dst[i], a)
		}
	}
}

// labelText writes "person 12  87%", without the number for a box that has no identity, and "person 12 · 2:15  87%"
// for one that has stood still for 2 minutes and 15 seconds. The result is valid until the next call.
func (l *lettering) labelText(name string, t *tracker.Track) []byte {
	b := append(l.text[:0], name...)
	if t.ID != 0 {
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(t.ID), 10)
	}
	if t.Stationary() {
		b = append(b, " · "...)
		b = appendClock(b, t.StationaryFor())
	}
	b = append(b, "  "...)
	b = strconv.AppendInt(b, int64(min(max(t.Score, 0), 1)*100+0.5), 10)
	l.text = append(b, '%')
	return l.text
}

// appendClock writes "0:07", "12:34" or "1:02:03", whole seconds.
func appendClock(b []byte, d time.Duration) []byte {
	two := func(n int64) { b = append(b, byte('0'+n/10), byte('0'+n%10)) }
	s := int64(max(d, 0) / time.Second)
	if s < 3600 {
		b = strconv.AppendInt(b, s/60, 10)
	} else {
		b = append(strconv.AppendInt(b, s/3600, 10), ':')
		two(s / 60 % 60)
	}
	b = append(b, ':')
	two(s % 60)
	return b
}

// printable makes a class name fit for a label: one line, of bounded length.
func printable(name string) string {
	var out []rune
	for _, r := range name {
		if len(out) == maxName {
			return string(append(out, '…'))
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
