package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"sync"
)

// run is one Run's slots and what stops it.
type run struct {
	*Pipeline
	canvases *Slot[*Canvas] // letterbox -> inference
	preview  *Slot[*Frame]  // letterbox -> overlay, or straight from the main source's capture if another is detected on
}

// stage is one goroutine of a Run.
type stage struct {
	name string
	work func(context.Context) error
}

// Run reads the source (or both) until it ends, ctx does or a stage fails, and joins all that it started. It returns nil
// at the source's end and when ctx ends, else the failing stage and why. Of two sources one goes on without the other. It
// may be called again after it has returned.
func (p *Pipeline) Run(ctx context.Context) error {
	if p.cfg.Source == nil {
		return errors.New("run pipeline: no source given")
	}
	if !p.running.CompareAndSwap(false, true) {
		return errors.New("run pipeline: it already runs")
	}
	defer p.running.Store(false)
	if p.closed {
		return fmt.Errorf("run pipeline: %w", ErrClosed)
	}
	inner, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := p.begin()
	var wg sync.WaitGroup
	for _, s := range r.stages() {
		wg.Add(1)
		go func() {
			defer wg.Done()
			pprof.Do(inner, pprof.Labels("stage", s.name), func(ctx context.Context) { // CPU profiles tell stages apart
				if err := s.work(ctx); err != nil && err != io.EOF {
					fail(&stageError{s.name, err}) // without effect if the end has come already
				}
			})
		}()
	}
	wg.Wait()
	r.drain()
	return r.outcome(inner)
}

// begin makes the slots.
func (p *Pipeline) begin() *run {
	for _, f := range p.feeds() {
		f.begin()
	}
	r := &run{Pipeline: p, canvases: NewSlot[*Canvas]()}
	if p.two() {
		r.preview = p.main.frames
	} else {
		r.preview = NewSlot[*Frame]()
	}
	return r
}

func (r *run) stages() []stage {
	rest := []stage{{"letterbox", r.letterbox}, {"inference", r.inference}, {"overlay", r.overlay}}
	if r.two() {
		return append(rest, r.alone(r.main), r.alone(r.detects))
	}
	return append(rest, stage{r.main.name, r.main.capture})
}

// alone is the capture stage of one of two sources: its failure is no failure of the other, so it only ends.
func (r *run) alone(f *feed) stage {
	return stage{f.name, func(ctx context.Context) error {
		err := f.capture(ctx)
		if ctx.Err() != nil {
			return err
		}
		f.over = true
		if err == io.EOF {
			f.books.setSource(Ended, "")
			return err
		}
		f.failed = &stageError{f.name, err}
		f.books.setSource(Failed, f.failed.Error())
		r.cfg.Log.Error().Str("camera", r.cfg.Name).Str("stage", f.name).Err(err).Msg("one of two sources failed; the other goes on")
		return io.EOF
	}}
}

// stageError is a failure as the cause of a pipeline's end.
type stageError struct {
	stage string
	err   error
}

func (e *stageError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

// drain enters what the slots still hold as lost in the shutdown. All stages have ended.
func (r *run) drain() {
	for _, f := range r.feeds() {
		f.drain()
	}
	if c, ok := r.canvases.Drain(); ok {
		r.detects.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Shutdown })
		r.spare <- c
	}
	if f, ok := r.preview.Drain(); ok {
		r.main.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.Shutdown })
		r.main.pool.Put(f)
	}
}

// outcome notes how the sources ended and gives Run's result.
func (r *run) outcome(inner context.Context) error {
	var failed *stageError
	cause := context.Cause(inner)
	state, reason := Ended, ""
	switch {
	case errors.As(cause, &failed):
		state, reason = Failed, failed.Error()
	case cause != nil:
		reason = "stopped"
	}
	for _, f := range r.feeds() {
		if !f.over {
			f.books.setSource(state, reason)
		}
		if cause == nil && failed == nil {
			failed = f.failed
		}
	}
	if failed != nil {
		return failed
	}
	return nil
}

