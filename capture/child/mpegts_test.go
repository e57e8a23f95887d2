package child

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

var unitsH264 = [][][]byte{
	{{0x67, 1, 2, 3}, {0x68, 4, 5}, append([]byte{0x65, 0x88}, bytes.Repeat([]byte{6}, 1000)...)},
	{append([]byte{0x41, 0x9a}, bytes.Repeat([]byte{7}, 300)...)},
	{append([]byte{0x41, 0x9a}, bytes.Repeat([]byte{8}, 183)...)},
	{{0x41, 0x9a, 9, 9}},
}

// transport is a stream of unitsH264 with sound before the picture.
func transport(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	video := &mpegts.Track{Codec: &mpegts.CodecH264{}}
	sound := &mpegts.Track{Codec: &mpegts.CodecMPEG4Audio{Config: mpeg4audio.AudioSpecificConfig{Type: 2, SampleRate: 48000, ChannelCount: 1}}}
	w := &mpegts.Writer{W: &b, Tracks: []*mpegts.Track{sound, video}}
	if err := w.Initialize(); err != nil {
		t.Fatal(err)
	}
	for i, u := range unitsH264 {
		if err := errors.Join(w.WriteMPEG4Audio(sound, int64(i)*3000, [][]byte{{1, 2, 3}}), w.WriteH264(video, int64(i)*3000, int64(i)*3000, u)); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func demux(data []byte, step int) (units [][]byte, codec pipeline.Codec, err error) {
	d := newDemuxer(func(c pipeline.Codec) (*splitter, error) {
		codec = c
		return &splitter{h265: c == pipeline.H265, max: 1 << 16, emit: func(u []byte, _ time.Time) { units = append(units, u) }}, nil
	})
	for len(data) > 0 && err == nil {
		n := min(step, len(data))
		err = d.write(data[:n], time.Now())
		data = data[n:]
	}
	if err == nil {
		err = d.flush(time.Now())
	}
	return units, codec, err
}

func TestDemuxer(t *testing.T) {
	data := transport(t)
	for _, step := range []int{1, 100, 188, 1316, 1 << 20} {
		for name, in := range map[string][]byte{"whole": data, "garbage before": append([]byte("\x47garbage\x47"), data...),
			"garbage between": bytes.Join([][]byte{data[:188*2], []byte("garbage \x47 and"), data[188*2:]}, nil)} {
			units, codec, err := demux(in, step)
			if err != nil || codec != pipeline.H264 || len(units) != len(unitsH264) {
				t.Fatalf("%s by %d: %d units of %s, %v", name, step, len(units), codec, err)
			}
			for i, u := range units {
				for _, n := range unitsH264[i] {
					if !bytes.Contains(u, n) {
						t.Errorf("%s by %d: unit %d lacks a NAL unit", name, step, i)
					}
				}
			}
		}
	}
	t.Run("a packet lost", func(t *testing.T) {
		var packets [][]byte
		for p := data; len(p) > 0; p = p[188:] {
			packets = append(packets, p[:188])
		}
		lost := 0
		for i, p := range packets { // the second packet of the first picture
			if p[1]&0x40 == 0 && p[2] != 0 {
				lost = i
				break
			}
		}
		units, _, err := demux(bytes.Join(append(packets[:lost:lost], packets[lost+1:]...), nil), 188)
		if err != nil || len(units) != len(unitsH264) || units[0] != nil {
			t.Errorf("%d units, %v; the damaged one must be told as lost", len(units), err)
		}
	})
	t.Run("a packet twice", func(t *testing.T) {
		var twice []byte
		for p := data; len(p) > 0; p = p[188:] {
			twice = append(append(twice, p[:188]...), p[:188]...)
		}
		if units, _, err := demux(twice, 188); err != nil || len(units) != len(unitsH264) {
			t.Errorf("%d units, %v", len(units), err)
		}
	})
	t.Run("no video", func(t *testing.T) {
		var b bytes.Buffer
		sound := &mpegts.Track{Codec: &mpegts.CodecMPEG4Audio{Config: mpeg4audio.AudioSpecificConfig{Type: 2, SampleRate: 48000, ChannelCount: 1}}}
		old := &mpegts.Track{Codec: &mpegts.CodecMPEG1Video{}}
		w := &mpegts.Writer{W: &b, Tracks: []*mpegts.Track{sound, old}}
		if err := errors.Join(w.Initialize(), w.WriteMPEG4Audio(sound, 0, [][]byte{{1, 2, 3}})); err != nil {
			t.Fatal(err)
		}
		_, _, err := demux(b.Bytes(), 188)
		var refused *live.Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "the MPEG-TS holds AAC and MPEG-2 video: only H.264 and H.265 are supported") {
			t.Errorf("%v", err)
		}
	})
}
