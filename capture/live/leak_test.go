//go:build matprofile

package live_test

import (
	"testing"

	"gocv.io/x/gocv"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// TestLeavesNoMats: a stream owns no Mat, whatever becomes of it.
func TestLeavesNoMats(t *testing.T) {
	before := gocv.MatProfile.Count()
	c := readClip(t, "bframes.h264")
	s, err := live.NewStream(live.StreamConfig{Codec: c.codec})
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, s: s, f: pipeline.NewFrame(), pix: map[int][]byte{}}
	p.play(c, 0, 30)
	_, _ = s.Close(), p.f.Close()
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats more", after-before)
	}
}
