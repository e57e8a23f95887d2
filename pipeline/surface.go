package pipeline

import "image"

const (
	opaque    = 256 // the alpha of full cover
	blackLuma = 16  // in limited range
)

// surface is a frame's pixels to be drawn on; whatever lies outside is left out.
type surface interface {
	bounds() image.Rectangle
	// fill covers r with c; alpha is 0 to opaque.
	fill(r image.Rectangle, c ink, alpha int)
	// shade darkens r.
	shade(r image.Rectangle, alpha int)
	// stamp covers with c what the mask shows, with the mask's corner at even coordinates.
	stamp(at image.Point, m *mask, c ink)
}

// mask is the cover of w*h pixels, 0..255 each, row by row.
type mask struct {
	w, h int
	pix  []byte
}

// reset makes the mask empty and that large.
func (m *mask) reset(w, h int) {
	m.w, m.h = w, h
	if n := w * h; cap(m.pix) < n {
		m.pix = make([]byte, n)
	} else {
		m.pix = m.pix[:n]
		clear(m.pix)
	}
}

// bgrSurface draws on a BGR frame.
type bgrSurface struct {
	pix  []byte
	size image.Point
}

func (s *bgrSurface) bounds() image.Rectangle { return image.Rectangle{Max: s.size} }

func (s *bgrSurface) fill(r image.Rectangle, c ink, alpha int) {
	r = r.Intersect(s.bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := s.pix[(y*s.size.X+r.Min.X)*3 : (y*s.size.X+r.Max.X)*3]
		for ; len(row) >= 3; row = row[3:] {
			row[0], row[1], row[2] = mix(row[0], c.b, alpha), mix(row[1], c.g, alpha), mix(row[2], c.r, alpha)
		}
	}
}

func (s *bgrSurface) shade(r image.Rectangle, alpha int) { s.fill(r, ink{}, alpha) }

func (s *bgrSurface) stamp(at image.Point, m *mask, c ink) {
	r := image.Rect(0, 0, m.w, m.h).Add(at).Intersect(s.bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		cover := m.pix[(y-at.Y)*m.w+r.Min.X-at.X : (y-at.Y)*m.w+r.Max.X-at.X]
		row := s.pix[(y*s.size.X+r.Min.X)*3:]
		for i, a := range cover {
			if a := widen(a); a > 0 {
				p := row[i*3 : i*3+3]
				p[0], p[1], p[2] = mix(p[0], c.b, a), mix(p[1], c.g, a), mix(p[2], c.r, a)
			}
		}
	}
}

// i420Surface draws on the planes of an I420 frame. A chroma sample stands for 2x2 pixels: fill gives it the colour when
// any of them is covered, since a thin line at odd coordinates would be pale otherwise, and what bleeds by a pixel lies
// under the line's dark casing. shade leaves chroma alone.
type i420Surface struct {
	y, u, v []byte
	size    image.Point
}

func (s *i420Surface) bounds() image.Rectangle { return image.Rectangle{Max: s.size} }

func (s *i420Surface) fill(r image.Rectangle, c ink, alpha int) {
	r = r.Intersect(s.bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		fillRow(s.y[y*s.size.X+r.Min.X:y*s.size.X+r.Max.X], c.y, alpha)
	}
	stride := s.size.X / 2
	for y := r.Min.Y / 2; y < (r.Max.Y+1)/2; y++ {
		x0, x1 := y*stride+r.Min.X/2, y*stride+(r.Max.X+1)/2
		fillRow(s.u[x0:x1], c.u, alpha)
		fillRow(s.v[x0:x1], c.v, alpha)
	}
}

func (s *i420Surface) shade(r image.Rectangle, alpha int) {
	r = r.Intersect(s.bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		fillRow(s.y[y*s.size.X+r.Min.X:y*s.size.X+r.Max.X], blackLuma, alpha)
	}
}

func (s *i420Surface) mixChroma(i int, c ink, alpha int) {
	s.u[i], s.v[i] = mix(s.u[i], c.u, alpha), mix(s.v[i], c.v, alpha)
}

func (s *i420Surface) stamp(at image.Point, m *mask, c ink) {
	r := image.Rect(0, 0, m.w, m.h).Add(at).Intersect(s.bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		cover := m.pix[(y-at.Y)*m.w+r.Min.X-at.X : (y-at.Y)*m.w+r.Max.X-at.X]
		row := s.y[y*s.size.X+r.Min.X : y*s.size.X+r.Max.X]
		for i, a := range cover {
			if a > 0 {
				row[i] = mix(row[i], c.y, widen(a))
			}
		}
	}
	for y := r.Min.Y; y+1 < r.Max.Y; y += 2 {
		for x := r.Min.X; x+1 < r.Max.X; x += 2 {
			i := (y-at.Y)*m.w + x - at.X
			if sum := int(m.pix[i]) + int(m.pix[i+1]) + int(m.pix[i+m.w]) + int(m.pix[i+m.w+1]); sum > 0 {
				s.mixChroma(y/2*(s.size.X/2)+x/2, c, sum*opaque/(4*255))
			}
		}
	}
}

func fillRow(row []byte, v uint8, alpha int) {
	if alpha >= opaque {
		for i := range row {
			row[i] = v
		}
		return
	}
	for i, p := range row {
		row[i] = mix(p, v, alpha)
	}
}

// mix moves p towards v; alpha is 0 to opaque.
func mix(p, v uint8, alpha int) uint8 {
	return uint8(int(p) + ((int(v)-int(p))*alpha+opaque/2)>>8)
}

// widen turns 0..255 into 0..opaque.
func widen(a byte) int { return int(a) + int(a)>>7 }
