package faulttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/capture"
	"yfv2d/infer"
	"yfv2d/pipeline"
)

// shot is what is remembered of a frame.
type shot struct {
	read    time.Time // when Read returned it
	at      time.Time
	size    image.Point
	opening int // the how manieth
}

// opening is one try.
type opening struct {
	begin, end time.Time // end is zero while it lasts
	ok         bool
}

// change is a line that the source logged of its state.
type change struct {
	Message, Reason string
}

// down says that the source is down.
func (c change) down() bool { return c.Message == "source down; retrying" }

// camera is a source with its pipeline. All but what is guarded is set before it starts.
type camera struct {
	src   *capture.Reopening
	pipe  *pipeline.Pipeline
	clock bool // Config's
	halt  context.CancelFunc
	done  chan error // Run's result

	mu       sync.Mutex
	shots    []shot        // guarded by mu
	openings []opening     // guarded by mu
	changes  []change      // guarded by mu
	problems []string      // guarded by mu; of frames
	news     chan struct{} // guarded by mu; closed and replaced when there are more shots
	last     time.Time     // Read's
}

// startCamera starts to read a source.
func startCamera(b *bench, cfg Config, spec string, opt capture.Options) (*camera, error) {
	c := &camera{clock: cfg.Clock, done: make(chan error, 1), news: make(chan struct{})}
	c.src = capture.NewReopening(func(ctx context.Context) (pipeline.Source, error) { return c.open(ctx, spec, opt) },
		capture.ReopeningOptions{RetryMax: RetryMax, Log: zerolog.New(c)})
	var err error
	c.pipe, err = pipeline.New(pipeline.Config{Name: spec, Source: tap{c.src, c}, Detector: blind{}, DetectFPS: 5, Input: image.Pt(160, 160)})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.halt = cancel
	go func() { c.done <- c.pipe.Run(ctx) }()
	b.Cleanup(func() { _ = c.stop() })
	return c, nil
}

// blind is a detector that sees nothing.
type blind struct{}

func (blind) Detect(context.Context, *infer.Canvas) ([]infer.Detection, time.Duration, error) {
	return nil, 0, nil
}

func (c *camera) open(ctx context.Context, spec string, opt capture.Options) (pipeline.Source, error) {
	c.mu.Lock()
	n := len(c.openings)
	c.openings = append(c.openings, opening{begin: time.Now()})
	c.mu.Unlock()
	src, err := capture.Open(ctx, spec, opt)
	c.mu.Lock()
	c.openings[n].end, c.openings[n].ok = time.Now(), err == nil
	c.mu.Unlock()
	return src, err
}

// Write takes a line of the source's log.
func (c *camera) Write(line []byte) (int, error) {
	var ch change
	err := json.NewDecoder(bytes.NewReader(line)).Decode(&ch)
	c.mu.Lock()
	c.changes = append(c.changes, ch)
	c.mu.Unlock()
	return len(line), err
}

// tap is the source as the pipeline sees it, with an eye on each frame.
type tap struct {
	*capture.Reopening
	c *camera
}

func (t tap) Read(ctx context.Context, f *pipeline.Frame) error {
	err := t.Reopening.Read(ctx, f)
	if err == nil {
		t.c.saw(f)
	}
	return err
}

// Of frames, by when they were taken: the oldest that may come (the last part of a picture may come after a short freeze, decoding
// may lag half a second, a camera's clock is guessed), and how far in the future one may seem to be.
const (
	oldest = shortMax + time.Second
	early  = 100 * time.Millisecond
)

func (c *camera) saw(f *pipeline.Frame) {
	now := time.Now()
	_, _, ok := capture.ReadStamp(f)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch age := now.Sub(f.At); {
	case !ok:
		c.problems = append(c.problems, "a picture whose stamp cannot be read")
	case !f.At.After(c.last):
		c.problems = append(c.problems, fmt.Sprintf("a picture of %v before the one before it", c.last.Sub(f.At)))
	case c.clock && (age > oldest || age < -early):
		c.problems = append(c.problems, fmt.Sprintf("a picture of %v ago", age))
	}
	c.last = f.At
	c.shots = append(c.shots, shot{now, f.At, f.Size(), len(c.openings)})
	close(c.news)
	c.news = make(chan struct{})
}

// find is the first of all remembered shots for which ok is true; else more is closed at the next.
func (c *camera) find(ok func(shot) bool) (s shot, found bool, more <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.shots, ok)
	if i < 0 {
		return shot{}, false, c.news
	}
	return c.shots[i], true, nil
}

// first waits for a shot for which ok is true.
func (c *camera) first(ctx context.Context, guard time.Duration, ok func(shot) bool) (shot, bool) {
	ctx, cancel := context.WithTimeout(ctx, guard)
	defer cancel()
	for {
		s, found, more := c.find(ok)
		if found {
			return s, true
		}
		select {
		case <-more:
		case <-ctx.Done():
			return shot{}, false
		}
	}
}

func (c *camera) await(ctx context.Context, guard time.Duration, ok func(shot) bool) bool {
	_, found := c.first(ctx, guard, ok)
	return found
}

// forget drops what is remembered, but for the openings, and says how many of those there were.
func (c *camera) forget() (openings int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shots, c.changes, c.problems = nil, nil, nil
	return len(c.openings)
}

// story is what happened since forget.
func (c *camera) story() (openings []opening, changes []change, problems []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.openings), slices.Clone(c.changes), slices.Clone(c.problems)
}

// said waits until the source logged a change for which ok is true.
func (c *camera) said(ctx context.Context, guard time.Duration, ok func(change) bool) bool {
	for end := time.Now().Add(guard); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		_, changes, _ := c.story()
		if slices.ContainsFunc(changes, ok) {
			return true
		}
	}
	return false
}

// stop ends the pipeline and the source, and looks whether all frames and units are accounted for. It may be called twice.
func (c *camera) stop() error {
	if c.halt == nil {
		return nil
	}
	c.halt()
	c.halt = nil
	err := errors.Join(<-c.done, c.src.Close())
	l := c.pipe.Stats().Ledger
	err = errors.Join(err, l.Check(), c.pipe.Close())
	if l.UnitsInFlight != 0 || l.PreviewInFlight != 0 || l.DetectInFlight != 0 {
		err = errors.Join(err, fmt.Errorf("in flight after the end: %+v", l))
	}
	return err
}
