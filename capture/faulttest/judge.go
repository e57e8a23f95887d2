package faulttest

import (
	"context"
	"fmt"
	"time"

	"yfv2d/pipeline"
)

// suffer brings one fault upon the camera and waits until it is back.
func (r *rig) suffer(ctx context.Context, k Kind) Result {
	f := r.peer.fault(r, k)
	before, openings := r.healthy.tally(), r.camera.forget()
	r.healthy.forget()
	res := Result{Transport: r.cfg.Transport, Kind: k}

	f.bring(ctx, r)
	healthy, status := time.Now(), r.camera.src.Status()
	if k == LongKeys { // it was opened once more on the way
		openings = r.camera.opened()
	}
	back, ok := r.camera.first(ctx, r.cfg.Guard, func(s shot) bool {
		switch {
		case f.proof != nil && !f.proof(s):
			return false
		case f.down:
			return s.opening > openings
		}
		return s.at.After(healthy)
	})
	if !ok {
		res.Problems = append(res.Problems, fmt.Sprintf("it did not come back within %v: %+v", r.cfg.Guard, r.camera.src.Status()))
		return res
	}
	res.Recovered, res.Took = true, max(0, back.read.Sub(healthy))
	opened, changes, problems := r.camera.story()
	res.Limit = r.camera.wait(healthy, status, opened, f) + openTime + max(f.key, keyInterval)
	res.Problems = append(problems, f.judge(opened[openings:], changes)...)
	for _, c := range changes {
		if c.Reason != "" {
			res.Reasons = append(res.Reasons, c.Reason)
		}
	}
	if f.after != nil {
		f.after(ctx, r)
	}
	if !r.camera.isLive(ctx, r.cfg.Guard) {
		res.Problems = append(res.Problems, fmt.Sprintf("its state is %+v", r.camera.src.Status()))
	}
	if err := r.camera.pipe.Stats().Ledger.Check(); err != nil {
		res.Problems = append(res.Problems, err.Error())
	}
	res.Problems = append(res.Problems, r.healthy.check(ctx, r.cfg, before)...)
	return res
}

// judge says what of a camera's conduct was not as it should be.
func (f fault) judge(openings []opening, changes []change) (problems []string) {
	down := false
	for _, c := range changes {
		down = down || c.down()
		if c.Message != "source live" && c.Reason == "" {
			problems = append(problems, c.Message+", and no reason")
		}
	}
	switch {
	case f.down && !down:
		problems = append(problems, fmt.Sprintf("its state did not say that it was down: %+v", changes))
	case f.steady && (down || len(openings) > 0):
		problems = append(problems, fmt.Sprintf("it was opened anew: %+v", changes))
	}
	return problems
}

// wait is how much of the time since the peer was healthy the camera may have spent before it was opened. If it was not opened since,
// that is nothing: the connection, or the try under way, went on; a numb one may have been silent for as long as the watchdog lets it.
// Else it is the time to the first try since, which must succeed, and at most: what was left of the back-off; of a try that was under
// way, its length and the back-off after it; of a connection, the time to notice that it goes nowhere, and the back-off.
func (c *camera) wait(healthy time.Time, status pipeline.SourceStatus, openings []opening, f fault) time.Duration {
	var under, since *opening
	for i := range openings {
		switch o := &openings[i]; {
		case o.begin.After(healthy):
			if since == nil {
				since = o
			}
		case o.end.IsZero() || o.end.After(healthy):
			under = o
		}
	}
	switch {
	case since == nil && f.numb:
		return watchTime
	case since == nil:
		return 0
	}
	most := RetryMax + closeTime
	switch {
	case under != nil:
		most = under.end.Sub(healthy) + RetryMax
	case status.State == pipeline.Retrying:
		most = status.NextTry.Sub(healthy) + timerSlack
	case !f.told:
		most += watchTime
	}
	return min(since.begin.Sub(healthy), most)
}

// timerSlack is how late a timer may be.
const timerSlack = 100 * time.Millisecond

// isLive waits until the camera's state is live: a busy machine makes it stalled for a moment.
func (c *camera) isLive(ctx context.Context, guard time.Duration) bool {
	for end := time.Now().Add(guard); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if s := c.pipe.Stats().Source; s.State == pipeline.Live && s.Reason == "" {
			return true
		}
	}
	return false
}

// opened is how often the source was opened, or tried to.
func (c *camera) opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.openings)
}
