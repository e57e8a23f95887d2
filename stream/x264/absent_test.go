//go:build !x264 || !cgo

package x264_test

import (
	"errors"
	"testing"

	"yfv2d/stream"
	"yfv2d/stream/x264"
)

func TestWithoutX264(t *testing.T) {
	if e, err := x264.New(stream.EncoderConfig{}); e != nil || !errors.Is(err, x264.ErrNotBuilt) {
		t.Errorf("New gives %v and %v", e, err)
	}
}
