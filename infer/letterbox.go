package infer

import (
	"fmt"
	"image"
	"math"
	"strconv"
	"strings"
)

// Resize says how a picture is fitted to the network's input.
type Resize uint8

const (
	ResizeLetterbox Resize = iota // keep the aspect ratio, pad the rest
	ResizeStretch                 // fill the canvas
)

// String is the name that configuration and command line use.
func (r Resize) String() string {
	if r == ResizeStretch {
		return "stretch"
	}
	return "letterbox"
}

// ParseResize reads "letterbox" or "stretch".
func ParseResize(s string) (Resize, error) {
	switch s {
	case "letterbox":
		return ResizeLetterbox, nil
	case "stretch":
		return ResizeStretch, nil
	}
	return 0, fmt.Errorf("resize %q: must be letterbox or stretch", s)
}

const (
	// PadValue fills the canvas around a letterboxed picture, in all three channels; the value of the YOLO family.
	PadValue = 114
	// InputStep divides both sides of every network input: the coarsest stride of the heads.
	InputStep = 32
	// MinInput is the shortest side of a network input, pixels. At 32 the coarsest plane is one cell wide, and OpenCV's
	// depthwise convolutions read beyond such planes (seen in 4.6 for one row, in 4.10 for one row or one column).
	MinInput = 64
	// MaxInput is the longest side of a network input, pixels; it bounds memory.
	MaxInput = 2048
	// autoSide is the side of the square that the network was trained on; AutoInput keeps its pixel count.
	autoSide = 352
)

// Letterbox is where a source picture lies on a canvas, and the way back. It is a plain value.
type Letterbox struct {
	In, Out image.Point     // source and canvas, pixels
	Content image.Rectangle // where the scaled source lies on the canvas
}

// NewLetterbox scales a picture of in pixels to fit in the middle of a canvas of out pixels with its aspect ratio kept
// (to the next even size; offsets are even too, as subsampled chroma wants). Sides must be positive, out's at least 2.
func NewLetterbox(in, out image.Point) Letterbox {
	scale := math.Min(float64(out.X)/float64(in.X), float64(out.Y)/float64(in.Y))
	w, h := evenSide(float64(in.X)*scale, out.X), evenSide(float64(in.Y)*scale, out.Y)
	off := image.Pt((out.X-w)/2&^1, (out.Y-h)/2&^1)
	return Letterbox{In: in, Out: out, Content: image.Rectangle{Min: off, Max: off.Add(image.Pt(w, h))}}
}

// NewStillLetterbox is NewLetterbox to the nearest pixel, for pictures whose chroma is not subsampled. Published
// figures are measured this way; a pixel more or less moves average precision by up to a point.
func NewStillLetterbox(in, out image.Point) Letterbox {
	scale := math.Min(float64(out.X)/float64(in.X), float64(out.Y)/float64(in.Y))
	w := max(int(math.Round(float64(in.X)*scale)), 1)
	h := max(int(math.Round(float64(in.Y)*scale)), 1)
	off := image.Pt((out.X-w)/2, (out.Y-h)/2)
	return Letterbox{In: in, Out: out, Content: image.Rectangle{Min: off, Max: off.Add(image.Pt(w, h))}}
}

// NewStretch scales a picture to fill the canvas, whatever its aspect ratio.
func NewStretch(in, out image.Point) Letterbox {
	return Letterbox{In: in, Out: out, Content: image.Rectangle{Max: out}}
}

// NewFit is NewLetterbox or NewStretch: for video frames.
func NewFit(r Resize, in, out image.Point) Letterbox {
	if r == ResizeStretch {
		return NewStretch(in, out)
	}
	return NewLetterbox(in, out)
}

// NewStillFit is NewStillLetterbox or NewStretch: for still pictures.
func NewStillFit(r Resize, in, out image.Point) Letterbox {
	if r == ResizeStretch {
		return NewStretch(in, out)
	}
	return NewStillLetterbox(in, out)
}

// evenSide rounds v to the nearest even number between 2 and limit.
func evenSide(v float64, limit int) int {
	return min(max(2*int(math.Round(v/2)), 2), limit&^1)
}

// Map turns source pixels into canvas pixels.
func (l Letterbox) Map(b Box) Box {
	sx, sy := l.scale()
	ox, oy := float32(l.Content.Min.X), float32(l.Content.Min.Y)
	return Box{b.X0*sx + ox, b.Y0*sy + oy, b.X1*sx + ox, b.Y1*sy + oy}
}

// Unmap turns canvas pixels into source pixels; the result may lie outside the source.
func (l Letterbox) Unmap(b Box) Box {
	sx, sy := l.scale()
	ox, oy := float32(l.Content.Min.X), float32(l.Content.Min.Y)
	return Box{(b.X0 - ox) / sx, (b.Y0 - oy) / sy, (b.X1 - ox) / sx, (b.Y1 - oy) / sy}
}

// scale is canvas pixels per source pixel; the two differ by the rounding to even sizes, or by a stretch.
func (l Letterbox) scale() (x, y float32) {
	return float32(l.Content.Dx()) / float32(l.In.X), float32(l.Content.Dy()) / float32(l.In.Y)
}

// AutoInput is the network input that fits a camera's picture best: sides are multiples of InputStep, the aspect ratio
// is the camera's as nearly as that allows, and the pixel count is about that of 352x352. A size that is not positive
// gives 352x352.
func AutoInput(camera image.Point) image.Point {
	if camera.X <= 0 || camera.Y <= 0 {
		return image.Pt(autoSide, autoSide)
	}
	root := math.Sqrt(float64(camera.X) / float64(camera.Y))
	return image.Pt(autoStep(autoSide*root), autoStep(autoSide/root))
}

func autoStep(v float64) int {
	return min(max(int(math.Round(v/InputStep))*InputStep, MinInput), MaxInput)
}

// InputFor is the network input for a camera: input itself, or AutoInput when input is zero (as ParseInput gives it).
func InputFor(input, camera image.Point) image.Point {
	if input == (image.Point{}) {
		return AutoInput(camera)
	}
	return input
}

// ParseInput reads "auto" (the zero point) or a size such as "352x352", width first.
func ParseInput(s string) (image.Point, error) {
	if s == "auto" {
		return image.Point{}, nil
	}
	ws, hs, ok := strings.Cut(s, "x")
	w, errW := strconv.Atoi(ws)
	h, errH := strconv.Atoi(hs)
	if !ok || errW != nil || errH != nil {
		return image.Point{}, fmt.Errorf("input %q: must be auto or WIDTHxHEIGHT, such as 352x352", s)
	}
	p := image.Pt(w, h)
	if err := CheckInput(p); err != nil {
		return image.Point{}, err
	}
	return p, nil
}

// CheckInput says why a size cannot be a network input; nil if it can.
func CheckInput(p image.Point) error {
	for _, side := range [...]int{p.X, p.Y} {
		if side < MinInput || side > MaxInput || side%InputStep != 0 {
			return fmt.Errorf("input %dx%d: sides must be multiples of %d from %d to %d", p.X, p.Y, InputStep, MinInput, MaxInput)
		}
	}
	return nil
}
