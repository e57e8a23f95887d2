package main

import (
	"bytes"
	"errors"
	"image"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/stream/vpx"
)

// fakeEncoder answers with what it was made of.
type fakeEncoder struct {
	name   string
	unit   pipeline.AccessUnit
	err    *error // nil: never fails
	closed *int
}

func (e *fakeEncoder) Encode(*pipeline.Frame, bool) (pipeline.AccessUnit, error) {
	if e.err != nil && *e.err != nil {
		return pipeline.AccessUnit{}, *e.err
	}
	return e.unit, nil
}
func (e *fakeEncoder) SetBitrate(int) error { return nil }
func (e *fakeEncoder) Close() error         { *e.closed++; return nil }
func (e *fakeEncoder) String() string       { return e.name }

// encoderBench makes fakes and counts those that are open.
type encoderBench struct{ made, closed int }

func (b *encoderBench) working(name string, codec pipeline.Codec) newEncoder {
	return b.of(name, pipeline.AccessUnit{Codec: codec, Key: true, Data: []byte{1}}, nil)
}

func (b *encoderBench) of(name string, unit pipeline.AccessUnit, err *error) newEncoder {
	return func(stream.EncoderConfig) (stream.Encoder, error) {
		b.made++
		return &fakeEncoder{name: name, unit: unit, err: err, closed: &b.closed}, nil
	}
}

func refusing(text string) newEncoder {
	return func(stream.EncoderConfig) (stream.Encoder, error) { return nil, errors.New(text) }
}

