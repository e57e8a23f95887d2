//go:build matprofile

package pipeline

import (
	"image"
	"testing"

	"gocv.io/x/gocv"

	"yfv2d/infer"
)

func noMatsLeft(t *testing.T, work func()) {
	t.Helper()
	before := gocv.MatProfile.Count()
	work()
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats, %d before", after, before)
	}
}

func TestNoMatsLeftAfterRun(t *testing.T) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			noMatsLeft(t, func() {
				for range 20 {
					comeToAnEnd(t, e.cfg(), e.stop, e.want)
				}
			})
		})
	}
}

func TestNoMatsLeftAfterSizeChanges(t *testing.T) {
	noMatsLeft(t, func() {
		p, err := New(Config{Detector: oneBox})
		if err != nil {
			t.Fatal(err)
		}
		f, o := NewFrame(), newOverlay(t)
		for i, size := range []image.Point{{640, 480}, {1280, 720}, {640, 480}, {320, 320}, {64, 640}} {
			ground(t, f, Format(i%2), size)
			if _, err := p.Step(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			if err := o.Draw(f, scene); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestNoMatsLeftAfterRefusal(t *testing.T) {
	noMatsLeft(t, func() {
		if _, err := New(Config{Detector: oneBox, Input: image.Pt(1, 1), Resize: infer.ResizeStretch}); err == nil {
			t.Error("an input of one pixel was taken")
		}
		f := NewFrame()
		_ = f.Prepare(I420, image.Pt(3, 3))
		_ = f.Close()
	})
}
