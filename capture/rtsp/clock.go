package rtsp

import (
	"time"
)

// What the clock takes for granted of cameras and networks.
const (
	frameSpan  = 10 * time.Second         // a frame with hardly any delay comes that often
	reportSpan = 60 * time.Second         // and a sender report
	catchUp    = 0.01                     // the clock is set on by at most 10 ms a second, so that jitter does not show
	reorder    = time.Second              // B-frames come after pictures that are shown later, by less than this
	lateJump   = time.Second              // so much more delay than usual,
	lateFor    = 3 * time.Second          // for so long without pause, is no delay but another clock
	earlyJump  = time.Second              // so much less delay than ever is another clock at once
	encoding   = time.Second              // an encoder takes no longer: reports that say so are wrong
	rateSpan   = 10 * time.Second         // the rate is measured over no less
	rateError  = 0.01                     // RTP clocks are not that wrong: the camera's own clock was set
	stillFrame = 5 * time.Millisecond     // pictures of the same timestamp that lie farther apart: there is no RTP clock
	tick       = time.Nanosecond          // between capture times that would be the same
	reportNear = 20 * time.Second         // a report is about a moment near the newest frame
	ntpFrac    = float64(uint64(1) << 32) // NTP's fraction of a second
)

// clock tells the capture times of a stream's units, on this machine's monotonic clock, from their RTP timestamps and
// the times at which their first packets came in. It adds to the RTP time the smallest difference seen lately between
// arrival and RTP time, so a time is never in the future, and delay in the network does not show in it. Sender reports,
// which leave a camera at the moment they tell, show the delay of the encoder too; and as they say how the RTP clock runs
// against the camera's own, they correct its rate. The camera's date may be wrong by years: only differences count.
// A clock belongs to one goroutine.
type clock struct {
	hz float64 // RTP ticks a second

	base    time.Time     // the first arrival, from which durations count; zero before it
	newest  uint32        // RTP timestamp
	media   time.Duration // its time by the RTP clock, of corrected rate
	raw     time.Duration // the same, of the rate as announced
	arrived time.Duration // of the newest
	offset  time.Duration // capture time is media time plus this
	last    time.Duration // newest capture time
	late    time.Duration // since when delays are long, negative: they are not
	frames  window
	reports window
	rate    float64 // seconds of the camera's clock a second of the RTP clock
	anchor  report  // the rate is measured from here
}

// report is what a sender report says: the camera's clock in seconds, and the RTP clock.
type report struct {
	ok  bool
	ntp uint64
	raw time.Duration
}

func newClock(hz int) *clock {
	if hz <= 0 {
		hz = 90000
	}
	return &clock{hz: float64(hz), frames: window{span: frameSpan}, reports: window{span: reportSpan}, rate: 1, late: -1}
}

// at is the capture time of the unit with RTP timestamp ts whose first packet came at arrival. Times increase as long as
// timestamps do not go back (as those of B-frames do).
func (c *clock) at(ts uint32, arrival time.Time) time.Time {
	if c.base.IsZero() {
		c.base, c.newest = arrival, ts
		c.begin(0)
		return arrival
	}
	now := max(arrival.Sub(c.base), c.arrived)
	step := c.span(ts)
	switch {
	case step < -reorder:
		c.newest, c.arrived = ts, now
		c.begin(now)
		return c.next(now)
	case step < 0:
		return c.base.Add(c.media + c.scale(step) + c.offset)
	case step == 0 && now-c.arrived > stillFrame:
		step = now - c.arrived
	}
	c.advance(ts, step, now)
	return c.next(c.media + c.offset)
}

// advance takes in the newest unit.
func (c *clock) advance(ts uint32, step, now time.Duration) {
	passed := now - c.arrived
	c.newest, c.arrived = ts, now
	c.raw += step
	c.media += c.scale(step)
	delay := now - c.media
	if delay < c.offset-earlyJump || c.isLate(delay, now) {
		c.begin(now)
		return
	}
	c.frames.add(delay, now)
	c.settle(passed)
}

// settle moves offset towards the smallest delay: down at once, or times would lie in the future; up slowly.
func (c *clock) settle(passed time.Duration) {
	floor, ok := c.frames.min(c.arrived)
	if !ok {
		return
	}
	if r, ok := c.reports.min(c.arrived); ok && r < floor && r > floor-encoding {
		floor = r
	}
	if floor > c.offset {
		floor = min(floor, c.offset+time.Duration(catchUp*float64(min(passed, time.Second))))
	}
	c.offset = floor
}

// begin sets the clock anew: the unit that came at now was captured then, as far as anybody knows.
func (c *clock) begin(now time.Duration) {
	c.media, c.raw, c.offset, c.late, c.anchor = now, now, 0, -1, report{}
	c.frames.clear()
	c.reports.clear()
	c.frames.add(0, now)
}

// isLate says whether delays have been too long for too long.
func (c *clock) isLate(delay, now time.Duration) bool {
	if delay < c.offset+lateJump {
		c.late = -1
		return false
	}
	if c.late < 0 {
		c.late = now
	}
	return now-c.late > lateFor
}

// next is a capture time after all before it.
func (c *clock) next(at time.Duration) time.Time {
	c.last = max(at, c.last+tick)
	return c.base.Add(c.last)
}

// report takes in a sender report that came at arrival.
func (c *clock) report(ntp uint64, ts uint32, arrival time.Time) {
	if c.base.IsZero() {
		return
	}
	now := arrival.Sub(c.base)
	step := c.span(ts)
	if step < -reportNear || step > reportNear {
		return
	}
	c.measure(report{true, ntp, c.raw + step})
	if delay := now - c.media - c.scale(step); delay > c.offset-encoding {
		c.reports.add(delay, now)
	}
}

// measure learns the RTP clock's rate.
func (c *clock) measure(r report) {
	if !c.anchor.ok {
		c.anchor = r
		return
	}
	byRTP := (r.raw - c.anchor.raw).Seconds()
	byNTP := float64(int64(r.ntp-c.anchor.ntp)) / ntpFrac
	switch rate := byNTP / byRTP; {
	case byRTP < rateSpan.Seconds():
	case rate > 1-rateError && rate < 1+rateError:
		c.rate = rate
	default: // somebody set the camera's clock
		c.anchor = r
	}
}

// span is the time from the newest timestamp to ts, on the RTP clock; the 32 bits wrap around.
func (c *clock) span(ts uint32) time.Duration {
	return time.Duration(float64(int32(ts-c.newest)) / c.hz * float64(time.Second))
}

func (c *clock) scale(d time.Duration) time.Duration { return time.Duration(float64(d) * c.rate) }

// window is the minimum of what was added within a span of time, to a tenth of it.
type window struct {
	span  time.Duration
	parts [11]part
}

type part struct {
	number int64 // of the tenth, counted from time 0
	min    time.Duration
	ok     bool
}

func (w *window) clear() { w.parts = [len(w.parts)]part{} }

func (w *window) number(now time.Duration) int64 { return int64(now / (w.span / 10)) }

func (w *window) add(v, now time.Duration) {
	n := w.number(now)
	p := &w.parts[int(n)%len(w.parts)]
	if !p.ok || p.number != n || v < p.min {
		*p = part{n, v, true}
	}
}

func (w *window) min(now time.Duration) (least time.Duration, ok bool) {
	n := w.number(now)
	for _, p := range w.parts {
		if p.ok && p.number > n-int64(len(w.parts)) && (!ok || p.min < least) {
			least, ok = p.min, true
		}
	}
	return least, ok
}
