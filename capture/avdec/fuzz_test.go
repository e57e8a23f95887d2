package avdec_test

import (
	"bytes"
	"testing"

	"yfv2d/capture/avdec"
	"yfv2d/pipeline"
)

// FuzzDecode: any bytes are decoded or refused, within the bounds, and what comes out can be converted or is refused.
func FuzzDecode(f *testing.F) {
	codecs := []pipeline.Codec{pipeline.H264, pipeline.H265, pipeline.JPEG}
	border := []byte("|unit|")
	for i, names := range [][]string{
		{"slices.h264", "bframes.h264", "formats/422p10-bt709.h264", "formats/grey.h264", "formats/rgb.h264"},
		{"bframes.h265", "formats/420p10-bt709.h265", "formats/420p12.h265"},
		{"plain.mjpeg", "formats/444.mjpeg", "formats/odd.mjpeg"},
	} {
		for _, name := range names {
			c := readClip(f, name)
			f.Add(byte(i), bytes.Join(c.units[:min(len(c.units), 5)], border))
		}
	}
	f.Fuzz(func(t *testing.T, codec byte, data []byte) {
		d, err := avdec.Limited(codecs[int(codec)%3], 1<<20, 32<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		d.Strict(codec&4 == 0)
		d.Skip(avdec.Skip(codec >> 3 % 3))
		frame := pipeline.NewFrame()
		defer frame.Close()
		take := func() {
			for range 64 {
				_, ok, err := d.Receive()
				if !ok || err != nil {
					return
				}
				if err := d.Convert(frame); err == nil {
					_ = frame.Pix()[len(frame.Pix())-1]
				}
			}
		}
		for i, u := range bytes.Split(data, border) {
			_ = d.Send(u, int64(i))
			take()
			if i%16 == 15 {
				d.Flush()
			}
		}
		_ = d.Drain()
		take()
	})
}
