package stream

import (
	"image"

	"yfv2d/pipeline"
)

// Encoder turns I420 frames into access units. One goroutine at a time; it works on the caller's thread. An access
// unit with no Data means that the encoder's rate control skipped the frame. key asks for a key picture (with its
// parameter sets before it). SetBitrate takes bits per second and holds from the next frame on. A frame whose size
// differs from EncoderConfig.Size is an error. Close frees all and may be called twice.
type Encoder interface {
	Encode(f *pipeline.Frame, key bool) (pipeline.AccessUnit, error)
	SetBitrate(bps int) error
	Close() error
}

// EncoderConfig is what every backend is made from.
type EncoderConfig struct {
	Size    image.Point // pixels, even sides
	FPS     float64     // frames a second that will come, for rate control
	Bitrate int         // bits per second
}
