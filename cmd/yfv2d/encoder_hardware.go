package main

import (
	"fmt"
	"sync"
	"time"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

// hardwareRest is how long the machine's own encoder is left alone after it failed at work.
const hardwareRest = time.Minute

// hardware makes encoders of the machine's own, for all cameras, and openh264's where that fails. Until it has coded a frame
// its failures are the caller's: the trial at the start is to see them.
type hardware struct {
	encoderSet

	mu       sync.Mutex
	worked   bool
	rest     time.Time // it failed at work: not to be used until then
	failures int
}

func (s encoderSet) hardware() newEncoder { return (&hardware{encoderSet: s}).new }

func (h *hardware) new(cfg stream.EncoderConfig) (stream.Encoder, error) {
	worked, rests := h.condition()
	if rests {
		return h.openh264(cfg)
	}
	enc, err := h.v4l2m2m(cfg)
	if err == nil {
		return &hardwareEncoder{enc, h}, nil
	}
	if !worked {
		return nil, err
	}
	h.tell(fmt.Errorf("%dx%d at %d bit/s: %w", cfg.Size.X, cfg.Size.Y, cfg.Bitrate, err))
	return h.openh264(cfg)
}

func (h *hardware) condition() (worked, rests bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.worked, time.Now().Before(h.rest)
}

// coded notes how a frame went.
func (h *hardware) coded(err error) {
	h.mu.Lock()
	failed := err != nil && h.worked
	if failed {
		h.rest = time.Now().Add(hardwareRest)
	}
	h.worked = h.worked || err == nil
	h.mu.Unlock()
	if failed {
		h.tell(err)
	}
}

// tell logs the first failure where people see it.
func (h *hardware) tell(err error) {
	h.mu.Lock()
	h.failures++
	n := h.failures
	h.mu.Unlock()
	level := h.log.Debug
	if n == 1 {
		level = h.log.Warn
	}
	level().Err(err).Int("failures", n).Msg("the machine's own encoder failed: openh264 takes its place for now")
}

// hardwareEncoder tells hardware how its frames go.
type hardwareEncoder struct {
	stream.Encoder
	h *hardware
}

func (w *hardwareEncoder) Encode(f *pipeline.Frame, key bool) (pipeline.AccessUnit, error) {
	au, err := w.Encoder.Encode(f, key)
	w.h.coded(err)
	return au, err
}

func (w *hardwareEncoder) String() string { return encoderName(w.Encoder) }
