package stream

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"yfv2d/pipeline"
)

const megabit = 1_000_000

// decoding checks that a viewer's units can be decoded one after another, without a picture twice or out of order.
type decoding struct {
	t           *testing.T
	name        string
	last        *unit
	source      string // encoder that made the newest unit
	number      int
	frame, gaps int
	pictures    int
}

func (d *decoding) take(units []*unit) {
	d.t.Helper()
	for _, u := range units {
		_, said, _ := strings.Cut(string(slices.Concat(u.payloads...)), "frame ")
		parts := strings.Split(said, ";")
		var frame, number int
		if _, err := fmt.Sscan(strings.Fields(said)[0], &frame); err != nil {
			d.t.Fatal(err)
		}
		if _, err := fmt.Sscan(parts[2], &number); err != nil {
			d.t.Fatal(err)
		}
		switch {
		case d.last == nil && !u.key:
			d.t.Fatalf("%s: the first unit is no key picture", d.name)
		case d.last != nil && int32(u.ts-d.last.ts) <= 0:
			d.t.Fatalf("%s: frame %d after frame %d: the timestamp does not rise", d.name, frame, d.frame)
		case d.last != nil && frame <= d.frame:
			d.t.Fatalf("%s: frame %d after frame %d", d.name, frame, d.frame)
		case !u.key && (parts[1] != d.source || number != d.number+1):
			d.t.Fatalf("%s: unit %d of %s after unit %d of %s, and no key picture", d.name, number, parts[1], d.number, d.source)
		}
		if d.last != nil && frame != d.frame+1 {
			d.gaps++
		}
		d.last, d.source, d.number, d.frame = u, parts[1], number, frame
		d.pictures++
	}
}

// drain takes all that a viewer has and waits for more, so that it asks for a key picture if it needs one.
func drain(v *viewer) (all []*unit) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		all = append(all, take(v)...)
		u, err := v.next(ctx)
		if err != nil {
			return all
		}
		all = append(all, u)
	}
}

// TestMovesToSmallAndBack: who is moved misses no frame and gets none twice; the encode that nobody gets ends.
func TestMovesToSmallAndBack(t *testing.T) {
	for _, codec := range []pipeline.Codec{pipeline.H264, pipeline.VP8} {
		t.Run(string(codec), func(t *testing.T) {
			s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
			v := s.joinTo("clean", codec)
			d := decoding{t: t, name: "viewer"}
			play := func(frames int) {
				for range frames {
					s.writes(1)
					d.take(take(v))
				}
			}
			v.estimate(2 * megabit)
			play(30)
			v.estimate(400_000)
			play(1)
			if got := s.b.Stats().Renditions[0].BitrateBPS; got != 340_000 {
				t.Errorf("the only viewer's encode is at %d bit/s when its path carries 400 k", got)
			}
			play(59)
			if v.rendition() != "clean" {
				t.Error("moved before two seconds were over")
			}
			play(2)
			if v.rendition() != "small" || s.lab.live() != 1 || s.b.Wants() != pipeline.WantSmall {
				t.Errorf("after two poor seconds: %s, %d encoders, wants %b", v.rendition(), s.lab.live(), s.b.Wants())
			}
			v.estimate(1_300_000)
			play(300)
			if v.rendition() != "small" {
				t.Error("moved back before ten seconds were over")
			}
			play(3)
			if v.rendition() != "clean" || s.lab.live() != 1 || s.b.Wants() != pipeline.WantClean {
				t.Errorf("after ten good seconds: %s, %d encoders, wants %b", v.rendition(), s.lab.live(), s.b.Wants())
			}
			if d.gaps != 0 || d.pictures != s.n {
				t.Errorf("%d of %d frames came, %d gaps", d.pictures, s.n, d.gaps)
			}
		})
	}
}

// TestPoorViewerDoesNotSpoilOthers: the healthy keep their bitrate while one is moved away, and share the small picture's key.
func TestPoorViewerDoesNotSpoilOthers(t *testing.T) {
	s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
	good, poor, small := s.joinTo("clean", pipeline.H264), s.joinTo("clean", pipeline.H264), s.joinTo("small", pipeline.H264)
	good.estimate(2 * megabit)
	poor.estimate(100_000)
	s.writes(90)
	if good.rendition() != "clean" || poor.rendition() != "small" {
		t.Errorf("the good viewer gets %s, the poor one %s", good.rendition(), poor.rendition())
	}
	for _, r := range s.b.Stats().Renditions {
		if want := map[string]int{"clean": megabit, "small": smallFloor}[r.Name]; r.BitrateBPS != want {
			t.Errorf("%s is at %d bit/s, want %d", r.Name, r.BitrateBPS, want)
		}
	}
	for _, v := range []*viewer{good, poor, small} {
		(&decoding{t: t, name: v.asked.rendition}).take(take(v))
	}
}

