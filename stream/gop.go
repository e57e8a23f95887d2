package stream

import "time"

const (
	// maxGOPBytes of a camera's own stream are kept for viewers that come between two key pictures.
	maxGOPBytes = 8 << 20
	// replaySpan is how long the path may take for what is kept; who would wait longer gets the small picture first.
	replaySpan = 500 * time.Millisecond
	// replayStep is between the times of pictures that are sent at once; the last has its own.
	replayStep = time.Millisecond
	// replayTicks is replayStep on the RTP clock.
	replayTicks = videoClock / 1000
)

// gopUnit is an access unit of a camera's own stream.
type gopUnit struct {
	unit
	nals  [][]byte // what it is cut from; nil when it is cut
	bytes int
}

// gop keeps the units of a camera's own stream since its newest key picture.
type gop struct {
	units []*gopUnit
	bytes int
}

// add keeps a unit, unless its key picture is not there or the group would be too large: then all is let go of, and the
// next key picture waited for.
func (g *gop) add(u *gopUnit) {
	if u.key {
		g.drop()
	} else if len(g.units) == 0 {
		return
	}
	if g.bytes+u.bytes > maxGOPBytes {
		g.drop()
		return
	}
	g.units = append(g.units, u)
	g.bytes += u.bytes
}

func (g *gop) drop() {
	clear(g.units)
	g.units, g.bytes = g.units[:0], 0
}

// newest is the newest unit; nil if none is kept.
func (g *gop) newest() *gopUnit {
	if len(g.units) == 0 {
		return nil
	}
	return g.units[len(g.units)-1]
}

// fits says whether a path (bits per second) carries the group soon enough.
func (g *gop) fits(path int) bool {
	return len(g.units) > 0 && float64(g.bytes)*8 <= float64(path)*replaySpan.Seconds()
}

// replay is the group with its times moved up to the newest unit's, so that it is shown at once.
func (g *gop) replay() []*unit {
	all := make([]*unit, len(g.units))
	last := g.newest()
	for i, u := range g.units {
		moved := u.unit
		before := len(g.units) - 1 - i
		moved.at = last.at.Add(-time.Duration(before) * replayStep)
		moved.ts = last.ts - uint32(before)*replayTicks
		all[i] = &moved
	}
	return all
}

// rateMeter measures a stream's bits and pictures per second over the last seconds of capture time.
type rateMeter struct {
	seconds [8]struct{ bytes, pictures int }
	from    time.Time // when the oldest second began; zero before the first unit
	n       int       // seconds that have begun
}

// add counts a picture.
func (m *rateMeter) add(at time.Time, bytes int) {
	if since := at.Sub(m.from); m.from.IsZero() || since < 0 || since > time.Duration(len(m.seconds)+2)*time.Second {
		*m = rateMeter{from: at, n: 1}
	}
	for i := int(at.Sub(m.from) / time.Second); i >= m.n; {
		if m.n < len(m.seconds) {
			m.n++
			continue
		}
		copy(m.seconds[:], m.seconds[1:])
		m.seconds[len(m.seconds)-1] = struct{ bytes, pictures int }{}
		m.from = m.from.Add(time.Second)
		i--
	}
	s := &m.seconds[m.n-1]
	s.bytes += bytes
	s.pictures++
}

// rates are bits and pictures per second of the whole seconds; zero before the first has passed.
func (m *rateMeter) rates() (bps int, fps float64) {
	if m.n < 2 {
		return 0, 0
	}
	var bytes, pictures int
	for _, s := range m.seconds[:m.n-1] {
		bytes, pictures = bytes+s.bytes, pictures+s.pictures
	}
	return bytes * 8 / (m.n - 1), float64(pictures) / float64(m.n-1)
}
