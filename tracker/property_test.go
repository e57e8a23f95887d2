package tracker_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// quiz is every kind of scene at two rates, one seed each. With coarse boxes, which lie on sixteenths of a pixel, a
// picture of 1024 px can be mirrored without rounding.
func quiz(t *testing.T, ask func(t *testing.T, s *scene)) {
	for i, k := range kinds {
		for _, rate := range []float64{2, 10} {
			s := k.draw(uint64(i), rate)
			for _, dets := range s.dets {
				for j := range dets {
					b := &dets[j].Box
					*b = infer.Box{X0: coarse(b.X0), Y0: coarse(b.Y0), X1: coarse(b.X1), Y1: coarse(b.Y1)}
				}
			}
			t.Run(k.name, func(t *testing.T) { ask(t, s) })
		}
	}
}

func coarse(x float32) float32 { return float32(math.Round(float64(x)*16) / 16) }

// told is all that a tracker says over a scene of which each frame's detections and time are changed first.
func (s *scene) told(dets func(f int) []infer.Detection, at func(f int) time.Time) [][]tracker.Track {
	tr := tracker.New(settings())
	var out [][]tracker.Track
	for f := 1; f <= s.last; f++ {
		out = append(out, tr.Update(dets(f), at(f)).All())
	}
	return out
}

func (s *scene) plain() [][]tracker.Track {
	return s.told(func(f int) []infer.Detection { return s.dets[f] }, s.at)
}

func same(t *testing.T, got, want [][]tracker.Track) {
	t.Helper()
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("frame %d:\n%+v\nwant\n%+v", i+1, got[i], want[i])
		}
	}
}

func TestOrderOfDetectionsDoesNotMatter(t *testing.T) {
	quiz(t, func(t *testing.T, s *scene) {
		want, d := s.plain(), newDice(7, 7)
		for range 3 {
			same(t, s.told(func(f int) []infer.Detection {
				dets := slices.Clone(s.dets[f])
				d.Shuffle(len(dets), func(i, j int) { dets[i], dets[j] = dets[j], dets[i] })
				return dets
			}, s.at), want)
		}
	})
}

func TestTimeShiftChangesNothingElse(t *testing.T) {
	quiz(t, func(t *testing.T, s *scene) {
		for _, shift := range []time.Duration{-20 * 365 * 24 * time.Hour, 123456789 * time.Microsecond} {
			got := s.told(func(f int) []infer.Detection { return s.dets[f] }, func(f int) time.Time { return s.at(f).Add(shift) })
			for _, tracks := range got {
				for i := range tracks {
					k := &tracks[i]
					k.FirstSeen, k.LastSeen = k.FirstSeen.Add(-shift), k.LastSeen.Add(-shift)
					if k.Stationary() {
						k.StationarySince = k.StationarySince.Add(-shift)
					}
				}
			}
			same(t, got, s.plain())
		}
	})
}

func TestMirroredSceneGivesMirroredTracks(t *testing.T) {
	const wide = 1024
	mirrored := func(b infer.Box) infer.Box { return infer.Box{X0: wide - b.X1, Y0: b.Y0, X1: wide - b.X0, Y1: b.Y1} }
	quiz(t, func(t *testing.T, s *scene) {
		got := s.told(func(f int) []infer.Detection {
			dets := slices.Clone(s.dets[f])
			for i := range dets {
				dets[i].Box = mirrored(dets[i].Box)
			}
			return dets
		}, s.at)
		for i, want := range s.plain() {
			if len(got[i]) != len(want) {
				t.Fatalf("frame %d: %d tracks, want %d", i+1, len(got[i]), len(want))
			}
			for j, w := range want {
				g := got[i][j]
				off := max(distance(mirrored(g.Box), w.Box), math.Abs(float64(g.VX+w.VX)), math.Abs(float64(g.VY-w.VY)))
				g.Box, g.VX, g.VY, g.SX, g.SY = w.Box, w.VX, w.VY, w.SX, w.SY
				if off > 0.01 || g != w {
					t.Fatalf("frame %d, off by %g:\n%+v\nwant the mirror image of\n%+v", i+1, off, got[i][j], w)
				}
			}
		}
	})
}

// calm says whether the tracker never took the camera for moving while it watched these detections.
func (s *scene) calm(dets func(f int) []infer.Detection) bool {
	tr := tracker.New(settings())
	for f := 1; f <= s.last; f++ {
		if tr.Update(dets(f), s.at(f)); tr.Unrest() != 1 {
			return false
		}
	}
	return true
}

