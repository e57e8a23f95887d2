package stream

import (
	"fmt"
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

// Encoders makes encoders by codec. A nil function means that the codec is not offered. Functions are called from any
// goroutine.
type Encoders struct {
	H264 func(EncoderConfig) (Encoder, error)
	VP8  func(EncoderConfig) (Encoder, error)
}

// Codecs are those that can be encoded, best first.
func (e Encoders) Codecs() []pipeline.Codec {
	var all []pipeline.Codec
	if e.H264 != nil {
		all = append(all, pipeline.H264)
	}
	if e.VP8 != nil {
		all = append(all, pipeline.VP8)
	}
	return all
}

// New makes an encoder for a codec. The caller closes it.
func (e Encoders) New(codec pipeline.Codec, cfg EncoderConfig) (Encoder, error) {
	var open func(EncoderConfig) (Encoder, error)
	switch codec {
	case pipeline.H264:
		open = e.H264
	case pipeline.VP8:
		open = e.VP8
	}
	if open == nil {
		return nil, fmt.Errorf("no encoder for %s is configured", codec)
	}
	return open(cfg)
}
