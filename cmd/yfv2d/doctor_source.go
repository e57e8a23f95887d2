package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"time"

	"yfv2d/capture"
	"yfv2d/capture/live"
	"yfv2d/cmd/yfv2d/config"
	"yfv2d/pipeline"
)

const (
	// lookFor is how long a source is watched after its first picture.
	lookFor = 3 * time.Second
	// firstPicture is how long a source may take to its first picture: a key picture comes every 10 s with some cameras.
	firstPicture = 20 * time.Second
	// longKeys is a key picture interval that makes joining slow.
	longKeys = 5 * time.Second
)

// watched is what doctor sees of a source. The stream's reader and doctor write it.
type watched struct {
	mu       sync.Mutex
	codec    pipeline.Codec
	units    int
	lastUnit time.Time // capture time of the newest unit
	lastKey  time.Time
	keys     time.Duration // longest interval seen
	backward bool          // a unit was of an earlier time than the one before: B-frames
}

func (w *watched) unit(au *pipeline.AccessUnit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.codec = au.Codec
	w.units++
	w.backward = w.backward || au.At.Before(w.lastUnit)
	w.lastUnit = au.At
	if au.Key {
		if !w.lastKey.IsZero() {
			w.keys = max(w.keys, au.At.Sub(w.lastKey))
		}
		w.lastKey = au.At
	}
}

// sources opens every source of the configuration, all at once, and tells of them in the file's order.
func (d *doctor) sources(ctx context.Context, cfg *config.Config) {
	var all []chan finding
	for i := range cfg.Cameras {
		c := cfg.Cameras[i]
		if !c.Enabled {
			continue
		}
		for _, s := range []struct{ label, spec string }{{c.Name, c.Source}, {c.Name + " (detect_source)", c.DetectSource}} {
			if s.spec == "" {
				continue
			}
			found := make(chan finding, 1)
			all = append(all, found)
			go func() { found <- lookAtSource(ctx, s.label, s.spec, c, cfg.Dir) }()
		}
	}
	for _, found := range all {
		d.add(<-found)
	}
}

// lookAtSource opens a source and watches it for a while.
func lookAtSource(ctx context.Context, label, spec string, c config.Camera, dir string) finding {
	ctx, cancel := context.WithTimeout(ctx, firstPicture+lookFor)
	defer cancel()
	w := &watched{}
	start := time.Now()
	src, err := capture.Open(ctx, spec, capture.Options{
		Loop: c.Loop, Dir: dir, Transport: c.Transport, TLSInsecure: !c.TLSVerify, TLSFingerprint: c.TLSFingerprint,
		Live: live.Options{OnUnit: w.unit},
	})
	if err != nil {
		return sourceFailed(label, err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	if err := src.Read(ctx, f); err != nil {
		return sourceFailed(label, err)
	}
	first, size := time.Since(start), f.Size()
	n, begin, last := 0, f.At, f.At
	for time.Since(start) < first+lookFor {
		if err := src.Read(ctx, f); err != nil {
			if n == 0 { // a single picture, or it has ended
				break
			}
			return sourceFailed(label, fmt.Errorf("it failed after %d pictures: %w", n+1, err))
		}
		n++
		last = f.At
	}
	fps := 0.0
	if span := last.Sub(begin).Seconds(); n > 0 && span > 0 {
		fps = float64(n) / span
	}
	return w.finding(label, first, size, fps)
}

// finding is what is to be said of a source that gives pictures.
func (w *watched) finding(label string, first time.Duration, size image.Point, fps float64) finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("%s: first picture after %.1f s, %dx%d", label, first.Seconds(), size.X, size.Y)
	if fps > 0 {
		text += fmt.Sprintf(", %.1f a second", fps)
	}
	f := finding{What: text}
	if w.units == 0 {
		return f
	}
	f.What += ", " + string(w.codec)
	switch {
	case w.codec == pipeline.JPEG:
	case w.keys > 0:
		f.What += fmt.Sprintf(", a key picture every %.1f s", w.keys.Seconds())
	default:
		f.What += fmt.Sprintf(", no second key picture within %.0f s", lookFor.Seconds())
	}
	switch {
	case w.backward:
		f.Grade, f.Fix = warn, "B-frames delay the picture: choose the Baseline or Main profile without them in the camera's settings"
	case w.keys > longKeys:
		f.Grade, f.Fix = warn, "set the key frame (I-frame) interval to 1 or 2 s in the camera's settings: it shortens every start"
	}
	return f
}

func sourceFailed(label string, err error) finding {
	f := finding{Grade: fail, What: fmt.Sprintf("%s: %s", label, capture.Redact(err.Error()))}
	if errors.Is(err, context.DeadlineExceeded) {
		f.What = fmt.Sprintf("%s: no picture within %.0f s", label, firstPicture.Seconds())
		f.Fix = "is the camera on, is its address right, does it send to this machine?"
	}
	return f
}
