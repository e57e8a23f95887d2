package faulttest

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"sync"
	"time"

	"yfv2d/capture"
	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
)

const (
	keyInterval     = time.Second // of all clips but one
	longKeyInterval = 10 * time.Second
	pictureInterval = time.Second / 15
)

var (
	small = image.Pt(192, 144)
	large = image.Pt(320, 240)
)

func smallH264() rtsptest.Clip { return rtsptest.PatternH264().First(keyInterval) }
func largeH264() rtsptest.Clip { return rtsptest.LargeH264().First(keyInterval) }
func smallH265() rtsptest.Clip { return rtsptest.PatternH265().First(keyInterval) }

// pictures are a second of the test pattern as JPEG files, in both sizes. They are made once.
func pictures() (smallOnes, largeOnes [][]byte, err error) {
	drawn.Do(func() {
		if drawn.small, drawn.err = draw(small); drawn.err == nil {
			drawn.large, drawn.err = draw(large)
		}
	})
	return drawn.small, drawn.large, drawn.err
}

var drawn struct {
	sync.Once
	small, large [][]byte
	err          error
}

// draw draws a second of the test pattern as JPEG files.
func draw(size image.Point) (files [][]byte, err error) {
	src, err := capture.Open(context.Background(), fmt.Sprintf("test:?size=%dx%d&fps=15&objects=0&frames=15", size.X, size.Y), capture.Options{Speed: capture.Max})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for src.Read(context.Background(), f) == nil {
		y, u, v := f.Planes()
		m := &image.YCbCr{Y: y, Cb: u, Cr: v, YStride: size.X, CStride: size.X / 2, SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rectangle{Max: size}}
		var out bytes.Buffer
		if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 75}); err != nil {
			return nil, err
		}
		files = append(files, out.Bytes())
	}
	return files, nil
}

// units are a clip's pictures.
func units(c rtsptest.Clip) (data [][]byte) {
	for _, u := range c.Units {
		data = append(data, u.Data)
	}
	return data
}
