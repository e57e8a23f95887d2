package tracker

import (
	"cmp"
	"math"
	"slices"
	"time"

	"yfv2d/infer"
)

const (
	// duplicate is the overlap with a track just seen from which a left-over detection is taken for a second box or label
	// of the same object. Who comes out from behind another begins when they are further apart.
	duplicate = 0.27
	// A detection whose score falls below its track's usual one is often half hidden and its box cut: its standard
	// deviation grows by hiddenNoise times the part of the score that is missing (after the idea of NSA-Kalman, Du et al.
	// 2021, which takes the score itself).
	hiddenNoise = 2.7
	// presenceMemory and reliable: a track that was seen at less than reliable of the last steps (those before weigh
	// 1-presenceMemory less each) is not trusted to be there when it is not seen.
	presenceMemory = 0.25
	reliable       = 0.6
)

// track is a life with what only the tracker needs. Its life.motion stands still between detections; now moves.
type track struct {
	life
	now   motion      // predicted to Tracker.last
	obs   infer.Box   // of the last detection, as it was seen
	step  int         // Tracker.step of the last detection
	firm  time.Time   // of the last detection that could have started it
	hits  []time.Time // the newest Config.ConfirmHits detections; nil once confirmed
	votes []vote
}

type vote struct {
	class  int
	weight float64
}

// hit lets a detection continue a track.
func (t *Tracker) hit(tr *track, d *seen) {
	missed := math.Round(float64(t.last.Sub(tr.last))/float64(t.interval)) - 1
	tr.presence *= math.Pow(1-presenceMemory, math.Max(0, missed))
	if tr.state == Confirmed && missed < 1 {
		t.camera.feel(&tr.now, d, &t.cfg)
	}
	t.reupdate(tr, d)
	tr.motion, tr.obs, tr.last, tr.step = tr.now, d.Box, t.last, t.step
	if float64(d.Score) >= t.cfg.startScore(d.Class) {
		tr.firm = t.last
	}
	tr.count(d.Score)
	tr.vote(d.Class, d.Score)
	tr.still.see(&tr.motion, t.last)
	if tr.state == Tentative {
		t.confirm(tr, d.Score)
		return
	}
	tr.state = Confirmed
}

// reupdate corrects a track by the box it was found in. After a gap the filter goes back to the last detection and is
// led along the straight line between the two observations, so that its velocity is that of the way taken, not of the
// moment before the gap (OC-SORT's observation-centric re-update, Cao et al. 2023).
func (t *Tracker) reupdate(tr *track, d *seen) {
	const most = 10 // virtual observations
	noise := 1 + hiddenNoise*math.Max(0, 1-float64(d.Score/tr.score))
	gap := t.last.Sub(tr.last)
	n := int(math.Min(most, math.Round(float64(gap)/float64(t.interval))))
	if n < 2 {
		if tr.now.jumps(d, &t.cfg) {
			tr.now.unsettle(gap.Seconds())
		}
		tr.now.correct(d.Box, noise, &t.cfg)
		return
	}
	m, dt := tr.motion, gap.Seconds()/float64(n)
	for k := 1; k <= n; k++ {
		m.predict(dt, dt, 1, &t.cfg)
		m.correct(between(tr.obs, d.Box, float32(k)/float32(n)), noise, &t.cfg)
	}
	tr.now = m
}

func between(a, b infer.Box, f float32) infer.Box {
	return infer.Box{X0: a.X0 + f*(b.X0-a.X0), Y0: a.Y0 + f*(b.Y0-a.Y0), X1: a.X1 + f*(b.X1-a.X1), Y1: a.Y1 + f*(b.Y1-a.Y1)}
}

// count takes in a detection's score. The smoothed one is the mean of the first scoreMemory, then follows slowly.
func (l *life) count(score float32) {
	const scoreMemory = 5
	l.detections++
	l.score += (score - l.score) / float32(min(l.detections, scoreMemory))
	l.best = max(l.best, score)
	l.presence += (1 - l.presence) * presenceMemory
}

// confirm gives a tentative track its id if it was seen often or well enough. At a high rate that takes more detections:
// a false alarm lasts some frames, whatever their rate.
func (t *Tracker) confirm(tr *track, score float32) {
	tr.hits = append(tr.hits, t.last)
	steps := 1 + int(t.cfg.ConfirmAfter/t.interval)
	if t.last.Sub(t.fresh) < t.cfg.ConfirmAfter {
		steps = 1 // what is there from the start has been there before
	}
	need := max(steps, t.cfg.ConfirmHits)
	n := len(tr.hits) - need
	often := n >= 0 && t.last.Sub(tr.hits[n]) <= t.confirmWithin(need)
	strong := float64(score) >= t.cfg.ConfirmScore && len(tr.hits) >= steps
	if !often && !strong {
		if n >= 0 {
			tr.hits = slices.Delete(tr.hits, 0, n+1)
		}
		return
	}
	t.nextID++
	tr.id, tr.state, tr.hits = t.nextID, Confirmed, nil
}

// vote counts a detection's class by its score, newer ones more; the track bears the class with the most.
func (tr *track) vote(class int, score float32) {
	const keep, most = 0.9, 8
	i := slices.IndexFunc(tr.votes, func(v vote) bool { return v.class == class })
	for k := range tr.votes {
		tr.votes[k].weight *= keep
	}
	if i < 0 {
		if len(tr.votes) == most {
			tr.votes = tr.votes[:most-1]
		}
		tr.votes = append(tr.votes, vote{class: class})
		i = len(tr.votes) - 1
	}
	tr.votes[i].weight += float64(score)
	slices.SortStableFunc(tr.votes, func(a, b vote) int { return cmp.Compare(b.weight, a.weight) })
	tr.class = tr.votes[0].class
}

// start makes tracks of the detections that continued none.
func (t *Tracker) start() {
	for i := range t.seen {
		d := &t.seen[i]
		if d.used || float64(d.Score) < t.cfg.startScore(d.Class) || len(t.tracks) >= maxTracks || t.isDuplicate(d) {
			continue
		}
		m := newMotion(d.Box, &t.cfg)
		tr := &track{
			life: life{class: d.Class, first: t.last, last: t.last, motion: m},
			now:  m, obs: d.Box, step: t.step, firm: t.last,
		}
		tr.vote(d.Class, d.Score)
		tr.count(d.Score)
		tr.still.see(&m, t.last)
		t.confirm(tr, d.Score)
		t.tracks = append(t.tracks, tr)
	}
}

// isDuplicate finds the second box or label that suppression leaves on one object (car and truck).
func (t *Tracker) isDuplicate(d *seen) bool {
	return slices.ContainsFunc(t.tracks, func(tr *track) bool {
		return tr.step == t.step && t.group(tr.class) == t.group(d.Class) && tr.now.extent().iou(d.box) >= duplicate
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
