package live_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/avdec"
	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// pace is the time between pictures of the clips.
const pace = 40 * time.Millisecond

// clip is one of avdec's testdata.
type clip struct {
	codec pipeline.Codec
	units [][]byte
	place []int // of each unit's picture in order of presentation
}

func readClip(t testing.TB, name string) clip {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../avdec/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	c := clip{codec: pipeline.Codec(strings.TrimPrefix(filepath.Ext(name), "."))}
	start := []byte{0, 0, 0, 1, 9} // the access unit delimiter that each unit begins with
	switch c.codec {
	case "mjpeg":
		c.codec, start = pipeline.JPEG, []byte{0xff, 0xd8, 0xff}
	case pipeline.H265:
		start = []byte{0, 0, 0, 1, 35 << 1}
	}
	parts := bytes.Split(data, start)
	for _, part := range parts[1:] {
		c.units = append(c.units, append(bytes.Clone(start), part...))
	}
	c.place = places(t, c)
	return c
}

// places asks a decoder of its own for the order of presentation.
func places(t testing.TB, c clip) []int {
	t.Helper()
	d, err := avdec.New(c.codec)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	place, n := make([]int, len(c.units)), 0
	take := func() {
		for {
			p, ok, err := d.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return
			}
			place[p.Tag] = n
			n++
		}
	}
	for i, u := range c.units {
		if err := d.Send(u, int64(i)); err != nil {
			t.Fatal(err)
		}
		take()
	}
	if err := d.Drain(); err != nil {
		t.Fatal(err)
	}
	take()
	return place
}

// player drives a stream by hand.
type player struct {
	t      testing.TB
	s      *live.Stream
	f      *pipeline.Frame
	base   time.Time
	frames int
	pix    map[int][]byte // of the frames that came out, by their capture time in units of pace
	order  []int
}

func newPlayer(t testing.TB, cfg live.StreamConfig) *player {
	t.Helper()
	s, err := live.NewStream(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, s: s, f: pipeline.NewFrame(), base: time.Now(), pix: map[int][]byte{}}
	t.Cleanup(func() { _, _ = s.Close(), p.f.Close() })
	return p
}

// push gives the stream a unit whose picture's place is n.
func (p *player) push(n int, data []byte) {
	p.s.Push(&pipeline.AccessUnit{At: p.base.Add(time.Duration(n) * pace), Data: data})
}

// play pushes units one by one, and reads what each gives.
func (p *player) play(c clip, from, to int) {
	for i := from; i < to; i++ {
		p.push(c.place[i], c.units[i])
		p.read()
	}
}

// polling is a context that ends when somebody waits for it.
type polling struct {
	context.Context
	asked bool
}

var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (c *polling) Done() <-chan struct{} {
	c.asked = true
	return ended
}

func (c *polling) Err() error {
	if c.asked {
		return context.Canceled
	}
	return nil
}

// read takes the frames that need no waiting, and returns what ended it.
func (p *player) read() error {
	p.t.Helper()
	for {
		err := p.s.Read(&polling{Context: context.Background()}, p.f)
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err != nil {
			return err
		}
		n := int((p.f.At.Sub(p.base) + pace/2) / pace)
		p.frames++
		p.order = append(p.order, n)
		p.pix[n] = bytes.Clone(p.f.Pix())
	}
}

// end lets the stream give what it has left.
func (p *player) end() {
	p.t.Helper()
	p.s.Fail(io.EOF)
	if err := p.read(); !errors.Is(err, io.EOF) {
		p.t.Errorf("at the end: %v", err)
	}
}

// balance closes the stream and checks its account.
func (p *player) balance() pipeline.UnitCounts {
	p.t.Helper()
	if err := p.s.Close(); err != nil {
		p.t.Error(err)
	}
	c := p.s.UnitCounts()
	if c.Units != uint64(p.frames)+c.DecodeError+c.NotDecoded {
		p.t.Errorf("%d frames and %+v do not balance", p.frames, c)
	}
	if !slices.IsSorted(p.order) {
		p.t.Errorf("frames out of order: %v", p.order)
	}
	return c
}

// clean is what a clip's frames are, by place.
func clean(t testing.TB, c clip) map[int][]byte {
	t.Helper()
	p := newPlayer(t, live.StreamConfig{Codec: c.codec})
	p.play(c, 0, len(c.units))
	p.end()
	if p.balance(); p.frames != len(c.units) {
		t.Fatalf("%d frames of %d units", p.frames, len(c.units))
	}
	return p.pix
}

// psnr compares two pictures, in dB.
func psnr(a, b []byte) float64 {
	if len(a) != len(b) {
		return 0
	}
	var sum, n float64
	for i := 0; i < len(a); i += 3 {
		d := float64(a[i]) - float64(b[i])
		sum, n = sum+d*d, n+1
	}
	return 10 * math.Log10(255*255*n/max(sum, 1e-9))
}