func TestChooseEncoders(t *testing.T) {
	var b encoderBench
	broken := errors.New("the device hangs")
	good := encoderSet{
		openh264: b.working("openh264 2", pipeline.H264), vpx: b.working("libvpx 1", pipeline.VP8),
		x264: b.working("libx264 164", pipeline.H264), v4l2m2m: b.working("v4l2m2m pi", pipeline.H264),
	}
	with := func(change func(*encoderSet)) encoderSet {
		s := good
		change(&s)
		return s
	}
	for _, tc := range []struct {
		name     string
		set      encoderSet
		want     string
		names    string
		codecs   []pipeline.Codec
		choice   string
		warnings []string // what each holds
	}{
		{"auto", good, "auto", "openh264 2 (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264: the least costly", nil},
		{"as configured", good, "openh264", "openh264 2 (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264 as configured", nil},
		{"x264", good, "x264", "libx264 164 (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "x264 as configured", nil},
		{"hardware", good, "v4l2m2m", "v4l2m2m pi (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "v4l2m2m as configured", nil},
		{"no hardware", with(func(s *encoderSet) { s.v4l2m2m = refusing("v4l2m2m: no device") }), "v4l2m2m", "openh264 2 (h264), libvpx 1 (vp8)",
			[]pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264 in place of v4l2m2m", []string{"encoder v4l2m2m does not work: v4l2m2m: no device"}},
		{"hardware fails", with(func(s *encoderSet) { s.v4l2m2m = b.of("", pipeline.AccessUnit{}, &broken) }), "v4l2m2m",
			"openh264 2 (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264 in place of v4l2m2m", []string{"the device hangs"}},
		{"VP8 for all", good, "vp8", "libvpx 1 (vp8)", []pipeline.Codec{pipeline.VP8}, "VP8 for all", nil},
		{"auto without openh264", with(func(s *encoderSet) { s.openh264 = refusing("no library") }), "auto", "libx264 164 (h264), libvpx 1 (vp8)",
			[]pipeline.Codec{pipeline.H264, pipeline.VP8}, "x264: openh264 does not work", []string{"encoder openh264 does not work: no library"}},
		{"x264 not built", with(func(s *encoderSet) { s.x264 = refusing("built without") }), "x264", "openh264 2 (h264), libvpx 1 (vp8)",
			[]pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264 in place of x264", []string{"encoder x264 does not work: built without"}},
		{"x264 gives nothing", with(func(s *encoderSet) { s.x264 = b.of("", pipeline.AccessUnit{Codec: pipeline.H264, Key: true}, nil) }), "x264",
			"openh264 2 (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264 in place of x264", []string{"became 0 bytes"}},
		{"x264 gives no key", with(func(s *encoderSet) {
			s.x264 = b.of("", pipeline.AccessUnit{Codec: pipeline.H264, Data: []byte{1}}, nil)
		}), "x264",
			"openh264 2 (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264 in place of x264", []string{"key picture: false"}},
		{"x264 fails", with(func(s *encoderSet) { s.x264 = b.of("", pipeline.AccessUnit{}, &broken) }), "x264",
			"openh264 2 (h264), libvpx 1 (vp8)", []pipeline.Codec{pipeline.H264, pipeline.VP8}, "openh264 in place of x264", []string{"the device hangs"}},
		{"no VP8", with(func(s *encoderSet) { s.vpx = refusing("no library") }), "auto", "openh264 2 (h264)",
			[]pipeline.Codec{pipeline.H264}, "openh264", []string{"encoder libvpx does not work: no library"}},
		{"no H.264", with(func(s *encoderSet) { s.openh264, s.x264 = refusing("no library"), refusing("built without") }), "auto", "libvpx 1 (vp8)",
			[]pipeline.Codec{pipeline.VP8}, "VP8 only", []string{"encoder openh264", "encoder x264"}},
		{"nothing", encoderSet{openh264: refusing("a"), x264: refusing("b"), vpx: refusing("c")}, "auto", "none", nil, "no H.264 encoder works",
			[]string{"openh264", "x264", "libvpx", "no live picture"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := tc.set.choose(tc.want)
			if err != nil {
				t.Fatal(err)
			}
			if e.String() != tc.names || !reflect.DeepEqual(e.Codecs(), tc.codecs) || !strings.Contains(e.choice, tc.choice) {
				t.Errorf("took %s, %v: %s\nwant %s, %v: %s", e, e.Codecs(), e.choice, tc.names, tc.codecs, tc.choice)
			}
			if len(e.warnings) != len(tc.warnings) {
				t.Fatalf("warnings %q, want %q", e.warnings, tc.warnings)
			}
			for i, w := range tc.warnings {
				if !strings.Contains(e.warnings[i], w) {
					t.Errorf("warning %q, want %q in it", e.warnings[i], w)
				}
			}
		})
	}
	if b.made != b.closed || b.made == 0 {
		t.Errorf("%d encoders made, %d closed", b.made, b.closed)
	}
	if _, err := good.choose("vhs"); err == nil || !strings.Contains(err.Error(), `"vhs"`) {
		t.Errorf("an unknown encoder: %v", err)
	}
}

// TestEncodersTold: the log says what was chosen and why.
func TestEncodersTold(t *testing.T) {
	var log bytes.Buffer
	e, err := encoderSet{openh264: openh264.New, vpx: vpx.New, x264: refusing("built without")}.choose("x264")
	if err != nil {
		t.Fatal(err)
	}
	e.tell(zerolog.New(&log))
	want := `{"level":"warn","message":"encoder x264 does not work: built without"}
{"level":"info","encoders":["` + openh264.Version() + ` (h264)","` + vpx.Version() + ` (vp8)"],"choice":"openh264 in place of x264","message":"live pictures"}
`
	if log.String() != want {
		t.Errorf("log\n%swant\n%s", log.String(), want)
	}
}

// TestBuiltEncoders: what this program has encodes.
func TestBuiltEncoders(t *testing.T) {
	e, err := builtEncoders(zerolog.Nop()).choose(encoderAuto)
	if err != nil || len(e.warnings) > 0 || len(e.Codecs()) != 2 {
		t.Fatalf("%v, %v, warnings %q", e, err, e.warnings)
	}
	for _, codec := range e.Codecs() {
		if name, took, err := timeEncoder(e.Encoders, codec); err != nil || took <= 0 || name == "" {
			t.Errorf("%s: %q, %v, %v", codec, name, took, err)
		}
		enc, err := e.New(codec, stream.EncoderConfig{Size: image.Pt(64, 48), FPS: 30, Bitrate: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		if err := enc.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestHardwareFails: a device that dies at work gives way to openh264, which is told once, and is tried again later.
func TestHardwareFails(t *testing.T) {
	var b encoderBench
	var log bytes.Buffer
	var broken error
	gone := false
	device := b.of("v4l2m2m pi", pipeline.AccessUnit{Codec: pipeline.H264, Key: true, Data: []byte{1}}, &broken)
	s := encoderSet{
		openh264: b.working("openh264 2", pipeline.H264), vpx: b.working("libvpx 1", pipeline.VP8), log: zerolog.New(&log),
		v4l2m2m: func(cfg stream.EncoderConfig) (stream.Encoder, error) {
			if gone {
				return nil, errors.New("no device")
			}
			return device(cfg)
		},
	}
	h := &hardware{encoderSet: s}
	var e encoders
	if !s.try(&e, pipeline.H264, encoderV4L2M2M, h.new) {
		t.Fatal(e.warnings)
	}
	take := func(want string) stream.Encoder {
		t.Helper()
		enc, err := e.New(pipeline.H264, stream.EncoderConfig{Size: image.Pt(640, 480), FPS: 30, Bitrate: 1e6})
		if err != nil || encoderName(enc) != want {
			t.Fatalf("got %v, %v, want %s", enc, err, want)
		}
		return enc
	}
	enc := take("v4l2m2m pi")
	broken = errors.New("it hangs")
	if _, err := enc.Encode(nil, false); err == nil {
		t.Fatal("the failure is hidden")
	}
	take("openh264 2")
	h.rest = h.rest.Add(-hardwareRest)
	broken = nil
	if _, err := take("v4l2m2m pi").Encode(nil, false); err != nil {
		t.Fatal(err)
	}
	gone = true
	take("openh264 2")
	gone = false
	take("v4l2m2m pi")
	want := `{"level":"warn","error":"it hangs","failures":1,"message":"the machine's own encoder failed: openh264 takes its place for now"}
{"level":"debug","error":"640x480 at 1000000 bit/s: no device","failures":2,"message":"the machine's own encoder failed: openh264 takes its place for now"}
`
	if log.String() != want {
		t.Errorf("log\n%swant\n%s", log.String(), want)
	}
}
