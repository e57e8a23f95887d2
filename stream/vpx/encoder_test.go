package vpx_test

import (
	"testing"

	"yfv2d/pipeline"
	"yfv2d/stream/encodertest"
	"yfv2d/stream/vpx"
)

var contract = encodertest.Contract{
	New: vpx.New, Codec: pipeline.VP8, Closed: vpx.ErrClosed, Bitrates: [2]int{10_000, 100_000_000},
}

func TestContract(t *testing.T) { encodertest.Run(t, contract) }

func BenchmarkEncode(b *testing.B) { encodertest.Bench(b, contract) }
