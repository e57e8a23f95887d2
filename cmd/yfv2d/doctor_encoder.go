package main

import (
	"errors"
	"image"
	"math"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

// encoders tries what the live pictures would be encoded with if nothing else is configured.
func (d *doctor) encoders() {
	e, err := builtEncoders(zerolog.Nop()).choose(encoderAuto)
	if err != nil {
		d.fail("", "%v", err)
		return
	}
	for _, w := range e.warnings {
		d.warn("apt install libopenh264-7 libvpx7 (libopenh264-8 libvpx9 on Debian 13)", "%s", w)
	}
	for _, codec := range e.Codecs() {
		name, took, err := timeEncoder(e.Encoders, codec)
		if err != nil {
			d.fail("", "the encoder of the live picture: %v", err)
			continue
		}
		d.ok("%s (%s): %.1f ms for a picture of 640x480", name, codec, took.Seconds()*1000)
	}
}

// timeEncoder encodes a few pictures and gives the fastest.
func timeEncoder(all stream.Encoders, codec pipeline.Codec) (name string, took time.Duration, err error) {
	size := image.Pt(640, 480)
	enc, err := all.New(codec, stream.EncoderConfig{Size: size, FPS: 30, Bitrate: 1_500_000})
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, enc.Close()) }()
	f := pipeline.NewFrame()
	defer f.Close()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		return "", 0, err
	}
	f.At = time.Now()
	best := time.Duration(math.MaxInt64)
	for i := range 10 {
		for j, pix := 0, f.Pix(); j < len(pix); j++ {
			pix[j] = byte(j*(i+3)>>4&63 + 96)
		}
		f.At = f.At.Add(time.Second / 30)
		start := time.Now()
		au, err := enc.Encode(f, i == 0)
		if err != nil {
			return "", 0, err
		}
		if len(au.Data) > 0 { // else the rate control left it out
			best = min(best, time.Since(start))
		}
	}
	return encoderName(enc), best, nil
}
