//go:build matprofile

package v4l2

import (
	"sync/atomic"
	"testing"

	"gocv.io/x/gocv"

	"yfv2d/capture/live"
)

// TestMatsOfReadersLeftBehind: they are freed by the reader, when it comes back.
func TestMatsOfReadersLeftBehind(t *testing.T) {
	for _, pic := range []picture{yuyvPicture(), jpegPicture()} {
		t.Run(string(pic.format), func(t *testing.T) {
			before := gocv.MatProfile.Count()
			var devices atomic.Int32
			var stuck live.Stuck
			g := &rig{pic: pic, hang: make(chan struct{}), open: &devices}
			leaveBehind(t, g, live.Options{Stuck: &stuck})
			if gocv.MatProfile.Count() == before {
				t.Error("the reader left behind has no Mat")
			}
			close(g.hang)
			await(t, func() bool { return stuck.Count() == 0 && devices.Load() == 0 })
			if n := gocv.MatProfile.Count() - before; n != 0 {
				t.Errorf("%d Mats left over", n)
			}
		})
	}
}
