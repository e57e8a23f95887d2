//go:build vivid

package v4l2_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/capture/live"
)

// TestVividUnplug: reading ends with the reason, and the camera is found again under its stable name, though its number is
// another.
func TestVividUnplug(t *testing.T) {
	for range 3 {
		var stuck live.Stuck
		src, f := source(t, "v4l2:"+stable+"?size=640x480", live.Options{Stuck: &stuck}), frame(t)
		if err := read(t, src, f); err != nil {
			t.Fatal(err)
		}
		before, err := filepath.EvalSymlinks(stable)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := os.Open(before) // another program that keeps the number taken
		if err != nil {
			t.Fatal(err)
		}
		unplug(t)
		for err == nil {
			err = read(t, src, f)
		}
		if !strings.HasSuffix(err.Error(), stable+": the camera was unplugged") {
			t.Errorf("read of an unplugged camera: %v", err)
		}
		if _, err := try("v4l2:"+stable, live.Options{}); err == nil || !strings.Contains(err.Error(), "is not there: no camera is plugged in") {
			t.Errorf("opened while unplugged: %v", err)
		}
		plugIn(t)
		after, err := filepath.EvalSymlinks(stable)
		if err != nil || after == before {
			t.Errorf("%s is %s, was %s, %v", stable, after, before, err)
		}
		again := source(t, "v4l2:"+stable+"?size=640x480", live.Options{Stuck: &stuck})
		if err := read(t, again, f); err != nil {
			t.Errorf("%s, then %s: %v", before, after, err)
		}
		t.Logf("was %s, is %s", before, after)
		_ = again.Close()
		if err := src.Close(); err != nil || stuck.Count() != 0 {
			t.Errorf("close: %v, %d readers left behind", err, stuck.Count())
		}
		_ = slow.Close()
		unplug(t)
		plugIn(t) // at its old number again
	}
}
