package tracker

import (
	"math"
	"slices"
	"testing"
	"time"

	"yfv2d/infer"
)

func ids(tracks []Track) []int {
	out := []int{}
	for _, k := range tracks {
		out = append(out, k.ID)
	}
	return out
}

func wantIDs(t *testing.T, what string, got []Track, want ...int) {
	t.Helper()
	if !slices.Equal(ids(got), want) {
		t.Errorf("%s: ids %v, want %v", what, ids(got), want)
	}
}

// three is a tracker with three confirmed tracks and one tentative, last seen at second 1.
func three() *Tracker {
	tr := New(DefaultConfig())
	for f := range 11 {
		dets := list(person(100, 200, 0.9), person(300, 200, 0.8), person(500, 200, 0.7))
		if f == 10 {
			dets = append(dets, person(700, 200, 0.4))
		}
		tr.Update(dets, sec(float64(f)/10))
	}
	return tr
}

func TestEndedIsToldOnce(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		tr := three()
		snap := tr.Reset(sec(1.5))
		wantIDs(t, "ended", snap.Ended(), 1, 2, 3)
		for _, k := range snap.Ended() {
			if k.State != Ended || k.Unseen != 500*time.Millisecond || k.Age != 1500*time.Millisecond || k.Detections != 11 {
				t.Errorf("%+v", k)
			}
		}
		if len(snap.All()) != 0 || len(snap.At(sec(1.5))) != 0 || !snap.Time.Equal(sec(1.5)) {
			t.Errorf("tracks after Reset: %+v", snap.All())
		}
		wantIDs(t, "a step before the Reset", tr.Update(list(person(100, 200, 0.9)), sec(1.4)).Ended())
		if snap.Ended()[0].ID != 1 {
			t.Error("the old snapshot changed")
		}
		next := tr.Update(list(person(100, 200, 0.9)), sec(1.6))
		wantIDs(t, "the next step", next.Ended())
		wantIDs(t, "ids go on", next.At(sec(1.6)), 4)
		wantIDs(t, "a second Reset", tr.Reset(sec(2)).Ended(), 4)
		wantIDs(t, "a third Reset", tr.Reset(sec(2)).Ended())
	})
	t.Run("late step", func(t *testing.T) {
		tr := three()
		wantIDs(t, "ended", tr.Update(nil, sec(30)).Ended(), 1, 2, 3)
		wantIDs(t, "late", tr.Update(nil, sec(29.5)).Ended())
		wantIDs(t, "late again", tr.Update(nil, sec(29.5)).Ended())
		wantIDs(t, "next", tr.Update(nil, sec(30.1)).Ended())
	})
	t.Run("time set back", func(t *testing.T) {
		tr := three()
		snap := tr.Update(list(person(100, 200, 0.9)), sec(-50))
		wantIDs(t, "ended", snap.Ended(), 1, 2, 3)
		wantIDs(t, "anew", snap.At(sec(-50)), 4)
		wantIDs(t, "next", tr.Update(nil, sec(-49.9)).Ended())
	})
	t.Run("reset before all", func(t *testing.T) {
		tr := New(DefaultConfig())
		wantIDs(t, "ended", tr.Reset(sec(0)).Ended())
		wantIDs(t, "first", tr.Update(list(person(100, 200, 0.9)), sec(0)).At(sec(0)), 1)
	})
}

// Detections come ten, then two, then ten a second (a processor that grows hot): nobody is lost.
func TestRateChangeLosesNoID(t *testing.T) {
	tr, s, f := New(DefaultConfig()), 0.0, 0
	for s < 30 {
		snap := tr.Update(list(person(100+30*s, 200, 0.9), person(1200-25*s, 380, 0.8), person(600, 560, 0.7)), sec(s))
		wantIDs(t, "shown", snap.At(snap.Time), 1, 2, 3)
		wantIDs(t, "before the next step", snap.At(snap.Time.Add(400*time.Millisecond)), 1, 2, 3)
		if f++; s >= 10 && s < 20 {
			s += 0.5
		} else {
			s += 0.1
		}
	}
	if got := tr.snap.Interval.Round(10 * time.Millisecond); got != 100*time.Millisecond {
		t.Errorf("interval %v", got)
	}
}

