//go:build !x264 || !cgo

package x264

import "yfv2d/stream"

// Built says whether the program has the encoder.
const Built = false

// New returns ErrNotBuilt.
func New(stream.EncoderConfig) (stream.Encoder, error) { return nil, ErrNotBuilt }
