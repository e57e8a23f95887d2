package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"yfv2d/capture/avdec"
	"yfv2d/pipeline"
)

// Read waits for units and fills f with the next picture, I420 with even sides. At is the unit's, and increases.
func (s *Stream) Read(ctx context.Context, f *pipeline.Frame) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.over(); err != nil {
			return err
		}
		got, err := s.reader.receive(f)
		if err != nil || got {
			return err
		}
		u, err := s.next(ctx)
		if errors.Is(err, io.EOF) && s.reader.drain() {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.reader.feed(u); err != nil {
			return err
		}
	}
}

// over is the error that ends reading at once.
func (s *Stream) over() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return pipeline.ErrClosed
	}
	if s.failed != nil && !errors.Is(s.failed, io.EOF) {
		return s.failed
	}
	return nil
}

// next waits for the oldest unit.
func (s *Stream) next(ctx context.Context) (unit, error) {
	for {
		u, ok, err := s.pop()
		if ok || err != nil {
			return u, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return unit{}, ctx.Err()
		}
	}
}

func (s *Stream) pop() (unit, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unit{}, false, pipeline.ErrClosed
	}
	if len(s.queue) == 0 {
		return unit{}, false, s.failed
	}
	u := s.queue[0]
	s.queue[0] = unit{}
	s.queue = s.queue[1:]
	s.bytes -= len(u.Data)
	return u, true, nil
}

func (s *Stream) notDecoded(n int) {
	s.mu.Lock()
	s.counts.NotDecoded += uint64(n)
	s.mu.Unlock()
}

func (s *Stream) decodeError(n int) {
	s.mu.Lock()
	s.counts.DecodeError += uint64(n)
	s.mu.Unlock()
}

// maxSent is how many units may follow one before its picture is taken as lost: H.264 keeps 16 pictures at most.
const maxSent = 20

// sent is a unit in the decoder whose picture has not come out.
type sent struct {
	tag int64
	at  time.Time
	ref bool
}

// reader decodes on the capture goroutine.
type reader struct {
	s      *Stream
	dec    *avdec.Decoder // nil after close
	codec  pipeline.Codec
	tag    int64
	sent   []sent
	join   join  // how the present group was joined; joinNot: waits for a key unit
	first  int64 // tag of the unit it was joined with
	ending bool  // the decoder drains
	last   time.Time
}

// open makes the decoder.
func (r *reader) open(c pipeline.Codec) error {
	dec, err := avdec.New(c)
	if err != nil {
		return &Refused{err}
	}
	if r.dec != nil {
		_ = r.dec.Close()
	}
	r.dec, r.codec, r.join = dec, c, joinNot
	return nil
}

func (r *reader) close() error {
	r.forget()
	if r.dec == nil {
		return nil
	}
	err := r.dec.Close()
	r.dec = nil
	return err
}

// forget settles what the decoder has and will not give.
func (r *reader) forget() {
	r.s.notDecoded(len(r.sent))
	r.sent = r.sent[:0]
}

// feed gives a unit to the decoder, or accounts for why not.
func (r *reader) feed(u unit) error {
	if u.Codec != r.codec {
		r.forget()
		if err := r.open(u.Codec); err != nil {
			r.s.notDecoded(1)
			return err
		}
	}
	if u.broken {
		r.part()
	}
	if !u.picture {
		_ = r.dec.Send(u.Data, 0) // parameter sets; if they are wrong, the pictures will tell
		r.s.notDecoded(1)
		return nil
	}
	if r.join == joinNot {
		r.join, r.first = u.join, r.tag+1
	} else if u.join == joinKey {
		r.join = joinKey
	}
	if r.join == joinNot {
		r.s.notDecoded(1)
		return nil
	}
	r.tag++
	if err := r.dec.Send(u.Data, r.tag); err != nil {
		r.s.decodeError(1)
		if u.ref {
			r.part()
		}
		return nil
	}
	r.sent = append(r.sent, sent{tag: r.tag, at: u.At, ref: u.ref})
	if len(r.sent) > maxSent {
		r.sent = r.sent[1:]
		r.s.decodeError(1)
	}
	return nil
}

// part gives up the present group: its further pictures refer to what is damaged or lost.
func (r *reader) part() {
	r.forget()
	r.dec.Flush()
	r.join = joinNot
}

// drain makes the decoder give what it holds; false if that is nothing.
func (r *reader) drain() bool {
	if len(r.sent) == 0 {
		return false
	}
	_ = r.dec.Drain()
	r.ending = true
	return true
}

// receive fills f with the next picture that is fit to be seen, if there is one.
func (r *reader) receive(f *pipeline.Frame) (bool, error) {
	for {
		p, ok, err := r.dec.Receive()
		if err != nil {
			r.s.decodeError(len(r.sent))
			r.sent = r.sent[:0]
			r.part()
			return false, nil
		}
		if !ok {
			if r.ending {
				r.ending = false
				r.part()
			}
			return false, nil
		}
		u, ok := r.settle(p.Tag)
		if !ok {
			continue
		}
		if p.Damaged {
			r.s.decodeError(1)
			if u.ref {
				r.part()
			}
			continue
		}
		if u.tag < r.first || p.Unrecovered && r.join == joinRecovery {
			r.s.notDecoded(1)
			continue
		}
		if err := r.dec.Convert(f); err != nil {
			r.s.decodeError(1)
			if unsupported := new(avdec.Unsupported); errors.As(err, &unsupported) {
				return false, &Refused{fmt.Errorf("%s: %w", r.codec, err)}
			}
			continue
		}
		f.At = u.at
		if !f.At.After(r.last) {
			f.At = r.last.Add(time.Microsecond)
		}
		r.last = f.At
		return true, nil
	}
}

// settle takes a unit off the list of those in the decoder.
func (r *reader) settle(tag int64) (sent, bool) {
	for i, u := range r.sent {
		if u.tag == tag {
			r.sent = append(r.sent[:i], r.sent[i+1:]...)
			return u, true
		}
	}
	return sent{}, false
}