// Nothing is detected for a minute, at each step or because there are no steps.
func TestEmptyMinute(t *testing.T) {
	for _, steps := range []int{600, 1} {
		tr, ended := three(), 0
		for f := 1; f <= steps; f++ {
			snap := tr.Update(nil, sec(1+60*float64(f)/float64(steps)))
			ended += len(snap.Ended())
			if len(snap.All()) > 4 {
				t.Fatalf("%d steps: %+v", steps, snap.All())
			}
		}
		if ended != 3 || len(tr.tracks) != 0 {
			t.Errorf("%d steps: %d ended, %d left", steps, ended, len(tr.tracks))
		}
		tr.Update(list(person(100, 200, 0.9)), sec(61.1))
		snap := tr.Update(list(person(100, 200, 0.9)), sec(61.3))
		wantIDs(t, "after it", snap.At(snap.Time), 4)
	}
}

func TestManyDetections(t *testing.T) {
	crowd := func(n int) []infer.Detection {
		var out []infer.Detection
		for i := range n {
			out = append(out, person(60*float64(i%40), 110*float64(i/40), 0.95-0.0005*float64(i)))
		}
		return out
	}
	for _, tt := range []struct{ n, want int }{{500, 500}, {700, maxDetections}} {
		tr := New(DefaultConfig())
		var snap *Snapshot
		for f := range 6 {
			snap = tr.Update(crowd(tt.n), sec(float64(f)/10))
		}
		got := snap.At(snap.Time)
		if len(got) != tt.want || got[len(got)-1].ID != tt.want || got[len(got)-1].Score < 0.69 {
			t.Errorf("%d detections: %d tracks, last %+v", tt.n, len(got), got[len(got)-1])
		}
		for _, k := range got {
			if k.Detections != 6 || k.Unseen != 0 {
				t.Fatalf("%d detections: lost sight: %+v", tt.n, k)
			}
		}
	}
	tr := New(DefaultConfig()) // other places each time: the number of tracks is bounded
	for f := range 20 {
		dets := crowd(700)
		for i := range dets {
			dets[i].Box = at(dets[i].Box, 3000*float64(f))
		}
		if n := len(tr.Update(dets, sec(float64(f)/10)).All()); n > maxTracks {
			t.Fatalf("%d tracks", n)
		}
	}
}

// Boxes at the ends of what is a box leave everything finite, and the tracks beside them alone.
func TestExtremeBoxes(t *testing.T) {
	tiny, least := float32(1e-30), math.Float32frombits(1)
	for name, b := range map[string]infer.Box{
		"1e-30 wide":      {X1: tiny, Y1: 10},
		"1e-30 each way":  {X1: tiny, Y1: tiny},
		"least number":    {X1: least, Y1: least},
		"next to 1e6":     {X0: maxCoord - 0.0625, Y0: maxCoord - 0.0625, X1: maxCoord, Y1: maxCoord},
		"the whole world": {X0: -maxCoord, Y0: -maxCoord, X1: maxCoord, Y1: maxCoord},
		"a line":          {X0: -maxCoord, Y0: 5, X1: maxCoord, Y1: 5 + 1e-6},
	} {
		tr, top := New(DefaultConfig()), 0
		for f := range 40 {
			dets := list(person(3000, 3000, 0.9))
			if f%5 != 4 {
				dets = append(dets, infer.Detection{Box: b, Class: 1, Score: 0.8})
			}
			snap := tr.Update(dets, sec(float64(f)/10))
			check(t, snap.All(), &top)
			for _, d := range []time.Duration{-time.Hour, 0, 50 * time.Millisecond, time.Second} {
				check(t, snap.At(snap.Time.Add(d)), new(int))
			}
		}
		wantIDs(t, name, tr.snap.At(tr.snap.Time), 1, 2)
	}
}

// Two steps of one time are one after the other without time between: each detection may continue a track.
func TestTwoStepsAtOneTime(t *testing.T) {
	tr, top := New(DefaultConfig()), 0
	for f := range 40 {
		s := float64(f/2) / 10
		snap := tr.Update(list(person(100+60*s, 200, 0.9), person(500, 200, 0.8)), sec(s))
		check(t, snap.All(), &top)
		wantIDs(t, "twice each time", snap.At(snap.Time), 1, 2)
	}
	if k := tr.snap.All()[0]; k.Detections != 40 || math.Abs(float64(k.VX)-60) > 3 || tr.interval.Round(time.Millisecond) != 100*time.Millisecond {
		t.Errorf("interval %v, %+v", tr.interval, k)
	}
	snap := tr.Update(nil, tr.last) // the other step found nothing
	wantIDs(t, "an empty step of the same time", snap.At(snap.Time), 1, 2)
}
