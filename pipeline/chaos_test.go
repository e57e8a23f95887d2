package pipeline

import (
	"context"
	"errors"
	"image"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// chaos is a source of n frames whose size, format and pace change at random.
type chaos struct{ n int }

func (s *chaos) Read(_ context.Context, f *Frame) error {
	if s.n == 0 {
		return io.EOF
	}
	s.n--
	if rand.IntN(4) == 0 {
		time.Sleep(rand.N(300 * time.Microsecond))
	}
	f.At = time.Now()
	size := image.Pt(64, 48)
	if rand.IntN(20) == 0 {
		size = image.Pt(2+2*rand.IntN(100), 2+2*rand.IntN(100))
	}
	return f.Prepare(Format(rand.IntN(20)/19), size)
}

func (s *chaos) Close() error { return nil }

// moody works, fails, skips or dawdles.
func moody(err error) error {
	switch rand.IntN(6) {
	case 0:
		return err
	case 1:
		time.Sleep(rand.N(400 * time.Microsecond))
	}
	return nil
}

// Whatever happens to frames, the books balance at every reading, and no frame is lost.
func TestLedgerBalancesInChaos(t *testing.T) {
	for round := range 12 {
		o := newOverlay(t)
		sink := newWatcher(WantAnnotated)
		sink.write = func(f *Frame, tracks []tracker.Track) error {
			sink.wants.Store(uint32(rand.IntN(3)) * uint32(WantClean))
			return errors.Join(o.Draw(f, tracks), moody([]error{errTest, ErrSkipped}[rand.IntN(2)]))
		}
		cfg := Config{
			Source: &chaos{n: 500}, Sink: sink,
			DetectFPS: []float64{0, 50, 500}[round%3], PreviewFPS: []float64{5000, 100}[round%2],
			Detector: detectorFunc(func(ctx context.Context, c *infer.Canvas) ([]infer.Detection, error) {
				if err := moody(errTest); err != nil {
					return nil, err
				}
				return oneBox(ctx, c)
			}),
		}
		if round%2 == 1 {
			cfg.DetectSource = &chaos{n: 400}
		}
		s := start(t, cfg)
		if round%4 == 3 {
			time.AfterFunc(3*time.Millisecond, s.cancel)
		}
		for len(s.done) == 0 {
			s.ledgers(t)
			sink.wants.CompareAndSwap(0, uint32(rand.IntN(2)))
		}
		if err := s.wait(t); err != nil && !errors.Is(err, errTest) { // ten detections in a row may fail
			t.Fatal(err)
		}
		st := s.Stats()
		if l := st.Ledger; round%4 != 3 && l.Captured != 500 {
			t.Errorf("round %d: %d frames captured: %+v", round, l.Captured, l)
		}
		if d := st.DetectSource; d != nil && round%4 != 3 && d.Ledger.Captured != 400 {
			t.Errorf("round %d: %d frames captured to be detected on: %+v", round, d.Ledger.Captured, d.Ledger)
		}
	}
}
