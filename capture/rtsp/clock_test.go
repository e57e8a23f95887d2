package rtsp

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// sim is a camera and a network before a clock, without waiting.
type sim struct {
	t      *testing.T
	c      *clock
	start  time.Time
	rng    *rand.Rand
	rtp    func(capture time.Duration) uint32 // the camera's RTP clock
	ntp    func(capture time.Duration) uint64 // its own clock; nil: no sender reports
	delay  func(capture time.Duration) time.Duration
	encode time.Duration // from capture to sending a frame
	every  time.Duration // between frames
	last   time.Time
	seen   time.Duration // newest arrival
}

func newSim(t *testing.T) *sim {
	return &sim{t: t, c: newClock(90000), start: time.Now(), rng: rand.New(rand.NewPCG(1, 2)), rtp: ticks(1, 12345), every: 40 * time.Millisecond,
		delay: func(time.Duration) time.Duration { return 0 }}
}

// ticks is an RTP clock of a rate and a first timestamp.
func ticks(rate float64, first uint32) func(time.Duration) uint32 {
	return func(d time.Duration) uint32 { return first + uint32(int64(math.Round(d.Seconds()*rate*90000))) }
}

// frame lets the frame captured at d come in, and gives how far its time is from the truth.
func (s *sim) frame(d time.Duration) time.Duration {
	s.t.Helper()
	s.seen = max(s.seen, d+s.encode+s.delay(d))
	arrival := s.start.Add(s.seen)
	at := s.c.at(s.rtp(d), arrival)
	if at.After(arrival.Add(time.Microsecond)) {
		s.t.Fatalf("frame of %v is dated %v after it came in", d, at.Sub(arrival))
	}
	if !s.last.IsZero() && !at.After(s.last) {
		s.t.Fatalf("frame of %v is dated %v before the one before", d, s.last.Sub(at))
	}
	s.last = at
	return at.Sub(s.start.Add(d))
}

// run lets frames come from one moment to another, a report every two seconds, and gives the least and
// greatest error among the frames after warm.
func (s *sim) run(from, to, warm time.Duration) (least, most time.Duration) {
	s.t.Helper()
	least, most = math.MaxInt64, math.MinInt64
	for d := from; d < to; d += s.every {
		if s.ntp != nil && d%(2*time.Second) == 0 {
			sent := d + s.encode // a report goes out when the frame does, and tells that moment
			s.c.report(s.ntp(sent), s.rtp(sent), s.start.Add(max(s.seen, sent+s.delay(d))))
		}
		err := s.frame(d)
		if d >= warm {
			least, most = min(least, err), max(most, err)
		}
	}
	return least, most
}

// ntpAt is a camera's clock that is years behind and of a rate.
func ntpAt(rate float64) func(time.Duration) uint64 {
	return func(d time.Duration) uint64 {
		s := d.Seconds()*rate + 1_000_000_000.25
		whole := math.Floor(s)
		return uint64(whole)<<32 | uint64((s-whole)*(1<<32))
	}
}

func (s *sim) jitter(most time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration {
		return 5*time.Millisecond + time.Duration(s.rng.Int64N(int64(most)))
	}
}

