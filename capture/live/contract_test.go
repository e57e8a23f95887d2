package live_test

import (
	"image"
	"io"
	"testing"
	"time"

	"yfv2d/capture/capturetest"
	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

func TestContract(t *testing.T) {
	for _, name := range []string{"plain.h264", "bframes.h265"} {
		c := readClip(t, name)
		t.Run(name, func(t *testing.T) {
			capturetest.Run(t, capturetest.Contract{
				Frames: len(c.units), Format: pipeline.I420, Sizes: []image.Point{{X: 320, Y: 240}},
				Open: func(t testing.TB) pipeline.Source {
					s, err := live.NewStream(live.StreamConfig{Codec: c.codec})
					if err != nil {
						t.Fatal(err)
					}
					base := time.Now()
					for i, u := range c.units {
						s.Push(&pipeline.AccessUnit{At: base.Add(time.Duration(c.place[i]) * pace), Data: u})
					}
					s.Fail(io.EOF)
					return s
				},
			})
		})
	}
}
