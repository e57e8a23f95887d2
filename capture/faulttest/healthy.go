package faulttest

import (
	"context"
	"fmt"
	"time"

	"yfv2d/capture"
	"yfv2d/capture/rtsp/rtsptest"
)

// healthy is the camera that nothing happens to.
type healthy struct {
	*camera
	peer *rtsptest.Server
}

func startHealthy(b *bench, cfg Config) (h *healthy, err error) {
	h = &healthy{}
	err = b.try(func() { h.peer = rtsptest.Start(b, rtsptest.Config{Clip: rtsptest.PatternH264().First(keyInterval)}) })
	if err != nil {
		return nil, err
	}
	h.camera, err = startCamera(b, cfg, h.peer.URL(), capture.Options{})
	return h, err
}

// tally is what its peer sent, and what came of it.
type tally struct{ sent, units, captured uint64 }

func (h *healthy) tally() tally {
	sent := h.peer.Pictures() // first, so that no unit is ahead of it
	l := h.pipe.Stats().Ledger
	return tally{sent, l.Units, l.Captured}
}

// Of the pictures that the healthy camera sent, so many may be missing: those that were on their way when the count began, and of
// frames also those that a busy machine is too late for.
const (
	onTheirWay = 3
	lateParts  = 10 // one in so many
)

// check says what was wrong with it since before. All that it sent comes in, if not at once.
func (h *healthy) check(ctx context.Context, cfg Config, before tally) (problems []string) {
	now := h.tally()
	sent := now.sent - before.sent
	due := func() bool { return now.units-before.units+onTheirWay < sent || now.captured == before.captured }
	for end := time.Now().Add(cfg.Guard); due() && time.Now().Before(end) && ctx.Err() == nil; now = h.tally() {
		time.Sleep(10 * time.Millisecond)
	}
	units, captured := now.units-before.units, now.captured-before.captured
	if units+onTheirWay < sent {
		problems = append(problems, fmt.Sprintf("of the healthy camera, %d units came of %d pictures", units, sent))
	}
	if least := units - min(units, onTheirWay+units/lateParts); captured == 0 || cfg.Clock && captured < least {
		problems = append(problems, fmt.Sprintf("of the healthy camera, %d frames came of %d units", captured, units))
	}
	openings, changes, more := h.story()
	for _, ch := range changes {
		if cfg.Clock || ch.down() {
			problems = append(problems, "the healthy camera: "+ch.Message+": "+ch.Reason)
		}
	}
	for _, p := range more {
		problems = append(problems, "the healthy camera: "+p)
	}
	if len(openings) != 1 {
		problems = append(problems, fmt.Sprintf("the healthy camera was opened %d times", len(openings)))
	}
	return problems
}
