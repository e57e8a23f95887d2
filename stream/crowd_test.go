package stream

import (
	"context"
	"image"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yfv2d/pipeline"
)

// TestFiftyViewersOneEncode: each gets every frame, and each frame is encoded once.
func TestFiftyViewersOneEncode(t *testing.T) {
	s := newStage(t, nil)
	var crowd []*viewer
	for range 50 {
		crowd = append(crowd, s.joinTo("clean", pipeline.H264))
	}
	for range 60 {
		s.writes(1)
		var first *unit
		for _, v := range crowd {
			got := take(v)
			if len(got) != 1 || first != nil && got[0] != first {
				t.Fatalf("%d units, or not the others'", len(got))
			}
			first = got[0]
		}
	}
	if st := s.b.Stats(); st.Encodes != 60 || st.Keys != 1 || s.lab.made != 1 || st.Lagged != 0 {
		t.Errorf("%+v, %d encoders made", st, s.lab.made)
	}
}

// TestCrowdComesAndGoes: frames, the camera's own units, viewers that come, are moved, stall and leave, stills and readers of
// figures all at once. Nothing is left over.
func TestCrowdComesAndGoes(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := newStage(t, func(c *BroadcasterConfig) { c.Bitrate = megabit })
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	run := func(f func()) {
		work.Add(1)
		go func() {
			defer work.Done()
			f()
		}()
	}
	run(func() {
		c := ownCamera()
		c.interval = 50
		for n := 1; ctx.Err() == nil; n++ {
			c.bEvery = n / 300 % 2 * 3
			s.b.Unit(c.unit(n, frameAt(n)))
			time.Sleep(time.Millisecond)
		}
	})
	for i := range 8 {
		run(func() { stroll(ctx, s.b, rand.New(rand.NewPCG(uint64(i), 3))) })
	}
	run(func() {
		for ctx.Err() == nil {
			_ = s.b.Stats()
			still, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			_, _, _ = s.b.Snapshot(still, false)
			cancel()
		}
	})
	for n := range 1500 {
		if n%400 == 399 {
			s.size(image.Pt(64+2*(n%7), 48))
		}
		if err := s.write(); err != nil && err != pipeline.ErrSkipped {
			t.Error(err)
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	work.Wait()
	if st := s.b.Stats(); st.Viewers != 0 || s.b.Wants()&^pipeline.WantSnapshot != 0 || s.lab.live() != 0 {
		t.Errorf("%d viewers, %d encoders, wants %b are left", st.Viewers, s.lab.live(), s.b.Wants())
	}
	for _, l := range s.b.lanes {
		if len(l.members) != 0 {
			t.Errorf("%s in %s: %d members left", l.name, l.codec, len(l.members))
		}
	}
}

// stroll plays viewers, one after another.
func stroll(ctx context.Context, b *Broadcaster, r *rand.Rand) {
	for ctx.Err() == nil {
		w := viewing{rendition: renditionNames[r.IntN(3)], codec: b.codecs()[r.IntN(2)], profiles: []uint8{66}}
		v, err := b.join(w)
		if err != nil {
			return
		}
		for range r.IntN(100) {
			some, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			u, err := v.next(some)
			cancel()
			if err == nil {
				v.sent(u)
			}
			switch r.IntN(20) {
			case 0:
				v.askKey()
			case 1:
				v.skip()
			case 2:
				v.estimate(r.IntN(2 * megabit))
			case 3:
				_ = v.rendition()
			}
		}
		v.leave()
	}
}
