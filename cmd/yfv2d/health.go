package main

import (
	"fmt"
	"time"

	"yfv2d/pipeline"
)

const (
	// wedgedAfter is how long a stage may finish nothing, though frames were lost waiting for it, until it counts as
	// wedged. Ten cameras that share one slow engine take a few seconds for a turn each.
	wedgedAfter = 30 * time.Second
	// slowSteps is how many times its longest step the inference stage may take.
	slowSteps = 10
	// silentAfter is how long a source may give no frame and still call itself live. Its own watchdog looks after seconds.
	silentAfter = time.Minute
	// silentGaps is how many times the longest gap between frames a silence may last, for sources that are slow by nature.
	silentGaps = 5
	// overdue is how long a try may take that should have begun, or a first connection: openings end by themselves sooner.
	overdue = 2 * time.Minute
)

// health judges, from reading to reading, whether cameras work. One that is down and says so works as it should: only
// what no retry can mend, a stage that hangs, is a fault. It belongs to one goroutine.
type health struct {
	cameras map[string]*cameraHealth
}

type cameraHealth struct {
	letterbox, inference, overlay stageHealth
	capture                       silence
}

// judge says which camera is wedged, and where; nil if none is. A camera that is not read any more is forgotten.
func (h *health) judge(now time.Time, cameras map[string]pipeline.Stats) error {
	if h.cameras == nil {
		h.cameras = map[string]*cameraHealth{}
	}
	for name := range h.cameras {
		if _, there := cameras[name]; !there {
			delete(h.cameras, name)
		}
	}
	var fault error
	for name, st := range cameras {
		c := h.cameras[name]
		if c == nil {
			c = &cameraHealth{}
			h.cameras[name] = c
		}
		if reason := c.judge(now, st); reason != "" {
			fault = fmt.Errorf("camera %q: %s", name, reason)
		}
	}
	return fault
}

// judge enters one reading of a camera and says what hangs, or nothing.
func (c *cameraHealth) judge(now time.Time, st pipeline.Stats) string {
	seen, looked := st.Ledger, st.DetectLedger()
	letterboxed := looked.Detected + looked.DetectDropped.DetectSlot + looked.DetectDropped.NotDue + looked.DetectDropped.Failed
	detected := looked.Detected + looked.DetectDropped.Failed + looked.DetectDropped.Gated
	p := seen.PreviewDropped
	shown := seen.Previewed + p.NoViewer + p.NotDue + p.EncodeSkipped + p.Failed
	patience := inferencePatience(st)
	letterbox := c.letterbox.hangs(now, wedgedAfter, letterboxed, looked.DetectDropped.CaptureSlot)
	inference := c.inference.hangs(now, patience, detected, looked.DetectDropped.DetectSlot)
	overlay := c.overlay.hangs(now, wedgedAfter, shown, p.PreviewSlot)
	silent := c.capture.lasts(now, seen.Captured)
	if st.Source.State != pipeline.Live {
		return sourceFault(now, st.Source, silent)
	}
	switch {
	case letterbox:
		return fmt.Sprintf("the letterbox stage has taken no frame for %v", wedgedAfter)
	case inference:
		return fmt.Sprintf("the inference stage has finished nothing for %v", patience)
	case overlay:
		return fmt.Sprintf("the live picture's stage has finished nothing for %v", wedgedAfter)
	}
	return sourceFault(now, st.Source, silent)
}

// inferencePatience is how long the inference stage may take: a board that is slower by far than any that was thought of
// still works. Until it has finished once, nobody knows how long it takes.
func inferencePatience(st pipeline.Stats) time.Duration {
	if st.DetectTime.Count == 0 {
		return overdue
	}
	return max(wedgedAfter, slowSteps*st.DetectTime.Max)
}

// sourceFault is what is wrong with a source that does not do what it says; nothing with one that is honestly down.
func sourceFault(now time.Time, s pipeline.SourceStatus, silent bool) string {
	switch s.State {
	case pipeline.Live:
		if silent {
			return "the source calls itself live and gives no frame"
		}
	case pipeline.Stalled, pipeline.Connecting:
		if now.Sub(s.Since) > overdue && silent {
			return fmt.Sprintf("the source has been %s since %v and does not try again", s.State, now.Sub(s.Since).Round(time.Second))
		}
	case pipeline.Retrying:
		if now.Sub(s.NextTry) > overdue {
			return fmt.Sprintf("the source should have been tried again %v ago", now.Sub(s.NextTry).Round(time.Second))
		}
	}
	return ""
}

// stageHealth follows one stage: what it has finished, and what was lost because it did not take it. A stage that works
// finishes something after every loss: what took the lost one's place.
type stageHealth struct {
	done  uint64
	idle  uint64    // lost when done last changed
	since time.Time // of the first loss after that; zero: there was none
}

// hangs enters a reading and says whether nothing was finished for longer than patience.
func (s *stageHealth) hangs(now time.Time, patience time.Duration, done, lost uint64) bool {
	switch {
	case done != s.done || lost < s.idle:
		s.done, s.idle, s.since = done, lost, time.Time{}
	case lost > s.idle && s.since.IsZero():
		s.since = now
	}
	return !s.since.IsZero() && now.Sub(s.since) >= patience
}

// silence follows how long a source has given nothing.
type silence struct {
	frames  uint64
	since   time.Time     // of the newest frame
	longest time.Duration // gap before a frame
}

// lasts enters a reading and says whether the silence is longer than this source ever was silent, by far.
func (s *silence) lasts(now time.Time, frames uint64) bool {
	if s.since.IsZero() || frames != s.frames {
		if !s.since.IsZero() {
			s.longest = max(s.longest, now.Sub(s.since))
		}
		s.frames, s.since = frames, now
	}
	return now.Sub(s.since) > max(silentAfter, silentGaps*s.longest)
}
