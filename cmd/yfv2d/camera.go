package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/capture"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
	"yfv2d/tracker"
)

// pipelineRetry is the pause before a pipeline whose own stage failed is run again. Sources have their own retries.
const pipelineRetry = 30 * time.Second

// camera is one configured camera: its source, its pipeline and its live picture.
type camera struct {
	name    string
	source  *capture.Reopening
	spec    string // without secrets
	classes []string
	preview *stream.Broadcaster
	pipe    *pipeline.Pipeline
	log     zerolog.Logger

	mu     sync.Mutex
	broken pipeline.SourceStatus // guarded by mu; set while a failed pipeline waits to be run again
}

// newCamera makes a camera at rest. On error nothing is left open.
func newCamera(cfg *config.Config, c *config.Camera, m *model.Model, workers *infer.Workers, log zerolog.Logger) (*camera, error) {
	cam := &camera{
		name: c.Name, spec: capture.Redact(c.Source), classes: m.Classes,
		log: log.With().Str("camera", c.Name).Logger(),
	}
	if err := cam.open(cfg, c, m, workers); err != nil {
		return nil, errors.Join(err, cam.close())
	}
	return cam, nil
}

func (cam *camera) open(cfg *config.Config, c *config.Camera, m *model.Model, workers *infer.Workers) (err error) {
	speed, err := capture.ParseSpeed(c.Speed)
	if err != nil {
		return err
	}
	resize, err := infer.ParseResize(cfg.Detect.Resize)
	if err != nil {
		return err
	}
	opt := capture.Options{Loop: c.Loop, Speed: speed, Dir: cfg.Dir, Log: cam.log}
	cam.source = capture.NewReopening(func(ctx context.Context) (pipeline.Source, error) {
		return capture.Open(ctx, c.Source, opt)
	}, capture.ReopeningOptions{Log: cam.log})
	overlay, err := pipeline.NewOverlay(m.Classes)
	if err != nil {
		return err
	}
	cam.preview = stream.NewBroadcaster(stream.BroadcasterConfig{
		Name:       c.Name,
		FPS:        cfg.PreviewFPS(c),
		Bitrate:    cfg.Preview.BitrateKbps * 1000,
		NewEncoder: openh264.New, // config allows no other name in preview.encoder
		Draw:       overlay.Draw,
		Log:        cam.log,
	})
	scores := thresholds(cfg.Detect, m).ByClass(m.Head.Classes)
	cam.pipe, err = pipeline.New(pipeline.Config{
		Name:       c.Name,
		Source:     cam.source,
		Detector:   workers,
		Tracker:    tracker.New(cfg.TrackerFor(c, m.Classes, scores)),
		Scores:     scores,
		Sink:       cam.preview,
		DetectFPS:  cfg.DetectFPS(c),
		PreviewFPS: cfg.PreviewFPS(c),
		Input:      cfg.Detect.InputSize(),
		Resize:     resize,
		Log:        cam.log,
	})
	return err
}

// run runs the pipeline until ctx ends or the source has come to its end. A stage that fails takes only this camera
// down, and only for a while.
func (cam *camera) run(ctx context.Context) {
	for {
		err := cam.pipe.Run(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		next := time.Now().Add(pipelineRetry)
		cam.setBroken(pipeline.SourceStatus{State: pipeline.Retrying, Since: time.Now(), Reason: capture.Redact(err.Error()), NextTry: next})
		cam.log.Error().Str("reason", capture.Redact(err.Error())).Time("next_try", next).Msg("camera failed")
		select {
		case <-ctx.Done():
			return
		case <-time.After(pipelineRetry):
		}
		cam.setBroken(pipeline.SourceStatus{})
	}
}

func (cam *camera) setBroken(s pipeline.SourceStatus) {
	cam.mu.Lock()
	defer cam.mu.Unlock()
	cam.broken = s
}

// stats is the pipeline's condition; a pipeline that waits to be run again says so.
func (cam *camera) stats() pipeline.Stats {
	s := cam.pipe.Stats()
	cam.mu.Lock()
	defer cam.mu.Unlock()
	if cam.broken.State != "" {
		s.Source = cam.broken
	}
	return s
}

// shown is the camera as the server sees it.
func (cam *camera) shown() stream.Camera {
	return stream.Camera{
		Name: cam.name, Source: cam.spec, Classes: cam.classes,
		Stats: cam.stats, Tracks: cam.pipe.Tracks, Broadcaster: cam.preview,
	}
}

// close frees all parts, the users of a part before it.
func (cam *camera) close() error {
	var errs []error
	if cam.pipe != nil {
		errs = append(errs, cam.pipe.Close())
	}
	if cam.preview != nil {
		errs = append(errs, cam.preview.Close())
	}
	if cam.source != nil {
		errs = append(errs, cam.source.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close camera %q: %w", cam.name, err)
	}
	return nil
}
