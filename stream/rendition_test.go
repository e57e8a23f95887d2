package stream

import (
	"errors"
	"fmt"
	"image"
	"math"
	"strings"
	"testing"
	"time"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

// paintWhite is a Draw that shows.
func paintWhite(f *pipeline.Frame, _ []tracker.Track) error {
	y, _, _ := f.Planes()
	for i := range y {
		y[i] = 235
	}
	return nil
}

// text is what a faultyEncoder said in a unit.
func text(u *unit) string {
	p, _, _ := strings.Cut(string(u.payloads[len(u.payloads)-1]), ";")
	return p[strings.Index(p, "frame"):]
}

// TestRenditions: each viewer gets what it asked for; those of one rendition and codec share its units.
func TestRenditions(t *testing.T) {
	s := newStage(t, func(c *BroadcasterConfig) { c.Draw = paintWhite })
	type kind struct {
		name  string
		codec pipeline.Codec
	}
	want := map[kind]string{
		{"clean", pipeline.H264}:     "frame 1 of (64,48), luma 128",
		{"clean", pipeline.VP8}:      "frame 1 of (64,48), luma 128",
		{"small", pipeline.H264}:     "frame 1 of (32,24), luma 128",
		{"small", pipeline.VP8}:      "frame 1 of (32,24), luma 128",
		{"annotated", pipeline.H264}: "frame 1 of (64,48), luma 235",
		{"annotated", pipeline.VP8}:  "frame 1 of (64,48), luma 235",
	}
	first, second := map[kind]*viewer{}, map[kind]*viewer{}
	for k := range want {
		first[k], second[k] = s.joinTo(k.name, k.codec), s.joinTo(k.name, k.codec)
	}
	s.writes(1)
	for k, said := range want {
		a, b := take(first[k]), take(second[k])
		if len(a) != 1 || len(b) != 1 || a[0] != b[0] {
			t.Errorf("%v: %d and %d units, or not the same", k, len(a), len(b))
			continue
		}
		if u := a[0]; !u.key || u.codec != k.codec || text(u) != said || u.ts != s.b.rtpTime(s.f.At) || !u.at.Equal(s.f.At) {
			t.Errorf("%v: unit %+v says %q, want %q", k, u, text(u), said)
		}
		if first[k].rendition() != k.name {
			t.Errorf("%v: told as %s", k, first[k].rendition())
		}
	}
	st := s.b.Stats()
	if s.lab.made != 6 || st.Encodes != 6 || st.Viewers != 12 || len(st.Renditions) != 6 {
		t.Errorf("%d encoders made, stats %+v", s.lab.made, st)
	}
	for _, r := range st.Renditions {
		if r.Viewers != 2 || r.Encodes != 1 || r.Keys != 1 {
			t.Errorf("rendition %+v", r)
		}
	}
}

// TestWantsWhatIsWatched: Wants names exactly what is watched, and nothing else is encoded.
func TestWantsWhatIsWatched(t *testing.T) {
	s := newStage(t, nil)
	var all []*viewer
	for _, row := range []struct {
		name  string
		codec pipeline.Codec
		wants pipeline.Wanted
	}{
		{"small", pipeline.VP8, pipeline.WantSmall},
		{"small", pipeline.H264, pipeline.WantSmall},
		{"clean", pipeline.H264, pipeline.WantSmall | pipeline.WantClean},
		{"annotated", pipeline.VP8, pipeline.WantSmall | pipeline.WantClean | pipeline.WantAnnotated},
	} {
		all = append(all, s.joinTo(row.name, row.codec))
		s.writes(1)
		if s.b.Wants() != row.wants || s.lab.live() != len(all) {
			t.Errorf("with %s in %s: wants %b, %d encoders", row.name, row.codec, s.b.Wants(), s.lab.live())
		}
	}
	for i, v := range all {
		v.leave()
		if n := s.lab.live(); n != len(all)-1-i {
			t.Errorf("%d encoders run after %d of %d viewers left", n, i+1, len(all))
		}
	}
	if s.b.Wants() != 0 {
		t.Errorf("wants %b after all left", s.b.Wants())
	}
}

func TestJoinRefuses(t *testing.T) {
	s := newStage(t, func(c *BroadcasterConfig) { c.Encoders.VP8 = nil })
	for _, w := range []viewing{
		{rendition: "huge", codec: pipeline.H264}, {codec: pipeline.H264},
		{rendition: "clean", codec: pipeline.VP8}, {rendition: "clean", codec: pipeline.JPEG},
	} {
		if _, err := s.b.join(w); !errors.Is(err, ErrNoRendition) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", w, err)
		}
	}
	if fmt.Sprint(s.b.codecs()) != "[h264]" {
		t.Errorf("codecs %v", s.b.codecs())
	}
}