func TestClock(t *testing.T) {
	const minute = time.Minute
	rows := []struct {
		name        string
		set         func(*sim)
		to          time.Duration
		least, most time.Duration // of the errors after a quarter of the time
	}{
		{"steady", func(*sim) {}, minute, -time.Microsecond, time.Microsecond},
		{"200 ms of jitter", func(s *sim) { s.delay = s.jitter(200 * time.Millisecond) }, minute, 0, 30 * time.Millisecond},
		{"fast by 100 ppm", func(s *sim) { s.rtp = ticks(1.0001, 7) }, 10 * minute, -time.Millisecond, time.Millisecond},
		{"slow by 100 ppm", func(s *sim) { s.rtp = ticks(0.9999, 7) }, 10 * minute, -2 * time.Millisecond, time.Millisecond},
		{"slow by 100 ppm with jitter", func(s *sim) { s.rtp, s.delay = ticks(0.9999, 7), s.jitter(200*time.Millisecond) }, 10 * minute,
			-3 * time.Millisecond, 45 * time.Millisecond},
		{"wraps around", func(s *sim) { s.rtp = ticks(1, math.MaxUint32-90000*20) }, minute, -time.Microsecond, time.Microsecond},
		{"40 hours, wraps thrice", func(s *sim) { s.every = time.Second }, 40 * time.Hour, -time.Microsecond, time.Microsecond},
		{"no RTP clock", func(s *sim) { s.rtp = func(time.Duration) uint32 { return 0 } }, minute, -time.Microsecond, time.Microsecond},
		{"slow encoder, no reports", func(s *sim) { s.encode = 150 * time.Millisecond }, minute, 149 * time.Millisecond, 151 * time.Millisecond},
		{"slow encoder, reports", func(s *sim) { s.encode, s.ntp = 150*time.Millisecond, ntpAt(1) }, minute, -time.Millisecond, time.Millisecond},
		{"reports with jitter", func(s *sim) {
			s.encode, s.ntp, s.delay = 150*time.Millisecond, ntpAt(1), s.jitter(100*time.Millisecond)
		}, 5 * minute,
			0, 30 * time.Millisecond},
		{"RTP slow by 0.5 % with reports", func(s *sim) { s.rtp, s.ntp = ticks(0.995, 7), ntpAt(1) }, 10 * minute, -20 * time.Millisecond, 2 * time.Millisecond},
		{"RTP slow by 0.5 % without", func(s *sim) { s.rtp = ticks(0.995, 7) }, 10 * minute, -70 * time.Millisecond, 2 * time.Millisecond},
		{"camera's date set each ten seconds", func(s *sim) {
			s.ntp = func(d time.Duration) uint64 { return ntpAt(1)(d) + uint64(d/(10*time.Second))<<56 }
		}, 2 * minute, -time.Millisecond, time.Millisecond},
		{"reports with fractions in nanoseconds", func(s *sim) {
			s.ntp = func(d time.Duration) uint64 { return uint64(1e9+d.Seconds())<<32 | uint64(d%time.Second) }
		}, 5 * minute, -30 * time.Millisecond, 10 * time.Millisecond},
		{"reports about long ago", func(s *sim) {
			s.ntp, s.encode = ntpAt(1), 50*time.Millisecond
			rtp := s.rtp
			s.c.report(5, rtp(0), s.start)
			s.ntp = func(d time.Duration) uint64 { s.c.report(9, rtp(d+5*time.Second), s.start.Add(d)); return ntpAt(1)(d) }
		}, minute, -time.Millisecond, 51 * time.Millisecond},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			s := newSim(t)
			r.set(s)
			least, most := s.run(0, r.to, r.to/4)
			if least < r.least || most > r.most {
				t.Errorf("errors from %v to %v, want %v to %v", least, most, r.least, r.most)
			}
		})
	}
}

