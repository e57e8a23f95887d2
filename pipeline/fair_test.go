package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// turn is one camera's way to shared workers; it knows what the camera is doing there.
type turn struct {
	workers *infer.Workers
	clock   *fakeClock
	last    time.Time
	state   atomic.Int32
}

const (
	turnIdle int32 = iota
	turnWaiting
	turnServed
)

func (d *turn) Detect(ctx context.Context, c *infer.Canvas) ([]infer.Detection, time.Duration, error) {
	return d.DetectNewest(ctx, d.last, func() (*infer.Canvas, error) { return c, nil })
}

func (d *turn) DetectNewest(ctx context.Context, last time.Time, newest func() (*infer.Canvas, error)) ([]infer.Detection, time.Duration, error) {
	d.state.Store(turnWaiting)
	defer d.state.Store(turnIdle)
	return d.workers.DetectNewest(ctx, last, func() (*infer.Canvas, error) {
		d.state.Store(turnServed)
		d.last = d.clock.Now()
		return newest()
	})
}

// early takes its canvas before it waits for its turn.
type early struct{ Detector }

// slowEngine takes its time by the fake clock.
type slowEngine struct {
	ctx   context.Context
	clock *fakeClock
	who   string
	takes time.Duration
}

func (e *slowEngine) Detect(*infer.Canvas) ([]infer.Detection, error) {
	return nil, e.clock.sleepUntil(e.ctx, e.who, e.clock.Now().Add(e.takes))
}

func (e *slowEngine) Close() error { return nil }

// street is a simulation of several cameras that share engines.
type street struct {
	workers int
	takes   time.Duration // of an engine, for one canvas
	cameras []streetCamera
	early   bool // canvases are taken before their turn
	lasts   time.Duration
}

type streetCamera struct{ fps, detectFPS float64 }

// streetResult is how a camera fared.
type streetResult struct {
	rate float64         // detections a second
	ages []time.Duration // from capture to detections
}

// streetRun is a simulation at work.
type streetRun struct {
	clock   *fakeClock
	pipes   []*started
	turns   []*turn
	engines []string
	woken   map[string]uint64 // frames that each source was woken for
	frames  map[string]uint64 // that it has in all
}

