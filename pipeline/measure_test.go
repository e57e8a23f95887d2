package pipeline

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// handClock is set by hand.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time { return c.now }

var epoch = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func TestHistogramAgainstSorting(t *testing.T) {
	for _, c := range []struct {
		name string
		draw func() time.Duration
	}{
		{"even", func() time.Duration { return time.Duration(rand.IntN(int(50 * time.Millisecond))) }},
		{"long tail", func() time.Duration {
			return time.Duration(float64(time.Millisecond) * (1 + rand.ExpFloat64()*rand.ExpFloat64()*40))
		}},
		{"constant", func() time.Duration { return 33 * time.Millisecond }},
		{"tiny", func() time.Duration { return time.Duration(rand.IntN(20)) }},
		{"hours", func() time.Duration { return time.Duration(rand.IntN(int(3 * time.Hour))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := NewHistogram()
			all := make([]time.Duration, 10000)
			for i := range all {
				all[i] = c.draw()
				h.Observe(all[i])
			}
			slices.Sort(all)
			q := h.Quantiles()
			if q.Count != uint64(len(all)) || q.Max != all[len(all)-1] {
				t.Errorf("count %d and largest %v, want %d and %v", q.Count, q.Max, len(all), all[len(all)-1])
			}
			for _, x := range []struct {
				name string
				got  time.Duration
				want time.Duration
			}{{"p50", q.P50, all[4999]}, {"p95", q.P95, all[9499]}, {"p99", q.P99, all[9899]}} {
				if x.want > 1<<maxBits { // beyond the scale: the largest value stands for all
					x.want = q.Max
				}
				if off := (x.got - x.want).Abs(); off > x.want/30+16*time.Microsecond {
					t.Errorf("%s is %v, want %v", x.name, x.got, x.want)
				}
			}
		})
	}
}

func TestHistogramEdges(t *testing.T) {
	if q := NewHistogram().Quantiles(); q != (Quantiles{}) {
		t.Errorf("empty histogram: %+v", q)
	}
	h := NewHistogram()
	h.Observe(-time.Second)
	if q := h.Quantiles(); q.Count != 1 || q.Max != 0 || q.P99 != 0 {
		t.Errorf("a negative latency: %+v", q)
	}
	for b := 1; b < buckets-1; b++ {
		if got := bucketOf(bucketMiddle(b)); got != b {
			t.Fatalf("the middle of bucket %d lies in %d", b, got)
		}
	}
}

func TestHistogramForgets(t *testing.T) {
	c := &handClock{epoch}
	h := newHistogram(c)
	h.Observe(time.Second)
	c.now = epoch.Add(2*time.Minute - time.Millisecond)
	h.Observe(time.Millisecond)
	if q := h.Quantiles(); q.Count != 2 || q.Max != time.Second {
		t.Errorf("within two minutes: %+v", q)
	}
	c.now = epoch.Add(4 * time.Minute)
	if q := h.Quantiles(); q.Count != 1 || q.Max != time.Millisecond {
		t.Errorf("after four minutes: %+v", q)
	}
	c.now = epoch.Add(time.Hour)
	if q := h.Quantiles(); q != (Quantiles{}) {
		t.Errorf("after an hour: %+v", q)
	}
}

func TestHistogramFromManyGoroutines(t *testing.T) {
	h := NewHistogram()
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 1000 {
				h.Observe(time.Millisecond)
				_ = h.Quantiles()
			}
		}()
	}
	wg.Wait()
	if q := h.Quantiles(); q.Count != 4000 {
		t.Errorf("%d of 4000 counted", q.Count)
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		name     string
		interval time.Duration
		events   int
		silent   time.Duration // after the last event
		min, max float64
	}{
		{"none", time.Second, 0, 0, 0, 0},
		{"one", time.Second, 1, 0, 0, 0},
		{"30 a second", time.Second / 30, 300, 10 * time.Millisecond, 29.9, 30.1},
		{"start of 30 a second", time.Second / 30, 4, 0, 29.9, 30.1},
		{"one a second", time.Second, 30, 500 * time.Millisecond, 0.99, 1.01},
		{"500 a second", 2 * time.Millisecond, 5000, 0, 499, 501},
		{"stopped for a second", time.Second / 30, 300, time.Second, 15, 25},
		{"stopped for long", time.Second / 30, 300, 4 * time.Second, 0, 0},
		{"all at once", 0, 10, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r rate
			now := epoch
			for i := range c.events {
				now = epoch.Add(time.Duration(i) * c.interval)
				r.add(now)
			}
			if got := r.perSecond(now.Add(c.silent)); got < c.min || got > c.max {
				t.Errorf("%.2f a second, want %.2f to %.2f", got, c.min, c.max)
			}
		})
	}
}

func TestScheduleHoldsItsRate(t *testing.T) {
	for _, c := range []struct {
		name      string
		fps, want float64 // of the source, of the schedule
		jitter    time.Duration
		picked    float64 // a second
	}{
		{"10 of 30", 30, 10, 0, 10},
		{"10 of 30 with jitter", 30, 10, 9 * time.Millisecond, 10},
		{"10 of 25", 25, 10, 0, 10},
		{"10 of 15", 15, 10, 3 * time.Millisecond, 10},
		{"10 of 14.99", 14.99, 10, 0, 10},
		{"7 of 29.97", 29.97, 7, 2 * time.Millisecond, 7},
		{"10 of 200", 200, 10, time.Millisecond, 10},
		{"one in 5 s", 30, 0.2, 0, 0.2},
		{"slower source", 8, 10, 2 * time.Millisecond, 8},
		{"a little faster source", 30.3, 30, time.Millisecond, 30.3},
		{"30 of 60", 60, 30, 2 * time.Millisecond, 30},
		{"every frame", 30, 0, 0, 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSchedule(c.want)
			const seconds = 100
			n := 0
			for i := range int(c.fps * seconds) {
				at := epoch.Add(time.Duration(float64(i) / c.fps * float64(time.Second)))
				if c.jitter > 0 {
					at = at.Add(rand.N(2*c.jitter) - c.jitter)
				}
				if s.due(at) {
					n++
				}
			}
			if got := float64(n) / seconds; got < c.picked*0.99-0.01 || got > c.picked*1.01+0.01 {
				t.Errorf("%.2f picks a second, want %.2f", got, c.picked)
			}
		})
	}
}

func TestSchedulePicksEveryThird(t *testing.T) {
	s := newSchedule(10)
	for i := range 3000 {
		at := epoch.Add(time.Duration(i) * time.Second / 30)
		if got := s.due(at); got != (i%3 == 0) {
			t.Fatalf("frame %d: due is %v", i, got)
		}
	}
}

func TestScheduleAfterJumps(t *testing.T) {
	for _, c := range []struct {
		name string
		jump time.Duration
	}{{"a pause", 10 * time.Second}, {"a short pause", 700 * time.Millisecond}, {"back in time", -time.Hour}} {
		t.Run(c.name, func(t *testing.T) {
			s := newSchedule(10)
			at, n := epoch, 0
			for i := range 600 {
				if i == 300 {
					at = at.Add(c.jump)
				}
				at = at.Add(time.Second / 30)
				if s.due(at) && i >= 300 {
					n++
				}
			}
			if n < 99 || n > 102 {
				t.Errorf("%d picks in the 10 s after the jump, want 100", n)
			}
		})
	}
}
