package tracker

import (
	"time"

	"yfv2d/infer"
)

// Snapshot is what a Tracker knew after one Update. It never changes after that: publish it by an atomic pointer and
// read it from any goroutine. A nil Snapshot has no tracks.
type Snapshot struct {
	Time     time.Time     // of the detections
	Interval time.Duration // between detections, as measured
	span     time.Duration // how far from its last detection a box is predicted
	lost     time.Duration // unseen for longer than this is lost
	tracks   []life
	ended    []life
	cfg      *Config
	x, y     float32 // boxes are told times these; 0: as they are
}

// life is one track as it stood at its last detection.
type life struct {
	id          int
	class       int
	score, best float32
	detections  int
	presence    float64 // at how many of the last steps it was seen, 0..1
	state       State
	first, last time.Time
	motion      motion
	still       still
}

// Scaled is the snapshot as of a picture x times as wide and y times as high, both positive: what it tells is in that
// picture's pixels.
func (s *Snapshot) Scaled(x, y float32) *Snapshot {
	if s == nil {
		return nil
	}
	if s.x > 0 {
		x, y = x*s.x, y*s.y
	}
	other := *s
	other.x, other.y = x, y
	return &other
}

// At gives the tracks to be shown at time t, by rising id: the confirmed ones, moved to where they are (or were) at t.
// A box moves for PredictIntervals detection intervals from its last detection, in either direction and at most
// PredictMax; beyond that (and at once, if the track was seen too seldom to be trusted) it is held and marked
// Predicted, and from LostAfter on it is not returned, even if Update has not been called since.
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

// Ended gives the tracks that had an id and were forgotten by this Update or Reset, by rising id, as they stood at the
// snapshot's time. Each is told once.
func (s *Snapshot) Ended() []Track {
	if s == nil {
		return nil
	}
	out := make([]Track, 0, len(s.ended))
	for i := range s.ended {
		out = append(out, s.track(&s.ended[i], s.Time))
	}
	return out
}

func (s *Snapshot) track(l *life, t time.Time) Track {
	since := t.Sub(l.last)
	span := s.span
	if l.presence < reliable {
		span = 0
	}
	move := max(-span, min(span, since))
	sx, sy := l.motion.deviation(since.Seconds(), s.cfg)
	told := Track{
		ID: l.id, State: l.state,
		Detection: infer.Detection{Box: l.motion.after(move.Seconds()), Class: l.class, Score: l.score},
		BestScore: l.best, Detections: l.detections,
		FirstSeen: l.first, LastSeen: l.last,
		Age: max(0, t.Sub(l.first)), Unseen: max(0, since),
		StationarySince: l.still.stationarySince(),
		VX:              float32(l.motion.cx.v), VY: float32(l.motion.cy.v),
		SX: float32(sx), SY: float32(sy),
		Predicted: move != since,
	}
	if s.x > 0 {
		return told.scaled(s.x, s.y)
	}
	return told
}

// told is the snapshot once its ended tracks have been told.
func (s *Snapshot) told() *Snapshot {
	if len(s.ended) == 0 {
		return s
	}
	again := *s
	again.ended = nil
	return &again
}
