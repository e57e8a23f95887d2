//go:build matprofile

package stream

import (
	"context"
	"image"
	"testing"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
)

// TestMats: viewers, size changes, stills of both kinds and BGR frames leave no Mat behind.
func TestMats(t *testing.T) {
	before := gocv.MatProfile.Count()
	t.Run("work", func(t *testing.T) {
		s := newStage(t, nil)
		for i, size := range []image.Point{{X: 64, Y: 48}, {X: 80, Y: 60}} {
			s.size(size)
			v, small := s.join(), s.joinTo("small", pipeline.VP8)
			done := make(chan error)
			go func() {
				_, _, err := s.b.Snapshot(context.Background(), i == 0)
				done <- err
			}()
			waitFor(t, "the asker", func() bool { return s.b.Wants() != pipeline.WantAnnotated|pipeline.WantSmall })
			s.writes(5)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			v.leave()
			small.leave()
		}
		if err := s.f.Prepare(pipeline.BGR, image.Pt(65, 49)); err != nil {
			t.Fatal(err)
		}
		s.join()
		s.writes(3)
	})
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats before, %d after", before, after)
	}
}
