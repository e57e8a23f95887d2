package pipeline

import (
	"context"
	"errors"
)

// feed is a source with the frames that it fills and their books.
type feed struct {
	name  string // of its capture stage
	src   Source
	pool  *Pool
	books books

	seq    uint64        // of its newest frame; its capture goroutine
	frames *Slot[*Frame] // from its capture stage on; this Run's
	over   bool          // it gives no more in this Run although the other source does; its capture goroutine's, like failed
	failed *stageError   // why, if that was no end; Run reads both when it has joined
}

// Frames of a source that serves both sides: one in the hands of each of capture, letterbox and overlay, one in each slot
// between them. One of two sources has no more than a slot and a stage behind its capture.
const (
	framesForBoth = 5
	framesForOne  = 3
)

func newFeed(name string, src Source, frames int, clock Clock) (*feed, error) {
	pool, err := NewPool(frames)
	if err != nil {
		return nil, err
	}
	f := &feed{name: name, src: src, pool: pool, books: books{clock: clock, previews: true, detects: true}}
	f.books.setSource(Connecting, "")
	return f, nil
}

// begin readies the feed for a Run.
func (f *feed) begin() {
	f.frames, f.over, f.failed = NewSlot[*Frame](), false, nil
	f.books.setSource(Connecting, "")
}

// capture reads frames until the source ends or ctx does. Its goroutine is the only one that calls the source.
func (f *feed) capture(ctx context.Context) error {
	defer f.frames.Close()
	for {
		fr, err := f.pool.Get(ctx)
		if err != nil {
			return err
		}
		if err := f.read(ctx, fr); err != nil {
			f.pool.Put(fr)
			return err
		}
		if old, dropped := f.frames.Put(fr); dropped {
			f.books.dropCaptured(false)
			f.pool.Put(old)
		}
	}
}

// read fills fr and enters it in the books.
func (f *feed) read(ctx context.Context, fr *Frame) error {
	if err := f.src.Read(ctx, fr); err != nil {
		return err
	}
	size := fr.Size()
	if size.X == 0 {
		return errors.New("the source gave an empty frame")
	}
	if fr.At.IsZero() {
		fr.At = f.books.clock.Now()
	}
	f.seq++
	fr.Seq = f.seq
	f.books.captured(size)
	return nil
}

// drain enters what the slot still holds as lost in the shutdown.
func (f *feed) drain() {
	if fr, ok := f.frames.Drain(); ok {
		f.books.dropCaptured(true)
		f.pool.Put(fr)
	}
}

// stats are the source's.
func (f *feed) stats() Stats {
	s := f.books.stats()
	if u, ok := f.src.(UnitCounter); ok {
		s.Ledger = s.Ledger.withUnits(u.UnitCounts())
	}
	// While it runs the source knows best; that the pipeline has ended, and why, only the pipeline knows.
	if st, ok := f.src.(Stater); ok && s.Source.State != Ended && s.Source.State != Failed {
		s.Source = st.Status()
	}
	return s
}
