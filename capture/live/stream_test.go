package live_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

var (
	_ pipeline.Source      = (*live.Stream)(nil)
	_ pipeline.Pulser      = (*live.Stream)(nil)
	_ pipeline.UnitCounter = (*live.Stream)(nil)
)

// TestWholeClip: every unit becomes a frame with its own capture time, in order, and without B-frames at once.
func TestWholeClip(t *testing.T) {
	for _, tc := range []struct {
		name  string
		delay int
	}{
		{"plain.h264", 0}, {"slices.h264", 0}, {"bframes.h264", 2}, {"open.h264", 2}, {"plain.h265", 0}, {"bframes.h265", 2}, {"plain.mjpeg", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := readClip(t, tc.name)
			p := newPlayer(t, live.StreamConfig{Codec: c.codec})
			for i := range c.units {
				p.play(c, i, i+1)
				if tc.delay == 0 && p.frames != i+1 {
					t.Fatalf("%d frames of %d units", p.frames, i+1)
				}
			}
			p.end()
			if p.frames != len(c.units) || p.order[0] != 0 || p.order[p.frames-1] != p.frames-1 {
				t.Errorf("%d frames of %d units: %v", p.frames, len(c.units), p.order)
			}
			p.balance()
		})
	}
}

// TestJoin: a stream that is joined in the middle waits for the next place where pictures are sound, whatever marks it, and
// gives no unsound one.
func TestJoin(t *testing.T) {
	for _, tc := range []struct {
		name  string
		clip  string
		from  int
		strip bool // of SEI messages: nothing marks an intra picture
		first int  // the first sound picture at the earliest, by place
		last  int  // and at the latest
	}{
		{"at a key unit", "plain.h264", 25, false, 25, 25},
		{"before one", "plain.h264", 3, false, 25, 25},
		{"with B-frames", "bframes.h264", 7, false, 25, 25},
		{"H.265", "plain.h265", 1, false, 25, 25},
		{"H.265 with leading pictures", "bframes.h265", 9, false, 25, 25},
		{"intra refresh", "refresh.h264", 5, false, 15, 35},
		{"open groups", "open.h264", 6, false, 22, 26},
		{"open groups, unmarked", "open.h264", 6, true, 22, 26},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := readClip(t, tc.clip)
			want := clean(t, c)
			if tc.strip {
				for i, u := range c.units {
					c.units[i] = without(u, 6)
				}
			}
			p := newPlayer(t, live.StreamConfig{Codec: c.codec})
			p.play(c, tc.from, len(c.units))
			p.end()
			if p.frames == 0 || p.order[0] < tc.first || p.order[0] > tc.last {
				t.Fatalf("%d frames from %v on, want the first from %d to %d", p.frames, p.order[:min(1, p.frames)], tc.first, tc.last)
			}
			if p.frames != len(c.units)-p.order[0] {
				t.Errorf("%d frames from %d on: %v, %+v", p.frames, p.order[0], p.order, p.s.UnitCounts())
			}
			for n, pix := range p.pix {
				if db := psnr(pix, want[n]); db < 40 {
					t.Errorf("frame %d is off: %.1f dB", n, db)
				}
			}
			if counts := p.balance(); counts.DecodeError != 0 {
				t.Errorf("%+v: not decoded is not damaged", counts)
			}
		})
	}
}

// without takes the NAL units of a type out of an H.264 unit.
func without(unit []byte, kind byte) []byte {
	var out []byte
	parts := bytes.Split(unit, []byte{0, 0, 1})
	for _, part := range parts[1:] {
		if len(part) > 0 && part[0]&0x1f != kind {
			out = append(append(out, 0, 0, 0, 1), bytes.TrimRight(part, "\x00")...)
		}
	}
	return out
}

