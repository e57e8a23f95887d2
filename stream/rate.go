package stream

import (
	"math"
	"time"
)

// The policy of bit rates and moves. It knows no clock: times are capture times.
const (
	// videoShare of what a path carries is for the picture; the rest is headers, retransmissions and a little room.
	videoShare = 0.85
	// mainFloor and smallFloor are the least bitrates of full and small pictures: below them nothing is recognised.
	mainFloor  = 200_000
	smallFloor = 100_000
	// poorShare of a picture's bitrate is what a path must carry at least, or its viewer is moved after poorFor.
	poorShare = 0.5
	poorFor   = 2 * time.Second
	// goodShare of a picture's bitrate is what a path must carry for goodFor before its viewer is moved back. A return that
	// does not hold for unproven doubles the time before the next, up to mostGoodFor: each try freezes the picture a little.
	goodShare   = 1.2
	goodFor     = 10 * time.Second
	unproven    = 20 * time.Second
	mostGoodFor = 80 * time.Second
	// rampStep and rampGain: a bitrate rises by so much in each step, so that the paths' queues tell before they overflow.
	rampStep = 250 * time.Millisecond
	rampGain = 1.08
	// rateChange is the least change that an encoder is told of, as a part of its bitrate.
	rateChange = 0.05
)

// encodeRate is the bitrate that an encode may have at most, by what its viewers' paths carry (bits per second, 0 if that
// is not known yet). Where viewers can be moved away, only those count that need not be, unless there are no others: then
// the best of them does, so that it is not flooded until it is moved.
func encodeRate(nominal, floor int, movable bool, paths []int) int {
	slowest, best := math.MaxInt, 0
	for _, p := range paths {
		if p == 0 {
			p = math.MaxInt
		}
		best = max(best, p)
		if !movable || !isPoor(p, nominal) {
			slowest = min(slowest, p)
		}
	}
	if slowest == math.MaxInt && best > 0 {
		slowest = best // nobody is known to limit it, or nobody is healthy
	}
	if slowest == math.MaxInt || slowest == 0 && best == 0 {
		return nominal
	}
	return min(nominal, max(int(videoShare*float64(slowest)), min(floor, nominal)))
}

// isPoor says whether a path carries too little for a picture of that bitrate. What is not known is not poor.
func isPoor(path, bps int) bool { return path > 0 && float64(path) < poorShare*float64(bps) }

// ramp is a bitrate that falls at once and rises slowly. The zero value begins at what it is told first.
type ramp struct {
	bps float64
	at  time.Time
}

// follow gives the bitrate at a time.
func (r *ramp) follow(target int, at time.Time) int {
	steps := min(max(at.Sub(r.at), 0), time.Second).Seconds() / rampStep.Seconds()
	r.at = at
	if r.bps == 0 || float64(target) < r.bps {
		r.bps = float64(target)
	} else {
		r.bps = min(float64(target), r.bps*math.Pow(rampGain, steps))
	}
	return int(r.bps)
}

// worthTelling says whether an encoder should be told of a new bitrate.
func worthTelling(now, next, nominal int) bool {
	if next == nominal && now != nominal {
		return true // the end of a rise
	}
	return math.Abs(float64(next-now)) > rateChange*float64(now)
}

// pathWatch sees what one viewer's path carries, and decides whether the viewer gets the small picture for that reason.
type pathWatch struct {
	small    bool
	poor     time.Time // since when it has been; zero if it is not
	good     time.Time
	returned time.Time     // to the full picture
	patience time.Duration // how long it must be good before the next return; 0: goodFor
}

// see takes what the path carries at a time, and what the full picture needs (both bits per second, 0 if not known). It says
// whether small changed.
func (p *pathWatch) see(at time.Time, carries, needs int) bool {
	if p.small {
		return p.seeGood(at, carries, needs)
	}
	if !isPoor(carries, needs) {
		p.poor = time.Time{}
		return false
	}
	if p.poor.IsZero() || at.Before(p.poor) {
		p.poor = at
	}
	if at.Sub(p.poor) < poorFor {
		return false
	}
	p.fall(at)
	return true
}

// fall moves the viewer to the small picture.
func (p *pathWatch) fall(at time.Time) {
	if !p.returned.IsZero() && at.Sub(p.returned) < unproven {
		p.patience = min(2*max(p.patience, goodFor), mostGoodFor)
	} else {
		p.patience = goodFor
	}
	p.small, p.poor, p.good = true, time.Time{}, time.Time{}
}

func (p *pathWatch) seeGood(at time.Time, carries, needs int) bool {
	if carries == 0 || float64(carries) < goodShare*float64(needs) {
		p.good = time.Time{}
		return false
	}
	if p.good.IsZero() || at.Before(p.good) {
		p.good = at
	}
	if at.Sub(p.good) < max(p.patience, goodFor) {
		return false
	}
	p.small, p.good, p.returned = false, time.Time{}, at
	return true
}
