package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// StepResult is what Step knows about one frame.
type StepResult struct {
	Detections []infer.Detection // by falling score, source pixels; as Config.Scores allows
	Tracks     []tracker.Track   // the confirmed ones at the frame's time; nil without a tracker
	Snapshot   *tracker.Snapshot // nil without a tracker
	Canvas     infer.Letterbox   // how the frame lay on the network's input
	DetectTime time.Duration     // the detector's own time
}

// Step takes one frame through letterbox, detector and tracker on the caller's goroutine, whatever DetectFPS says: for
// still pictures, offline video and goldens. It borrows f, whose At should increase from call to call when there is a
// tracker. It counts nothing in the ledger. One goroutine at a time, and not while Run runs.
func (p *Pipeline) Step(ctx context.Context, f *Frame) (StepResult, error) {
	if !p.running.CompareAndSwap(false, true) {
		return StepResult{}, errors.New("step pipeline: it already runs")
	}
	defer p.running.Store(false)
	if p.closed {
		return StepResult{}, fmt.Errorf("step pipeline: %w", ErrClosed)
	}
	if err := p.boxer.Make(p.step, f); err != nil {
		return StepResult{}, err
	}
	res, _, err := p.detect(ctx, func() (*Canvas, error) { return p.step, nil })
	if err != nil {
		return StepResult{}, err
	}
	res.Tracks = res.Snapshot.At(f.At)
	return res, nil
}

// detect waits for the detector, runs it on the canvas that take gives then, tracks what it found and publishes the
// tracks. Run and Step share it; the result's Tracks are left to Step. The canvas is nil if it was not taken.
func (p *Pipeline) detect(ctx context.Context, take func() (*Canvas, error)) (res StepResult, c *Canvas, err error) {
	dets, took, err := p.detectNewest(ctx, func() (*infer.Canvas, error) {
		p.lastTurn = p.clock.Now()
		if c, err = take(); err != nil {
			return nil, err
		}
		return &c.Canvas, nil
	})
	switch {
	case err != nil && c == nil:
		return res, nil, fmt.Errorf("wait for the detector: %w", err)
	case err != nil:
		return res, c, fmt.Errorf("detect on frame %d: %w", c.Seq, err)
	}
	p.detectorTime.Observe(took)
	res.Canvas, res.DetectTime = c.Letterbox, took
	found := &published{size: c.Letterbox.In}
	if p.cfg.Tracker != nil {
		found.snap = p.track(dets, c)
		p.newest.Store(found)
	}
	res.Detections, res.Snapshot = p.told(dets), found.snap
	p.tell(c, found, res.Detections)
	return res, c, nil
}

// tell calls what the configuration wants to be called after a detection.
func (p *Pipeline) tell(c *Canvas, found *published, dets []infer.Detection) {
	to := p.shown()
	if to.X == 0 {
		to = found.size
	}
	if p.cfg.OnDetections != nil {
		p.cfg.OnDetections(c.Seq, c.At, scaled(dets, found.size, to), found.in(to))
	}
	if p.cfg.OnTracks != nil && found.snap != nil {
		p.cfg.OnTracks(found.in(to), to)
	}
}

// detectNewest lets a shared detector ask for the canvas when its turn has come; any other gets it at once.
func (p *Pipeline) detectNewest(ctx context.Context, newest func() (*infer.Canvas, error)) ([]infer.Detection, time.Duration, error) {
	if d, ok := p.cfg.Detector.(SharedDetector); ok {
		return d.DetectNewest(ctx, p.lastTurn, newest)
	}
	c, err := newest()
	if err != nil {
		return nil, 0, err
	}
	return p.cfg.Detector.Detect(ctx, c)
}

// told takes out, in place, what only the tracker was to see.
func (p *Pipeline) told(dets []infer.Detection) []infer.Detection {
	return slices.DeleteFunc(dets, func(d infer.Detection) bool {
		return d.Class < len(p.cfg.Scores) && d.Score <= p.cfg.Scores[d.Class]
	})
}

// track updates the tracker, which starts anew when the picture's size has changed: boxes of the old size mean nothing.
func (p *Pipeline) track(dets []infer.Detection, c *Canvas) *tracker.Snapshot {
	if size := c.Letterbox.In; size != p.inSize {
		if p.inSize.X != 0 {
			p.cfg.Tracker.Reset(c.At)
		}
		p.inSize = size
	}
	return p.cfg.Tracker.Update(dets, c.At)
}

// AsTracks dresses plain detections as tracks without identities, for Overlay.Draw. It keeps those at or above score.
func AsTracks(dets []infer.Detection, score float32) []tracker.Track {
	tracks := make([]tracker.Track, 0, len(dets))
	for _, d := range dets {
		if d.Score >= score {
			tracks = append(tracks, tracker.Track{Detection: d})
		}
	}
	return tracks
}
