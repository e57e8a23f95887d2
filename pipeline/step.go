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
	res, err := p.detect(ctx, p.step)
	if err != nil {
		return StepResult{}, err
	}
	res.Tracks = res.Snapshot.At(f.At)
	return res, nil
}

// detect runs the network on c, tracks what it found and publishes the tracks. Run and Step share it; the result's
// Tracks are left to Step.
func (p *Pipeline) detect(ctx context.Context, c *Canvas) (StepResult, error) {
	dets, took, err := p.cfg.Detector.Detect(ctx, &c.Canvas)
	if err != nil {
		return StepResult{}, fmt.Errorf("detect on frame %d: %w", c.Seq, err)
	}
	p.detectorTime.Observe(took)
	res := StepResult{Canvas: c.Letterbox, DetectTime: took}
	if p.cfg.Tracker != nil {
		res.Snapshot = p.track(dets, c)
		p.newest.Store(&published{snap: res.Snapshot, size: c.Letterbox.In})
	}
	res.Detections = p.told(dets)
	if p.cfg.OnDetections != nil {
		p.cfg.OnDetections(c.Seq, c.At, res.Detections, res.Snapshot)
	}
	return res, nil
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
