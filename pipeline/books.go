package pipeline

import (
	"image"
	"sync"
)

// books are a source's counters. Each frame is entered once and moved once out of flight on either side, under one
// mutex, so that every reading balances.
type books struct {
	clock             Clock
	previews, detects bool // the sides that its frames are for; the other source's side ends at once

	mu     sync.Mutex // guards what follows
	ledger Ledger
	source SourceStatus
	size   image.Point
	input  image.Point

	captureRate, detectRate, previewRate rate
}

// captured enters a frame.
func (b *books) captured(size image.Point) {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.Captured++
	enter(b.previews, &b.ledger.PreviewInFlight, &b.ledger.PreviewDropped.OtherSource)
	enter(b.detects, &b.ledger.DetectInFlight, &b.ledger.DetectDropped.OtherSource)
	b.size = size
	b.captureRate.add(now)
	if b.source.State != Live {
		b.source = SourceStatus{State: Live, Since: now}
	}
}

func enter(served bool, inFlight, otherSource *uint64) {
	if !served {
		inFlight = otherSource
	}
	*inFlight++
}

// previewed ends the preview side of a frame that reached the sink.
func (b *books) previewed() {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.PreviewInFlight--
	b.ledger.Previewed++
	b.previewRate.add(now)
}

// detected ends the detect side of a frame that the network has looked at.
func (b *books) detected(input image.Point) {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.DetectInFlight--
	b.ledger.Detected++
	b.input = input
	b.detectRate.add(now)
}

// dropPreview ends the preview side of a frame; reason points into PreviewDrops.
func (b *books) dropPreview(reason func(*PreviewDrops) *uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.PreviewInFlight--
	*reason(&b.ledger.PreviewDropped)++
}

// dropDetect ends the detect side of a frame.
func (b *books) dropDetect(reason func(*DetectDrops) *uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ledger.DetectInFlight--
	*reason(&b.ledger.DetectDropped)++
}

// dropCaptured ends all sides of a frame that never left the capture slot, as one entry.
func (b *books) dropCaptured(shutdown bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	preview, detect := &b.ledger.PreviewDropped.CaptureSlot, &b.ledger.DetectDropped.CaptureSlot
	if shutdown {
		preview, detect = &b.ledger.PreviewDropped.Shutdown, &b.ledger.DetectDropped.Shutdown
	}
	if b.previews {
		b.ledger.PreviewInFlight--
		*preview++
	}
	if b.detects {
		b.ledger.DetectInFlight--
		*detect++
	}
}

// setSource notes the source's state.
func (b *books) setSource(state SourceState, reason string) {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.source = SourceStatus{State: state, Since: now, Reason: reason}
}

// newestSize is that of the newest frame, zero before the first.
func (b *books) newestSize() image.Point {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// stats reads everything but the latencies.
func (b *books) stats() Stats {
	now := b.clock.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{
		Source: b.source, Size: b.size, Input: b.input, Ledger: b.ledger,
		CaptureFPS: b.captureRate.perSecond(now),
		DetectFPS:  b.detectRate.perSecond(now),
		PreviewFPS: b.previewRate.perSecond(now),
	}
}
