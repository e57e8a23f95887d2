package openh264_test

import (
	"testing"

	"yfv2d/pipeline"
	"yfv2d/stream/encodertest"
	"yfv2d/stream/openh264"
)

var contract = encodertest.Contract{
	New: openh264.New, Codec: pipeline.H264, Closed: openh264.ErrClosed, Bitrates: [2]int{10_000, 100_000_000},
}

func TestContract(t *testing.T) { encodertest.Run(t, contract) }

func BenchmarkEncode(b *testing.B) { encodertest.Bench(b, contract) }