// TestSkippedOnlyIfNobodyGotIt also has a rendition that fails beside one that does not.
func TestSkippedOnlyIfNobodyGotIt(t *testing.T) {
	s := newStage(t, nil)
	clean, small := s.joinTo("clean", pipeline.H264), s.joinTo("small", pipeline.H264)
	broken := errors.New("out of ink")
	s.lab.bad = func(_ pipeline.Codec, size image.Point) error {
		if size.X == 32 {
			return broken
		}
		return nil
	}
	if err := s.write(); !errors.Is(err, broken) {
		t.Errorf("a broken small picture gave %v", err)
	}
	if a, b := take(clean), take(small); len(a) != 1 || len(b) != 0 {
		t.Errorf("%d and %d units", len(a), len(b))
	}
	small.leave()
	s.lab.bad = nil
	s.lab.skip = true
	if err := s.write(); !errors.Is(err, pipeline.ErrSkipped) {
		t.Errorf("a frame that nobody got gave %v", err)
	}
	if st := s.b.Stats(); st.Skipped != 1 || st.Failed != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestHalf(t *testing.T) {
	for _, row := range []struct{ in, want image.Point }{
		{image.Pt(640, 480), image.Pt(320, 240)},
		{image.Pt(1920, 1080), image.Pt(960, 540)},
		{image.Pt(642, 482), image.Pt(320, 240)},
		{image.Pt(644, 484), image.Pt(322, 242)},
		{image.Pt(30, 200), image.Pt(16, 100)},
		{image.Pt(16, 16), image.Pt(16, 16)},
	} {
		if got := half(row.in); got != row.want {
			t.Errorf("%v: %v, want %v", row.in, got, row.want)
		}
	}
}

// TestSmallIsMeanOfFour: a checkerboard becomes grey.
func TestSmallIsMeanOfFour(t *testing.T) {
	s := newStage(t, nil)
	y, _, _ := s.f.Planes()
	for i := range y {
		y[i] = byte(100 + 100*((i+i/64)%2))
	}
	v := s.joinTo("small", pipeline.H264)
	s.writes(1)
	got := take(v)
	if len(got) != 1 || text(got[0]) != "frame 1 of (32,24), luma 150" {
		t.Errorf("%d units, the first %q", len(got), text(got[0]))
	}
}

// TestTimestampsDoNotDrift: at the end of a simulated day the clock is off by less than one tick.
func TestTimestampsDoNotDrift(t *testing.T) {
	s := newStage(t, nil)
	base := s.b.rtpTime(s.b.rtpStart)
	worst := 0.0
	for i := range 24 * 3600 * 30 {
		at := s.b.rtpStart.Add(frameTime(i))
		want := math.Mod(at.Sub(s.b.rtpStart).Seconds()*90_000, 1<<32)
		off := math.Abs(float64(s.b.rtpTime(at)-base) - want)
		worst = max(worst, min(off, 1<<32-off))
	}
	t.Logf("off in 24 h by at most %v", time.Duration(worst/90_000*float64(time.Second))) // make bench-preview reads it
	if worst > 1.01 {
		t.Errorf("off by up to %.2f ticks of 11 us", worst)
	}
}
