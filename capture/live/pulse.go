package live

import (
	"slices"
	"time"

	"yfv2d/pipeline"
)

const (
	pulseUnits = 17 // the median of 16 intervals is the interval
	pulseKeys  = 8  // the longest of so many key intervals is the key interval
)

// pulse measures a stream's rhythm. Its owner's mutex guards it.
type pulse struct {
	data      time.Time
	announced time.Duration
	ats       []time.Time // capture times of the newest units, in the order they came
	lastKey   time.Time
	keys      []time.Duration // the newest intervals between key pictures
}

func (p *pulse) start(now time.Time, announced time.Duration) {
	p.data, p.announced = now, max(announced, 0)
}

// unit notes a unit that came now; groups says that its codec has pictures that need others.
func (p *pulse) unit(now, at time.Time, key, groups bool) {
	p.data = now
	p.ats = append(p.ats, at)
	if len(p.ats) > pulseUnits {
		p.ats = slices.Delete(p.ats, 0, 1)
	}
	if !key || !groups {
		return
	}
	if d := at.Sub(p.lastKey); !p.lastKey.IsZero() && d > 0 {
		p.keys = append(p.keys, d)
		if len(p.keys) > pulseKeys {
			p.keys = slices.Delete(p.keys, 0, 1)
		}
	}
	p.lastKey = at
}

// forget drops what belongs to the codec before.
func (p *pulse) forget() { p.ats, p.keys, p.lastKey = nil, nil, time.Time{} }

// interval is the announced or the median time between pictures; 0 if unknown.
func (p *pulse) interval() time.Duration {
	if p.announced > 0 {
		return p.announced
	}
	if len(p.ats) < 3 {
		return 0
	}
	ats := slices.Clone(p.ats) // B-frames come after pictures that are shown later
	slices.SortFunc(ats, time.Time.Compare)
	var gaps [pulseUnits - 1]time.Duration
	for i := range ats[1:] {
		gaps[i] = ats[i+1].Sub(ats[i])
	}
	n := len(ats) - 1
	slices.Sort(gaps[:n])
	return gaps[(n-1)/2] // of two the smaller: the other may be a pause of the stream's
}

// keyInterval is the longest time between key pictures seen lately; 0 if unknown.
func (p *pulse) keyInterval() time.Duration {
	if len(p.keys) == 0 {
		return 0
	}
	return slices.Max(p.keys)
}

func (p *pulse) read() pipeline.Pulse {
	return pipeline.Pulse{Data: p.data, Interval: p.interval(), KeyInterval: p.keyInterval()}
}
