package live

import (
	"context"
	"errors"
	"io"
	"time"

	"yfv2d/pipeline"
)

const (
	// maxLag is how old a unit may get before its picture is no longer wanted. It is decoded only if others need it.
	maxLag = 500 * time.Millisecond
	// lostLag is how old the oldest unit may get before all are let go of, and the next key unit is waited for.
	lostLag = 3 * time.Second
	// keptUp is the age below which an episode of lag is over.
	keptUp = 100 * time.Millisecond
)

// Read waits for units and fills f with the next picture: I420 with even sides, BT.601 limited range. At is the unit's, and
// increases. A picture is returned within half a second of its unit's coming, or not at all.
func (s *Stream) Read(ctx context.Context, f *pipeline.Frame) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	for {
		if err := s.over(ctx); err != nil {
			return err
		}
		got, err := s.reader.receive(f)
		if err != nil || got {
			return err
		}
		u, late, err := s.next(ctx)
		if errors.Is(err, io.EOF) && s.reader.drain() {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.reader.feed(ctx, u, late); err != nil {
			return err
		}
	}
}

// over is the error that ends reading at once.
func (s *Stream) over(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return pipeline.ErrClosed
	}
	if s.failed != nil && !errors.Is(s.failed, io.EOF) {
		return s.failed
	}
	return ctx.Err()
}

// next waits for the oldest unit; late says that it waited too long.
func (s *Stream) next(ctx context.Context) (u unit, late bool, err error) {
	for {
		u, late, tell, err := s.pop(time.Now())
		if tell {
			s.cfg.Log.Warn().Str("codec", string(u.Codec)).Dur("lag", time.Since(u.came)).
				Msg("decoding does not keep up: pictures are left out")
		}
		if u.AccessUnit != nil || err != nil {
			return u, late, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return unit{}, false, ctx.Err()
		}
	}
}

// pop takes the oldest unit, if there is one, and lets go of what would be too late. The newest is never late: nothing
// better is there. Tell says that an episode of lag began.
func (s *Stream) pop(now time.Time) (u unit, late, tell bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unit{}, false, false, pipeline.ErrClosed
	}
	if len(s.queue) == 0 {
		return unit{}, false, false, s.failed
	}
	lag := now.Sub(s.queue[0].came)
	if lag > maxLag && len(s.queue) > 1 && s.failed == nil {
		tell = !s.behind
		s.behind = true
		s.skip(now)
	} else if lag < keptUp {
		s.behind = false
	}
	u = s.queue[0]
	s.queue[0] = unit{}
	s.queue = s.queue[1:]
	s.bytes -= len(u.Data)
	return u, len(s.queue) > 0 && s.failed == nil && now.Sub(u.came) > maxLag, tell, nil
}

// skip lets go of all before the newest key unit, or of all but the newest unit if the oldest is much too late. The caller
// holds mu.
func (s *Stream) skip(now time.Time) {
	last := len(s.queue) - 1
	for i := last; i > 0; i-- {
		if s.queue[i].join == joinKey {
			s.drop(i)
			return
		}
	}
	if now.Sub(s.queue[0].came) > lostLag {
		s.drop(last)
	}
}

// drop lets go of the oldest n units, not of all. The caller holds mu.
func (s *Stream) drop(n int) {
	for i := range s.queue[:n] {
		s.bytes -= len(s.queue[i].Data)
		s.queue[i] = unit{}
	}
	s.counts.NotDecoded += uint64(n)
	s.queue = s.queue[n:]
	s.queue[0].broken = true
}

// count adds one to a counter of s.counts.
func (s *Stream) count(c *uint64) {
	s.mu.Lock()
	*c++
	s.mu.Unlock()
}
