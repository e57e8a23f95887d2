package live_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// loop plays a clip of whole groups over and over, for n units.
func (p *player) loop(c clip, n int) {
	for i := range n {
		k := len(c.units)
		p.push(c.place[i%k]+i/k*k, c.units[i%k])
		_ = p.read()
	}
}

// TestNeed: as few pictures are decoded as the need allows, and no fewer.
func TestNeed(t *testing.T) {
	const seconds, settle = 20, 4 // the first groups tell the rhythm
	for _, tc := range []struct {
		name         string
		clip         string
		need         float64
		least, most  float64 // frames a second
		longest      time.Duration
		atKeysOfClip bool // all frames are of key units
	}{
		{"all", "plain.h264", math.Inf(1), 25, 25, pace, false},
		{"two a second", "plain.h264", 2, 13, 14, 14 * pace, false},
		{"as many as key units", "plain.h264", 1, 1, 1, 25 * pace, true},
		{"a little more", "plain.h264", 1.02, 1, 1, 25 * pace, true},
		{"every second key unit", "plain.h264", 0.5, 0.5, 0.5, 50 * pace, true},
		{"few: no fewer than show that it lives", "plain.h264", 0.01, 0.5, 0.5, 50 * pace, true},
		{"none", "plain.h264", 0, 0.5, 0.5, 50 * pace, true},
		{"not a number", "plain.h264", math.NaN(), 0.5, 0.5, 50 * pace, true},
		{"more than there are", "plain.h264", 100, 25, 25, pace, false},
		{"half", "plain.h264", 12, 23, 25, 3 * pace, false},
		{"H.265", "plain.h265", 1, 1, 1, 25 * pace, true},
		{"B-frames, key units", "bframes.h264", 1, 1, 1, 25 * pace, true},
		{"B-frames", "bframes.h264", 2, 2, 8, 16 * pace, false},
		{"B-frames, more than those that others need", "bframes.h264", 18, 17, 25, 3 * pace, false},
		{"B-frames of H.265", "bframes.h265", 2, 2, 10, 16 * pace, false},
		{"JPEG", "plain.mjpeg", 5, 5, 5, 5 * pace, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := readClip(t, tc.clip)
			p := newPlayer(t, live.StreamConfig{Codec: c.codec, Options: live.Options{Need: func() float64 { return tc.need }}})
			p.loop(c, seconds*25)
			n, last := 0, settle*25
			for _, place := range p.order {
				if place <= settle*25 {
					last = place
					continue
				}
				n++
				if gap := time.Duration(place-last) * pace; gap > tc.longest {
					t.Errorf("%v from picture %d to %d, want at most %v", gap, last, place, tc.longest)
				}
				if last = place; tc.atKeysOfClip && place%25 != 0 {
					t.Errorf("picture %d is of no key unit", place)
				}
			}
			rate := float64(n) / (seconds - settle)
			if rate < tc.least-0.1 || rate > tc.most+0.1 {
				t.Errorf("%.2f frames a second, want %v to %v", rate, tc.least, tc.most)
			}
			if counts := p.balance(); counts.DecodeError != 0 {
				t.Errorf("%+v", counts)
			}
		})
	}
}