func TestCounts(t *testing.T) {
	c := readClip(t, "plain.h264")
	b := readClip(t, "bframes.h264")
	j := readClip(t, "plain.mjpeg")
	for _, tc := range []struct {
		name   string
		codec  pipeline.Codec
		run    func(p *player)
		frames int
		want   pipeline.UnitCounts
	}{
		{"nothing", pipeline.H264, func(*player) {}, 0, pipeline.UnitCounts{}},
		{"before the first key unit", pipeline.H264, func(p *player) { p.play(c, 20, 30) }, 5, pipeline.UnitCounts{Units: 10, NotDecoded: 5}},
		{"left in the queue", pipeline.H264, func(p *player) { p.play(c, 0, 2); p.push(2, c.units[2]); p.push(3, c.units[3]) }, 2, pipeline.UnitCounts{Units: 4, NotDecoded: 2}},
		{"left in the decoder", pipeline.H264, func(p *player) { p.play(b, 0, 5) }, 3, pipeline.UnitCounts{Units: 5, NotDecoded: 2}},
		{"empty", pipeline.H264, func(p *player) { p.push(0, nil); p.play(c, 0, 1) }, 1, pipeline.UnitCounts{Units: 2, NotDecoded: 1}},
		{"parameter sets alone", pipeline.H264, func(p *player) {
			p.push(0, c.units[0][:bytes.Index(c.units[0], []byte{0, 0, 1, 0x65})])
			p.push(0, c.units[0])
			_ = p.read()
		}, 1, pipeline.UnitCounts{Units: 2, NotDecoded: 1}},
		{"too large", pipeline.H264, func(p *player) {
			p.play(c, 0, 2)
			p.push(2, make([]byte, 1<<20+1))
			p.play(c, 3, 5)   // refer to it
			p.play(c, 25, 27) // a key unit
		}, 4, pipeline.UnitCounts{Units: 7, DecodeError: 1, NotDecoded: 2}},
		{"garbage", pipeline.H264, func(p *player) {
			p.play(c, 0, 2)
			p.push(2, []byte("this is no unit of anything"))
			p.play(c, 2, 4)
		}, 2, pipeline.UnitCounts{Units: 5, DecodeError: 1, NotDecoded: 2}},
		{"cut short", pipeline.H264, func(p *player) {
			p.play(c, 0, 2)
			p.push(2, c.units[2][:len(c.units[2])/2])
			p.play(c, 3, 27)
		}, 4, pipeline.UnitCounts{Units: 27, DecodeError: 1, NotDecoded: 22}},
		{"a unit is missing", pipeline.H264, func(p *player) { p.play(c, 0, 10); p.play(c, 11, 27) }, 12, pipeline.UnitCounts{Units: 26, NotDecoded: 14}},
		{"a transport says so", pipeline.H264, func(p *player) { p.play(c, 0, 10); p.s.Lost(); p.play(c, 10, 27) }, 12, pipeline.UnitCounts{Units: 27, NotDecoded: 15}},
		{"JPEG: the newest wins", pipeline.JPEG, func(p *player) {
			for i := range 5 {
				p.push(i, j.units[i])
			}
			_ = p.read()
		}, 1, pipeline.UnitCounts{Units: 5, NotDecoded: 4}},
		{"JPEG cut short", pipeline.JPEG, func(p *player) {
			p.push(0, j.units[0][:len(j.units[0])/2])
			_ = p.read()
			p.play(j, 1, 3)
		}, 2, pipeline.UnitCounts{Units: 3, DecodeError: 1}},
		{"JPEG of nothing", pipeline.JPEG, func(p *player) {
			p.push(0, []byte("<html>"))
			_ = p.read()
			p.play(j, 1, 3)
		}, 2, pipeline.UnitCounts{Units: 3, DecodeError: 1}},
		{"the reader fails", pipeline.H264, func(p *player) {
			p.play(c, 0, 3)
			p.push(3, c.units[3])
			p.s.Fail(errors.New("gone"))
			p.push(4, c.units[4])
			_ = p.read()
		}, 3, pipeline.UnitCounts{Units: 4, NotDecoded: 1}},
		{"the stream ends", pipeline.H264, func(p *player) { p.play(b, 0, 50); p.end() }, 50, pipeline.UnitCounts{Units: 50}},
		{"another codec", pipeline.H264, func(p *player) {
			p.play(b, 0, 5)
			p.push(5, b.units[5])
			if err := p.s.SetCodec(pipeline.JPEG); err != nil {
				p.t.Error(err)
			}
			p.base = p.base.Add(time.Second)
			p.play(j, 0, 2)
		}, 5, pipeline.UnitCounts{Units: 8, NotDecoded: 3}},
		{"after the end", pipeline.H264, func(p *player) { p.play(c, 0, 1); _ = p.s.Close(); p.push(1, c.units[1]) }, 1, pipeline.UnitCounts{Units: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlayer(t, live.StreamConfig{Codec: tc.codec, MaxBytes: 1 << 20})
			tc.run(p)
			p.order = nil // another codec's times start again
			if got := p.balance(); p.frames != tc.frames || got != tc.want {
				t.Errorf("%d frames, %+v; want %d, %+v", p.frames, got, tc.frames, tc.want)
			}
		})
	}
}

// TestUnitsHandedOn: each unit goes to OnUnit as it comes, numbered and marked.
func TestUnitsHandedOn(t *testing.T) {
	c := readClip(t, "plain.h265")
	var got []*pipeline.AccessUnit
	p := newPlayer(t, live.StreamConfig{Codec: c.codec, Options: live.Options{OnUnit: func(au *pipeline.AccessUnit) { got = append(got, au) }}})
	for i := range 30 {
		p.push(i, c.units[i])
	}
	for i, au := range got {
		if au.Seq != uint64(i+1) || au.Codec != pipeline.H265 || au.Key != (i%25 == 0) {
			t.Errorf("unit %d: %d, %s, key %v", i, au.Seq, au.Codec, au.Key)
		}
	}
	if len(got) != 30 {
		t.Errorf("%d units", len(got))
	}
}

