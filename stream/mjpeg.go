package stream

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"sync"
	"time"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// motion is the moving JPEG pictures of one camera: each variant is encoded once for all that watch it, at the highest rate
// that one of them asks for, by a goroutine of its own that leaves out the frames that come while it works.
type motion struct {
	b *Broadcaster

	mu       sync.Mutex // guards what follows and what is the variants'; taken after the broadcaster's
	variants map[variant]*motionVariant
	encodes  uint64 // pictures made
	skipped  uint64 // frames that came while the one before was encoded
	missed   uint64 // pictures that a viewer was too slow for
}

// motionStats is the condition of a camera's moving JPEG pictures.
type motionStats struct {
	viewers, variants        int
	encodes, skipped, missed uint64
}

// variant is a form that stills and moving JPEG pictures come in.
type variant struct {
	kind     int // plain or boxed
	quarters int // of the picture's width and height: 1, 2, 3 or 4
}

// scaled is the size of a picture of that size in this variant: even sides.
func (v variant) scaled(size image.Point) image.Point {
	side := func(n int) int { return max(2, n*v.quarters/4&^1) }
	return image.Pt(side(size.X), side(size.Y))
}

// motionVariant is one encode. Its goroutine runs while it has viewers.
type motionVariant struct {
	m    *motion
	kind variant

	free chan *motionFrame // the scratch, while nobody works with it
	work chan *motionFrame // the scratch with a frame to encode
	quit chan struct{}     // closed when the last viewer has left
	done chan struct{}     // closed when the goroutine has ended

	// Under m.mu.
	viewers map[*motionViewer]struct{}
	fps     float64
	due     *pipeline.Schedule // at fps
	wanted  bool               // the frame that is written now is due
}

// motionFrame is a copy of a frame's pixels, I420.
type motionFrame struct {
	at   time.Time
	size image.Point
	pix  []byte
}

// motionPicture is one part of the answer, shared by all viewers: nobody writes to it.
type motionPicture struct {
	at   time.Time
	part []byte
}

// motionViewer is one client.
type motionViewer struct {
	v      *motionVariant
	fps    float64
	due    *pipeline.Schedule  // under m.mu
	newest chan *motionPicture // holds at most one: the newest that was not taken
	ended  chan struct{}       // closed when the camera's preview closes
}

func newMotion(b *Broadcaster) *motion { return &motion{b: b, variants: map[variant]*motionVariant{}} }

// watchMotion adds a viewer of that many frames a second. The caller calls leave.
func (b *Broadcaster) watchMotion(kind variant, fps float64) (*motionViewer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrBroadcasterClosed
	}
	v := b.motion.join(kind, fps)
	b.refresh()
	return v, nil
}

func (m *motion) join(kind variant, fps float64) *motionViewer {
	m.mu.Lock()
	defer m.mu.Unlock()
	mv := m.variants[kind]
	if mv == nil {
		mv = &motionVariant{
			m: m, kind: kind, viewers: map[*motionViewer]struct{}{},
			free: make(chan *motionFrame, 1), work: make(chan *motionFrame, 1), quit: make(chan struct{}), done: make(chan struct{}),
		}
		mv.free <- &motionFrame{}
		m.variants[kind] = mv
		go mv.run() // joined by end
	}
	v := &motionViewer{
		v: mv, fps: fps, due: pipeline.NewSchedule(fps), newest: make(chan *motionPicture, 1), ended: make(chan struct{}),
	}
	mv.viewers[v] = struct{}{}
	mv.setRate()
	return v
}

// setRate makes the variant as fast as its fastest viewer. m.mu is held.
func (mv *motionVariant) setRate() {
	fps := 0.0
	for v := range mv.viewers {
		fps = max(fps, v.fps)
	}
	if fps != mv.fps {
		mv.fps, mv.due = fps, pipeline.NewSchedule(fps)
	}
}

// leave ends a viewer. It may be called twice. The last viewer of a variant waits for its encode to end.
func (v *motionViewer) leave() {
	m := v.v.m
	m.b.mu.Lock()
	last := m.remove(v)
	m.b.refresh()
	m.b.mu.Unlock()
	if last {
		v.v.end()
	}
}

// remove takes a viewer out and says whether its variant goes too.
func (m *motion) remove(v *motionViewer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	mv := v.v
	if _, in := mv.viewers[v]; !in {
		return false
	}
	delete(mv.viewers, v)
	if len(mv.viewers) > 0 {
		mv.setRate()
		return false
	}
	delete(m.variants, mv.kind)
	return true
}