// TestClockJumps lets something happen to a stream of a minute at its middle. frame checks that times are not in the
// future and increase; soon after, they must be right again.
func TestClockJumps(t *testing.T) {
	const half, whole = 30 * time.Second, time.Minute
	jump := func(by time.Duration) func(*sim) {
		return func(s *sim) {
			before := s.rtp
			s.rtp = func(d time.Duration) uint32 {
				if d >= half {
					d += by
				}
				return before(max(d, -time.Hour))
			}
		}
	}
	rows := []struct {
		name   string
		set    func(*sim)
		settle time.Duration
	}{
		{"forward an hour", jump(time.Hour), 0},
		{"back an hour", jump(-time.Hour), 0},
		{"forward 2 s", jump(2 * time.Second), 0},
		{"forward 0.3 s", jump(300 * time.Millisecond), 0},
		{"back 2 s", jump(-2 * time.Second), 0},
		{"to another origin", func(s *sim) {
			s.rtp = func(d time.Duration) uint32 {
				if d >= half {
					return ticks(1, 0xdeadbeef)(d)
				}
				return ticks(1, 5)(d)
			}
		}, 0},
		{"stall of 5 s, then all at once", func(s *sim) {
			s.delay = func(d time.Duration) time.Duration {
				if d >= half && d < half+5*time.Second {
					return half + 5*time.Second - d
				}
				return 0
			}
		}, 5 * time.Second},
		{"stall of 20 s, then all at once", func(s *sim) {
			s.delay = func(d time.Duration) time.Duration {
				if d >= half && d < half+20*time.Second {
					return half + 20*time.Second - d
				}
				return 0
			}
		}, 21 * time.Second},
		{"reports, forward an hour", func(s *sim) { s.ntp = ntpAt(1); jump(time.Hour)(s) }, 0},
		{"reports, back an hour", func(s *sim) { s.ntp = ntpAt(1); jump(-time.Hour)(s) }, 0},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			s := newSim(t)
			r.set(s)
			least, most := s.run(0, whole, half+r.settle)
			if least < -time.Millisecond || most > time.Millisecond {
				t.Errorf("errors from %v to %v after it", least, most)
			}
		})
	}
}

// TestClockSlowJumps: after an RTP clock that went back, times are right again within four seconds.
func TestClockSlowJumps(t *testing.T) {
	for _, by := range []time.Duration{-1500 * time.Millisecond, -3 * time.Second} {
		s := newSim(t)
		s.run(0, 10*time.Second, 0)
		was := s.rtp
		s.rtp = func(d time.Duration) uint32 { return was(d + by) }
		if least, most := s.run(10*time.Second, 20*time.Second, 14*time.Second); least < -time.Millisecond || most > time.Millisecond {
			t.Errorf("jump by %v: errors from %v to %v", by, least, most)
		}
	}
}

// TestClockBFrames: coded order is not the order of presentation, and each picture still gets its own time.
func TestClockBFrames(t *testing.T) {
	c, start := newClock(90000), time.Now()
	const frame = 40 * time.Millisecond
	var worst time.Duration
	for group := range 50 {
		for i, n := range []int{3, 1, 2} { // the third picture first
			shown := time.Duration(group*3+n) * frame
			arrival := start.Add(time.Duration(group*3+3+i) * frame)
			at := c.at(uint32(shown.Seconds()*90000), arrival)
			if err := at.Sub(start) - shown; group > 0 {
				worst = max(worst, err.Abs())
			}
		}
	}
	if worst > time.Millisecond {
		t.Errorf("a picture is dated wrongly by %v", worst)
	}
}

// TestClockAnything: whatever comes, times increase and do not run into the future by more than they must.
func TestClockAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	c, now := newClock(90000), time.Now()
	var last time.Time
	ts := uint32(0)
	for i := range 200_000 {
		now = now.Add(time.Duration(rng.Int64N(int64(100 * time.Millisecond))))
		switch rng.IntN(100) {
		case 0:
			ts = rng.Uint32()
		case 1:
			now = now.Add(time.Duration(rng.Int64N(int64(time.Minute))))
		case 2:
			c.report(rng.Uint64(), rng.Uint32(), now)
		case 3:
			c.report(rng.Uint64(), ts, now)
		}
		ts += uint32(rng.IntN(6000))
		at := c.at(ts, now)
		if i > 0 && !at.After(last) && int32(ts-c.newest) >= 0 {
			t.Fatalf("unit %d: %v after %v", i, at, last)
		}
		if at.After(now.Add(time.Millisecond)) {
			t.Fatalf("unit %d lies %v in the future", i, at.Sub(now))
		}
		last = at
	}
}
