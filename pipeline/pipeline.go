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

	// DetectSource, if set, is a second source of the same scene, the small stream of a camera: the network looks at its
	// frames and the preview shows Source's. Their pictures show the same, whatever their sizes and aspect ratios.
	DetectSource Source

	// Scores, by class number, decide what is told of detections (by Step and OnDetections): only those with a greater
	// score. The tracker gets all that Detector finds, so weaker ones may continue a track. A class beyond the slice
	// is told whatever its score.
	Scores []float32

	// OnDetections, if set, is called by the inference goroutine (or by Step) after each detection; it must not block.
	// dets is borrowed; snap is nil without a tracker. seq counts the frames of the source that is detected on. Boxes are
	// in pixels of Source's picture if its size is known (as it always is with one source), else of DetectSource's.
	OnDetections func(seq uint64, at time.Time, dets []infer.Detection, snap *tracker.Snapshot)

	// OnTracks, if set and if there is a tracker, is called right after OnDetections would be, by the same goroutine: it must
	// not block. Boxes are in pixels of a picture of that size, as for OnDetections.
	OnTracks func(snap *tracker.Snapshot, size image.Point)
}

// Pipeline carries the frames of one camera. Stats and Tracks are safe from any goroutine.
type Pipeline struct {
	cfg     Config
	clock   Clock
	main    *feed        // what the preview shows
	detects *feed        // what the network looks at; main unless there is a DetectSource
	spare   chan *Canvas // canvases at rest; capacity canvases, so that giving one back never waits
	boxer   *Letterboxer // letterbox goroutine, or Step's caller
	step    *Canvas      // Step's own
	newest  atomic.Pointer[published]
	running atomic.Bool // Run or Step is at work
	closed  bool        // Close's own; guarded by running

	inSize   image.Point // of the frames the tracker knows; inference goroutine, or Step's caller
	lastTurn time.Time   // when the detector last was this camera's; inference goroutine, or Step's caller

	toCanvas, toDetected, detectorTime *Histogram
}

// published is what the inference stage hands to the overlay: tracks and the size of picture that their boxes belong to.
type published struct {
	snap *tracker.Snapshot
	size image.Point
}

// canvases: one being made, one in the slot, one being looked at.
const canvases = 3

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
	p := &Pipeline{
		cfg: cfg, clock: cfg.Clock, boxer: boxer, step: NewCanvas(),
		spare:        make(chan *Canvas, canvases),
		toCanvas:     newHistogram(cfg.Clock),
		toDetected:   newHistogram(cfg.Clock),
		detectorTime: newHistogram(cfg.Clock),
	}
	if err := p.makeFeeds(); err != nil {
		return nil, fmt.Errorf("make pipeline: %w", err)
	}
	for range canvases {
		p.spare <- NewCanvas()
	}
	return p, nil
}

func (p *Pipeline) makeFeeds() (err error) {
	if p.cfg.DetectSource == nil {
		p.main, err = newFeed("capture", p.cfg.Source, framesForBoth, p.clock)
		p.detects = p.main
		return err
	}
	if p.main, err = newFeed("capture", p.cfg.Source, framesForOne, p.clock); err != nil {
		return err
	}
	p.detects, err = newFeed("detect capture", p.cfg.DetectSource, framesForOne, p.clock)
	if err != nil {
		return err
	}
	p.main.books.detects, p.detects.books.previews = false, false
	return nil
}

// two says that preview and detection have a source each.
func (p *Pipeline) two() bool { return p.detects != p.main }

// feeds are the sources, the main one first.
func (p *Pipeline) feeds() []*feed {
	if p.two() {
		return []*feed{p.main, p.detects}
	}
	return []*feed{p.main}
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
	var err error
	for _, f := range p.feeds() {
		err = errors.Join(err, f.pool.Close())
	}
	for range canvases {
		err = errors.Join(err, (<-p.spare).Close())
	}
	return errors.Join(err, p.step.Close())
}

// Stats reads the camera's condition. Each ledger in it is one consistent snapshot.
func (p *Pipeline) Stats() Stats {
	s := p.main.stats()
	s.ToCanvas = p.toCanvas.Quantiles()
	s.ToDetected = p.toDetected.Quantiles()
	s.DetectTime = p.detectorTime.Quantiles()
	if p.two() {
		d := p.detects.stats()
		s.Input, s.DetectFPS = d.Input, d.DetectFPS
		s.DetectSource = &SourceStats{Status: d.Source, Size: d.Size, CaptureFPS: d.CaptureFPS, Ledger: d.Ledger}
	}
	return s
}

// Tracks is the newest snapshot, nil before the first detection or without a tracker. Boxes are in pixels of Source's
// picture; of DetectSource's as long as Source has given none.
func (p *Pipeline) Tracks() *tracker.Snapshot {
	n := p.newest.Load()
	if n == nil {
		return nil
	}
	return n.in(p.shown())
}

// shown is the size of the picture that boxes are told in; zero if they are told as they are.
func (p *Pipeline) shown() image.Point {
	if !p.two() {
		return image.Point{}
	}
	return p.main.books.newestSize()
}

// tracksFor predicts the confirmed tracks to a frame's time. Of one source there are none if they belong to pictures of
// another size: it has changed, and what they show may have too.
func (p *Pipeline) tracksFor(f *Frame) []tracker.Track {
	n, size := p.newest.Load(), f.Size()
	if n == nil || n.size != size && !p.two() {
		return nil
	}
	return n.in(size).At(f.At)
}

// in is the snapshot in pixels of a picture of that size; as it is if the size is zero.
func (n *published) in(size image.Point) *tracker.Snapshot {
	if size == n.size || size.X == 0 {
		return n.snap
	}
	return n.snap.Scaled(scales(n.size, size))
}

// scales are how many times as wide and high the picture to is as the picture from.
func scales(from, to image.Point) (x, y float32) {
	return float32(to.X) / float32(from.X), float32(to.Y) / float32(from.Y)
}

// scaled puts boxes, in place, into pixels of a picture of another size; as they are if it is zero.
func scaled(dets []infer.Detection, from, to image.Point) []infer.Detection {
	if from == to || to.X == 0 {
		return dets
	}
	x, y := scales(from, to)
	for i := range dets {
		dets[i].Box = dets[i].Box.Scaled(x, y)
	}
	return dets
}
