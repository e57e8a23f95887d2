package rtsptest

import (
	"bytes"
	_ "embed"
	"fmt"
	"time"

	"yfv2d/pipeline"
)

// Unit is one picture of a clip, as an access unit: Annex B with start codes of four bytes, or a JPEG file.
type Unit struct {
	Key  bool
	Data []byte
}

// Clip is what a camera plays, over and over. Its first unit is a key unit, and the key units of H.264 and H.265 hold
// their parameter sets.
type Clip struct {
	Codec    pipeline.Codec
	Interval time.Duration // between pictures
	Units    []Unit
}

// First is the clip's first part of length d: a clip whose only key unit is its first gets a key interval that way.
func (c Clip) First(d time.Duration) Clip {
	n := max(1, min(len(c.Units), int((d+c.Interval/2)/c.Interval)))
	c.Units = c.Units[:n:n]
	return c
}

var (
	//go:embed testdata/pattern.h264
	patternH264 []byte
	//go:embed testdata/large.h264
	largeH264 []byte
	//go:embed testdata/pattern.h265
	patternH265 []byte
	//go:embed testdata/pattern.mjpeg
	patternMJPEG []byte
)

// The clips at hand show the test pattern with its stamp (capture.ReadStamp), counted from 0, at 15 pictures a second.
// testdata/README.md tells how they were made.
const patternInterval = time.Second / 15

// PatternH264 is 192x144, 10 s with one key unit, the first.
func PatternH264() Clip { return patternClip(pipeline.H264, patternH264) }

// LargeH264 is 320x240, 2 s with one key unit.
func LargeH264() Clip { return patternClip(pipeline.H264, largeH264) }

// PatternH265 is 192x144, 2 s with one key unit.
func PatternH265() Clip { return patternClip(pipeline.H265, patternH265) }

// PatternMJPEG is 192x144, 1 s.
func PatternMJPEG() Clip { return patternClip(pipeline.JPEG, patternMJPEG) }

func patternClip(codec pipeline.Codec, stream []byte) Clip {
	c, err := Parse(codec, stream, patternInterval)
	if err != nil {
		panic(err) // what is compiled in
	}
	return c
}

// Parse cuts an elementary stream (Annex B with one slice a picture, or JPEG files one after another) into a clip.
func Parse(codec pipeline.Codec, stream []byte, interval time.Duration) (Clip, error) {
	c := Clip{Codec: codec, Interval: interval}
	if codec == pipeline.JPEG {
		c.Units = cutJPEG(stream)
	} else {
		c.Units = cutAnnexB(codec, stream)
	}
	if len(c.Units) == 0 || !c.Units[0].Key {
		return Clip{}, fmt.Errorf("no clip of %s: it must begin with a key picture", codec)
	}
	return c, nil
}

var (
	startCode = []byte{0, 0, 0, 1}
	jpegStart = []byte{0xff, 0xd8, 0xff}
)

// cutJPEG cuts at the start markers: in entropy-coded data and in the headers of our clips, none occurs.
func cutJPEG(stream []byte) (units []Unit) {
	for len(stream) > 0 {
		end := len(stream)
		if i := bytes.Index(stream[1:], jpegStart); i >= 0 {
			end = i + 1
		}
		units = append(units, Unit{Key: true, Data: stream[:end:end]})
		stream = stream[end:]
	}
	return units
}

// cutAnnexB gathers NAL units up to each slice.
func cutAnnexB(codec pipeline.Codec, stream []byte) (units []Unit) {
	var u Unit
	for _, nal := range SplitNALs(stream) {
		u.Data = append(append(u.Data, startCode...), nal...)
		slice, key := nalKind(codec, nal)
		if slice {
			u.Key = key
			units = append(units, u)
			u = Unit{}
		}
	}
	return units
}

// nalKind says whether a NAL unit holds picture data, and whether of a key picture.
func nalKind(codec pipeline.Codec, nal []byte) (slice, key bool) {
	if codec == pipeline.H265 {
		t := nal[0] >> 1 & 0x3f
		return t < 32, t >= 16 && t <= 23
	}
	t := nal[0] & 0x1f
	return t == 1 || t == 5, t == 5
}

// SplitNALs splits an Annex B stream into its NAL units, without start codes.
func SplitNALs(stream []byte) (nals [][]byte) {
	code := []byte{0, 0, 1}
	i := bytes.Index(stream, code)
	for i >= 0 {
		stream = stream[i+3:]
		i = bytes.Index(stream, code)
		nal := stream
		if i >= 0 {
			nal = stream[:i]
		}
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			nals = append(nals, nal)
		}
	}
	return nals
}