// letterbox makes a canvas when a detection is due, then hands the frame on.
func (r *run) letterbox(ctx context.Context) error {
	if !r.two() {
		defer r.preview.Close()
	}
	defer r.canvases.Close()
	due := newSchedule(r.cfg.DetectFPS)
	bad := r.faults("letterbox")
	for {
		f, err := r.detects.frames.Take(ctx)
		if err != nil {
			return err
		}
		if due.due(f.At) {
			err = bad.note(r.canvas(f))
		} else {
			r.detects.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.NotDue })
		}
		r.pass(f)
		if err != nil {
			return err
		}
	}
}

// pass hands a frame that was letterboxed on to the overlay, or back if the preview has a source of its own.
func (r *run) pass(f *Frame) {
	if r.two() {
		r.detects.pool.Put(f)
		return
	}
	if old, dropped := r.preview.Put(f); dropped {
		r.main.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.PreviewSlot })
		r.main.pool.Put(old)
	}
}

// canvas makes f's canvas and sends it to the inference stage.
func (r *run) canvas(f *Frame) error {
	c := <-r.spare // never waits: there is one for each place where one can be
	if err := r.boxer.Make(c, f); err != nil {
		r.detects.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Failed })
		r.spare <- c
		return err
	}
	r.toCanvas.Observe(r.clock.Now().Sub(f.At))
	if old, dropped := r.canvases.Put(c); dropped {
		r.detects.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.DetectSlot })
		r.spare <- old
	}
	return nil
}

// inference looks at canvases and publishes tracks.
func (r *run) inference(ctx context.Context) error {
	bad := r.faults("inference")
	for {
		if err := r.canvases.Ready(ctx); err != nil {
			return err
		}
		err := r.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := bad.note(err); err != nil {
			return err
		}
	}
}

// look runs the detector on the canvas that is the newest when the detector is free, and enters the result in the books.
// Until then the canvas stays in its slot.
func (r *run) look(ctx context.Context) error {
	_, c, err := r.detect(ctx, func() (*Canvas, error) { return r.canvases.Take(ctx) })
	if c == nil { // no turn: this canvas's chance is gone, unless all ends, when drain enters it
		if ctx.Err() != nil {
			return err
		}
		var ok bool
		if c, ok = r.canvases.Drain(); !ok {
			return err
		}
	}
	switch {
	case err == nil:
		r.toDetected.Observe(r.clock.Now().Sub(c.At))
		r.detects.books.detected(c.Size)
	case ctx.Err() != nil:
		r.detects.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Shutdown })
	default:
		r.detects.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Failed })
	}
	r.spare <- c
	return err
}

// overlay gives frames to the sink while somebody watches.
func (r *run) overlay(ctx context.Context) error {
	due := newSchedule(r.cfg.PreviewFPS)
	bad := r.faults("overlay")
	bad.limit = 0 // a sink's trouble never stops a camera
	for {
		f, err := r.preview.Take(ctx)
		if err != nil {
			return err
		}
		r.show(f, &due, bad)
		r.main.pool.Put(f)
	}
}

// show writes one frame to the sink, or says in the books why not.
func (r *run) show(f *Frame, due *schedule, bad *faults) {
	var wants Wanted
	if r.cfg.Sink != nil {
		wants = r.cfg.Sink.Wants()
	}
	isDue := due.due(f.At)
	switch {
	case wants == 0:
		r.main.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.NoViewer })
		return
	case !isDue && wants&(WantSnapshot|WantSnapshotBoxes) == 0: // who waits for a still gets the next frame
		r.main.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.NotDue })
		return
	}
	switch err := r.cfg.Sink.Write(f, r.tracksFor(f)); {
	case err == nil:
		bad.note(nil)
		r.main.books.previewed()
	case errors.Is(err, ErrSkipped):
		r.main.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.EncodeSkipped })
	case errors.Is(err, ErrNotDue):
		r.main.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.NotDue })
	default:
		bad.note(err)
		r.main.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.Failed })
	}
}
