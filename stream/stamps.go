package stream

import "time"

// StampClock is how many of a Stamps' ticks make a second.
const StampClock = 90_000

// maxStampGap is the most time between two frames that an encoder's rate control hears of. It would give the first frame
// after a pause the bits of the whole pause.
const maxStampGap = 500 * time.Millisecond

// Stamps turns capture times into time stamps that grow with each frame, whatever the camera's clock does: encoders want
// them for their rate control. The zero value is ready; it belongs to one goroutine.
type Stamps struct {
	last time.Time // capture time of the newest frame
	ts   int64
}

// Next is the time stamp of a frame captured then. The first is 0.
func (s *Stamps) Next(at time.Time) int64 {
	if !s.last.IsZero() {
		gap := min(at.Sub(s.last), maxStampGap)
		s.ts += max(int64(gap)*StampClock/int64(time.Second), 1)
	}
	s.last = at
	return s.ts
}
