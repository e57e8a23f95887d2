package main

import (
	"encoding/json"
	"image"
	"net/http"
	"testing"
)

// TestTwoStreams looks for objects in the small stream of a camera and shows the large one, turned, both in the large one's
// pixels.
func TestTwoStreams(t *testing.T) {
	clip := "detect_source = \"test:?size=320x240&fps=10\"\nrotate = 90\n"
	s := serve(t, "127.0.0.1:0", "[[camera]]\nname = \"two\"\nsource = \"test:?size=640x480&fps=20\"\n"+clip)
	cam := s.camera("two")
	waitUntil(t, "both give frames and one is looked at", func() bool {
		st := cam.stats()
		return st.Ledger.Captured > 5 && st.DetectSource != nil && st.DetectSource.Ledger.Detected > 2
	})
	st := cam.stats()
	if st.Size != image.Pt(480, 640) || st.DetectSource.Size != image.Pt(240, 320) {
		t.Errorf("sizes %v and %v, want both turned", st.Size, st.DetectSource.Size)
	}
	if st.Ledger.Detected != 0 {
		t.Errorf("%d frames of the large stream were looked at", st.Ledger.Detected)
	}
	res, err := http.Get(s.url + "api/cameras/two")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got["detect_source"] == nil {
		t.Errorf("the API does not tell of the second stream: %v %v", err, got)
	}
	s.stop()
	st = cam.stats()
	if err := st.Ledger.Check(); err != nil {
		t.Error(err)
	}
	if err := st.DetectSource.Ledger.Check(); err != nil {
		t.Error(err)
	}
}