// TestNeedRises: a viewer who comes in the middle of a group sees the next picture, whole, and all that follow.
func TestNeedRises(t *testing.T) {
	for _, tc := range []struct {
		clip  string
		delay int
	}{{"plain.h264", 0}, {"plain.h265", 0}, {"bframes.h264", 2}, {"bframes.h265", 2}} {
		t.Run(tc.clip, func(t *testing.T) {
			c := readClip(t, tc.clip)
			want := clean(t, c)
			need := 1.0
			p := newPlayer(t, live.StreamConfig{Codec: c.codec, Options: live.Options{Need: func() float64 { return need }}})
			const rise, fall, end = 114, 140, 210
			p.loop(c, rise)
			before := p.frames
			need = math.Inf(1)
			for i := rise; i < end; i++ {
				if i == fall {
					need = 1
				}
				k := len(c.units)
				p.push(c.place[i%k]+i/k*k, c.units[i%k])
				_ = p.read()
				if n := p.frames - before; i < fall && (n < i-rise+1-tc.delay-1 || tc.delay == 0 && n != i-rise+1) {
					t.Fatalf("%d frames of %d units since the need rose", n, i-rise+1)
				}
			}
			for place, pix := range p.pix {
				if !bytes.Equal(pix, want[place%len(c.units)]) {
					t.Errorf("picture %d is not what it should be", place)
				}
			}
			if late := p.order[p.frames-1]; late%25 != 0 || p.frames > before+fall-rise+15 {
				t.Errorf("%d frames, the last %d, after the need fell", p.frames-before, late)
			}
			p.balance()
		})
	}
}

// TestKeptBound: of a group that is too long to be kept whole, nothing is, and the next key unit begins anew.
func TestKeptBound(t *testing.T) {
	c := readClip(t, "plain.h264")
	need := 0.01
	p := newPlayer(t, live.StreamConfig{Codec: c.codec, Options: live.Options{Need: func() float64 { return need }}})
	n := 0
	group := func(units int) {
		for i := range units {
			p.push(n, c.units[min(i, 1)]) // the same frame_num again is no gap
			n++
			_ = p.read()
		}
	}
	group(700)
	group(700) // the rhythm is known: all but the key unit is left out
	group(650)
	before := p.frames
	need = math.Inf(1)
	group(0)
	for range 5 {
		p.push(n, c.units[1])
		n++
		_ = p.read()
	}
	if p.frames != before {
		t.Errorf("%d frames of a group that was not kept", p.frames-before)
	}
	group(2)
	if p.frames != before+2 {
		t.Errorf("%d frames of 2 units: %v, %+v", p.frames-before, p.order, p.s.UnitCounts())
	}
	p.balance()
}

// TestNeedFlutters: however the need changes, what comes out is whole and in order.
func TestNeedFlutters(t *testing.T) {
	c := readClip(t, "bframes.h264")
	want := clean(t, c)
	i := 0
	needs := []float64{1, math.Inf(1), 2, 0, math.Inf(1), 5, 0.3}
	p := newPlayer(t, live.StreamConfig{Codec: pipeline.H264, Options: live.Options{Need: func() float64 {
		i++
		return needs[i/7%len(needs)]
	}}})
	p.loop(c, 1000)
	for place, pix := range p.pix {
		if !bytes.Equal(pix, want[place%len(c.units)]) {
			t.Errorf("picture %d is not what it should be", place)
		}
	}
	if counts := p.balance(); counts.DecodeError != 0 || p.frames < 100 {
		t.Errorf("%d frames, %+v", p.frames, counts)
	}
}

// counting is a context that ends after some questions.
type counting struct {
	polling
	left int
}

func (c *counting) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return c.polling.Err()
}

// TestCatchingUpEnds: a Read whose context ends while it catches up returns, and the next one goes on from there.
func TestCatchingUpEnds(t *testing.T) {
	c := readClip(t, "plain.h264")
	want := clean(t, c)
	need := 1.0
	p := newPlayer(t, live.StreamConfig{Codec: c.codec, Options: live.Options{Need: func() float64 { return need }}})
	p.loop(c, 95)
	before := p.frames
	need = math.Inf(1)
	p.push(95, c.units[45])
	if err := p.s.Read(&counting{polling{Context: context.Background()}, 10}, p.f); !errors.Is(err, context.Canceled) {
		t.Fatalf("it went on: %v", err)
	}
	p.push(96, c.units[46])
	_ = p.read()
	if p.frames != before+1 || !bytes.Equal(p.pix[96], want[46]) {
		t.Errorf("%d frames, the last %v", p.frames-before, p.order[p.frames-1])
	}
	p.balance()
}
