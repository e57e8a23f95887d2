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
		u, late, err := s.pop(time.Now())
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

func (s *Stream) pop(now time.Time) (u unit, late bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unit{}, false, pipeline.ErrClosed
	}
	if len(s.queue) == 0 {
		return unit{}, false, s.failed
	}
	lag := now.Sub(s.queue[0].came)
	if lag > maxLag && s.failed == nil {
		late = true
		s.lagging(lag)
		s.skip(now)
	} else if lag < keptUp {
		s.behind = false
	}
	if len(s.queue) == 0 {
		return unit{}, false, nil
	}
	u = s.queue[0]
	s.queue[0] = unit{}
	s.queue = s.queue[1:]
	s.bytes -= len(u.Data)
	return u, late && now.Sub(u.came) > maxLag, nil
}

// skip lets go of what would be late: all before the newest key unit, or everything if that is too late. The caller holds mu.
func (s *Stream) skip(now time.Time) {
	for i := len(s.queue) - 1; i > 0; i-- {
		if s.queue[i].join == joinKey {
			s.drop(i)
			s.queue[0].broken = true
			return
		}
	}
	if now.Sub(s.queue[0].came) > lostLag {
		s.drop(len(s.queue))
		s.lost = true
	}
}

// drop lets go of the oldest n units. The caller holds mu.
func (s *Stream) drop(n int) {
	for i := range s.queue[:n] {
		s.bytes -= len(s.queue[i].Data)
		s.queue[i] = unit{}
	}
	s.counts.NotDecoded += uint64(n)
	s.queue = s.queue[n:]
}

// lagging tells of a lag, once an episode. The caller holds mu; the log takes no lock of ours.
func (s *Stream) lagging(lag time.Duration) {
	if s.behind {
		return
	}
	s.behind = true
	s.cfg.Log.Warn().Str("codec", string(s.codec)).Dur("lag", lag).Int("units", len(s.queue)).
		Msg("decoding does not keep up: pictures are left out")
}

// count adds one to a counter of s.counts.
func (s *Stream) count(c *uint64) {
	s.mu.Lock()
	*c++
	s.mu.Unlock()
}
