package main

import (
	"encoding/gob"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "found.jsonl")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func headsFile(t *testing.T, h heads) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "heads")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := gob.NewEncoder(f).Encode(h); err != nil {
		t.Fatal(err)
	}
	return name
}

func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

func TestSameHeads(t *testing.T) {
	nan := float32(math.NaN())
	for _, row := range []struct {
		name string
		a, b heads
		err  string
	}{
		{"equal", heads{"x": {1, 2}}, heads{"x": {1, 2}}, ""},
		{"near", heads{"x": {1, 2}}, heads{"x": {1, 2.0019}}, ""},
		{"far", heads{"x": {1, 2}}, heads{"x": {1, 2.003}}, "differs by 0.003"},
		{"not a number", heads{"x": {1, nan}}, heads{"x": {1, 2}}, "differs by NaN"},
		{"shorter", heads{"x": {1}}, heads{"x": {1, 2}}, "1 values and 2"},
		{"of something else", heads{"y": {1}}, heads{"x": {1}}, "0 values and 1"},
		{"nothing", heads{}, heads{}, "0 outputs"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := sameHeads(headsFile(t, row.a), headsFile(t, row.b))
			checkErr(t, err, row.err)
		})
	}
}

const frame = `{"input":"a","seq":1,"detections":[{"class":"person","score":0.9,"box":[10,10,110,110]}]}` + "\n"

func TestBoxes(t *testing.T) {
	weak := strings.Replace(frame, "0.9", "0.4", 1)
	for _, row := range []struct {
		name, a, b  string
		same, alike string // errors
	}{
		{"equal", frame, frame, "", ""},
		{"a hundredth of a pixel", frame, strings.Replace(frame, "[10,", "[10.01,", 1), "", ""},
		{"two pixels", frame, strings.Replace(frame, "[10,", "[12,", 1), "frame 1", ""},
		{"twenty pixels", frame, strings.Replace(frame, "[10,", "[30,", 1), "frame 1", "only in"},
		{"two hundredths of score", frame, strings.Replace(frame, "0.9", "0.92", 1), "frame 1", ""},
		{"half the score", frame, weak, "frame 1", "only in"},
		{"other class", frame, strings.Replace(frame, "person", "dog", 1), "frame 1", "only in"},
		{"one missing", frame, `{"input":"a","seq":1,"detections":[]}`, "1 detections and 0", "only in"},
		{"one too many", `{"input":"a","seq":1,"detections":[]}`, frame, "0 detections and 1", "only in"},
		{"the second goes on", frame, frame + frame, "", ""},
		{"the first goes on", frame + frame, frame, "2 frames", "2 frames"},
		{"other frame", frame, strings.Replace(frame, `"seq":1`, `"seq":2`, 1), "line 1 is of", "line 1 is of"},
		{"no frames", "", "", "0 frames", "0 frames"},
		{"no JSON", "x", frame, "line 1 of", "line 1 of"},
		{"nothing sure", weak, weak, "", "nothing was detected"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, b := file(t, row.a), file(t, row.b)
			_, err := sameBoxes(a, b)
			checkErr(t, err, row.same)
			_, err = alikeBoxes(a, b)
			checkErr(t, err, row.alike)
		})
	}
}

func TestHeadsOfPictures(t *testing.T) {
	dir := t.TempDir()
	if _, err := writePictures("../../testdata/videos/demo-640x480.mp4", dir); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.png"))
	if len(names) != 20 {
		t.Errorf("%d pictures, want 20", len(names))
	}
	out := filepath.Join(dir, "heads")
	if _, err := writeHeads(dir, out); err != nil {
		t.Fatal(err)
	}
	if _, err := sameHeads(out, out); err != nil {
		t.Error(err)
	}
}

func TestRefuses(t *testing.T) {
	for _, args := range [][]string{nil, {"heads"}, {"nothing", "a", "b"}, {"heads", t.TempDir(), "x"}, {"pictures", "absent.mp4", t.TempDir()}, {"same-heads", "absent", "absent"}} {
		if _, err := run(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
