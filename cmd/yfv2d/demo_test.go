package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"yfv2d/capture"
	"yfv2d/infer"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
	"yfv2d/pipeline"
)

// demoStep is how many frames the test goes on by: neighbours look alike.
const demoStep = 3

// demoTruth is one line of the .jsonl file beside a demo clip.
type demoTruth struct {
	Frame int     `json:"frame"`
	T     float64 `json:"t"`
	Boxes []struct {
		Class string     `json:"class"`
		Box   [4]float32 `json:"box"`
	} `json:"boxes"`
}

func readDemoTruth(t *testing.T, path string) []demoTruth {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []demoTruth
	for s := bufio.NewScanner(f); s.Scan(); {
		var line demoTruth
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, line)
	}
	return all
}

// The people in the demo clips are found, at the input and the threshold that the daemon uses: the first thing that a new
// user sees has its boxes where they belong.
func TestDemoClipsAreDetected(t *testing.T) {
	models := []struct {
		name string
		load func(t *testing.T) *model.Model
	}{
		{"builtin", func(t *testing.T) *model.Model {
			m, err := model.Builtin()
			if err != nil {
				t.Fatal(err)
			}
			return m
		}},
		{"official", func(t *testing.T) *model.Model {
			path := filepath.Join("..", "..", "..", "shared", "models", "yolo-fastestv2", "coco2017-0.241078ap-model.pth")
			if _, err := os.Stat(path); err != nil {
				t.Skipf("no shared data: models (%v)", err)
			}
			m, err := model.Import(model.ImportOptions{}, path)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}},
	}
	for _, m := range models {
		for _, clip := range []string{"demo-640x480", "demo-1280x720"} {
			t.Run(m.name+"/"+clip, func(t *testing.T) { checkDemo(t, m.load(t), clip) })
		}
	}
}

func checkDemo(t *testing.T, m *model.Model, clip string) {
	base := filepath.Join("..", "..", "testdata", "videos", clip)
	truth := readDemoTruth(t, base+".jsonl")
	if len(truth) != 300 {
		t.Fatalf("%d frames in the truth, want 300", len(truth))
	}
	found := make([]int, len(truth[0].Boxes))
	looked, others := 0, map[string]int{}
	eachDetection(t, m, base+".mp4", func(n int, dets []infer.Detection) {
		looked++
		for _, d := range dets {
			if name := m.Classes[d.Class]; name != "person" {
				others[name]++
			}
		}
		for i, b := range truth[n].Boxes {
			want := infer.Box{X0: b.Box[0], Y0: b.Box[1], X1: b.Box[2], Y1: b.Box[3]}
			if slices.ContainsFunc(dets, func(d infer.Detection) bool {
				return m.Classes[d.Class] == b.Class && d.Box.IoU(want) >= 0.5
			}) {
				found[i]++
			}
		}
	})
	if looked != len(truth)/demoStep {
		t.Fatalf("looked at %d frames, the truth has %d", looked, len(truth))
	}
	t.Logf("%s, %s: found in %v of %d frames; of other classes: %v", m.Name, clip, found, looked, others)
	for i, n := range found {
		if n < looked*8/10 {
			t.Errorf("%s %d is found in %d of %d frames, want 80 %%", truth[0].Boxes[i].Class, i, n, looked)
		}
	}
}

// eachDetection runs a clip through letterbox and network as the daemon does by default.
func eachDetection(t *testing.T, m *model.Model, path string, visit func(n int, dets []infer.Detection)) {
	t.Helper()
	e, err := dnn.New(m)
	if err != nil {
		t.Fatal(err)
	}
	det := infer.NewDetector(e, m.Head, infer.Thresholds{Score: 0.35, NMS: 0.4})
	defer det.Close()
	src, err := capture.Open(context.Background(), "file:"+path, capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f, canvas := pipeline.NewFrame(), pipeline.NewCanvas()
	defer f.Close()
	defer canvas.Close()
	var lb *pipeline.Letterboxer
	for n := 0; ; n++ {
		if err := src.Read(context.Background(), f); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		if n%demoStep != 0 {
			continue
		}
		if lb == nil {
			if lb, err = pipeline.NewLetterboxer(infer.AutoInput(f.Size()), infer.ResizeLetterbox); err != nil {
				t.Fatal(err)
			}
			t.Logf("input %v", infer.AutoInput(f.Size()))
		}
		if err := lb.Make(canvas, f); err != nil {
			t.Fatal(err)
		}
		dets, err := det.Detect(&canvas.Canvas)
		if err != nil {
			t.Fatal(err)
		}
		visit(n, dets)
	}
}
