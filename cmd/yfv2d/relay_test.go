package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
	"yfv2d/scripts/viewer"
	"yfv2d/stream"
)

// rtspCamera is the configuration of a camera that plays a clip.
func rtspCamera(t *testing.T, name string, clip rtsptest.Clip, more string) string {
	t.Helper()
	camera := rtsptest.Start(t, rtsptest.Config{Clip: clip})
	return fmt.Sprintf("[[camera]]\nname = %q\nsource = %q\ntransport = \"tcp\"\n%s\n", name, camera.URL(), more)
}

// watch watches a camera's picture until the test's end, and waits for the first frame.
func (s *served) watch(camera, rendition string) *viewer.Viewer {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	v, err := viewer.Watch(ctx, s.url+"api/cameras/"+camera+"/whep?rendition="+rendition)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(v.Close)
	return v
}

func (s *served) waitFrames(v *viewer.Viewer, n uint64) {
	s.t.Helper()
	from := v.Counts().Frames
	waitUntil(s.t, fmt.Sprintf("%d more frames came", n), func() bool { return v.Counts().Frames >= from+n })
}

// shown is a rendition that is watched.
func shown(st stream.BroadcasterStats, name string) (stream.RenditionStats, bool) {
	for _, r := range st.Renditions {
		if r.Name == name {
			return r, true
		}
	}
	return stream.RenditionStats{}, false
}

// TestRelayOfACamera watches a real RTSP camera whose key pictures are ten seconds apart: its own stream reaches the viewer,
// and nothing is encoded until somebody wants another picture.
func TestRelayOfACamera(t *testing.T) {
	s := serve(t, "127.0.0.1:0", rtspCamera(t, "door", rtsptest.PatternH264(), ""))
	cam := s.camera("door")
	waitUntil(t, "the camera's own stream may be relayed", func() bool { return cam.preview.Stats().Relay.Possible })
	waitUntil(t, "the bitrate is measured", func() bool { return cam.stats().Ledger.Units > 45 })

	clean := s.watch("door", "clean")
	before := cam.stats().Ledger
	s.waitFrames(clean, 45)
	st, after := cam.preview.Stats(), cam.stats().Ledger
	r, _ := shown(st, "clean")
	if !r.Relay || r.Viewers != 1 || r.Size.X != 192 || st.Encodes != 0 || st.EncoderRunning || cam.preview.Wants() != 0 {
		t.Errorf("a viewer of the clean picture: %+v", st)
	}
	if n := after.Previewed - before.Previewed; n != 0 {
		t.Errorf("%d frames were encoded", n)
	}

	began := time.Now()
	small := s.watch("door", "small")
	t.Logf("the first small picture came %v after it was asked for", time.Since(began).Round(time.Millisecond))
	s.waitFrames(small, 15)
	s.waitFrames(clean, 15)
	st = cam.preview.Stats()
	if r, _ := shown(st, "small"); r.Viewers != 1 || r.Encodes == 0 || r.Size.X != 96 || st.Renditions[len(st.Renditions)-1].Encodes != 0 {
		t.Errorf("with a viewer of the small picture: %+v", st.Renditions)
	}
	if c := clean.Counts(); c.Lost != 0 {
		t.Errorf("%d packets are missing in the numbering", c.Lost)
	}
	small.Close()
	clean.Close()
	s.waitUnwatched("door")
}

// TestRelayIsNotDecoded: a stream that is only for viewing is decoded just enough to know that it lives.
func TestRelayIsNotDecoded(t *testing.T) {
	s := serve(t, "127.0.0.1:0", rtspCamera(t, "door", rtsptest.LargeH264(), "detect_source = \"test:?size=160x120&fps=10\"\n"))
	cam := s.camera("door")
	waitUntil(t, "the camera's own stream may be relayed", func() bool { return cam.preview.Stats().Relay.Possible })
	waitUntil(t, "the key interval is known", func() bool { return cam.stats().Ledger.Units > 65 })
	v := s.watch("door", "clean")
	waitUntil(t, "the camera's own stream is shown", func() bool {
		r, _ := shown(cam.preview.Stats(), "clean")
		return r.Relay
	})
	waitUntil(t, "nothing else is wanted", func() bool { return cam.preview.Wants() == 0 })
	before := cam.stats().Ledger
	s.waitFrames(v, 60)
	after := cam.stats().Ledger
	if units, decoded := after.Units-before.Units, after.Captured-before.Captured; units < 30 || decoded*4 > units {
		t.Errorf("%d of %d units were decoded", decoded, units)
	}
}

