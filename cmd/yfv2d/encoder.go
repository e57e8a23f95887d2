package main

import (
	"errors"
	"fmt"
	"image"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/stream/v4l2m2m"
	"yfv2d/stream/vpx"
	"yfv2d/stream/x264"
)

// What preview.encoder may say.
const (
	encoderAuto     = "auto"
	encoderOpenH264 = "openh264"
	encoderX264     = "x264"
	encoderV4L2M2M  = "v4l2m2m" // the machine's own
	encoderVP8      = "vp8"     // VP8 for all viewers
)

type newEncoder = func(stream.EncoderConfig) (stream.Encoder, error)

// encoderSet holds what makes the encoders that there are; tests put others in their place.
type encoderSet struct {
	openh264, vpx, v4l2m2m newEncoder
	x264                   newEncoder // fails where the program was built without
	log                    zerolog.Logger
}

func builtEncoders(log zerolog.Logger) encoderSet {
	return encoderSet{openh264: openh264.New, vpx: vpx.New, v4l2m2m: v4l2m2m.New, x264: x264.New, log: log}
}

// encoders is what the live pictures are encoded with.
type encoders struct {
	stream.Encoders
	names    []string // of the libraries, with the codec: "openh264 2.3.1 (h264)"
	choice   string   // for people: what was taken, and why
	warnings []string // what was asked for or expected and does not work
}

// String is the encoders' names.
func (e encoders) String() string {
	if len(e.names) == 0 {
		return "none"
	}
	return strings.Join(e.names, ", ")
}

// tell logs what the live pictures are encoded with.
func (e encoders) tell(log zerolog.Logger) {
	for _, w := range e.warnings {
		log.Warn().Msg(w)
	}
	log.Info().Strs("encoders", e.names).Str("choice", e.choice).Msg("live pictures")
}

// choose makes the encoders of that preview.encoder ready: H.264 first, and VP8 for viewers without it. Each is tried with
// one frame. Where the one that was asked for does not work, openh264 takes its place.
func (s encoderSet) choose(want string) (encoders, error) {
	var e encoders
	switch want {
	case encoderAuto:
		s.auto(&e)
	case encoderOpenH264:
		if s.try(&e, pipeline.H264, encoderOpenH264, s.openh264) {
			e.choice = "openh264 as configured"
		}
	case encoderX264:
		s.prefer(&e, encoderX264, s.x264)
	case encoderV4L2M2M:
		s.prefer(&e, encoderV4L2M2M, s.hardware())
	case encoderVP8:
		e.choice = "VP8 for all viewers as configured"
	default:
		return e, fmt.Errorf("encoder %q: must be %s", want,
			strings.Join([]string{encoderAuto, encoderOpenH264, encoderX264, encoderV4L2M2M, encoderVP8}, ", "))
	}
	s.try(&e, pipeline.VP8, "libvpx", s.vpx)
	if len(e.Codecs()) == 0 {
		e.warnings = append(e.warnings, "there is no encoder that works: cameras have no live picture")
	}
	return e, nil
}

// auto takes the first H.264 encoder that works, the least costly before. The hardware's is left out since nobody has told
// yet how it does.
func (s encoderSet) auto(e *encoders) {
	if s.try(e, pipeline.H264, encoderOpenH264, s.openh264) {
		e.choice = "openh264: the least costly, and its trial went well"
		return
	}
	if s.try(e, pipeline.H264, encoderX264, s.x264) {
		e.choice = "x264: openh264 does not work"
		return
	}
	e.choice = "VP8 only: no H.264 encoder works"
}

// prefer takes what was asked for, or openh264.
func (s encoderSet) prefer(e *encoders, name string, make newEncoder) {
	if s.try(e, pipeline.H264, name, make) {
		e.choice = name + " as configured"
		return
	}
	if s.try(e, pipeline.H264, encoderOpenH264, s.openh264) {
		e.choice = "openh264 in place of " + name
	}
}

// try offers an encoder if it encodes a frame; else it notes why not.
func (s encoderSet) try(e *encoders, codec pipeline.Codec, name string, make newEncoder) bool {
	version, err := probeEncoder(codec, make)
	if err != nil {
		e.warnings = append(e.warnings, fmt.Sprintf("encoder %s does not work: %v", name, err))
		return false
	}
	e.names = append(e.names, fmt.Sprintf("%s (%s)", version, codec))
	if codec == pipeline.VP8 {
		e.VP8 = make
	} else {
		e.H264 = make
	}
	return true
}

// probeEncoder encodes one small grey frame, and gives the encoder's name and version.
func probeEncoder(codec pipeline.Codec, make newEncoder) (version string, err error) {
	size := image.Pt(320, 240)
	f := pipeline.NewFrame()
	defer f.Close()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		return "", err
	}
	for i, pix := 0, f.Pix(); i < len(pix); i++ {
		pix[i] = 128
	}
	f.At = time.Now()
	enc, err := make(stream.EncoderConfig{Size: size, FPS: 30, Bitrate: 500_000})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, enc.Close()) }()
	au, err := enc.Encode(f, true)
	switch {
	case err != nil:
		return "", err
	case au.Codec != codec || !au.Key || len(au.Data) == 0:
		return "", fmt.Errorf("the first frame became %d bytes of %s, key picture: %v", len(au.Data), au.Codec, au.Key)
	}
	return encoderName(enc), nil
}

// encoderName is what an encoder calls itself.
func encoderName(e stream.Encoder) string {
	if s, ok := e.(fmt.Stringer); ok {
		return s.String()
	}
	return "encoder"
}
