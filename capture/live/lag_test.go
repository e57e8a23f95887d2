package live_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/capture/live"
)

// TestLag: a picture that is late is not returned. What others need of it is decoded; a key unit makes that needless.
func TestLag(t *testing.T) {
	c := readClip(t, "plain.h264")
	for _, tc := range []struct {
		name  string
		units []int // pushed before Read
		age   time.Duration
		fresh []int // pushed after they have aged
		want  []int
	}{
		{"in time", []int{0, 1, 2}, 400 * time.Millisecond, []int{3}, []int{0, 1, 2, 3}},
		{"late, no key unit", []int{0, 1, 2}, 600 * time.Millisecond, []int{3}, []int{3}},
		{"late, and a key unit since", []int{0, 1, 2, 24}, 600 * time.Millisecond, []int{25, 26}, []int{25, 26}},
		{"much too late", []int{0, 1, 2}, 4 * time.Second, []int{3, 4}, nil},
		{"much too late, then a key unit", []int{0, 1, 2}, 4 * time.Second, []int{3, 25, 26}, []int{25, 26}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlayer(t, live.StreamConfig{Codec: c.codec})
			for _, i := range tc.units {
				p.push(i, c.units[i])
			}
			p.s.Age(tc.age)
			for _, i := range tc.fresh {
				p.push(i, c.units[i])
			}
			_ = p.read()
			if !slices.Equal(p.order, tc.want) {
				t.Errorf("frames %v, want %v", p.order, tc.want)
			}
			if counts := p.balance(); counts.DecodeError != 0 {
				t.Errorf("%+v", counts)
			}
		})
	}
}

// TestQueueBound: what nobody reads is let go of, and the next key unit begins anew.
func TestQueueBound(t *testing.T) {
	c := readClip(t, "plain.h264")
	p := newPlayer(t, live.StreamConfig{Codec: c.codec})
	for i := range 1000 {
		p.push(i, c.units[i%50])
		if n := p.s.Queued(); n > 300 {
			t.Fatalf("%d units wait", n)
		}
	}
	_ = p.read()
	if p.frames == 0 || p.order[p.frames-1] != 999 {
		t.Errorf("%d frames", p.frames)
	}
	for i := range 20 {
		p.push(1000+i, make([]byte, 4<<20))
		if n := p.s.Queued(); n > 4 {
			t.Fatalf("%d units of 4 MB wait", n)
		}
	}
	p.balance()
}

// TestTellsOnce: lag is told once an episode, and a crop once.
func TestTellsOnce(t *testing.T) {
	var log bytes.Buffer
	c, odd := readClip(t, "plain.h264"), readClip(t, "formats/odd.mjpeg")
	p := newPlayer(t, live.StreamConfig{Codec: c.codec, Options: live.Options{Log: zerolog.New(&log)}})
	n := 0
	lag := func(age time.Duration) {
		for range 5 {
			p.push(n, c.units[n%50])
			n++
		}
		p.s.Age(age)
		_ = p.read()
	}
	for _, age := range []time.Duration{0, 600 * time.Millisecond, 700 * time.Millisecond, 0, 800 * time.Millisecond} {
		lag(age)
	}
	if err := p.s.SetCodec(odd.codec); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		n++
		p.push(n, odd.units[0])
		_ = p.read()
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "does not keep up") || !strings.Contains(lines[2], "odd side") {
		t.Errorf("%d lines: %s", len(lines), log.String())
	}
}
