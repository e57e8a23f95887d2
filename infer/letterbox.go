package infer

import "image"

// Resize says how a picture is fitted to the network's input.
type Resize uint8

const (
	ResizeLetterbox Resize = iota // keep the aspect ratio, pad the rest
	ResizeStretch                 // fill the canvas
)

// Letterbox is where a source picture lies on a canvas, and the way back. It is a plain value.
type Letterbox struct {
	In, Out image.Point     // source and canvas, pixels
	Content image.Rectangle // where the scaled source lies on the canvas; even offsets and sizes
}
