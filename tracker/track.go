// Package tracker gives detections identities that last: which box of this step is the object of the step before.
// It is pure Go and deterministic; time comes in as an argument.
package tracker

import (
	"time"

	"yfv2d/infer"
)

// State is where a track stands in its life.
type State uint8

const (
	Tentative State = iota // seen too few times to be shown
	Confirmed              // shown
	Lost                   // shown no more, still remembered for re-association
)

// String names the state as the API does.
func (s State) String() string { return [...]string{"tentative", "confirmed", "lost"}[s] }

// Track is one object over time, as it stood (or is predicted to stand) at one moment. IDs are per Tracker, small,
// from 1 on, never reused, and given when a track is confirmed (0 before). Box is in source pixels.
type Track struct {
	ID int
	infer.Detection
	State     State
	Age       time.Duration // since the object was first seen
	Unseen    time.Duration // since the last detection that was matched to it
	VX, VY    float32       // velocity of the box's centre, px/s
	Predicted bool          // held past the span a prediction is trusted for (1.5 detection intervals, at most 1 s)
}
