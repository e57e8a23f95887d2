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
	captured *Slot[*Frame]  // capture -> letterbox
	canvases *Slot[*Canvas] // letterbox -> inference
	preview  *Slot[*Frame]  // letterbox -> overlay
}

// Run reads the source until it ends, ctx does or a stage fails, and joins all that it started. It returns nil at the
// source's end and when ctx ends, else the failing stage and why. It may be called again after it has returned.
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
	p.books.setSource(Connecting, "")
	inner, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r := &run{Pipeline: p, captured: NewSlot[*Frame](), canvases: NewSlot[*Canvas](), preview: NewSlot[*Frame]()}
	var wg sync.WaitGroup
	for _, s := range []struct {
		name string
		work func(context.Context) error
	}{
		{"capture", r.capture}, {"letterbox", r.letterbox}, {"inference", r.inference}, {"overlay", r.overlay},
	} {
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

// stageError is a failure as the cause of a pipeline's end.
type stageError struct {
	stage string
	err   error
}

func (e *stageError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

// drain enters what the slots still hold as lost in the shutdown. All stages have ended.
func (r *run) drain() {
	if f, ok := r.captured.Drain(); ok {
		r.books.dropCaptured(true)
		r.pool.Put(f)
	}
	if c, ok := r.canvases.Drain(); ok {
		r.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Shutdown })
		r.spare <- c
	}
	if f, ok := r.preview.Drain(); ok {
		r.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.Shutdown })
		r.pool.Put(f)
	}
}

// outcome notes how the source ended and gives Run's result.
func (r *run) outcome(inner context.Context) error {
	var failed *stageError
	switch err := context.Cause(inner); {
	case errors.As(err, &failed):
		r.books.setSource(Failed, failed.Error())
		return failed
	case err != nil:
		r.books.setSource(Ended, "stopped")
		return nil
	}
	r.books.setSource(Ended, "")
	return nil
}

// capture reads frames. Its goroutine is the only one that calls the source.
func (r *run) capture(ctx context.Context) error {
	defer r.captured.Close()
	for {
		f, err := r.pool.Get(ctx)
		if err != nil {
			return err
		}
		if err := r.read(ctx, f); err != nil {
			r.pool.Put(f)
			return err
		}
		if old, dropped := r.captured.Put(f); dropped {
			r.books.dropCaptured(false)
			r.pool.Put(old)
		}
	}
}

// read fills f and enters it in the books.
func (r *run) read(ctx context.Context, f *Frame) error {
	if err := r.cfg.Source.Read(ctx, f); err != nil {
		return err
	}
	size := f.Size()
	if size.X == 0 {
		return errors.New("the source gave an empty frame")
	}
	if f.At.IsZero() {
		f.At = r.clock.Now()
	}
	r.seq++
	f.Seq = r.seq
	r.books.captured(size)
	return nil
}

// letterbox makes a canvas when a detection is due, then hands the frame on.
func (r *run) letterbox(ctx context.Context) error {
	defer r.preview.Close()
	defer r.canvases.Close()
	due := newSchedule(r.cfg.DetectFPS)
	bad := r.faults("letterbox")
	for {
		f, err := r.captured.Take(ctx)
		if err != nil {
			return err
		}
		if due.due(f.At) {
			err = bad.note(r.canvas(f))
		} else {
			r.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.NotDue })
		}
		if old, dropped := r.preview.Put(f); dropped {
			r.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.PreviewSlot })
			r.pool.Put(old)
		}
		if err != nil {
			return err
		}
	}
}

// canvas makes f's canvas and sends it to the inference stage.
func (r *run) canvas(f *Frame) error {
	c := <-r.spare // never waits: there is one for each place where one can be
	if err := r.boxer.Make(c, f); err != nil {
		r.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Failed })
		r.spare <- c
		return err
	}
	r.toCanvas.Observe(r.clock.Now().Sub(f.At))
	if old, dropped := r.canvases.Put(c); dropped {
		r.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.DetectSlot })
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
		r.books.detected(c.Size)
	case ctx.Err() != nil:
		r.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Shutdown })
	default:
		r.books.dropDetect(func(d *DetectDrops) *uint64 { return &d.Failed })
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
		r.pool.Put(f)
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
		r.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.NoViewer })
		return
	case !isDue && wants&(WantSnapshot|WantSnapshotBoxes) == 0: // who waits for a still gets the next frame
		r.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.NotDue })
		return
	}
	switch err := r.cfg.Sink.Write(f, r.tracksFor(f)); {
	case err == nil:
		bad.note(nil)
		r.books.previewed()
	case errors.Is(err, ErrSkipped):
		r.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.EncodeSkipped })
	default:
		bad.note(err)
		r.books.dropPreview(func(d *PreviewDrops) *uint64 { return &d.Failed })
	}
}
