package pipeline

import "time"

const (
	// rateSlack is how much faster than asked for a source may be before frames are left out. Cameras are a little
	// off their nominal rate: without slack one of 30.3 fps would lose a frame in a hundred, which shows as a stutter.
	rateSlack = 1.05
	// intervalGain is the weight of the newest interval in the running mean of the frame interval.
	intervalGain = 0.1
	// resetGap is how far capture times may run away from the plan before it starts anew.
	resetGap = 2 * time.Second
)

// schedule picks frames at an average rate by their capture times, each the frame nearest to its planned moment: 10 a
// second out of 30 fps gives exactly every third. It belongs to one goroutine.
type schedule struct {
	interval time.Duration // between picks; 0 picks every frame
	frame    float64       // running mean of the time between frames, ns; 0 before the second frame
	last     time.Time     // capture time of the newest frame
	next     time.Time     // the next planned moment; zero before the first frame
}

// Schedule is a schedule for who takes fewer frames than a pipeline gives.
type Schedule struct{ s schedule }

// NewSchedule makes a schedule of fps picks a second; 0 or less picks every frame.
func NewSchedule(fps float64) *Schedule { return &Schedule{newSchedule(fps)} }

// Due says whether the frame captured at that time is picked. It is asked for every frame, by one goroutine at a time.
func (s *Schedule) Due(at time.Time) bool { return s.s.due(at) }

// newSchedule makes a schedule of fps picks a second; 0 or less picks every frame.
func newSchedule(fps float64) schedule {
	if fps <= 0 {
		return schedule{}
	}
	return schedule{interval: time.Duration(float64(time.Second) / fps)}
}

// due says whether the frame captured at that time is picked. Times should increase; after a jump the plan starts anew.
func (s *schedule) due(at time.Time) bool {
	if s.interval <= 0 {
		return true
	}
	s.measure(at)
	if gap := at.Sub(s.next); s.next.IsZero() || gap > resetGap || gap < -resetGap-s.interval {
		s.next = at.Add(s.interval)
		return true
	}
	if s.frame*rateSlack >= float64(s.interval) { // the source is no faster than what is asked for
		s.next = at.Add(s.interval)
		return true
	}
	if at.Add(time.Duration(s.frame / 2)).Before(s.next) {
		return false
	}
	s.next = s.next.Add(s.interval)
	if s.next.Before(at) { // frames were missing: do not make up for them
		s.next = at.Add(s.interval)
	}
	return true
}

// measure keeps the running mean of the frame interval.
func (s *schedule) measure(at time.Time) {
	d := float64(at.Sub(s.last))
	defer func() { s.last = at }()
	if s.last.IsZero() || d <= 0 || d > float64(resetGap) {
		return
	}
	if s.frame == 0 {
		s.frame = d
		return
	}
	s.frame += intervalGain * (d - s.frame)
}
