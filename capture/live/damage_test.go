package live_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// TestDamage: whatever is lost on the way, no picture that lacks it is shown, and after the next key unit all is well. What
// a decoder cannot notice, bits that turn into other valid ones, is not asked for; nor are cut H.265 units, of which
// libavcodec notices half.
func TestDamage(t *testing.T) {
	const runs = 12
	for _, tc := range []struct {
		clip  string
		kinds []string
	}{
		{"plain.h264", []string{"lost", "cut", "hole", "slice"}}, {"slices.h264", []string{"lost", "cut", "hole", "slice"}},
		{"bframes.h264", []string{"lost", "slice"}}, {"refresh.h264", []string{"lost", "cut"}}, {"open.h264", []string{"lost"}},
		{"plain.h265", []string{"lost", "slice"}}, {"bframes.h265", []string{"lost", "slice"}},
		{"plain.mjpeg", []string{"cut", "hole"}},
	} {
		c := readClip(t, tc.clip)
		want := clean(t, c)
		for _, kind := range tc.kinds {
			t.Run(tc.clip+" "+kind, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(4, 2))
				for range runs {
					k := rng.IntN(len(c.units))
					p := newPlayer(t, live.StreamConfig{Codec: c.codec})
					p.play(c, 0, k)
					if u := harm(rng, kind, c.units[k]); u != nil {
						p.push(c.place[k], u)
						_ = p.read()
					}
					p.play(c, k+1, len(c.units))
					p.end()
					for n, pix := range p.pix {
						if db := psnr(pix, want[n]); db < 38 {
							t.Errorf("unit %d harmed: picture %d is shown with %.1f dB", k, n, db)
						}
					}
					if k < 20 && p.frames < 20 && c.codec != pipeline.JPEG {
						t.Errorf("unit %d harmed: %d frames of 50", k, p.frames)
					}
					p.balance()
				}
			})
		}
	}
}

// harm makes a damaged copy of a unit; nil is one that never came.
func harm(rng *rand.Rand, kind string, u []byte) []byte {
	at := 6 + rng.IntN(len(u)-6)
	switch kind {
	case "cut":
		return bytes.Clone(u[:at])
	case "hole":
		return append(bytes.Clone(u[:at]), u[min(at+1400, len(u)):]...)
	case "slice":
		parts := bytes.Split(u, []byte{0, 0, 1})
		n := len(parts) - 1 // the last: the picture, or a part of it
		return bytes.Join(parts[:n], []byte{0, 0, 1})
	}
	return nil
}

// TestBrokenEncoder: a stream whose every group has a fault that can be played over is shown, after some groups, rather
// than never.
func TestBrokenEncoder(t *testing.T) {
	c := readClip(t, "plain.h265")
	p := newPlayer(t, live.StreamConfig{Codec: c.codec})
	for round := range 10 {
		for i, u := range c.units {
			if i%25 == 1 { // a message that ends too early
				u = append(bytes.Clone(u), 0, 0, 0, 1, 39<<1, 1, 0, 200, 0x80)
			}
			p.push(round*50+i, u)
			_ = p.read()
		}
	}
	if n := p.frames; n < 350 {
		t.Errorf("%d of 500 frames are shown", n)
	}
	p.balance()
}

// TestNoiseBalances: any sequence of any calls leaves an account that balances, and frames whose times increase.
func TestNoiseBalances(t *testing.T) {
	var clips []clip
	for _, name := range []string{"plain.h264", "bframes.h264", "refresh.h264", "open.h264", "plain.h265", "bframes.h265", "plain.mjpeg"} {
		clips = append(clips, readClip(t, name))
	}
	for seed := range uint64(150) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			need := 100.0
			c := clips[rng.IntN(len(clips))]
			p := newPlayer(t, live.StreamConfig{Codec: c.codec, MaxBytes: 20_000, Options: live.Options{Need: func() float64 { return need }}})
			var last time.Time
			place := 0
			for i := rng.IntN(len(c.units)); p.frames < 200 && place < 120; i = (i + 1) % len(c.units) {
				place++
				u := c.units[i]
				switch rng.IntN(40) {
				case 0:
					u = harm(rng, "cut", u)
				case 1:
					u = harm(rng, "hole", u)
				case 2:
					u = nil
				case 3:
					i = (i + 1 + rng.IntN(8)) % len(c.units)
				case 4:
					need = []float64{0, 1, 2, 7, 1e9}[rng.IntN(5)]
				case 5:
					p.s.Age(time.Duration(rng.IntN(4000)) * time.Millisecond)
				case 6:
					p.s.Lost()
				case 7:
					if c = clips[rng.IntN(len(clips))]; p.s.SetCodec(c.codec) != nil {
						t.Fatal("codec refused")
					}
					i = 0
				case 8:
					u = make([]byte, 30_000)
				}
				p.s.Push(&pipeline.AccessUnit{At: p.base.Add(time.Duration(place) * pace), Data: u})
				if rng.IntN(3) > 0 {
					from := p.frames
					if err := p.read(); err != nil {
						t.Fatal(err)
					}
					if p.frames > from && !p.f.At.After(last) {
						t.Errorf("%v after %v", p.f.At, last)
					}
					last = p.f.At
				}
			}
			if rng.IntN(2) == 0 {
				p.end()
			}
			p.order = nil // places are not what they were
			p.balance()
		})
	}
}

// TestTogether: a reader goroutine pushes, another reads, and a third closes.
func TestTogether(t *testing.T) {
	c := readClip(t, "bframes.h264")
	for range 10 {
		p := newPlayer(t, live.StreamConfig{Codec: c.codec, Options: live.Options{Need: func() float64 { return 5 }}})
		read, pushed := make(chan int), make(chan struct{})
		go func() {
			n := 0
			for p.s.Read(t.Context(), p.f) == nil {
				n++
			}
			read <- n
		}()
		go func() {
			defer close(pushed)
			for i := range 200 {
				p.push(i, c.units[i%50])
				p.s.Touch()
				_, _ = p.s.Pulse(), p.s.UnitCounts()
			}
		}()
		<-pushed
		_ = p.s.Close()
		p.frames = <-read
		p.balance()
	}
}
