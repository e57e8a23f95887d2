package main

import (
	"context"
	"errors"
	"time"

	"yfv2d/capture"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/infer"
	"yfv2d/pipeline"
)

// checkTruth refuses a truth that nobody would hear.
func checkTruth(cam config.Camera) (key string, err error) {
	if cam.DetectSource != "" && capture.Truth(cam.Source, capture.View{}) != nil {
		return "source", errors.New("truth=1 is of no use here: the network looks at detect_source; give it there")
	}
	return "", nil
}

// detector is what looks at the camera's pictures: the shared engines, whose answer is replaced for a test pattern that
// tells the truth about itself.
func (cam *camera) detector(workers pipeline.SharedDetector) pipeline.SharedDetector {
	s := cam.settings
	looked := s.Source
	if s.DetectSource != "" {
		looked = s.DetectSource
	}
	truth := capture.Truth(looked, viewOf(s.Camera))
	if truth == nil {
		return workers
	}
	cam.log.Warn().Msg("the objects of this camera are those that its test pattern shows, not what the network finds")
	return truthful{workers, truth}
}

// truthful tells what is to be seen instead of what was found. The network does its work all the same, so load and latency
// are those of a real camera.
type truthful struct {
	pipeline.SharedDetector
	truth func(at time.Time) []infer.Detection
}

// Detect is the network's Detect with another answer.
func (t truthful) Detect(ctx context.Context, c *infer.Canvas) ([]infer.Detection, time.Duration, error) {
	return t.DetectNewest(ctx, time.Now(), func() (*infer.Canvas, error) { return c, nil })
}

// DetectNewest is the network's DetectNewest with another answer.
func (t truthful) DetectNewest(ctx context.Context, last time.Time, newest func() (*infer.Canvas, error)) ([]infer.Detection, time.Duration, error) {
	var at time.Time
	_, took, err := t.SharedDetector.DetectNewest(ctx, last, func() (*infer.Canvas, error) {
		c, err := newest()
		if err == nil {
			at = c.At
		}
		return c, err
	})
	if err != nil {
		return nil, took, err
	}
	return t.truth(at), took, nil
}
