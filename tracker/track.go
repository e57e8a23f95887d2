// Package tracker gives detections identities that last: which box of this step is the object of the step before.
// It is pure Go and deterministic; time comes in as an argument.
package tracker

import (
	"math"
	"time"

	"yfv2d/infer"
)

// State is where a track stands in its life.
type State uint8

const (
	Tentative State = iota // seen too few times to be shown
	Confirmed              // shown
	Lost                   // shown no more, still remembered for re-association
	Ended                  // forgotten: its id will not come back
)

// String names the state as the API does.
func (s State) String() string { return [...]string{"tentative", "confirmed", "lost", "ended"}[s] }

// Track is one object over time, as it stood (or is predicted to stand) at one moment. IDs are per Tracker, small,
// from 1 on, never reused, and given when a track is confirmed (0 before).
//
// Of the embedded detection, Box is in source pixels and predicted to the moment, Class is the class most seen, newer
// detections counting more, and Score is smoothed over about five detections.
type Track struct {
	ID int
	infer.Detection
	State           State
	BestScore       float32       // of all its detections
	Detections      int           // matched to it so far
	FirstSeen       time.Time     // its first detection
	LastSeen        time.Time     // its newest detection
	Age             time.Duration // since FirstSeen
	Unseen          time.Duration // since LastSeen
	StationarySince time.Time     // since when it has stood still; zero while it moves
	VX, VY          float32       // velocity of the box's centre, px/s
	SX, SY          float32       // standard deviation of the box's centre at the moment, px
	Predicted       bool          // held past the span a prediction is trusted for (1.5 detection intervals, at most 1 s)
}

// scaled is the track in a picture x times as wide and y times as high.
func (t Track) scaled(x, y float32) Track {
	t.Box = t.Box.Scaled(x, y)
	t.VX, t.VY = t.VX*x, t.VY*y
	t.SX, t.SY = t.SX*x, t.SY*y
	return t
}

// Speed of the box's centre, px/s.
func (t *Track) Speed() float32 { return float32(math.Hypot(float64(t.VX), float64(t.VY))) }

// Stationary says whether the object stands still.
func (t *Track) Stationary() bool { return !t.StationarySince.IsZero() }

// StationaryFor is how long it has stood still at the moment, 0 while it moves and before it stood.
func (t *Track) StationaryFor() time.Duration {
	if !t.Stationary() {
		return 0
	}
	return max(0, t.Age-t.StationarySince.Sub(t.FirstSeen))
}
