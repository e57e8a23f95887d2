package stream

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestRelayVerdicts tells for which streams and why not.
func TestRelayVerdicts(t *testing.T) {
	main := setOf{profile: 77, wide: 4, high: 3}
	for _, row := range []struct {
		name     string
		set      func(*setOf)
		pictures int
		bEvery   int
		want     string
	}{
		{"main, unproven", nil, provenPictures - 2, 0, reasonUnproven},
		{"main, proven, but no key picture since", nil, provenPictures + 10, 0, reasonNoKey},
		{"main, proven", nil, 301, 0, ""},
		{"main, shown as they come", func(s *setOf) { s.order = 2 }, 1, 0, ""},
		{"main, no reordering", func(s *setOf) { s.noReorder = true }, 1, 0, ""},
		{"main with B-frames", nil, 299, 3, reasonBFrames},
		{"main that says it has none, with B-frames", func(s *setOf) { s.noReorder = true }, 10, 3, reasonBFrames},
		{"high", func(s *setOf) { s.profile, s.chroma, s.noReorder = 100, 1, true }, 1, 0, ""},
		{"high, 4:4:4", func(s *setOf) { s.profile, s.chroma = 244, 3 }, 1, 0, "profile 244"},
		{"high, grey", func(s *setOf) { s.profile, s.chroma = 100, 0 }, 1, 0, "profile 100"},
		{"extended", func(s *setOf) { s.profile = 88 }, 1, 0, "profile 88"},
		{"interlaced", func(s *setOf) { s.fields = true }, 1, 0, reasonInterlace},
		{"too large", func(s *setOf) { s.wide = 2000 }, 1, 0, reasonOdd},
	} {
		set := main
		if row.set != nil {
			row.set(&set)
		}
		s := relayed(t, &ownStream{set: set.nal(), interval: 300, bEvery: row.bEvery}, row.pictures)
		got := s.b.Stats().Relay
		if got.Possible != (row.want == "") || !strings.Contains(got.Reason, row.want) {
			t.Errorf("%s: %+v, want %q", row.name, got, row.want)
		}
		if got.Possible && s.b.relayProfile() != set.profile {
			t.Errorf("%s: profile %d", row.name, s.b.relayProfile())
		}
	}
}

// TestReplayFitsThePath: what decides is the time that the path takes for what is kept.
func TestReplayFitsThePath(t *testing.T) {
	g := &gop{}
	for i := range 10 {
		g.add(&gopUnit{unit: unit{key: i == 0, at: frameAt(i)}, bytes: 6250})
	}
	for path, want := range map[int]bool{megabit: true, megabit - 1: false, 0: false} {
		if g.fits(path) != want {
			t.Errorf("500 kbit over %d bit/s: %v", path, !want)
		}
	}
}

// TestGOPIsBounded: a camera with few and large pictures does not fill the memory.
func TestGOPIsBounded(t *testing.T) {
	c := ownCamera()
	c.interval, c.bytes = 10_000, 100_000
	s := relayed(t, c, 1)
	most := 0
	for range 200 {
		s.plays(c, 1)
		most = max(most, s.b.relay.gop.bytes)
	}
	if most > maxGOPBytes || most < maxGOPBytes/2 || s.b.relay.gop.bytes != 0 {
		t.Errorf("up to %d bytes were kept, %d in the end", most, s.b.relay.gop.bytes)
	}
	c = ownCamera()
	s = relayed(t, c, 30)
	c.bEvery = 3
	s.plays(c, 10)
	if n := len(s.b.relay.gop.units); n != 0 {
		t.Errorf("%d units are kept of a stream that is not relayed", n)
	}
}

func TestRateMeter(t *testing.T) {
	var m rateMeter
	at := time.Unix(1000, 0)
	for i := range 300 {
		m.add(at.Add(frameTime(i)), 1000)
		if bps, _ := m.rates(); i == 29 && bps != 0 {
			t.Errorf("%d bit/s before a second has passed", bps)
		}
	}
	if bps, fps := m.rates(); bps != 240_000 || fps != 30 {
		t.Errorf("%d bit/s, %v fps", bps, fps)
	}
	m.add(at.Add(time.Hour), 5000)
	if bps, fps := m.rates(); bps != 0 || fps != 0 {
		t.Errorf("after an hour's pause: %d bit/s, %v fps", bps, fps)
	}
}

// FuzzStreamLook: a camera may send anything.
func FuzzStreamLook(f *testing.F) {
	c := ownCamera()
	for n := 1; n < 4; n++ {
		f.Add(c.unit(n, start).Data)
	}
	c.set = setOf{profile: 100, wide: 120, high: 68, chroma: 1, noReorder: true, fields: true}.nal()
	f.Add(c.unit(301, start).Data)
	f.Add([]byte{0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		l := &streamLook{frame: -1}
		for range 3 {
			u := l.look(data)
			if u.picture != (len(u.nals) > 0) || u.key && !u.picture {
				t.Fatalf("%+v", u)
			}
			for _, p := range payloadsOf(u.nals) {
				if len(p) == 0 || len(p) > maxPayload {
					t.Fatalf("payload of %d bytes", len(p))
				}
			}
		}
		if l.verdict() == "" && (l.set.size.X <= 0 || l.set.size.Y <= 0) {
			t.Fatalf("relayed: %+v", l.set)
		}
		if !bytes.Equal(before, data) {
			t.Fatal("written to")
		}
	})
}

// TestExpectedBitrate: a viewer's estimate begins where the camera's own stream may be, measured or guessed.
func TestExpectedBitrate(t *testing.T) {
	large := setOf{profile: 66, wide: 120, high: 68}
	for _, row := range []struct {
		name   string
		set    setOf
		frames int
		bEvery int
		want   int
	}{
		{"no stream", large, 0, 0, megabit},
		{"guessed by its size", large, 10, 0, 6 * megabit},
		{"measured", large, 60, 0, 2_400_000},
		{"not known yet to suit", setOf{profile: 77, wide: 120, high: 68}, 10, 0, 6 * megabit},
		{"does not suit", setOf{profile: 77, wide: 120, high: 68}, 10, 3, megabit},
	} {
		c := &ownStream{set: row.set.nal(), interval: 300, bytes: 10_000, bEvery: row.bEvery}
		s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
		if row.frames > 0 {
			s.plays(c, row.frames)
		}
		if got := s.b.nominal("clean"); got < row.want*99/100 || got > row.want*103/100 {
			t.Errorf("%s: %d bit/s, want %d", row.name, got, row.want)
		}
		if got := s.b.nominal("annotated"); got != megabit {
			t.Errorf("%s: the annotated picture's is %d", row.name, got)
		}
	}
}
