//go:build matprofile

package stream

import (
	"image"
	"testing"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
)

// TestMotionMats: moving pictures in several variants, of sizes that change, leave no Mat behind, also where viewers are
// still there at the end.
func TestMotionMats(t *testing.T) {
	before := gocv.MatProfile.Count()
	t.Run("work", func(t *testing.T) {
		s := newStage(t, nil)
		var encodes uint64
		for _, size := range []image.Point{{X: 64, Y: 48}, {X: 80, Y: 60}} {
			s.size(size)
			a, b, c := s.watch(false, 4, 30), s.watch(true, 4, 30), s.watch(false, 1, 30)
			for range 3 {
				encodes += 3
				s.settle(encodes)
			}
			a.leave()
			b.leave()
			c.leave()
		}
		if err := s.f.Prepare(pipeline.BGR, image.Pt(65, 49)); err != nil {
			t.Fatal(err)
		}
		s.watch(false, 2, 30)
		s.settle(encodes + 1)
	})
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats before, %d after", before, after)
	}
}
