package pipeline

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// DefaultPreviewFPS bounds the preview of a camera whose PreviewFPS is not set.
const DefaultPreviewFPS = 30

// Detector finds objects on a canvas; infer.Workers is one. It borrows c for the call, waits for its turn as long as
// ctx allows, and says how long the network itself took. Boxes are in source pixels; the slice is the caller's.
type Detector interface {
	Detect(ctx context.Context, c *infer.Canvas) ([]infer.Detection, time.Duration, error)
}

// SharedDetector is a Detector that serves several cameras in turn. DetectNewest asks for the canvas when the turn has
// come, so that it is the newest then; newest does not wait. last is when the camera had its last turn.
type SharedDetector interface {
	Detector
	DetectNewest(ctx context.Context, last time.Time, newest func() (*infer.Canvas, error)) ([]infer.Detection, time.Duration, error)
}

var _ SharedDetector = (*infer.Workers)(nil)

// Config is what a pipeline is made of. It closes none of these: Source, Detector and Sink belong to whoever made them.
type Config struct {
	Name       string           // for log lines
	Source     Source           // nil if only Step is used
	Detector   Detector         // usually the process's infer.Workers
	Tracker    *tracker.Tracker // nil: detections get no identities and frames no boxes. Used by one goroutine only
	Sink       Sink             // nil: nobody ever watches
	DetectFPS  float64          // detections a second on average, by capture time; 0: every frame
	PreviewFPS float64          // 0: the camera's, at most DefaultPreviewFPS
	Input      image.Point      // canvas size; zero: the one that fits the frame
	Resize     infer.Resize
	Clock      Clock // nil: the real one
	Log        zerolog.Logger

	// Scores, by class number, decide what is told of detections (by Step and OnDetections): only those with a greater
	// score. The tracker gets all that Detector finds, so weaker ones may continue a track. A class beyond the slice
	// is told whatever its score.
	Scores []float32

	// OnDetections, if set, is called by the inference goroutine (or by Step) after each detection; it must not block.
	// dets is borrowed; snap is nil without a tracker.
	OnDetections func(seq uint64, at time.Time, dets []infer.Detection, snap *tracker.Snapshot)
}

// Pipeline carries the frames of one camera. Stats and Tracks are safe from any goroutine.
type Pipeline struct {
	cfg     Config
	clock   Clock
	pool    *Pool
	spare   chan *Canvas // canvases at rest; capacity canvases, so that giving one back never waits
	boxer   *Letterboxer // letterbox goroutine, or Step's caller
	step    *Canvas      // Step's own
	books   books
	newest  atomic.Pointer[published]
	running atomic.Bool // Run or Step is at work
	closed  bool        // Close's own; guarded by running

	seq uint64 // of the newest frame; capture goroutine

	inSize   image.Point // of the frames the tracker knows; inference goroutine, or Step's caller
	lastTurn time.Time   // when the detector last was this camera's; inference goroutine, or Step's caller

	toCanvas, toDetected, detectorTime *Histogram
}

// published is what the inference stage hands to the overlay: tracks and the frame size that their boxes belong to.
type published struct {
	snap *tracker.Snapshot
	size image.Point
}

const (
	// frames: one in the hands of each of capture, letterbox and overlay, one in each slot between them.
	frames = 5
	// canvases: one being made, one in the slot, one being looked at.
	canvases = 3
)

// New makes a pipeline at rest. The caller closes it.
func New(cfg Config) (*Pipeline, error) {
	if cfg.Detector == nil {
		return nil, errors.New("make pipeline: no detector given")
	}
	if cfg.Clock == nil {
		cfg.Clock = realClock{}
	}
	if cfg.PreviewFPS <= 0 {
		cfg.PreviewFPS = DefaultPreviewFPS
	}
	boxer, err := NewLetterboxer(cfg.Input, cfg.Resize)
	if err != nil {
		return nil, fmt.Errorf("make pipeline: %w", err)
	}
	pool, err := NewPool(frames)
	if err != nil {
		return nil, fmt.Errorf("make pipeline: %w", err)
	}
	p := &Pipeline{
		cfg: cfg, clock: cfg.Clock, boxer: boxer, pool: pool, step: NewCanvas(),
		spare:        make(chan *Canvas, canvases),
		toCanvas:     newHistogram(cfg.Clock),
		toDetected:   newHistogram(cfg.Clock),
		detectorTime: newHistogram(cfg.Clock),
	}
	p.books.clock = cfg.Clock
	p.books.setSource(Connecting, "")
	for range canvases {
		p.spare <- NewCanvas()
	}
	return p, nil
}

// Close frees frames and canvases; call it after Run. It is an error if a frame is missing. It may be called twice.
func (p *Pipeline) Close() error {
	if !p.running.CompareAndSwap(false, true) {
		return errors.New("close pipeline: it still runs")
	}
	defer p.running.Store(false)
	if p.closed {
		return nil
	}
	p.closed = true
	err := p.pool.Close()
	for range canvases {
		err = errors.Join(err, (<-p.spare).Close())
	}
	return errors.Join(err, p.step.Close())
}

// Stats reads the camera's condition. The ledger in it is one consistent snapshot.
func (p *Pipeline) Stats() Stats {
	s := p.books.stats()
	s.ToCanvas = p.toCanvas.Quantiles()
	s.ToDetected = p.toDetected.Quantiles()
	s.DetectTime = p.detectorTime.Quantiles()
	if u, ok := p.cfg.Source.(UnitCounter); ok {
		s.Ledger = s.Ledger.withUnits(u.UnitCounts())
	}
	// While it runs the source knows best; that the pipeline has ended, and why, only the pipeline knows.
	if st, ok := p.cfg.Source.(Stater); ok && s.Source.State != Ended && s.Source.State != Failed {
		s.Source = st.Status()
	}
	return s
}

// Tracks is the newest snapshot, nil before the first detection or without a tracker.
func (p *Pipeline) Tracks() *tracker.Snapshot {
	if n := p.newest.Load(); n != nil {
		return n.snap
	}
	return nil
}

// tracksFor predicts the confirmed tracks to a frame's time; none if they belong to pictures of another size.
func (p *Pipeline) tracksFor(f *Frame) []tracker.Track {
	n := p.newest.Load()
	if n == nil || n.size != f.Size() {
		return nil
	}
	return n.snap.At(f.At)
}
