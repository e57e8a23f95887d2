package stream

import (
	"bytes"
	"image"
	"slices"
	"strings"
	"testing"
	"time"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

// relayed is a stage whose camera has been playing for a while, with key pictures 10 s apart.
func relayed(t *testing.T, c *ownStream, frames int) *stage {
	t.Helper()
	s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
	s.plays(c, frames)
	return s
}

func ownCamera() *ownStream { return &ownStream{set: baseline.nal(), interval: 300, bytes: 100} }

// TestRelay: who can have the camera's own stream gets it from its newest key picture on, and nothing is encoded.
func TestRelay(t *testing.T) {
	c := ownCamera()
	s := relayed(t, c, 50)
	if s.b.relayProfile() != 66 || s.b.Wants() != 0 {
		t.Fatalf("profile %d, wants %b", s.b.relayProfile(), s.b.Wants())
	}
	v := s.joinTo("clean", pipeline.H264, 66, 77)
	d := decoding{t: t, name: "viewer"}
	got := take(v)
	d.take(got)
	if len(got) != 51 || got[50].ts != s.b.rtpTime(frameAt(51)) || got[50].at.Sub(got[0].at) != 50*replayStep {
		t.Fatalf("%d units at once, over %v, the last at %v", len(got), got[50].at.Sub(got[0].at), got[50].at)
	}
	if p := got[0].payloads; len(p) != 3 || p[0][0] != 0x67 || !bytes.Equal(p[1], testPPS) || p[2][0] != 0x65 {
		t.Errorf("the key picture's %d payloads do not hold its parameter sets", len(p))
	}
	for range 400 {
		s.plays(c, 1)
		d.take(take(v))
	}
	st := s.b.Stats()
	if d.pictures != 451 || d.gaps != 0 || s.lab.made != 0 || st.Encodes != 0 || v.rendition() != "clean" {
		t.Errorf("%d pictures, %d gaps, %d encoders made, stats %+v", d.pictures, d.gaps, s.lab.made, st)
	}
	if r := st.Renditions; len(r) != 1 || !r[0].Relay || r[0].Viewers != 1 || r[0].Size != image.Pt(64, 48) || r[0].Encodes != 0 || r[0].Keys != 1 {
		t.Errorf("renditions %+v", r)
	}
	if !st.Relay.Possible || st.Relay.Reason != "" {
		t.Errorf("relay %+v", st.Relay)
	}
	v.leave()
	if n := len(s.b.relay.members); n != 0 {
		t.Errorf("%d members left", n)
	}
}

func TestRelayIsNotForAll(t *testing.T) {
	c := ownCamera()
	s := relayed(t, c, 50)
	for _, row := range []struct {
		name     string
		codec    pipeline.Codec
		profiles []uint8
		wants    pipeline.Wanted
	}{
		{"clean", pipeline.H264, nil, pipeline.WantClean},
		{"clean", pipeline.H264, []uint8{77, 100}, pipeline.WantClean},
		{"clean", pipeline.VP8, []uint8{66}, pipeline.WantClean},
		{"small", pipeline.H264, []uint8{66}, pipeline.WantSmall},
		{"annotated", pipeline.H264, []uint8{66}, pipeline.WantAnnotated},
	} {
		v := s.joinTo(row.name, row.codec, row.profiles...)
		if s.b.Wants() != row.wants || len(s.b.relay.members) != 0 {
			t.Errorf("%+v: wants %b, %d members of the relay", row, s.b.Wants(), len(s.b.relay.members))
		}
		v.leave()
	}
}

func TestRelayOfAnotherCodec(t *testing.T) {
	s := relayed(t, ownCamera(), 10)
	s.b.Unit(&pipeline.AccessUnit{At: frameAt(20), Codec: pipeline.H265, Key: true, Data: []byte{0, 0, 0, 1, 0x40, 1}})
	if r := s.b.Stats().Relay; r.Possible || r.Reason != "the camera's stream is h265" {
		t.Errorf("%+v", r)
	}
}

// TestNoRelay: what the configuration forbids (a mask, say) never reaches a viewer.
func TestNoRelay(t *testing.T) {
	c := ownCamera()
	s := newStage(t, func(c *BroadcasterConfig) { c.NoRelay = "parts of the picture are masked" })
	v := s.joinTo("clean", pipeline.H264, 66)
	s.plays(c, 400)
	for _, u := range take(v) {
		if !strings.Contains(text(u), "luma 128") {
			t.Fatalf("the viewer got %q", text(u))
		}
	}
	if r := s.b.Stats().Relay; r.Possible || r.Reason != "parts of the picture are masked" || len(s.b.relay.gop.units) != 0 {
		t.Errorf("%+v, %d units kept", r, len(s.b.relay.gop.units))
	}
}

// TestJoinFarFromKey: who would wait too long for what is kept gets the small picture until the camera's next key picture.
func TestJoinFarFromKey(t *testing.T) {
	c := ownCamera()
	c.bytes = 4000 // 960 kbit/s
	s := relayed(t, c, 100)
	v := s.joinTo("clean", pipeline.H264, 66)
	d := decoding{t: t, name: "viewer"}
	if s.b.Wants() != pipeline.WantSmall || v.rendition() != "small" || len(take(v)) != 0 {
		t.Fatalf("wants %b, gets %s", s.b.Wants(), v.rendition())
	}
	for range 100 {
		s.plays(c, 1)
		d.take(take(v))
	}
	if d.pictures != 100 || d.gaps != 0 || s.lab.live() != 1 {
		t.Errorf("%d of 100 small pictures, %d gaps", d.pictures, d.gaps)
	}
	for range 200 {
		s.plays(c, 1)
		d.take(drain(v))
	}
	if d.gaps > 1 || d.pictures < 299 || v.rendition() != "clean" || d.source != "camera" || s.lab.live() != 0 || s.b.Wants() != 0 {
		t.Errorf("%d gaps in %d pictures, gets %s of %s, %d encoders, wants %b", d.gaps, d.pictures, v.rendition(), d.source, s.lab.live(), s.b.Wants())
	}
}

// TestKeyFromCamera: nobody can ask a camera for a key picture. If its next one is far, the small picture serves.
func TestKeyFromCamera(t *testing.T) {
	for _, row := range []struct {
		name   string
		frames int // since the newest key picture
		want   string
	}{{"far", 100, "small"}, {"near", 285, "clean"}} {
		c := ownCamera()
		s := relayed(t, c, 600)
		v := s.joinTo("clean", pipeline.H264, 66)
		d := decoding{t: t, name: row.name}
		play := func(n int) {
			for range n {
				s.plays(c, 1)
				d.take(drain(v))
			}
		}
		play(row.frames)
		v.askKey()
		v.askKey()
		play(10)
		if v.rendition() != row.want {
			t.Errorf("%s: gets %s, want %s", row.name, v.rendition(), row.want)
		}
		play(300 - row.frames)
		if v.rendition() != "clean" || d.source != "camera" || s.lab.live() != 0 || s.b.Wants() != 0 {
			t.Errorf("%s: after the next key picture: %s of %s", row.name, v.rendition(), d.source)
		}
		if d.gaps > 2 {
			t.Errorf("%s: %d gaps", row.name, d.gaps)
		}
	}
}

// TestRelayOnPoorPath: a camera's stream does not follow a path down, so the viewer is moved.
func TestRelayOnPoorPath(t *testing.T) {
	for _, row := range []struct {
		name   string
		happen func(*viewer)
		frames int // until it is moved
	}{
		{"estimate", func(v *viewer) { v.estimate(400_000) }, 63},
		{"full pacer", func(v *viewer) { v.skip() }, 3},
	} {
		c := ownCamera()
		c.bytes = 4000 // 960 kbit/s
		s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
		d := decoding{t: t, name: row.name}
		v := s.joinTo("clean", pipeline.H264, 66)
		v.estimate(2 * megabit)
		play := func(n int) {
			for range n {
				s.plays(c, 1)
				d.take(drain(v))
			}
		}
		play(150)
		row.happen(v)
		play(row.frames)
		if v.rendition() != "small" || s.b.Wants() != pipeline.WantSmall {
			t.Errorf("%s: %s, wants %b", row.name, v.rendition(), s.b.Wants())
		}
		v.estimate(1_300_000)
		play(290)
		if v.rendition() != "small" {
			t.Errorf("%s: back too early", row.name)
		}
		play(320)
		if v.rendition() != "clean" || d.source != "camera" || s.b.Wants() != 0 {
			t.Errorf("%s: in the end %s of %s", row.name, v.rendition(), d.source)
		}
		if d.gaps > 3 {
			t.Errorf("%s: %d gaps", row.name, d.gaps)
		}
	}
}

// TestRelayEnds: B-frames, lost units and silence give the viewer an encode at a key picture.
func TestRelayEnds(t *testing.T) {
	for _, row := range []struct {
		name   string
		happen func(*stage, *ownStream)
		quiet  bool // no further unit comes
		wants  pipeline.Wanted
	}{
		{"B-frames", func(_ *stage, c *ownStream) { c.bEvery = 3 }, false, pipeline.WantClean},
		{"lost units", func(_ *stage, c *ownStream) { c.frameNum += 2 }, false, pipeline.WantSmall},
		{"another profile", func(_ *stage, c *ownStream) {
			c.set = setOf{profile: 77, wide: 4, high: 3, order: 2}.nal()
			c.interval = c.sent // key pictures now and then
		}, false, pipeline.WantClean},
		{"another codec", func(s *stage, c *ownStream) {
			s.b.Unit(&pipeline.AccessUnit{At: frameAt(s.n), Codec: pipeline.H265, Data: []byte{1}})
		}, true, pipeline.WantClean},
		{"silence", func(s *stage, _ *ownStream) { s.joinTo("small", pipeline.H264) }, true, pipeline.WantClean | pipeline.WantSmall},
	} {
		c := ownCamera()
		s := relayed(t, c, 100)
		v := s.joinTo("clean", pipeline.H264, 66)
		d := decoding{t: t, name: row.name}
		d.take(take(v))
		row.happen(s, c)
		for range 100 {
			if !row.quiet {
				s.camera(c, 1)
			}
			s.tryWrite()
			d.take(drain(v))
		}
		if d.source == "camera" || d.last == nil || d.frame < s.n-1 || s.b.Wants() != row.wants {
			t.Errorf("%s: in the end frame %d of %d, of %s, wants %b, %v", row.name, d.frame, s.n, d.source, s.b.Wants(), s.b.Stats().Relay)
		}
	}
}

// TestKeyWithoutSets: parameter sets come before each key picture in any case.
func TestKeyWithoutSets(t *testing.T) {
	c := ownCamera()
	c.interval = 20
	s := relayed(t, c, 5)
	c.noSets = true
	s.plays(c, 30)
	v := s.joinTo("clean", pipeline.H264, 66)
	got := take(v)
	if len(got) == 0 || !got[0].key || len(got[0].payloads) != 3 || !bytes.Equal(got[0].payloads[0], c.set) {
		t.Errorf("%d units, and no parameter sets before the key picture", len(got))
	}
}

// TestRelayTellsListeners of each picture once, with its packets' timestamp and the tracks at its time.
func TestRelayTellsListeners(t *testing.T) {
	c := ownCamera()
	var asked []time.Time
	s := newStage(t, func(c *BroadcasterConfig) {
		c.Tracks = func(at time.Time, size image.Point) []tracker.Track {
			if size != image.Pt(64, 48) {
				t.Errorf("tracks asked for a picture of %v", size)
			}
			asked = append(asked, at)
			return nil
		}
	})
	s.plays(c, 10)
	if len(asked) != 0 {
		t.Errorf("%d asks without a viewer", len(asked))
	}
	v := s.joinTo("clean", pipeline.H264, 66)
	s.plays(c, 5)
	got := take(v)
	got = got[len(got)-5:]
	want := slices.Collect(func(yield func(time.Time) bool) {
		for _, u := range got {
			if !yield(u.at) {
				return
			}
		}
	})
	if !slices.EqualFunc(asked, want, time.Time.Equal) {
		t.Errorf("asked at %v, sent %v", asked, want)
	}
}

// TestRelayRate: preview_fps is a limit for what is relayed, too.
func TestRelayRate(t *testing.T) {
	for _, row := range []struct {
		limit  float64
		frames int
		want   string
	}{
		{0, 61, ""}, {30, 61, ""}, {29, 61, ""}, {15, 61, "preview_fps"}, {30, 20, "not known"},
	} {
		c := ownCamera()
		c.interval = 20
		s := newStage(t, func(c *BroadcasterConfig) { c.RelayFPS = row.limit })
		s.plays(c, row.frames)
		if r := s.b.Stats().Relay; r.Possible != (row.want == "") || !strings.Contains(r.Reason, row.want) {
			t.Errorf("limit %v after %d frames: %+v", row.limit, row.frames, r)
		}
	}
}
