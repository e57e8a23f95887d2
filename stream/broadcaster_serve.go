package stream

import (
	"errors"
	"fmt"
	"image"

	"yfv2d/pipeline"
	"yfv2d/tracker"
	"yfv2d/yuv"
)

// outcome is what became of a frame.
type outcome struct {
	got, skipped bool // somebody got it; an encoder left it out
	errs         []error
}

func (o *outcome) note(err error) {
	switch {
	case err == nil:
		o.got = true
	case errors.Is(err, pipeline.ErrSkipped):
		o.skipped = true
	default:
		o.errs = append(o.errs, err)
	}
}

// result says that a frame was skipped only if nobody got it.
func (o *outcome) result() error {
	if len(o.errs) == 0 && o.skipped && !o.got {
		return pipeline.ErrSkipped
	}
	return errors.Join(o.errs...)
}

// serve does what want names and renditions are watched for, in the order that pipeline.Sink gives. One that fails does
// not keep the others from the frame. The turn is held.
func (b *Broadcaster) serve(want pipeline.Wanted, f *pipeline.Frame, tracks []tracker.Track) error {
	var o outcome
	whole := f
	if want&^pipeline.WantSnapshot != 0 {
		var err error
		if f, err = b.i420(f); err != nil {
			o.note(err)
			want &= pipeline.WantSnapshot
		}
	}
	const stills = pipeline.WantSnapshot | pipeline.WantSnapshotBoxes | pipeline.WantMotion | pipeline.WantMotionBoxes
	encodes := want &^ stills
	var work []*rendition
	if encodes != 0 {
		work = b.prepare(f, &o)
	}
	b.encode(work, cleanName, f, &o)
	b.encodeSmall(work, f, &o)
	if want&pipeline.WantSnapshot != 0 {
		b.takeShot(plain, whole)
		o.got = true
	}
	if want&pipeline.WantMotion != 0 {
		o.note(b.motion.take(plain, f))
	}
	if want&(pipeline.WantAnnotated|pipeline.WantSnapshotBoxes|pipeline.WantMotionBoxes) != 0 {
		b.serveBoxes(want, work, f, tracks, &o)
	}
	return o.result()
}

// serveBoxes does what wants boxes.
func (b *Broadcaster) serveBoxes(want pipeline.Wanted, work []*rendition, f *pipeline.Frame, tracks []tracker.Track, o *outcome) {
	if b.cfg.Draw != nil {
		if err := b.cfg.Draw(f, tracks); err != nil {
			o.note(fmt.Errorf("camera %q: draw boxes: %w", b.cfg.Name, err))
			return
		}
	}
	b.encode(work, annotatedName, f, o)
	if want&pipeline.WantSnapshotBoxes != 0 {
		b.takeShot(boxed, f)
		o.got = true
	}
	if want&pipeline.WantMotionBoxes != 0 {
		o.note(b.motion.take(boxed, f))
	}
}

// prepare makes the encoders that are needed, and takes viewers off their lanes who will find a key picture of another one
// in this frame: so none gets a frame twice, or loses one.
func (b *Broadcaster) prepare(f *pipeline.Frame, o *outcome) []*rendition {
	var work []*rendition
	for _, r := range b.renditions {
		b.mu.Lock()
		watched := r.watched()
		b.mu.Unlock()
		if !watched {
			continue // the last viewer may have left after the frame was sent on its way
		}
		size := f.Size()
		if r.name == smallName {
			size = half(size)
		}
		if err := r.ready(size, f.At); err != nil {
			o.note(err)
			continue
		}
		work = append(work, r)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range work {
		if !r.keyAllowed(f.At) {
			continue
		}
		for v := range r.members {
			if v.awaits(&r.lane) {
				v.part()
			}
		}
	}
	return work
}

// encode gives f to the renditions of a name.
func (b *Broadcaster) encode(work []*rendition, name string, f *pipeline.Frame, o *outcome) {
	for _, r := range work {
		if r.name != name {
			continue
		}
		b.mu.Lock()
		useful := r.useful(b.ts)
		b.mu.Unlock()
		if !useful {
			o.note(pipeline.ErrSkipped)
			continue
		}
		o.note(r.write(f))
	}
}

// encodeSmall scales f, once for all codecs, and gives that to the small renditions.
func (b *Broadcaster) encodeSmall(work []*rendition, f *pipeline.Frame, o *outcome) {
	var size image.Point
	for _, r := range work {
		if r.name == smallName {
			size = r.size
		}
	}
	if size.X == 0 {
		return
	}
	err := b.small.Prepare(pipeline.I420, size)
	if err == nil {
		err = yuv.Scale(b.small.Pix(), size, f.Pix(), f.Size()) // halves are means of 2x2 pixels
	}
	if err != nil {
		o.note(fmt.Errorf("camera %q: small picture: %w", b.cfg.Name, err))
		return
	}
	b.small.Seq, b.small.At = f.Seq, f.At
	b.encode(work, smallName, b.small, o)
}

// i420 is f itself or, for a still picture, its copy as I420, less an odd last row or column. The turn is held.
func (b *Broadcaster) i420(f *pipeline.Frame) (*pipeline.Frame, error) {
	if f.Format == pipeline.I420 {
		return f, nil
	}
	full := f.Size()
	size := image.Pt(full.X&^1, full.Y&^1)
	if err := b.still.Prepare(pipeline.I420, size); err != nil {
		return nil, fmt.Errorf("camera %q: preview of a still: %w", b.cfg.Name, err)
	}
	if err := yuv.FromBGR(b.still.Pix(), f.Pix(), full.X*3, size); err != nil {
		return nil, fmt.Errorf("camera %q: preview of a still: %w", b.cfg.Name, err)
	}
	b.still.Seq, b.still.At = f.Seq, f.At
	return b.still, nil
}

// sweep stops encoders that nobody watches any more, unless somebody has the turn: who has it sweeps when it ends.
func (b *Broadcaster) sweep() {
	for b.idle.Load() && b.turn.TryLock() {
		b.stopIdle()
		b.turn.Unlock()
	}
}

// stopIdle frees the encoders that nobody watches. The turn is held.
func (b *Broadcaster) stopIdle() {
	b.idle.Store(false)
	for _, r := range b.renditions {
		b.mu.Lock()
		empty := len(r.members) == 0
		b.mu.Unlock()
		if !empty {
			continue // somebody came in between
		}
		r.failure = nil
		if err := r.closeEncoder(); err != nil {
			b.cfg.Log.Warn().Err(err).Str("camera", b.cfg.Name).Msg("encoder did not close cleanly")
		}
	}
}