// TestReadEnds: a Read that waits ends soon after its context, a failure, or Close.
func TestReadEnds(t *testing.T) {
	gone := errors.New("camera gone")
	for _, tc := range []struct {
		name string
		end  func(s *live.Stream, cancel func())
		want error
	}{
		{"context", func(_ *live.Stream, cancel func()) { cancel() }, context.Canceled},
		{"failure", func(s *live.Stream, _ func()) { s.Fail(gone); s.Fail(io.EOF) }, gone},
		{"end", func(s *live.Stream, _ func()) { s.Fail(io.EOF); s.Fail(gone) }, io.EOF},
		{"close", func(s *live.Stream, _ func()) { _, _ = s.Close(), s.Close() }, pipeline.ErrClosed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlayer(t, live.StreamConfig{Codec: pipeline.H264})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- p.s.Read(ctx, p.f) }()
			tc.end(p.s, cancel)
			select {
			case err := <-done:
				if !errors.Is(err, tc.want) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it waits on")
			}
			if tc.name != "context" {
				if err := p.s.Read(context.Background(), p.f); !errors.Is(err, tc.want) {
					t.Errorf("again: %v", err)
				}
			}
		})
	}
}

// TestSizeAndSets: parameter sets that change in the stream take effect, and the size with them.
func TestSizeAndSets(t *testing.T) {
	big, small := readClip(t, "plain.h264"), readClip(t, "formats/420.h264")
	p := newPlayer(t, live.StreamConfig{Codec: pipeline.H264})
	n := 0
	for _, u := range [][]byte{big.units[0], big.units[1], small.units[0], small.units[1], small.units[2], big.units[0], big.units[1]} {
		p.push(n, u)
		n++
		_ = p.read()
		if p.frames != n {
			t.Fatalf("%d frames of %d units", p.frames, n)
		}
		if want := len(p.pix[n-1]); want != p.f.Size().X*p.f.Size().Y*3/2 || (p.f.Size().X == 64) != (n >= 3 && n <= 5) {
			t.Errorf("unit %d: %v", n, p.f.Size())
		}
	}
	p.balance()
}

// TestRefusedPictures: a pixel format that is not converted ends the stream with what to do.
func TestRefusedPictures(t *testing.T) {
	c := readClip(t, "formats/rgb.h264")
	p := newPlayer(t, live.StreamConfig{Codec: c.codec})
	p.push(0, c.units[0])
	var refused *live.Refused
	if err := p.read(); !errors.As(err, &refused) || !strings.Contains(err.Error(), "h264: pictures of pixel format gbrp") {
		t.Errorf("error %v", err)
	}
	p.balance()
	if _, err := live.NewStream(live.StreamConfig{Codec: "vp8"}); !errors.As(err, &refused) {
		t.Errorf("vp8: %v", err)
	}
	q := newPlayer(t, live.StreamConfig{Codec: pipeline.H264})
	if err := q.s.SetCodec("vp8"); !errors.As(err, &refused) {
		t.Errorf("change to vp8: %v", err)
	}
}

// TestTimesIncrease: a transport whose times stand still or go back gives frames whose times do not.
func TestTimesIncrease(t *testing.T) {
	c := readClip(t, "plain.h264")
	p := newPlayer(t, live.StreamConfig{Codec: c.codec})
	var last time.Time
	for i, at := range []int{5, 5, 4, 6, 0} {
		p.push(at, c.units[i])
		if err := p.s.Read(context.Background(), p.f); err != nil {
			t.Fatal(err)
		}
		p.frames++
		if !p.f.At.After(last) {
			t.Errorf("unit %d: %v after %v", i, p.f.At, last)
		}
		last = p.f.At
	}
	p.balance()
}

func TestPulse(t *testing.T) {
	c := readClip(t, "bframes.h264")
	before := time.Now()
	p := newPlayer(t, live.StreamConfig{Codec: c.codec})
	if pulse := p.s.Pulse(); pulse.Data.Before(before) || pulse.Interval != 0 || pulse.KeyInterval != 0 {
		t.Errorf("at first: %+v", pulse)
	}
	p.play(c, 0, 40)
	if pulse := p.s.Pulse(); pulse.Interval != pace || pulse.KeyInterval != 25*pace {
		t.Errorf("after 40 units: %+v, want %v and %v", pulse, pace, 25*pace)
	}
	data := p.s.Pulse().Data
	for time.Now().Equal(data) {
		time.Sleep(time.Microsecond)
	}
	p.s.Touch()
	if pulse := p.s.Pulse(); !pulse.Data.After(data) {
		t.Error("bytes without a unit are no sign of life")
	}
	q := newPlayer(t, live.StreamConfig{Codec: pipeline.JPEG, Interval: time.Second})
	j := readClip(t, "plain.mjpeg")
	q.play(j, 0, 10)
	if pulse := q.s.Pulse(); pulse.Interval != time.Second || pulse.KeyInterval != 0 {
		t.Errorf("JPEG, announced: %+v", pulse)
	}
}
