package capture

import (
	"context"
	"fmt"
	"image"
	"math"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// View says how a camera's picture is shown: Crop takes a part of what the camera gives, Rotate turns it clockwise, FlipX
// and FlipY swap left and right, top and bottom, and Masks are painted last. The zero View shows it as it comes.
type View struct {
	Rotate int        // degrees: 0, 90, 180 or 270
	FlipX  bool       // left to right
	FlipY  bool       // upside down
	Crop   [4]float64 // x, y, width, height as fractions of the camera's picture, x and y from its upper left; all 0: all of it
	// Masks are polygons painted black, for privacy: before detection, preview and snapshots. Their corners are fractions
	// of the picture as it is shown, after cropping, turning and flipping. A pixel that a polygon touches is covered, and
	// all that a polygon's outline encloses, in whatever direction it runs around it.
	Masks [][]Point
}

// Point is a place in a picture, as fractions of its width and height from the upper left.
type Point struct{ X, Y float64 }

const (
	// minCrop is the least width and height of a crop, as a fraction.
	minCrop = 0.01
	// minCropped is the least width and height that a crop may leave, pixels. Encoders take no less.
	minCropped = 16
	// maxMasks and maxCorners bound the work on a change of size.
	maxMasks, maxCorners = 64, 256
	// roundingSlack forgives sums such as 0.7+0.3 that exceed 1 by the rounding of binary fractions.
	roundingSlack = 1e-9
)

var wholePicture = [4]float64{0, 0, 1, 1}

// Zero says that the picture is shown as it comes.
func (v View) Zero() bool {
	return v.Rotate == 0 && !v.FlipX && !v.FlipY && len(v.Masks) == 0 && !v.crops()
}

func (v View) crops() bool { return v.Crop != [4]float64{} && v.Crop != wholePicture }

// Check says in one line what is wrong with a View; nil if it can be used.
func (v View) Check() error {
	switch v.Rotate {
	case 0, 90, 180, 270:
	default:
		return fmt.Errorf("rotate %d: must be 0, 90, 180 or 270 (degrees clockwise)", v.Rotate)
	}
	if err := v.checkCrop(); err != nil {
		return err
	}
	if len(v.Masks) > maxMasks {
		return fmt.Errorf("%d masks: at most %d are taken", len(v.Masks), maxMasks)
	}
	for i, m := range v.Masks {
		if err := checkMask(m); err != nil {
			return fmt.Errorf("mask %d: %w", i+1, err)
		}
	}
	return nil
}

func (v View) checkCrop() error {
	if !v.crops() {
		return nil
	}
	x, y, w, h := v.Crop[0], v.Crop[1], v.Crop[2], v.Crop[3]
	for _, c := range v.Crop {
		if !(c >= 0 && c <= 1) { // also refuses NaN
			return fmt.Errorf("crop %v: x, y, width and height must be from 0 to 1 (fractions of the picture)", v.Crop)
		}
	}
	if w < minCrop || h < minCrop {
		return fmt.Errorf("crop %v: width and height must be at least %v", v.Crop, minCrop)
	}
	if x+w > 1+roundingSlack || y+h > 1+roundingSlack {
		return fmt.Errorf("crop %v: it reaches out of the picture; x+width and y+height must be at most 1", v.Crop)
	}
	return nil
}

func checkMask(m []Point) error {
	if len(m) < 3 || len(m) > maxCorners {
		return fmt.Errorf("it has %d corners; a polygon has 3 to %d", len(m), maxCorners)
	}
	for i, p := range m {
		if !(p.X >= 0 && p.X <= 1 && p.Y >= 0 && p.Y <= 1) { // also refuses NaN
			return fmt.Errorf("corner %d is (%v, %v); both must be from 0 to 1 (fractions of the picture as shown)", i+1, p.X, p.Y)
		}
	}
	return nil
}

// turn is the View's turn and mirroring in their shortest form: all eight ways to lay a picture down are a turn and then
// perhaps a swap of left and right.
func (v View) turn() (degrees int, mirror bool) {
	if v.FlipY { // upside down is half a turn, mirrored
		return (v.Rotate + 180) % 360, !v.FlipX
	}
	return v.Rotate, v.FlipX
}

// part is the cropped part of a picture: to the nearest pixel, or the nearest even one.
func (v View) part(format pipeline.Format, size image.Point) (image.Rectangle, error) {
	all := image.Rectangle{Max: size}
	if !v.crops() {
		return all, nil
	}
	step := 1.0
	if format == pipeline.I420 {
		step = 2
	}
	at := func(f float64, side int) int { return int(math.Round(f*float64(side)/step) * step) }
	c := v.Crop
	r := image.Rect(at(c[0], size.X), at(c[1], size.Y), at(c[0]+c[2], size.X), at(c[1]+c[3], size.Y)).Intersect(all)
	if r.Dx() < minCropped || r.Dy() < minCropped {
		return r, fmt.Errorf("crop %v leaves %dx%d of the camera's %dx%d pixels: at least %dx%d are needed",
			c, r.Dx(), r.Dy(), size.X, size.Y, minCropped, minCropped)
	}
	return r, nil
}

// viewed shows a source's pictures in a View.
type viewed struct {
	src     pipeline.Source
	view    View
	degrees int
	mirror  bool
	direct  bool            // the picture stays where it is
	in      *pipeline.Frame // the source's picture, unless direct
	cover   cover
	bad     error // why the View cannot be used
	closed  bool
}

// NewView wraps src and owns it from then on: Close closes it. It belongs beneath Reopening and above what paces and
// loops. A View that Check refuses makes every Read fail. The zero View gives src itself.
func NewView(src pipeline.Source, v View) pipeline.Source {
	if v.Zero() {
		return src
	}
	s := &viewed{src: src, view: v, bad: v.Check(), in: pipeline.NewFrame()}
	s.degrees, s.mirror = v.turn()
	s.direct = s.degrees == 0 && !s.mirror && !v.crops()
	return s
}

// Read gives the source's next picture as it is to be shown.
func (s *viewed) Read(ctx context.Context, f *pipeline.Frame) error {
	switch {
	case s.closed:
		return pipeline.ErrClosed
	case s.bad != nil:
		return s.bad
	}
	if err := s.lay(ctx, f); err != nil {
		return err
	}
	if len(s.view.Masks) > 0 {
		s.cover.fit(s.view.Masks, f.Format, f.Size())
		s.cover.paint(f)
	}
	return nil
}

// lay fills f, unmasked.
func (s *viewed) lay(ctx context.Context, f *pipeline.Frame) error {
	if s.direct {
		return s.src.Read(ctx, f)
	}
	if err := s.src.Read(ctx, s.in); err != nil {
		return err
	}
	size := s.in.Size()
	part, err := s.view.part(s.in.Format, size)
	if err != nil {
		return err
	}
	if err := f.Prepare(s.in.Format, yuv.TurnedSize(part.Size(), s.degrees)); err != nil {
		return err
	}
	f.At = s.in.At
	if f.Format == pipeline.BGR {
		turnBGR(f.Pix(), s.in.Pix(), size, part, s.degrees, s.mirror)
		return nil
	}
	return yuv.Turn(f.Pix(), s.in.Pix(), size, part, s.degrees, s.mirror)
}

// turnBGR is yuv.Turn for BGR pixels. Still pictures only, so it need not be fast.
func turnBGR(dst, src []byte, size image.Point, part image.Rectangle, degrees int, mirror bool) {
	to := yuv.TurnedSize(part.Size(), degrees)
	w, h := part.Dx(), part.Dy()
	// The source pixel of the upper left corner, and the steps in it for one pixel to the right and one down.
	at, right, down := part.Min, image.Pt(1, 0), image.Pt(0, 1)
	switch degrees {
	case 90:
		at, right, down = at.Add(image.Pt(0, h-1)), image.Pt(0, -1), image.Pt(1, 0)
	case 180:
		at, right, down = at.Add(image.Pt(w-1, h-1)), image.Pt(-1, 0), image.Pt(0, -1)
	case 270:
		at, right, down = at.Add(image.Pt(w-1, 0)), image.Pt(0, 1), image.Pt(-1, 0)
	}
	if mirror {
		at, right = at.Add(right.Mul(to.X-1)), right.Mul(-1)
	}
	bytes := func(p image.Point) int { return (p.Y*size.X + p.X) * 3 }
	row, stepX, stepY := bytes(at), bytes(right), bytes(down)
	for d := 0; d < to.X*to.Y*3; row += stepY {
		for x, i := 0, row; x < to.X; x, i, d = x+1, i+stepX, d+3 {
			dst[d], dst[d+1], dst[d+2] = src[i], src[i+1], src[i+2]
		}
	}
}

// Name is the wrapped source's, if it has one.
func (s *viewed) Name() string { return nameOf(s.src) }

// Pulse is the wrapped source's; zero, which tells nothing, if it has none.
func (s *viewed) Pulse() pipeline.Pulse {
	if p, ok := s.src.(pipeline.Pulser); ok {
		return p.Pulse()
	}
	return pipeline.Pulse{}
}

// UnitCounts are the wrapped source's; zero if it has none.
func (s *viewed) UnitCounts() pipeline.UnitCounts {
	if c, ok := s.src.(pipeline.UnitCounter); ok {
		return c.UnitCounts()
	}
	return pipeline.UnitCounts{}
}

// Close closes the wrapped source.
func (s *viewed) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.src.Close()
	_ = s.in.Close()
	return err
}
