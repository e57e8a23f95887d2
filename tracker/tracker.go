package tracker

import (
	"cmp"
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
	// duplicate is the overlap with a track just seen from which a left-over detection is a second label of the same object.
	duplicate = 0.7
)

// Tracker keeps tracks over time. It belongs to one goroutine; what it returns does not.
type Tracker struct {
	cfg      Config
	tracks   []*track // confirmed and lost by id, then tentative by age
	nextID   int
	step     int       // counts calls of Update
	begun    bool      // last holds a time
	last     time.Time // of the newest step
	interval time.Duration
	gaps     int    // how many times between steps have been measured; -1 if the next one is none
	ended    []life // by this step
	snap     *Snapshot
}

// track is a life with what only the tracker needs. Its life.motion stands still between detections; now moves.
type track struct {
	life
	now   motion      // predicted to Tracker.last
	step  int         // Tracker.step of the last detection
	hits  []time.Time // the newest Config.ConfirmHits detections; nil once confirmed
	votes []vote
}

type vote struct {
	class  int
	weight float64
}

// New makes a tracker without tracks.
func New(cfg Config) *Tracker {
	cfg = cfg.complete()
	return &Tracker{cfg: cfg, interval: cfg.Interval, gaps: -1}
}

// Reset forgets all tracks (a cut, another source); ids go on from where they were. Detections from before at will be
// ignored. The snapshot has no tracks, but those that ended.
func (t *Tracker) Reset(at time.Time) *Snapshot {
	t.ended = t.ended[:0]
	for _, tr := range t.tracks {
		t.end(tr)
	}
	t.tracks, t.last, t.begun, t.gaps = nil, at, true, -1
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
// best are taken. A step from less than a second before the newest one is ignored; one from further back starts the
// tracker anew. The snapshot is immutable and belongs to everyone.
func (t *Tracker) Update(dets []infer.Detection, at time.Time) *Snapshot {
	dt := time.Duration(0)
	if t.begun {
		dt = at.Sub(t.last)
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
	dets = usable(dets)
	t.start(dets, t.match(dets))
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

func (t *Tracker) confirmWithin() time.Duration {
	return max(t.cfg.ConfirmWithin, scale(t.interval, 1.5*float64(t.cfg.ConfirmHits)))
}

func scale(d time.Duration, f float64) time.Duration {
	return time.Duration(math.Min(float64(d)*f, math.MaxInt64/4))
}

// predict forgets tracks that nothing was seen of for too long and moves the others to the step's time. An unseen
// object is assumed to go on for PredictMax, then to wait, less and less surely, where it then was.
func (t *Tracker) predict(dt time.Duration) {
	forget, tentative := t.forgetAfter(), t.confirmWithin()
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
		move := max(0, min(dt, t.cfg.PredictMax-before))
		tr.now.predict(move.Seconds(), dt.Seconds(), &t.cfg)
	}
}

// usable returns the detections that can be tracked, best first if there are too many of them.
func usable(dets []infer.Detection) []infer.Detection {
	out := make([]infer.Detection, 0, len(dets))
	for _, d := range dets {
		if ok(d) {
			out = append(out, d)
		}
	}
	if len(out) > maxDetections {
		slices.SortStableFunc(out, func(a, b infer.Detection) int { return cmp.Compare(b.Score, a.Score) })
		out = out[:maxDetections]
	}
	return out
}

func ok(d infer.Detection) bool {
	for _, v := range [...]float32{d.Box.X0, d.Box.Y0, d.Box.X1, d.Box.Y1} {
		if !(v >= -maxCoord && v <= maxCoord) { // NaN fails too
			return false
		}
	}
	return d.Box.Area() > 0 && d.Class >= 0 && d.Score > 0 && d.Score <= 1
}

// match continues tracks by detections and returns which detections were used. Each round is an optimal assignment
// among those that are left; the last one pads the boxes by what the filter does not know yet, so that an object
// whose speed is still unknown is found again at two detections a second.
func (t *Tracker) match(dets []infer.Detection) []bool {
	used := make([]bool, len(dets))
	strong := func(d *infer.Detection) bool { return float64(d.Score) >= t.cfg.HighScore }
	known := func(tr *track) bool { return tr.state != Tentative }
	t.round(dets, used, strong, known, false)
	t.round(dets, used, nil, known, false)
	t.round(dets, used, nil, nil, false)
	t.round(dets, used, nil, nil, true)
	return used
}

func (t *Tracker) round(dets []infer.Detection, used []bool, wantDet func(*infer.Detection) bool, wantTrack func(*track) bool, pad bool) {
	var edges []edge
	for i, tr := range t.tracks {
		if tr.step == t.step || wantTrack != nil && !wantTrack(tr) {
			continue
		}
		box := tr.now.after(0)
		for j := range dets {
			if used[j] || wantDet != nil && !wantDet(&dets[j]) {
				continue
			}
			if sim := t.alike(tr, box, &dets[j], pad); sim >= t.cfg.MinIoU && sim > 0 {
				edges = append(edges, edge{i, j, sim})
			}
		}
	}
	if len(edges) == 0 {
		return
	}
	for i, j := range assign(len(t.tracks), len(dets), edges) {
		if j >= 0 {
			used[j] = true
			t.hit(t.tracks[i], dets[j])
		}
	}
}

// alike is how much a detection looks like a track's predicted box, 0..1; 0 means that it cannot be the same.
func (t *Tracker) alike(tr *track, box infer.Box, d *infer.Detection, pad bool) float64 {
	penalty := 0.0
	if d.Class != tr.class {
		if t.group(d.Class) != t.group(tr.class) {
			return 0
		}
		penalty = t.cfg.ClassPenalty
	}
	other := d.Box
	if pad {
		x := padding(tr.now.cx.pxx, tr.now.w.x)
		y := padding(tr.now.cy.pxx, tr.now.h.x)
		box, other = grow(box, x, y), grow(other, x, y)
	}
	return float64(box.IoU(other)) - penalty
}

// padding is one standard deviation of where the box is, at most half a side.
func padding(variance, side float64) float32 {
	return float32(math.Min(math.Sqrt(variance), side/2))
}

func grow(b infer.Box, x, y float32) infer.Box {
	return infer.Box{X0: b.X0 - x, Y0: b.Y0 - y, X1: b.X1 + x, Y1: b.Y1 + y}
}

// group is a class's group number; negative for a class that stands alone.
func (t *Tracker) group(class int) int {
	if class < len(t.cfg.Groups) {
		return t.cfg.Groups[class]
	}
	return -1 - class
}

// hit lets a detection continue a track.
func (t *Tracker) hit(tr *track, d infer.Detection) {
	tr.now.correct(d.Box, &t.cfg)
	tr.motion, tr.last, tr.step = tr.now, t.last, t.step
	tr.count(d)
	tr.still.see(tr.now.after(0), t.last)
	tr.vote(d)
	if tr.state == Tentative {
		t.confirm(tr, d.Score)
		return
	}
	tr.state = Confirmed
}

// count takes in a detection's score. The smoothed one is the mean of the first scoreMemory, then follows slowly.
func (l *life) count(d infer.Detection) {
	const scoreMemory = 5
	l.detections++
	l.score += (d.Score - l.score) / float32(min(l.detections, scoreMemory))
	l.best = max(l.best, d.Score)
}

// confirm gives a tentative track its id if it was seen often or well enough.
func (t *Tracker) confirm(tr *track, score float32) {
	tr.hits = append(tr.hits, t.last)
	n := len(tr.hits) - t.cfg.ConfirmHits
	often := n >= 0 && t.last.Sub(tr.hits[n]) <= t.confirmWithin()
	if !often && float64(score) < t.cfg.ConfirmScore {
		if n >= 0 {
			tr.hits = slices.Delete(tr.hits, 0, n+1)
		}
		return
	}
	t.nextID++
	tr.id, tr.state, tr.hits = t.nextID, Confirmed, nil
}

// vote counts a detection's class by its score, newer ones more; the track bears the class with the most.
func (tr *track) vote(d infer.Detection) {
	const keep, most = 0.9, 8
	i := slices.IndexFunc(tr.votes, func(v vote) bool { return v.class == d.Class })
	for k := range tr.votes {
		tr.votes[k].weight *= keep
	}
	if i < 0 {
		if len(tr.votes) == most {
			tr.votes = tr.votes[:most-1]
		}
		tr.votes = append(tr.votes, vote{class: d.Class})
		i = len(tr.votes) - 1
	}
	tr.votes[i].weight += float64(d.Score)
	slices.SortStableFunc(tr.votes, func(a, b vote) int { return cmp.Compare(b.weight, a.weight) })
	tr.class = tr.votes[0].class
}

// start makes tracks of the detections that continued none.
func (t *Tracker) start(dets []infer.Detection, used []bool) {
	for i, d := range dets {
		if used[i] || float64(d.Score) < t.cfg.StartScore || len(t.tracks) >= maxTracks || t.isDuplicate(d) {
			continue
		}
		m := newMotion(d.Box, &t.cfg)
		tr := &track{
			life: life{class: d.Class, first: t.last, last: t.last, motion: m},
			now:  m, step: t.step,
		}
		tr.vote(d)
		tr.count(d)
		tr.still.see(m.after(0), t.last)
		t.confirm(tr, d.Score)
		t.tracks = append(t.tracks, tr)
	}
}

// isDuplicate finds the second label that class-wise suppression leaves on one object (car and truck).
func (t *Tracker) isDuplicate(d infer.Detection) bool {
	return slices.ContainsFunc(t.tracks, func(tr *track) bool {
		return tr.step == t.step && t.group(tr.class) == t.group(d.Class) &&
			float64(tr.now.after(0).IoU(d.Box)) >= duplicate
	})
}

// age marks what was not seen for too long as lost and puts the tracks in order.
func (t *Tracker) age() {
	lost := t.lostAfter()
	for _, tr := range t.tracks {
		if tr.state == Confirmed && t.last.Sub(tr.last) > lost {
			tr.state = Lost
		}
	}
	rank := func(tr *track) int { // ids are given late: the tentative stand behind
		if tr.id == 0 {
			return math.MaxInt
		}
		return tr.id
	}
	slices.SortStableFunc(t.tracks, func(a, b *track) int { return cmp.Compare(rank(a), rank(b)) })
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
