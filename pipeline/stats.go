package pipeline

import (
	"fmt"
	"image"
	"time"
)

// Ledger accounts for every frame of a source since it started; it is read as one snapshot and always balances:
//
//	Captured = Previewed + PreviewDropped.Sum() + PreviewInFlight
//	Captured = Detected + DetectDropped.Sum() + DetectInFlight
//
// and before them, of a source with access units,
//
//	Units = Captured + DecodeError + NotDecoded + UnitsInFlight
//
// All InFlight are 0 after Run and the source's Close. A camera whose network looks at a source of its own has two ledgers,
// and the same holds for each: a frame that is for the other source's side only is counted there as OtherSource.
type Ledger struct {
	Units           uint64       `json:"units"` // access units that came in; 0 if the source has none
	DecodeError     uint64       `json:"decode_error"`
	NotDecoded      uint64       `json:"not_decoded"`
	UnitsInFlight   uint64       `json:"units_in_flight"`
	Captured        uint64       `json:"captured"` // frames that Source.Read returned
	Previewed       uint64       `json:"previewed"`
	PreviewDropped  PreviewDrops `json:"preview_dropped"`
	PreviewInFlight uint64       `json:"preview_in_flight"`
	Detected        uint64       `json:"detected"`
	DetectDropped   DetectDrops  `json:"detect_dropped"`
	DetectInFlight  uint64       `json:"detect_in_flight"`
}

// PreviewDrops counts frames that reached no viewer, by reason.
type PreviewDrops struct {
	CaptureSlot   uint64 `json:"capture_slot"` // a newer frame came before the letterbox stage took this one
	PreviewSlot   uint64 `json:"preview_slot"` // a newer frame came before the overlay stage took this one
	NoViewer      uint64 `json:"no_viewer"`
	NotDue        uint64 `json:"not_due"` // preview.fps, or what viewers of moving JPEG pictures ask for
	EncodeSkipped uint64 `json:"encode_skipped"`
	OtherSource   uint64 `json:"other_source"` // the preview shows the camera's other source; 0 with one source
	Failed        uint64 `json:"failed"`
	Shutdown      uint64 `json:"shutdown"`
}

// Sum is the number of frames in all reasons.
func (d PreviewDrops) Sum() uint64 {
	return d.CaptureSlot + d.PreviewSlot + d.NoViewer + d.NotDue + d.EncodeSkipped + d.OtherSource + d.Failed + d.Shutdown
}

// DetectDrops counts frames that were not looked at by the network, by reason.
type DetectDrops struct {
	CaptureSlot uint64 `json:"capture_slot"`
	DetectSlot  uint64 `json:"detect_slot"`  // a newer canvas came before the inference stage took this one
	NotDue      uint64 `json:"not_due"`      // detect.fps
	Gated       uint64 `json:"gated"`        // nothing moved (no gate exists yet, always 0)
	OtherSource uint64 `json:"other_source"` // the network looks at the camera's other source; 0 with one source
	Failed      uint64 `json:"failed"`
	Shutdown    uint64 `json:"shutdown"`
}

// Sum is the number of frames in all reasons.
func (d DetectDrops) Sum() uint64 {
	return d.CaptureSlot + d.DetectSlot + d.NotDue + d.Gated + d.OtherSource + d.Failed + d.Shutdown
}

// Check says whether the ledger balances, and by how much not.
func (l Ledger) Check() error {
	if sum := l.Captured + l.DecodeError + l.NotDecoded + l.UnitsInFlight; l.Units > 0 && sum != l.Units {
		return fmt.Errorf("%d of %d access units are accounted for: %+v", sum, l.Units, l)
	}
	if sum := l.Previewed + l.PreviewDropped.Sum() + l.PreviewInFlight; sum != l.Captured {
		return fmt.Errorf("preview side accounts for %d of %d frames: %+v", sum, l.Captured, l)
	}
	if sum := l.Detected + l.DetectDropped.Sum() + l.DetectInFlight; sum != l.Captured {
		return fmt.Errorf("detect side accounts for %d of %d frames: %+v", sum, l.Captured, l)
	}
	return nil
}

// withUnits enters a source's access units. They were read after the rest, so none in flight is counted twice; the
// difference to what was captured is in flight.
func (l Ledger) withUnits(u UnitCounts) Ledger {
	if u.Units == 0 {
		return l
	}
	l.Units, l.DecodeError, l.NotDecoded = u.Units, u.DecodeError, u.NotDecoded
	l.UnitsInFlight = u.Units - min(u.Units, l.Captured+u.DecodeError+u.NotDecoded)
	return l
}

// Quantiles of a latency since the start of the pipeline (or its last few minutes); zero before the first sample.
type Quantiles struct {
	Count         uint64
	P50, P95, P99 time.Duration
	Max           time.Duration
}

// Stats is a camera's condition as one snapshot.
type Stats struct {
	Source     SourceStatus
	Size       image.Point // of the newest frame, zero before the first
	Input      image.Point // of the newest canvas
	CaptureFPS float64     // over the last seconds
	DetectFPS  float64
	PreviewFPS float64
	Ledger     Ledger
	ToCanvas   Quantiles // capture -> canvas made
	ToDetected Quantiles // capture -> detections known
	DetectTime Quantiles // the detector's own time

	// DetectSource is the source that the network looks at, nil if that is the one that is shown. Source, Size, CaptureFPS
	// and Ledger are of the latter.
	DetectSource *SourceStats
}

// SourceStats is the condition of one of a camera's two sources.
type SourceStats struct {
	Status     SourceStatus
	Size       image.Point
	CaptureFPS float64
	Ledger     Ledger
}

// DetectLedger accounts for the frames that the network is there for: it says what became of them on the detect side.
func (s Stats) DetectLedger() Ledger {
	if s.DetectSource != nil {
		return s.DetectSource.Ledger
	}
	return s.Ledger
}
