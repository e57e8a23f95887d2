package tracker

import (
	"math"
	"slices"
	"time"

	"yfv2d/infer"
)

const (
	// maxDetections of one step are looked at, the best by score; maxTracks are kept. Both only bound the work.
	maxDetections = 500
	maxTracks     = 1000
	// maxCoord bounds a detection's coordinates, px: no picture is that large.
	maxCoord = 1e6
	// late is how far behind the newest step detections may come and be taken for a disordered delivery, to be
	// ignored; further back, time itself was set back and the tracker starts anew.
	late = time.Second
	// longStep: a first gap longer than this says nothing of the rate.
	longStep = 30 * time.Second
	// goOn is how long an unseen object is looked for ever further along its course.
	goOn = 2500 * time.Millisecond
)

// Tracker keeps tracks over time. It belongs to one goroutine; what it returns does not.
//
// A box moves by a Kalman filter of constant velocity in seconds (kalman.go). Detections go to tracks in rounds of
// optimal assignments (match.go): strong ones, then weak ones as in ByteTrack, then recovery at the place last seen and
// re-update along the gap as in OC-SORT. How a track begins, is confirmed, lost and ended is in life.go.
type Tracker struct {
	cfg      Config
	tracks   []*track // confirmed and lost by id, then tentative by age
	nextID   int
	step     int       // counts calls of Update
	begun    bool      // last holds a time
	last     time.Time // of the newest step
	interval time.Duration
	fresh    time.Time // of the first step after New or a Reset
	gaps     int       // how many times between steps have been measured; -1 if the next one is none
	camera   camera
	ended    []life // by this step

	// Scratch memory of a step.
	seen   []seen
	places []uint64 // in which columns each is
	pairs  []pair
	edges  []edge
	solver solver

	snap *Snapshot
}

// New makes a tracker without tracks.
func New(cfg Config) *Tracker {
	cfg = cfg.complete()
	return &Tracker{cfg: cfg, interval: cfg.Interval, gaps: -1}
}

// Reset forgets all tracks (a cut, another source); ids go on from where they were. Detections from less than a second
// before at will be ignored, as in Update. The snapshot has no tracks, but those that ended.
func (t *Tracker) Reset(at time.Time) *Snapshot {
	t.ended = t.ended[:0]
	for _, tr := range t.tracks {
		t.end(tr)
	}
	t.tracks, t.last, t.fresh, t.begun, t.gaps, t.camera = nil, at, at, true, -1, camera{}
	t.snap = t.snapshot()
	return t.snap
}

// end remembers for one snapshot that a track is gone.
func (t *Tracker) end(tr *track) {
	if tr.id == 0 {
		return
	}
	tr.state = Ended
	t.ended = append(t.ended, tr.life)
}

// Update takes in the detections of one frame, captured at time at; none is a valid answer. Detections that are no
// boxes (NaN, infinite, no area, a negative class, a score that is not above 0) are ignored, and of more than 500 the
// best are taken; 1000 tracks are kept, and no more begin. A step from less than a second before the newest one is
// ignored; one from further back starts the tracker anew, as Reset does. Two steps of one time are taken in one after
// the other. Any gap and any change of rate is allowed: the time between steps is measured, and what was unseen for
// longer than Config.ForgetAfter (at low rates somewhat later) has ended. The snapshot is immutable and belongs to everyone.
func (t *Tracker) Update(dets []infer.Detection, at time.Time) *Snapshot {
	dt := time.Duration(0)
	if t.begun {
		dt = at.Sub(t.last)
	} else {
		t.fresh = at
	}
	switch {
	case dt < -late:
		t.Reset(at)
		dt = 0
	case dt < 0:
		return t.snap.told()
	default:
		t.ended = t.ended[:0]
	}
	t.step++
	t.measure(dt)
	t.last, t.begun = at, true
	t.predict(dt)
	t.take(dets)
	t.match()
	t.camera.settle(dt)
	t.start()
	t.age()
	t.snap = t.snapshot()
	return t.snap
}

// measure follows the time between steps. A single gap (a stalled camera) weighs little.
func (t *Tracker) measure(dt time.Duration) {
	switch {
	case t.gaps < 0:
		t.gaps = 0
		return
	case dt <= 0:
		return
	case t.gaps == 0 && dt <= longStep:
		t.interval = dt
	default:
		t.interval += (min(dt, 4*t.interval) - t.interval) / 4
	}
	t.gaps++
	t.interval = max(t.interval, time.Millisecond)
}

func (t *Tracker) lostAfter() time.Duration { return max(t.cfg.LostAfter, scale(t.interval, 2.5)) }

func (t *Tracker) forgetAfter() time.Duration {
	return t.lostAfter() + t.cfg.ForgetAfter - t.cfg.LostAfter
}

// confirmWithin is the time in which so many detections confirm a track.
func (t *Tracker) confirmWithin(hits int) time.Duration {
	return max(t.cfg.ConfirmWithin, scale(t.interval, 1.5*float64(hits)))
}

func scale(d time.Duration, f float64) time.Duration {
	return time.Duration(math.Min(float64(d)*f, math.MaxInt64/4))
}

// predict forgets tracks that nothing was seen of for too long and moves the others to the step's time. An unseen
// object is assumed to go on for a while, then to wait, less and less surely, where it then was.
func (t *Tracker) predict(dt time.Duration) {
	forget, tentative := t.forgetAfter(), t.confirmWithin(t.cfg.ConfirmHits)
	t.tracks = slices.DeleteFunc(t.tracks, func(tr *track) bool {
		unseen := t.last.Sub(tr.last)
		if unseen <= forget && (tr.state != Tentative || unseen <= tentative) {
			return false
		}
		t.end(tr)
		return true
	})
	for _, tr := range t.tracks {
		before := t.last.Add(-dt).Sub(tr.last)
		move := max(0, min(dt, goOn-before))
		tr.now.predict(move.Seconds(), dt.Seconds(), t.camera.unrest(), &t.cfg)
	}
}

func (t *Tracker) snapshot() *Snapshot {
	s := &Snapshot{
		Time: t.last, Interval: t.interval, lost: t.lostAfter(),
		span:   min(scale(t.interval, t.cfg.PredictIntervals), t.cfg.PredictMax),
		tracks: make([]life, len(t.tracks)), ended: slices.Clone(t.ended), cfg: &t.cfg,
	}
	for i, tr := range t.tracks {
		s.tracks[i] = tr.life
	}
	return s
}
