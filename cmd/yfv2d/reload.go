package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"

	"yfv2d/capture"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/pipeline"
	"yfv2d/stream"
)

// fleet is the cameras at work, in the order of the configuration.
type fleet struct {
	change  sync.Mutex // held for the length of a reload
	ctx     context.Context
	mu      sync.Mutex
	cameras []*camera // guarded by mu
}

func (f *fleet) list() []*camera {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.cameras)
}

func (f *fleet) set(cameras []*camera) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cameras = cameras
}

// broadcaster is a camera's live picture, nil if there is no such camera.
func (f *fleet) broadcaster(name string) *stream.Broadcaster {
	for _, c := range f.list() {
		if c.name == name {
			return c.preview
		}
	}
	return nil
}

// shown is what the server shows.
func (f *fleet) shown() []stream.Camera {
	var out []stream.Camera
	for _, c := range f.list() {
		out = append(out, c.shown())
	}
	return out
}

// stats is each camera's condition, by name.
func (f *fleet) stats() map[string]pipeline.Stats {
	out := map[string]pipeline.Stats{}
	for _, c := range f.list() {
		out[c.name] = c.stats()
	}
	return out
}

// viewers is how many watch a live picture now.
func (f *fleet) viewers() int {
	n := 0
	for _, c := range f.list() {
		n += c.preview.Stats().Viewers
	}
	return n
}

// start runs all cameras until halt, or until ctx ends.
func (f *fleet) start(ctx context.Context) {
	f.change.Lock()
	defer f.change.Unlock()
	f.ctx = ctx
	for _, c := range f.list() {
		c.start(ctx)
	}
}

// halt ends all cameras and joins them; a reload that comes later finds ctx ended.
func (f *fleet) halt() {
	f.change.Lock()
	defer f.change.Unlock()
	for _, c := range f.list() {
		c.halt()
	}
}

func (f *fleet) close() error {
	var errs []error
	for _, c := range f.list() {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// settings are those of the enabled cameras of a configuration, with what no reload changes taken from the start.
func (d *daemon) settings(cfg *config.Config) []cameraSettings {
	now := *cfg
	now.Detect.Score, now.Detect.NMS = d.cfg.Detect.Score, d.cfg.Detect.NMS
	now.Detect.Classes, now.Detect.ClassScores = d.cfg.Detect.Classes, d.cfg.Detect.ClassScores
	now.Tracker.LowScore = d.cfg.Tracker.LowScore
	var out []cameraSettings
	for i := range now.Cameras {
		if c := &now.Cameras[i]; c.Enabled {
			out = append(out, settingsOf(&now, c, d.model))
		}
	}
	return out
}

// reloadOnHangup reloads at each SIGHUP until ctx ends.
func (d *daemon) reloadOnHangup(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_, _ = d.reload(ctx) // it logs what it does and why not
		}
	}
}

// reload reads the configuration again and changes the cameras that differ. On an error nothing has changed.
func (d *daemon) reload(context.Context) (stream.Reloaded, error) {
	d.fleet.change.Lock()
	defer d.fleet.change.Unlock()
	defer d.notify.reloading()()
	done, err := d.reloadLocked()
	if err != nil {
		d.log.Error().Str("reason", capture.Redact(err.Error())).Msg("configuration not reloaded; nothing has changed")
		return done, errors.New(capture.Redact(err.Error()))
	}
	d.log.Info().Strs("added", done.Added).Strs("removed", done.Removed).Strs("changed", done.Changed).
		Int("kept", len(done.Kept)).Msg("configuration reloaded")
	if len(done.Restart) > 0 {
		d.log.Warn().Strs("keys", done.Restart).Msg("these keys take effect at the next start")
	}
	return done, nil
}

func (d *daemon) reloadLocked() (done stream.Reloaded, err error) {
	if d.fleet.ctx == nil || d.fleet.ctx.Err() != nil {
		return done, errors.New("the daemon is not running")
	}
	cfg, err := d.read()
	if err != nil {
		return done, err
	}
	old := map[string]*camera{}
	for _, c := range d.fleet.list() {
		old[c.name] = c
	}
	done = stream.Reloaded{Added: []string{}, Removed: []string{}, Changed: []string{}, Kept: []string{}, Restart: needRestart(d.cfg, cfg)}
	var next, fresh []*camera
	for _, s := range d.settings(cfg) {
		before := old[s.Name]
		if before != nil && reflect.DeepEqual(before.settings, s) {
			delete(old, s.Name)
			next, done.Kept = append(next, before), append(done.Kept, s.Name)
			continue
		}
		cam, err := newCamera(s, d.model, d.workers, d.encoders.Encoders, d.log)
		if err != nil {
			return done, errors.Join(err, closeAll(fresh))
		}
		next, fresh = append(next, cam), append(fresh, cam)
		if before != nil {
			done.Changed = append(done.Changed, s.Name)
		} else {
			done.Added = append(done.Added, s.Name)
		}
	}
	for name := range old {
		if !slices.Contains(done.Changed, name) {
			done.Removed = append(done.Removed, name)
		}
	}
	slices.Sort(done.Removed)
	d.replace(old, next, fresh)
	return done, nil
}

// replace ends the cameras of old, which may hold a device that a new one wants, and starts the fresh ones of next.
func (d *daemon) replace(old map[string]*camera, next, fresh []*camera) {
	for _, c := range old {
		c.halt()
	}
	d.fleet.set(next)
	if err := d.server.SetCameras(d.fleet.shown()); err != nil {
		d.log.Error().Err(err).Msg("show the new cameras") // the configuration has checked their names
	}
	for _, c := range fresh {
		c.start(d.fleet.ctx)
	}
	for _, c := range old {
		if err := c.close(); err != nil {
			d.log.Error().Err(err).Msg("camera taken out")
		}
	}
}

func closeAll(cameras []*camera) error {
	var errs []error
	for _, c := range cameras {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// needRestart names the keys that differ and that only a start takes in: what all cameras share, and the server.
func needRestart(old, now *config.Config) []string {
	keys := []string{}
	for _, k := range []struct {
		name     string
		old, now any
	}{
		{"model", old.Model, now.Model},
		{"log", old.Log, now.Log},
		{"server", old.Server, now.Server},
		{"detect.score", old.Detect.Score, now.Detect.Score},
		{"detect.nms", old.Detect.NMS, now.Detect.NMS},
		{"detect.classes", strings.Join(old.Detect.Classes, "\n"), strings.Join(now.Detect.Classes, "\n")},
		{"detect.class_scores", fmt.Sprint(old.Detect.ClassScores), fmt.Sprint(now.Detect.ClassScores)},
		{"detect.engine", old.Detect.Engine, now.Detect.Engine},
		{"detect.workers", old.Detect.Workers, now.Detect.Workers},
		{"preview.encoder", old.Preview.Encoder, now.Preview.Encoder},
		{"tracker.low_score", old.Tracker.LowScore, now.Tracker.LowScore},
	} {
		if !reflect.DeepEqual(k.old, k.now) {
			keys = append(keys, k.name)
		}
	}
	return keys
}
