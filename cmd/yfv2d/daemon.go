package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/access"
	"yfv2d/certificate"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/stream"
)

// daemon is the whole program at work: one pool of engines, a pipeline for each camera, one server.
type daemon struct {
	cfg         *config.Config                 // of the start; reloads change cameras only
	read        func() (*config.Config, error) // reads the configuration again
	log         zerolog.Logger
	model       *model.Model
	engine      engine
	workers     *infer.Workers
	encoders    encoders
	fleet       fleet
	whep        *stream.WHEP
	server      *stream.Server
	notify      *notifier
	access      *access.Keeper      // nil: nobody has to log in
	terminal    io.Writer           // where a person looks on; nil: a service
	certificate *certificate.Keeper // nil without TLS
}

// newDaemon makes all parts, at rest. read gives the configuration anew at a reload. On error nothing is left open.
func newDaemon(cfg *config.Config, read func() (*config.Config, error), log zerolog.Logger) (*daemon, error) {
	d := &daemon{cfg: cfg, read: read, log: log}
	if err := d.open(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *daemon) open() (err error) {
	if d.model, err = model.Load(d.cfg.Model); err != nil {
		return exitError{exitConfig, err}
	}
	if err := d.openWorkers(); err != nil {
		return err
	}
	if err := d.openAccess(); err != nil {
		return err
	}
	if d.encoders, err = builtEncoders(d.log).choose(d.cfg.Preview.Encoder); err != nil {
		return err
	}
	for _, settings := range d.settings(d.cfg) {
		cam, err := newCamera(settings, d.model, d.workers, d.encoders.Encoders, d.log)
		if err != nil {
			return err
		}
		d.fleet.cameras = append(d.fleet.cameras, cam)
	}
	return d.openServer()
}

// openWorkers makes the engines that all cameras share. They find what the trackers may use; pipelines tell less of it.
func (d *daemon) openWorkers() (err error) {
	th := thresholds(d.cfg.Detect, d.model)
	low := th.Lowered(float32(d.cfg.Tracker.LowScore))
	if _, err := infer.NewDecoder(d.model.Head, th); err != nil {
		return fmt.Errorf("model %s: %w", d.model.Name, err)
	}
	if d.engine, err = builtEngines.keeping(inputSizes(d.cfg)).choose(d.cfg.Detect.Engine, d.model, d.cfg.Detect.InputSize()); err != nil {
		return err
	}
	d.workers, err = infer.NewWorkers(d.cfg.Detect.Workers, func() (infer.Detector, error) {
		e, err := d.engine.new(d.model)
		if err != nil {
			return nil, err
		}
		return infer.NewDetector(e, d.model.Head, low), nil
	})
	return err
}

// inputSizes is how many input sizes an engine keeps ready: as many as cameras may need, disabled ones too since a reload
// may enable them, and one for a camera that changes its picture.
func inputSizes(c *config.Config) int {
	if c.Detect.InputSize() != (image.Point{}) {
		return 2
	}
	return max(len(c.Cameras), 1) + 1
}

// thresholds are the configured ones by class number. The configuration has checked the names.
func thresholds(c config.Detect, m *model.Model) infer.Thresholds {
	number := map[string]int{}
	for i, name := range m.Classes {
		number[name] = i
	}
	th := infer.Thresholds{Score: float32(c.Score), NMS: float32(c.NMS), Class: map[int]float32{}}
	if c.Score == 0 {
		th.Score = m.DefaultScore
	}
	for _, name := range c.Classes {
		th.Only = append(th.Only, number[name])
	}
	for name, score := range c.ClassScores {
		th.Class[number[name]] = float32(score)
	}
	return th
}

func (d *daemon) openServer() (err error) {
	d.notify = newNotifier(d.fleet.stats, d.fleet.viewers, d.log)
	if d.whep, err = stream.NewWHEP(d.whepConfig()); err != nil {
		return err
	}
	cfg := stream.Config{
		Cameras:     d.fleet.shown(),
		Listen:      d.cfg.Server.Listen,
		Hosts:       d.cfg.Server.Hosts,
		AllowOpen:   d.cfg.Server.AllowOpen,
		Access:      d.access,
		CORSOrigins: d.cfg.Server.CORSOrigins,
		Version:     serverVersion(d.model, d.engine),
		Log:         d.log,
		WHEP:        d.whep,
		Reload:      d.reload,
		Setup:       d.setup,

		TrustedProxies: d.cfg.Server.Proxies(),
		BasePath:       d.cfg.Server.BasePath,
	}
	if err := d.secureServer(&cfg); err != nil {
		return err
	}
	d.server, err = stream.New(cfg)
	return err
}

// whepConfig is how live pictures get to viewers.
func (d *daemon) whepConfig() stream.WHEPConfig {
	c := d.cfg.WebRTC
	cfg := stream.WHEPConfig{
		Cameras:         d.fleet.broadcaster,
		MaxPerCamera:    c.MaxViewersPerCamera,
		MaxViewers:      c.MaxViewers,
		Port:            c.Port,
		TCP:             c.TCP,
		Interfaces:      c.Interfaces,
		IncludeLoopback: true, // a browser on this machine
		PublicIPs:       c.PublicIPs,
		MaxPlayoutDelay: time.Duration(c.PlayoutDelayMaxMs) * time.Millisecond,
		Log:             d.log,
	}
	for _, s := range c.Servers() {
		cfg.ICEServers = append(cfg.ICEServers, stream.ICEServer{URLs: []string{s.URL}, Username: s.Username, Credential: s.Credential})
	}
	return cfg
}

// run serves until ctx ends, then stops everything and joins it. Its only errors are those that no retry can mend.
func (d *daemon) run(ctx context.Context) error {
	if err := d.firstAdmin(ctx); err != nil {
		return err
	}
	if err := d.server.Listen(ctx); err != nil {
		return err
	}
	d.announce()
	returnMemory()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	d.fleet.start(ctx)
	wg.Add(3)
	go func() {
		defer wg.Done()
		d.notify.run(ctx)
	}()
	go func() {
		defer wg.Done()
		d.reloadOnHangup(ctx)
	}()
	go func() {
		defer wg.Done()
		if err := d.server.Run(ctx); err != nil {
			cancel(err)
		}
	}()
	if d.access != nil {
		wg.Add(1)
		go func() {
			defer wg.Done()
			d.access.Run(ctx)
		}()
	}
	<-ctx.Done()
	asked := time.Now()
	d.fleet.halt()
	wg.Wait()
	d.log.Info().Dur("took_ms", time.Since(asked)).Msg("stopped")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// announce says what runs and where to look at it.
func (d *daemon) announce() {
	v := currentVersion()
	th := thresholds(d.cfg.Detect, d.model)
	start := d.log.Info().Str("version", v.Version).Str("engine", d.engine.name)
	if d.engine.ms > 0 {
		start = start.Float64("forward_ms", d.engine.ms)
	}
	if d.engine.choice != "" {
		start = start.Str("engine_choice", d.engine.choice)
	}
	start.Str("opencv", v.OpenCV).Str("model", d.model.Name).
		Float32("score", th.Score).Int("cameras", len(d.fleet.cameras)).Msg("yfv2d starts")
	if d.engine.warning != "" {
		d.log.Warn().Msg(d.engine.warning)
	}
	d.encoders.tell(d.log)
	if n := modelNotes(d.model); n.Better != "" {
		d.log.Info().Msg(n.Note + "; " + n.Better)
	}
	if len(d.fleet.cameras) == 0 {
		d.log.Warn().Str("file", d.cfg.Path).Msg("no camera configured; add a [[camera]] with name and source, then reload")
	}
	for i, url := range d.server.URLs() {
		if i == 0 {
			d.log.Info().Str("url", url).Msg("open this page")
			continue
		}
		d.log.Info().Str("url", url).Msg("from other machines")
	}
	if d.certificate != nil {
		tellCertificate(d.log, d.certificate.Info())
	}
	if readable(d.cfg.Server) {
		d.log.Warn().Msg("passwords and pictures cross the network readable: set server.tls = \"self-signed\", or files of a certificate")
	}
	d.announceAccess()
}

// close frees all parts, the users of a part before it. It may be called on a daemon that was half made.
func (d *daemon) close() error {
	var errs []error
	if d.whep != nil {
		errs = append(errs, d.whep.Close())
	}
	errs = append(errs, d.fleet.close())
	if d.workers != nil {
		errs = append(errs, d.workers.Close())
	}
	return errors.Join(errs...)
}