// TestRelayInABrowser: what is relayed can be decoded, from the middle of a group on.
func TestRelayInABrowser(t *testing.T) {
	b := openBrowser(t)
	s := serve(t, "127.0.0.1:0", rtspCamera(t, "door", rtsptest.PatternH264(), ""))
	cam := s.camera("door")
	waitUntil(t, "the bitrate is measured", func() bool { return cam.stats().Ledger.Units > 45 })
	b.open(s.url, "door")
	b.waitFrames("door", 20)
	if _, ok := shown(cam.preview.Stats(), "clean"); !ok {
		t.Errorf("the browser got %+v", cam.preview.Stats().Renditions)
	}
	waitUntil(t, "the camera's own stream is shown", func() bool {
		r, _ := shown(cam.preview.Stats(), "clean")
		return r.Relay
	})
	b.waitFrames("door", 60)
}

// TestMaskedCameraIsNotRelayed: what a mask covers must not reach viewers by way of the camera's own stream, and neither may
// a picture that is to be shown in another way.
func TestMaskedCameraIsNotRelayed(t *testing.T) {
	for _, row := range []struct{ name, more, reason string }{
		{"masked", "mask = [[[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]]", "masked"},
		{"turned", "rotate = 90", "turned"},
		{"flipped", "flip = \"horizontal\"", "flipped"},
		{"cropped", "crop = [0.0, 0.0, 0.5, 0.5]", "cropped"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := serve(t, "127.0.0.1:0", rtspCamera(t, "door", rtsptest.LargeH264(), row.more))
			cam := s.camera("door")
			waitUntil(t, "the camera gives frames", func() bool { return cam.stats().Ledger.Captured > 0 })
			s.waitFrames(s.watch("door", "clean"), 45)
			st := cam.preview.Stats()
			if r, _ := shown(st, "clean"); r.Relay || r.Encodes < 30 || !strings.Contains(r.Reason, row.reason) {
				t.Errorf("%+v", r)
			}
			if st.Relay.Possible || !strings.Contains(st.Relay.Reason, row.reason) {
				t.Errorf("%+v", st.Relay)
			}
		})
	}
}

// TestStreamsThatAreEncoded: the API tells why a camera's own stream is not handed on.
func TestStreamsThatAreEncoded(t *testing.T) {
	rows := []struct {
		name, reason string
		clip         func(*testing.T) rtsptest.Clip
	}{
		{"h265", "the camera's stream is h265", func(*testing.T) rtsptest.Clip { return rtsptest.PatternH265() }},
		{"mjpeg", "the camera's stream is jpeg", func(*testing.T) rtsptest.Clip { return rtsptest.PatternMJPEG() }},
		{"bframes", "the camera's stream has B-frames", bFrames},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := serve(t, "127.0.0.1:0", rtspCamera(t, "door", row.clip(t), ""))
			cam := s.camera("door")
			waitUntil(t, "the reason is known", func() bool { return cam.preview.Stats().Relay.Reason == row.reason })
			s.waitFrames(s.watch("door", "clean"), 20)
			if r, ok := shown(cam.preview.Stats(), "clean"); !ok || r.Relay || r.Reason != row.reason {
				t.Errorf("%+v", r)
			}
		})
	}
}

// bFrames is a clip with B-frames.
func bFrames(t *testing.T) rtsptest.Clip {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.h264")
	args := "-v error -f lavfi -i testsrc=size=192x144:rate=15 -frames:v 60 -pix_fmt yuv420p -c:v libx264 -bf 2 -g 30 -slices 1 -threads 1 " + path
	if out, err := exec.Command("ffmpeg", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("make a clip with ffmpeg and libx264 (make test installs them): %v: %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clip, err := rtsptest.Parse(pipeline.H264, data, time.Second/15)
	if err != nil {
		t.Fatal(err)
	}
	return clip
}