// What is far away and of another kind changes nothing, as long as the camera stands: its motion is judged by all
// objects together.
func TestFarObjectChangesNoOther(t *testing.T) {
	const boat = 8 // beyond the groups: one of its own
	asked := 0
	for _, k := range kinds {
		for i, rate := range allRates {
			s := k.draw(uint64(i), rate)
			near := func(f int) []infer.Detection { return s.dets[f] }
			far := func(f int) []infer.Detection {
				x := float32(7000 + f)
				return append(slices.Clone(s.dets[f]), infer.Detection{Box: infer.Box{X0: x, Y0: 100, X1: x + 90, Y1: 180}, Class: boat, Score: 0.8})
			}
			if !s.calm(near) || !s.calm(far) {
				continue
			}
			asked++
			got := s.told(far, s.at)
			for i, want := range s.plain() {
				others := slices.DeleteFunc(got[i], func(k tracker.Track) bool { return k.Class == boat })
				if len(others)+1 != len(got[i]) || len(others) != len(want) {
					t.Fatalf("%s %g/s frame %d: %d tracks beside the far one, want %d", k.name, rate, i+1, len(others), len(want))
				}
				for j := range want {
					g, w := others[j], want[j]
					g.ID, w.ID = 0, 0
					if g != w {
						t.Fatalf("%s %g/s frame %d:\n%+v\nwant\n%+v", k.name, rate, i+1, g, w)
					}
				}
			}
		}
	}
	t.Logf("%d of %d scenes are calm", asked, len(kinds)*len(allRates))
	if asked < 6 {
		t.Errorf("only %d scenes were calm", asked)
	}
}

// apart is an object's box in this frame and the one before.
type apart struct {
	now, before infer.Box
}

// alone are a frame's objects, by id, that are in full view here and in the frame before, and further from all others
// than the two could have walked.
func (s *scene) alone(f int) map[int]apart {
	out := map[int]apart{}
	for _, o := range s.truth[f] {
		if was, ok := s.box(f-1, o.thing.id); ok && o.visibility > 0.9 {
			out[o.thing.id] = apart{o.box, was}
		}
	}
	for id, a := range out {
		for _, o := range s.truth[f] {
			was, _ := s.box(f-1, o.thing.id)
			if o.thing.id != id && gap(a.now, o.box) < reach(a)+reach(apart{o.box, was}) {
				delete(out, id)
			}
		}
	}
	return out
}

func (s *scene) box(f, id int) (infer.Box, bool) {
	i := slices.IndexFunc(s.truth[f], func(o seen) bool { return o.thing.id == id })
	if i < 0 || s.truth[f][i].visibility < 0.9 {
		return infer.Box{}, false
	}
	return s.truth[f][i].box, true
}

// reach is two thirds of a box's mean side and how far it moved, px.
func reach(a apart) float64 {
	return float64(a.now.W()+a.now.H())/3 + gap(a.now, a.before)
}

// gap is the distance of two boxes' centres, px.
func gap(a, b infer.Box) float64 {
	return math.Hypot(float64(a.X0+a.X1-b.X0-b.X1)/2, float64(a.Y0+a.Y1-b.Y0-b.Y1)/2)
}

// An object that is in full view and far from others keeps its id: nobody else gets it.
func TestNoIDMovesToAnotherObject(t *testing.T) {
	t.Parallel()
	asked := 0
	for _, k := range kinds {
		for _, rate := range allRates {
			for seed := range uint64(3) {
				s := k.draw(seed, rate)
				result, owner := ours(settings())(s.dets, s.last, s.at), map[int]int{}
				for f := 2; f <= s.last; f++ {
					alone, now := s.alone(f), map[int]int{}
					for id, a := range alone {
						for _, r := range result[f] {
							if r.Box.IoU(a.now) >= 0.5 {
								now[r.ID] = id
							}
						}
					}
					for track, id := range now {
						was, known := owner[track]
						if _, there := alone[was]; known && there {
							asked++
							if was != id {
								t.Errorf("%s %g/s seed %d frame %d: track %d went from object %d to %d", k.name, rate, seed, f, track, was, id)
							}
						}
					}
					owner = now
				}
			}
		}
	}
	if asked < 5000 {
		t.Errorf("an object was alone only %d times", asked)
	}
}

// Ids rise in the order of confirmation and are never given twice, whatever ends the tracks.
func TestIDsRiseAndNeverComeBack(t *testing.T) {
	tr, d := tracker.New(settings()), newDice(3, 3)
	known, gone, top, at := map[int]bool{}, map[int]bool{}, 0, began
	note := func(snap *tracker.Snapshot) {
		for _, k := range snap.Ended() {
			if k.State != tracker.Ended || !known[k.ID] || gone[k.ID] {
				t.Fatalf("ended without having been there, or twice: %+v", k)
			}
			gone[k.ID] = true
		}
		for _, k := range snap.All() {
			switch {
			case k.ID == 0 || known[k.ID] && !gone[k.ID]:
			case k.ID <= top:
				t.Fatalf("id %d after %d", k.ID, top)
			default:
				known[k.ID], top = true, k.ID
			}
		}
	}
	for round := range 40 {
		s := kinds[round%len(kinds)].draw(uint64(round), []float64{2, 5, 10}[round%3])
		for f := 1; f <= s.last; f++ {
			at = at.Add(time.Duration(float64(time.Second) / s.rate))
			if d.Float64() < 0.03 {
				note(tr.Reset(at))
			}
			if d.Float64() < 0.01 {
				at = at.Add(-time.Duration(d.IntN(5000)) * time.Millisecond)
			}
			note(tr.Update(s.dets[f], at))
		}
	}
	note(tr.Reset(at))
	if len(gone) != top || top < 100 {
		t.Errorf("%d of %d ids ended", len(gone), top)
	}
}