func (s street) simulate(t *testing.T) []streetResult {
	t.Helper()
	run := &streetRun{clock: &fakeClock{now: epoch}, woken: map[string]uint64{}, frames: map[string]uint64{}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	workers, err := infer.NewWorkers(s.workers, func() (infer.Detector, error) {
		who := fmt.Sprintf("engine %d", len(run.engines))
		run.engines = append(run.engines, who)
		return &slowEngine{ctx, run.clock, who, s.takes}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	results := make([]streetResult, len(s.cameras))
	for i, c := range s.cameras {
		src := &clocked{clock: run.clock, who: fmt.Sprintf("source %d", i), n: int(c.fps * s.lasts.Seconds()),
			phase: time.Duration(i) * 7 * time.Millisecond, interval: time.Duration(float64(time.Second) / c.fps)}
		run.frames[src.who] = uint64(src.n)
		d := &turn{workers: workers, clock: run.clock}
		run.turns = append(run.turns, d)
		cfg := Config{Source: src, Clock: run.clock, Detector: d, DetectFPS: c.detectFPS,
			OnDetections: func(_ uint64, at time.Time, _ []infer.Detection, _ *tracker.Snapshot) {
				if now := run.clock.Now(); now.Sub(epoch) < s.lasts { // later the queue runs empty
					results[i].ages = append(results[i].ages, now.Sub(at))
				}
			}}
		if s.early {
			cfg.Detector = early{d}
		}
		run.pipes = append(run.pipes, start(t, cfg))
	}
	for who := "none"; who != ""; {
		until(t, "the street to come to rest", run.atRest)
		if who = run.clock.wakeNext(); run.frames[who] > 0 {
			run.woken[who]++
		}
	}
	for i, p := range run.pipes {
		if err := p.wait(t); err != nil {
			t.Error(err)
		}
		results[i].rate = float64(len(results[i].ages)) / s.lasts.Seconds()
	}
	if err := workers.Close(); err != nil {
		t.Error(err)
	}
	return results
}

// atRest says that nothing moves until the clock does.
func (r *streetRun) atRest() bool {
	waiting, served := 0, 0
	for i, p := range r.pipes {
		who := fmt.Sprintf("source %d", i)
		l := p.main.books.stats().Ledger
		if l.Captured != r.woken[who] || l.PreviewInFlight > 0 || !r.clock.sleeps(who) && l.Captured < r.frames[who] {
			return false
		}
		switch r.turns[i].state.Load() {
		case turnIdle:
			if l.DetectInFlight > 0 {
				return false
			}
		case turnWaiting:
			waiting++
		case turnServed:
			served++
		}
	}
	asleep := 0
	for _, who := range r.engines {
		if r.clock.sleeps(who) {
			asleep++
		}
	}
	return asleep == served && (waiting == 0 || served == len(r.engines))
}

// fairShares gives each camera what it asks for or, if the engines cannot, an equal part of what others leave.
func fairShares(asked []float64, capacity float64) []float64 {
	shares := make([]float64, len(asked))
	order := make([]int, len(asked))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if asked[a] < asked[b] {
			return -1
		}
		return 1
	})
	for n, i := range order {
		shares[i] = min(asked[i], capacity/float64(len(asked)-n))
		capacity -= shares[i]
	}
	return shares
}

var eightCameras = []streetCamera{{100, 0}, {15, 0}, {15, 0}, {15, 0}, {15, 0}, {15, 0}, {15, 0}, {15, 0}}

func TestCamerasShareFairly(t *testing.T) {
	fast := streetCamera{100, 50}
	for _, s := range []struct {
		name string
		street
	}{
		{"all want more than there is", street{workers: 1, takes: 50 * time.Millisecond, cameras: eightCameras}},
		{"some want little", street{workers: 1, takes: 50 * time.Millisecond,
			cameras: []streetCamera{{100, 0}, {15, 1}, {25, 1}, {15, 10}, {30, 10}, {15, 10}, {15, 10}, {25, 2}}}},
		{"a fast camera among modest ones", street{workers: 1, takes: 25 * time.Millisecond,
			cameras: []streetCamera{fast, {15, 2}, {15, 2}, {15, 2}, {15, 2}, {15, 2}, {15, 2}, {15, 2}}}},
		{"there is enough", street{workers: 1, takes: 5 * time.Millisecond,
			cameras: []streetCamera{fast, {15, 5}, {15, 5}, {15, 5}, {15, 5}, {15, 5}, {15, 5}, {15, 5}}}},
		{"three engines", street{workers: 3, takes: 100 * time.Millisecond, cameras: eightCameras}},
	} {
		t.Run(s.name, func(t *testing.T) {
			s.lasts = 6 * time.Second
			var asked []float64
			for _, c := range s.cameras {
				if c.detectFPS == 0 {
					c.detectFPS = c.fps
				}
				asked = append(asked, c.detectFPS)
			}
			fair := fairShares(asked, float64(s.workers)/s.takes.Seconds())
			for i, r := range s.simulate(t) {
				t.Logf("camera %d: %.1f fps, asks for %.1f: %.2f detections a second, fair is %.2f", i, s.cameras[i].fps, asked[i], r.rate, fair[i])
				if r.rate < 0.9*fair[i] || r.rate > 1.1*fair[i] {
					t.Errorf("camera %d has %.2f detections a second, fair would be %.2f", i, r.rate, fair[i])
				}
			}
		})
	}
}

// What is looked at when a camera's turn comes is its newest canvas, not the one of when it began to wait.
func TestCanvasDoesNotAgeInTheQueue(t *testing.T) {
	const takes, frame = 50 * time.Millisecond, time.Second / 15
	s := street{workers: 1, takes: takes, cameras: slices.Repeat([]streetCamera{{15, 0}}, 8), lasts: 6 * time.Second}
	for _, c := range []struct {
		name    string
		early   bool
		longest time.Duration
	}{
		{"taken before the wait", true, 8*takes + frame},
		{"taken at the turn", false, takes + frame},
	} {
		s.early = c.early
		var all []time.Duration
		for _, r := range s.simulate(t) {
			all = append(all, r.ages...)
		}
		slices.Sort(all)
		n := len(all)
		t.Logf("%s: from capture to detections %v in the middle, %v of 100, %v at most", c.name, all[n/2], all[n*95/100], all[n-1])
		if all[n-1] > c.longest {
			t.Errorf("%s: detections of a frame %v old, at most %v is expected", c.name, all[n-1], c.longest)
		}
	}
}
