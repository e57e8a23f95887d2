package stream

import (
	"bytes"
	"context"
	"errors"
	"image"
	_ "image/jpeg"
	"sync"
	"testing"
	"time"

	"yfv2d/pipeline"
)

func TestSnapshotShared(t *testing.T) {
	s := newStage(t, nil)
	const askers = 8
	var wg sync.WaitGroup
	jpegs := make([][]byte, askers)
	for i := range askers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			jpeg, at, err := s.b.Snapshot(context.Background(), true)
			if err != nil || !at.After(start) {
				t.Errorf("at %v: %v", at, err)
			}
			jpegs[i] = jpeg
		}()
	}
	waitFor(t, "an asker", func() bool { return s.b.Wants() == pipeline.WantSnapshotBoxes })
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	frames := 0
	for wait := true; wait; {
		select {
		case <-done:
			wait = false
		case <-time.After(10 * time.Millisecond): // askers may come one by one
			s.writes(1)
			frames++
		}
	}
	different := map[*byte]bool{}
	for _, j := range jpegs {
		cfg, format, err := image.DecodeConfig(bytes.NewReader(j))
		if err != nil || format != "jpeg" || cfg.Width != 64 || cfg.Height != 48 {
			t.Fatalf("%s of %dx%d: %v", format, cfg.Width, cfg.Height, err)
		}
		different[&j[0]] = true
	}
	if len(different) > frames {
		t.Errorf("%d JPEGs were made for %d frames", len(different), frames)
	}
	if st := s.b.Stats(); st.Encodes != 0 || st.EncoderRunning {
		t.Errorf("a snapshot started the encoder: %+v", st)
	}
}

func TestSnapshotGivesUp(t *testing.T) {
	s := newStage(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := s.b.Snapshot(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("gave %v", err)
	}
	if err := s.b.awaitFrame(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("gave %v", err)
	}
	s.writes(2) // serves the one who went, then nobody
	if s.b.Wants() != 0 {
		t.Errorf("wants %d", s.b.Wants())
	}
	if err := s.b.awaitFrame(ctx); err != nil {
		t.Errorf("a frame came just now: %v", err)
	}
}

// TestStills: BGR pictures of any size are shown and snapped, less an odd last row and column in the live picture.
func TestStills(t *testing.T) {
	s := newStage(t, nil)
	if err := s.f.Prepare(pipeline.BGR, image.Pt(65, 49)); err != nil {
		t.Fatal(err)
	}
	pix := s.f.Pix()
	for i := range pix {
		pix[i] = 200
	}
	v := s.join()
	for _, tc := range []struct {
		name  string
		boxes bool
		size  image.Point
	}{
		{"plain", false, image.Pt(65, 49)},
		{"boxes", true, image.Pt(64, 48)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var jpeg []byte
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				jpeg, _, err = s.b.Snapshot(context.Background(), tc.boxes)
			}()
			waitFor(t, "the asker", func() bool { return s.b.Wants() != pipeline.WantAnnotated })
			s.writes(1)
			<-done
			if err != nil {
				t.Fatal(err)
			}
			cfg, _, err := image.DecodeConfig(bytes.NewReader(jpeg))
			if err != nil || image.Pt(cfg.Width, cfg.Height) != tc.size {
				t.Errorf("%dx%d: %v", cfg.Width, cfg.Height, err)
			}
			if g := grey(t, jpeg); g < 197 || g > 203 {
				t.Errorf("grey of %d, want 200", g)
			}
		})
	}
	if got := take(v); len(got) != 2 {
		t.Errorf("%d units of 2 stills", len(got))
	}
}
