package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/capture"
	"yfv2d/capture/live"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/tracker"
)

// pipelineRetry is the pause before a pipeline whose own stage failed is run again. Sources have their own retries.
const pipelineRetry = 30 * time.Second

// cameraSettings is all that a camera is made from; two that are deeply equal make the same camera.
type cameraSettings struct {
	config.Camera         // without its line
	dir           string  // relative sources start here
	detectFPS     float64 // detections a second
	previewFPS    float64 // 0: the camera's
	bitrate       int     // of the live picture, bit/s
	retryMax      time.Duration
	input         image.Point // zero: the one that fits
	resize        string
	tracker       tracker.Config
	scores        []float32 // by class
}

// settingsOf gathers what the configuration says about one of its cameras.
func settingsOf(cfg *config.Config, c *config.Camera, m *model.Model) cameraSettings {
	scores := thresholds(cfg.Detect, m).ByClass(m.Head.Classes)
	s := cameraSettings{
		Camera: *c, dir: cfg.Dir,
		detectFPS: cfg.DetectFPS(c), previewFPS: cfg.PreviewFPS(c), bitrate: cfg.Preview.BitrateKbps * 1000,
		retryMax: cfg.Capture.RetryMax, input: cfg.Detect.InputSize(), resize: cfg.Detect.Resize,
		tracker: cfg.TrackerFor(c, m.Classes, scores), scores: scores,
	}
	s.Line = 0
	return s
}

// camera is one configured camera: its source, its pipeline and its live picture.
type camera struct {
	name     string
	settings cameraSettings
	source   *capture.Reopening
	second   *capture.Reopening // detect_source; nil if source is for both
	spec     string             // without secrets
	classes  []string
	preview  *stream.Broadcaster
	pipe     *pipeline.Pipeline
	log      zerolog.Logger
	stop     context.CancelFunc // ends run; nil before start
	done     chan struct{}      // closed when run has ended

	mu     sync.Mutex
	broken pipeline.SourceStatus // guarded by mu; set while a failed pipeline waits to be run again
}

// newCamera makes a camera at rest. On error nothing is left open.
func newCamera(s cameraSettings, m *model.Model, workers *infer.Workers, enc stream.Encoders, log zerolog.Logger) (*camera, error) {
	cam := &camera{
		name: s.Name, settings: s, spec: capture.Redact(s.Shown), classes: m.Classes,
		log: log.With().Str("camera", s.Name).Logger(),
	}
	if err := cam.open(m, workers, enc); err != nil {
		return nil, errors.Join(fmt.Errorf("camera %q: %w", s.Name, err), cam.close())
	}
	return cam, nil
}

func (cam *camera) open(m *model.Model, workers *infer.Workers, enc stream.Encoders) (err error) {
	s := cam.settings
	resize, err := infer.ParseResize(s.resize)
	if err != nil {
		return err
	}
	if err := cam.openSources(); err != nil {
		return err
	}
	detector := cam.detector(workers)
	overlay, err := pipeline.NewOverlay(m.Classes)
	if err != nil {
		return err
	}
	cam.preview = stream.NewBroadcaster(stream.BroadcasterConfig{
		Name:     s.Name,
		FPS:      s.previewFPS,
		Bitrate:  s.bitrate,
		Encoders: enc,
		Draw:     overlay.Draw,
		NoRelay:  noRelay(s),
		RelayFPS: s.previewFPS,
		Tracks:   func(at time.Time, _ image.Point) []tracker.Track { return cam.pipe.Tracks().At(at) },
		Latency:  func() time.Duration { return cam.pipe.Stats().ToDetected.P95 },
		Log:      cam.log,
	})
	cfg := pipeline.Config{
		Name:       s.Name,
		Source:     cam.source,
		Detector:   detector,
		Tracker:    tracker.New(s.tracker),
		Scores:     s.scores,
		Sink:       cam.preview,
		DetectFPS:  s.detectFPS,
		PreviewFPS: s.previewFPS,
		Input:      s.input,
		Resize:     resize,
		OnTracks:   cam.preview.Detected,
		Log:        cam.log,
	}
	if cam.second != nil {
		cfg.DetectSource = cam.second
	}
	cam.pipe, err = pipeline.New(cfg)
	return err
}

