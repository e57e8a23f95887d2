package infer

import (
	"image"
	"time"
)

// Box is an axis-aligned rectangle by its corners, in pixels of the picture it belongs to: source pixels unless a
// comment says canvas. X1 and Y1 are exclusive edges, so the width is X1-X0. Values may lie outside the picture.
type Box struct{ X0, Y0, X1, Y1 float32 }

// W is the box's width in pixels; negative for a box turned inside out.
func (b Box) W() float32 { return b.X1 - b.X0 }

// H is the box's height in pixels.
func (b Box) H() float32 { return b.Y1 - b.Y0 }

// Area is the box's area in square pixels, 0 for an empty box or one turned inside out.
func (b Box) Area() float32 {
	if b.X1 <= b.X0 || b.Y1 <= b.Y0 {
		return 0
	}
	return b.W() * b.H()
}

// Scaled is the box in a picture x times as wide and y times as high.
func (b Box) Scaled(x, y float32) Box { return Box{b.X0 * x, b.Y0 * y, b.X1 * x, b.Y1 * y} }

// IoU is the intersection over union of two boxes, 0..1; 0 if either is empty.
func (b Box) IoU(o Box) float32 {
	w := min(b.X1, o.X1) - max(b.X0, o.X0)
	h := min(b.Y1, o.Y1) - max(b.Y0, o.Y0)
	if w <= 0 || h <= 0 {
		return 0
	}
	inter := w * h
	return inter / (b.Area() + o.Area() - inter)
}

// Detection is one object found in one frame. Class indexes the model's class list; Score is 0..1.
type Detection struct {
	Box   Box
	Class int
	Score float32
}

// Canvas is the network's input: BGR, 3 bytes a pixel, rows without padding, Size.X*Size.Y*3 bytes. Pix is C memory
// that belongs to whoever made the canvas; a Detector borrows it for the length of a call.
type Canvas struct {
	Pix       []byte
	Size      image.Point
	Letterbox Letterbox // maps canvas pixels back to source pixels
	Seq       uint64    // the frame's number
	At        time.Time // the frame's capture time
}

// Detector finds objects on a canvas. It borrows c for the call and returns boxes in source pixels, by falling score,
// clipped to the source picture. The slice is the caller's. One goroutine at a time.
type Detector interface {
	Detect(c *Canvas) ([]Detection, error)
	Close() error
}

// Engine runs a network on a canvas. The returned heads are raw (before sigmoid and softmax): for each scale in the
// order of Head.Strides, planes reg (anchors*4), obj (anchors), cls (classes), each of (Size.Y/stride)x(Size.X/stride)
// values, row by row; valid until the next call of Forward or Close. Any Size whose sides are multiples of 32, 64 or more, is taken.
// One goroutine at a time; the whole computation happens on the caller's thread.
type Engine interface {
	Forward(c *Canvas) ([]float32, error)
	Close() error
}

// Head describes the output of an anchor-based network.
type Head struct {
	Classes int
	Strides []int          // pixels per cell, one per scale, e.g. 16, 32
	Anchors [][][2]float32 // [scale][anchor] width and height in canvas pixels
}
