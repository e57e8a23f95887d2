package tracker

import "time"

// Snapshot is what a Tracker knew after one Update. It never changes after that: publish it by an atomic pointer and
// read it from any goroutine. A nil Snapshot has no tracks.
type Snapshot struct {
	Time     time.Time     // of the detections
	Interval time.Duration // between detections, as measured
	span     time.Duration // how far from its last detection a box is predicted
	lost     time.Duration // unseen for longer than this is lost
	tracks   []life
}

// life is one track as it stood at its last detection.
type life struct {
	id          int
	class       int
	score       float32
	state       State
	first, last time.Time
	motion      motion
}

// At gives the tracks to be shown at time t, by rising id: the confirmed ones, moved to where they are (or were) at t.
// A box moves for PredictIntervals detection intervals from its last detection, in either direction and at most
// PredictMax; beyond that it is held and marked Predicted, and from LostAfter on it is not returned, even
// if Update has not been called since.
func (s *Snapshot) At(t time.Time) []Track {
	if s == nil {
		return nil
	}
	out := make([]Track, 0, len(s.tracks))
	for i := range s.tracks {
		l := &s.tracks[i]
		if l.state == Confirmed && t.Sub(l.last) <= s.lost {
			out = append(out, s.track(l, t))
		}
	}
	return out
}

// All gives every track as it stood at the snapshot's time: the confirmed and the lost by rising id, then the tentative
// (id 0) by age.
func (s *Snapshot) All() []Track {
	if s == nil {
		return nil
	}
	out := make([]Track, 0, len(s.tracks))
	for i := range s.tracks {
		out = append(out, s.track(&s.tracks[i], s.Time))
	}
	return out
}

func (s *Snapshot) track(l *life, t time.Time) Track {
	since := t.Sub(l.last)
	move := max(-s.span, min(s.span, since))
	tr := Track{
		ID: l.id, State: l.state,
		Age: max(0, t.Sub(l.first)), Unseen: max(0, since),
		VX: float32(l.motion.cx.v), VY: float32(l.motion.cy.v),
		Predicted: move != since,
	}
	tr.Class, tr.Score, tr.Box = l.class, l.score, l.motion.after(move.Seconds())
	return tr
}