// openSources makes the camera's one or two sources, at rest. What is viewed also gives its access units to the preview.
func (cam *camera) openSources() (err error) {
	s := cam.settings
	var relay func(*pipeline.AccessUnit)
	if noRelay(s) == "" {
		relay = func(u *pipeline.AccessUnit) { cam.preview.Unit(u) }
	}
	if s.DetectSource == "" {
		cam.source, err = cam.reopening(s.Source, cam.log, cam.needed(s.detectFPS), relay)
		return err
	}
	if cam.source, err = cam.reopening(s.Source, cam.log, cam.needed(unwatchedFPS), relay); err != nil {
		return err
	}
	cam.second, err = cam.reopening(s.DetectSource, cam.log.With().Str("stream", "detect_source").Logger(),
		func() float64 { return s.detectFPS }, nil)
	return err
}

// noRelay is why viewers may not get the camera's own stream as it is; empty if they may. A mask is there for privacy: what
// comes from the camera is not masked, and neither turned nor cropped.
func noRelay(s cameraSettings) string {
	switch {
	case len(s.Mask) > 0:
		return "parts of the picture are masked"
	case !viewOf(s.Camera).Zero():
		return "the picture is turned, flipped or cropped"
	}
	return ""
}

// unwatchedFPS is how many frames a second are decoded of a stream that is only for viewing while nobody does: enough to
// know that it lives.
const unwatchedFPS = 0.2

// needed is how many frames a second are of use: all while somebody watches, else so many.
func (cam *camera) needed(unwatched float64) func() float64 {
	return func() float64 {
		if cam.preview.Wants() != 0 {
			return math.Inf(1)
		}
		return unwatched
	}
}

// reopening is a source of this camera that comes back by itself. onUnit gets its access units; nil: nobody does.
func (cam *camera) reopening(spec string, log zerolog.Logger, need func() float64, onUnit func(*pipeline.AccessUnit)) (*capture.Reopening, error) {
	s := cam.settings
	speed, err := capture.ParseSpeed(s.Speed)
	if err != nil {
		return nil, err
	}
	opt := capture.Options{
		Loop: s.Loop, Speed: speed, Dir: s.dir, Log: log, View: viewOf(s.Camera),
		Transport: s.Transport, TLSInsecure: !s.TLSVerify, TLSFingerprint: s.TLSFingerprint,
		Live: live.Options{Need: need, OnUnit: onUnit, Stuck: &live.Stuck{}},
	}
	open := func(ctx context.Context) (pipeline.Source, error) { return capture.Open(ctx, spec, opt) }
	return capture.NewReopening(open, capture.ReopeningOptions{Log: log, RetryMax: s.retryMax}), nil
}

// retry tries sources that are down now, and says whether one waited.
func (cam *camera) retry() bool {
	did := cam.source.Retry()
	if cam.second != nil && cam.second.Retry() {
		did = true
	}
	return did
}

// viewOf is how the configuration wants a camera's picture to be shown.
func viewOf(c config.Camera) capture.View {
	v := capture.View{
		Rotate: c.Rotate, Crop: c.Crop,
		FlipX: c.Flip == "horizontal" || c.Flip == "both", FlipY: c.Flip == "vertical" || c.Flip == "both",
	}
	for _, polygon := range c.Mask {
		points := make([]capture.Point, len(polygon))
		for i, p := range polygon {
			points[i] = capture.Point{X: p[0], Y: p[1]}
		}
		v.Masks = append(v.Masks, points)
	}
	return v
}

// start runs the camera until halt, or until ctx ends.
func (cam *camera) start(ctx context.Context) {
	ctx, cam.stop = context.WithCancel(ctx)
	cam.done = make(chan struct{})
	go func() {
		defer close(cam.done)
		cam.run(ctx)
	}()
}

// halt ends a camera that was started and joins it.
func (cam *camera) halt() {
	if cam.stop == nil {
		return
	}
	cam.stop()
	<-cam.done
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
		Stats: cam.stats, Tracks: cam.pipe.Tracks, Broadcaster: cam.preview, Retry: cam.retry,
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
	if cam.second != nil {
		errs = append(errs, cam.second.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close camera %q: %w", cam.name, err)
	}
	return nil
}
