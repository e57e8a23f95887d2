package live_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// FuzzStream: any units, in any order, are taken without a panic, and accounted for.
func FuzzStream(f *testing.F) {
	codecs := []pipeline.Codec{pipeline.H264, pipeline.H265, pipeline.JPEG}
	border := []byte("|unit|")
	for i, names := range [][]string{{"slices.h264", "bframes.h264", "refresh.h264"}, {"plain.h265", "bframes.h265"}, {"plain.mjpeg"}} {
		for _, name := range names {
			data, err := os.ReadFile(filepath.Join("../avdec/testdata", name))
			if err != nil {
				f.Fatal(err)
			}
			data = bytes.ReplaceAll(data[:min(len(data), 12_000)], []byte{0, 0, 0, 1, []byte{9, 35 << 1, 0}[i]},
				append(bytes.Clone(border), 0, 0, 0, 1, []byte{9, 35 << 1, 0}[i]))
			f.Add(byte(i), byte(10), data)
		}
	}
	f.Fuzz(func(t *testing.T, codec, need byte, data []byte) {
		p := newPlayer(t, live.StreamConfig{Codec: codecs[int(codec)%3], MaxBytes: 1 << 16, Options: live.Options{
			Need: func() float64 { return float64(need) },
		}})
		for i, u := range bytes.Split(data, border) {
			if i > 64 {
				break
			}
			p.push(i, u)
			_ = p.s.Read(&polling{Context: t.Context()}, p.f) // a frame, or an error for a person to read
			if p.f.Size().X > 0 {
				_ = p.f.Pix()[len(p.f.Pix())-1]
			}
		}
		_ = p.s.Close()
		if c := p.s.UnitCounts(); c.Units < c.DecodeError+c.NotDecoded {
			t.Errorf("%+v", c)
		}
	})
}