// TestAnnotatedFollowsItsSlowest down to the floor, at once, and rises again step by step; nobody is moved.
func TestAnnotatedFollowsItsSlowest(t *testing.T) {
	s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
	v, w := s.join(), s.join()
	rate := func() int { return s.b.Stats().BitrateBPS }
	s.writes(3)
	if rate() != megabit {
		t.Errorf("%d bit/s on unknown paths", rate())
	}
	v.estimate(600_000)
	w.estimate(50_000)
	s.writes(1)
	if rate() != mainFloor {
		t.Errorf("%d bit/s at once for a path of 50 k, want %d", rate(), mainFloor)
	}
	s.writes(300)
	if w.rendition() != "annotated" {
		t.Errorf("moved to %s", w.rendition())
	}
	w.leave()
	s.writes(30)
	if rate() < 250_000 || rate() > 320_000 {
		t.Errorf("%d bit/s one second after the slowest left, want a slow rise", rate())
	}
	s.writes(150)
	if rate() < 480_000 || rate() > 510_000 {
		t.Errorf("%d bit/s in the end, want 510 k", rate())
	}
	told := len(s.lab.rates)
	s.writes(300)
	if len(s.lab.rates) != told || told > 30 {
		t.Errorf("the encoder was told of %d bitrates, then of %d without need", told, len(s.lab.rates)-told)
	}
}

// TestMoveToBrokenEncoder: who cannot be moved stays.
func TestMoveToBrokenEncoder(t *testing.T) {
	s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
	s.lab.bad = func(_ pipeline.Codec, size image.Point) error {
		if size.X == 32 {
			return errors.New("out of ink")
		}
		return nil
	}
	v := s.joinTo("clean", pipeline.H264)
	v.estimate(100_000)
	d := decoding{t: t, name: "viewer"}
	for range 150 {
		_ = s.write()
		d.take(drain(v))
	}
	if d.pictures < 100 || v.rendition() != "clean" {
		t.Errorf("%d of 150 frames came, of %s", d.pictures, v.rendition())
	}
}

// TestMovesProperty plays viewers with random paths, pauses and losses, and faults of encoders: whatever happens, what each
// gets can be decoded.
func TestMovesProperty(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
			r := rand.New(rand.NewPCG(seed, 7))
			crowd := map[*viewer]*decoding{}
			total, shown := 0, 0
			camera := &ownStream{set: baseline.nal(), interval: 40 + r.IntN(200), bytes: 500}
			for i := range 2000 {
				if r.IntN(300) == 0 {
					camera.bEvery = 3 * r.IntN(2)
				}
				if r.IntN(100) == 0 {
					camera.frameNum++ // a picture was lost on its way
				}
				if r.IntN(150) > 0 || i < 100 {
					s.camera(camera, r.IntN(3))
				}
				total += playOdds(s, r, crowd)
				s.lab.skip = r.IntN(20) == 0
				s.lab.bad = nil
				if r.IntN(300) == 0 {
					s.lab.bad = func(pipeline.Codec, image.Point) error { return errors.New("out of ink") }
				}
				_ = s.write()
				shown += len(crowd)
				for v, d := range crowd {
					if r.IntN(8) == 0 || i%200 < 20 { // a pause
						continue
					}
					d.take(drain(v))
				}
			}
			for v, d := range crowd {
				d.take(take(v))
				total += d.pictures
				v.leave()
			}
			if s.b.Wants() != 0 || s.lab.live() != 0 || len(s.b.viewers) != 0 {
				t.Errorf("wants %b, %d encoders, %d viewers at the end", s.b.Wants(), s.lab.live(), len(s.b.viewers))
			}
			if total < shown/2 {
				t.Errorf("only %d of %d pictures came", total, shown)
			}
		})
	}
}

// playOdds lets something happen to somebody. It returns the pictures that those got who left.
func playOdds(s *stage, r *rand.Rand, crowd map[*viewer]*decoding) (pictures int) {
	if len(crowd) < 5 && r.IntN(20) == 0 {
		name := renditionNames[r.IntN(3)]
		codec := []pipeline.Codec{pipeline.H264, pipeline.VP8}[r.IntN(2)]
		crowd[s.joinTo(name, codec, 66)] = &decoding{t: s.t, name: name}
	}
	if r.IntN(500) == 0 {
		s.size(image.Pt(64+2*r.IntN(10), 48))
	}
	for v := range crowd {
		switch r.IntN(400) {
		case 0:
			v.leave()
			pictures += crowd[v].pictures
			delete(crowd, v)
		case 1:
			v.askKey()
		case 2:
			v.skip()
		case 3, 4, 5:
			v.estimate([]int{0, 50_000, 300_000, 700_000, 2 * megabit}[r.IntN(5)])
		}
	}
	return pictures
}