// end stops the goroutine and joins it.
func (mv *motionVariant) end() {
	close(mv.quit)
	<-mv.done
}

// close ends all viewers. The broadcaster lets no new ones in.
func (m *motion) close() {
	m.mu.Lock()
	var all []*motionVariant
	for _, mv := range m.variants {
		all = append(all, mv)
		for v := range mv.viewers {
			close(v.ended)
		}
		clear(mv.viewers)
	}
	clear(m.variants)
	m.mu.Unlock()
	for _, mv := range all {
		mv.end()
	}
}

// wants is what the camera's frames are needed for.
func (m *motion) wants() pipeline.Wanted {
	m.mu.Lock()
	defer m.mu.Unlock()
	var w pipeline.Wanted
	for kind := range m.variants {
		w |= kind.wanted()
	}
	return w
}

func (v variant) wanted() pipeline.Wanted {
	if v.kind == boxed {
		return pipeline.WantMotionBoxes
	}
	return pipeline.WantMotion
}

// pick leaves in want only what the frame of this capture time is due for. The broadcaster's turn is held.
func (m *motion) pick(want pipeline.Wanted, at time.Time) pipeline.Wanted {
	const all = pipeline.WantMotion | pipeline.WantMotionBoxes
	if want&all == 0 {
		return want
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	want &^= all
	for kind, mv := range m.variants {
		if mv.wanted = mv.due.Due(at); mv.wanted {
			want |= kind.wanted()
		}
	}
	return want
}

// take copies f for the variants of a kind that are due and at rest. It encodes nothing. The broadcaster's turn is held.
func (m *motion) take(kind int, f *pipeline.Frame) error {
	var errs []error
	for _, mv := range m.chosen(kind) {
		select {
		case s := <-mv.free:
			if err := s.copy(f, mv.kind.scaled(f.Size())); err != nil {
				errs = append(errs, fmt.Errorf("camera %q: moving pictures: %w", m.b.cfg.Name, err))
				mv.free <- s
				continue
			}
			mv.work <- s
		default:
			m.mu.Lock()
			m.skipped++
			m.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

// chosen are the variants of a kind that the frame at hand is due for.
func (m *motion) chosen(kind int) []*motionVariant {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*motionVariant
	for k, mv := range m.variants {
		if k.kind == kind && mv.wanted {
			mv.wanted = false
			all = append(all, mv)
		}
	}
	return all
}

// copy makes s a copy of f, an I420 frame, at that size.
func (s *motionFrame) copy(f *pipeline.Frame, size image.Point) error {
	s.at, s.size = f.At, size
	s.pix = slices.Grow(s.pix[:0], yuv.Len(size))[:yuv.Len(size)]
	if size == f.Size() {
		copy(s.pix, f.Pix())
		return nil
	}
	return yuv.Scale(s.pix, size, f.Pix(), f.Size())
}

// run encodes what comes until the last viewer leaves.
func (mv *motionVariant) run() {
	defer close(mv.done)
	var maker jpegMaker
	defer func() { _ = maker.close() }()
	var failing bool
	for {
		select {
		case <-mv.quit:
			return
		case s := <-mv.work:
			p := &motionPicture{at: s.at}
			jpeg, err := maker.encode(pipeline.I420, s.size, s.pix)
			mv.free <- s
			if err == nil {
				p.part = motionPart(jpeg, p.at)
				mv.deliver(p)
			} else if !failing {
				mv.m.b.cfg.Log.Warn().Err(err).Str("camera", mv.m.b.cfg.Name).Msg("moving JPEG pictures fail")
			}
			failing = err != nil
		}
	}
}

// deliver gives a picture to the viewers that it is due for. Who has not taken the one before gets this one instead.
func (mv *motionVariant) deliver(p *motionPicture) {
	mv.m.mu.Lock()
	defer mv.m.mu.Unlock()
	mv.m.encodes++
	for v := range mv.viewers {
		if !v.due.Due(p.at) {
			continue
		}
		select {
		case <-v.newest:
			mv.m.missed++
		default:
		}
		v.newest <- p // never waits: only deliver puts, and it holds mu
	}
}

// next waits for the next picture. io.EOF says that the camera's preview closed.
func (v *motionViewer) next(ctx context.Context) (*motionPicture, error) {
	select {
	case p := <-v.newest:
		return p, nil
	case <-v.ended:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *motion) stats() motionStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := motionStats{variants: len(m.variants), encodes: m.encodes, skipped: m.skipped, missed: m.missed}
	for _, mv := range m.variants {
		s.viewers += len(mv.viewers)
	}
	return s
}
