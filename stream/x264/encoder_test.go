//go:build x264 && cgo

package x264_test

import (
	"testing"

	"yfv2d/pipeline"
	"yfv2d/stream/encodertest"
	"yfv2d/stream/x264"
)

var contract = encodertest.Contract{
	New: x264.New, Codec: pipeline.H264, Closed: x264.ErrClosed, Bitrates: [2]int{10_000, 100_000_000},
}

func TestContract(t *testing.T) { encodertest.Run(t, contract) }

func BenchmarkEncode(b *testing.B) { encodertest.Bench(b, contract) }
