package rtsptest

import (
	"fmt"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"yfv2d/pipeline"
)

const clockRate = 90000 // Hz of all three formats

// track is a clip as one format of the video track. Formats share the track's sequence numbers only if they are one.
type track struct {
	clip    Clip
	media   *description.Media
	format  format.Format
	packets func(Unit) ([]*rtp.Packet, error) // timestamps are still to be set
}

// describe makes one media of all clips, a payload type each.
func describe(clips []Clip) (*description.Session, []*track, error) {
	media := &description.Media{Type: description.MediaTypeVideo}
	tracks := make([]*track, 0, len(clips))
	for i, c := range clips {
		t, err := newTrack(c, uint8(96+i))
		if err != nil {
			return nil, nil, err
		}
		t.media = media
		media.Formats = append(media.Formats, t.format)
		tracks = append(tracks, t)
	}
	return &description.Session{Title: "rtsptest", Medias: []*description.Media{media}}, tracks, nil
}

func newTrack(c Clip, payloadType uint8) (*track, error) {
	t := &track{clip: c}
	nals := SplitNALs(c.Units[0].Data)
	switch c.Codec {
	case pipeline.H264:
		f := &format.H264{PayloadTyp: payloadType, PacketizationMode: 1, SPS: nalOf(nals, 0x1f, 7), PPS: nalOf(nals, 0x1f, 8)}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		t.format, t.packets = f, func(u Unit) ([]*rtp.Packet, error) { return enc.Encode(SplitNALs(u.Data)) }
	case pipeline.H265:
		f := &format.H265{PayloadTyp: payloadType, VPS: nalOf(nals, 0x7e, 32<<1), SPS: nalOf(nals, 0x7e, 33<<1), PPS: nalOf(nals, 0x7e, 34<<1)}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		t.format, t.packets = f, func(u Unit) ([]*rtp.Packet, error) { return enc.Encode(SplitNALs(u.Data)) }
	case pipeline.JPEG:
		f := &format.MJPEG{}
		enc, err := f.CreateEncoder()
		if err != nil {
			return nil, err
		}
		t.format, t.packets = f, func(u Unit) ([]*rtp.Packet, error) { return enc.Encode(u.Data) }
	default:
		return nil, fmt.Errorf("no clip of codec %q can be played", c.Codec)
	}
	return t, nil
}

// nalOf is the first NAL unit whose first byte, masked, is kind.
func nalOf(nals [][]byte, mask, kind byte) []byte {
	for _, n := range nals {
		if n[0]&mask == kind {
			return n
		}
	}
	return nil
}

// withoutSets leaves the parameter sets out of a unit.
func withoutSets(codec pipeline.Codec, u Unit) Unit {
	out := Unit{Key: u.Key}
	for _, n := range SplitNALs(u.Data) {
		set := n[0]&0x1f == 7 || n[0]&0x1f == 8
		if codec == pipeline.H265 {
			t := n[0] >> 1
			set = t >= 32 && t <= 34
		}
		if !set {
			out.Data = append(append(out.Data, startCode...), n...)
		}
	}
	return out
}
