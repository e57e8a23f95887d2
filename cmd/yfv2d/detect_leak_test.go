//go:build matprofile

package main

import (
	"os"
	"path/filepath"
	"testing"

	"gocv.io/x/gocv"
)

// TestDetectLeaksNothing runs everything detect can do, failures included, and counts the Mats before and after.
func TestDetectLeaksNothing(t *testing.T) {
	dir := t.TempDir()
	picture := still(t, dir, "a.png")
	junk := filepath.Join(dir, "junk.mp4")
	if err := os.WriteFile(junk, []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"picture":      {picture},
		"drawn":        {"-o", filepath.Join(dir, "o") + "/", picture, picture},
		"bad input":    {junk, picture, filepath.Join(dir, "none.jpg")},
		"tracked":      {"--track", "-o", filepath.Join(dir, "o.mp4"), "test:?size=128x96&frames=5"},
		"wrong output": {"-o", filepath.Join(dir, "o.jpg"), "test:?size=128x96&frames=5"},
		"bad class":    {"--classes", "nothing", picture},
		"bad folder":   {"-o", filepath.Join(dir, "no", "\x00"), picture},
	} {
		t.Run(name, func(t *testing.T) {
			before := gocv.MatProfile.Count()
			runUntil(t, 3, append([]string{"detect"}, args...)...)
			if n := gocv.MatProfile.Count() - before; n != 0 {
				t.Errorf("%d Mats left", n)
			}
		})
	}
}
