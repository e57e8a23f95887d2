package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"yfv2d/capture"
	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/pipeline"
	"yfv2d/tracker"
)

const (
	// sameBox is the least overlap of a track's box with the golden one; another OpenCV or processor moves a box by a
	// pixel or two, a wrong match or a wild velocity by more.
	sameBox = 0.7
	// sameTracks is the share of tracks, over all steps, that must agree: what lies at the very edge of a threshold may
	// come a step earlier or later. With 0.01 of noise on all scores and a pixel on all boxes 97 % agree.
	sameTracks = 0.95
)

// trackStep is one line of the .tracks.jsonl file beside a demo clip: the tracks after one detection.
type trackStep struct {
	Frame  int         `json:"frame"` // from 0, as in the file of true boxes
	T      float64     `json:"t"`     // seconds
	Tracks []stepTrack `json:"tracks"`
}

// stepTrack is a track that has an id, as it stood at the step.
type stepTrack struct {
	ID    int        `json:"id"`
	Class string     `json:"class"`
	State string     `json:"state"`
	Box   [4]float64 `json:"box"` // x0, y0, x1, y1, to a tenth of a pixel
}

func (t stepTrack) box() infer.Box {
	return infer.Box{X0: float32(t.Box[0]), Y0: float32(t.Box[1]), X1: float32(t.Box[2]), Y1: float32(t.Box[3])}
}

func (t stepTrack) near(u stepTrack) bool {
	return t.ID == u.ID && t.Class == u.Class && t.State == u.State && t.box().IoU(u.box()) >= sameBox
}

// TestDemoClipTracks follows the people in the demo clips with the built-in model, ten detections a second and the
// default configuration, through Pipeline.Step. It guards the whole way from a clip's pixels to identities: a change of
// letterbox, decoding, network or tracker that lets an id break, swap or come late, or a box run away, shows here as
// tracks that differ from testdata/videos/NAME.tracks.jsonl. Whatever these files say, each person keeps one id.
//
// A change that is meant: go test ./cmd/yfv2d -run TestDemoClipTracks -update, and look at the difference.
func TestDemoClipTracks(t *testing.T) {
	for _, clip := range []string{"demo-640x480", "demo-1280x720"} {
		t.Run(clip, func(t *testing.T) {
			base := filepath.Join("..", "..", "testdata", "videos", clip)
			got := followClip(t, base+".mp4")
			checkPeople(t, got, readDemoTruth(t, base+".jsonl"))
			golden := base + ".tracks.jsonl"
			if *update {
				writeSteps(t, golden, got)
			}
			compareSteps(t, got, readSteps(t, golden))
		})
	}
}

// followClip takes every third frame of a clip of 30 frames a second through pipeline and tracker.
func followClip(t *testing.T, path string) []trackStep {
	t.Helper()
	cfg := testConfig(t, "127.0.0.1:0", fmt.Sprintf("[[camera]]\nname = \"demo\"\nsource = %q\n", "file:"+path))
	d := &daemon{cfg: cfg, log: zerolog.Nop()}
	var err error
	if d.model, err = model.Builtin(); err != nil {
		t.Fatal(err)
	}
	if err := d.openWorkers(); err != nil {
		t.Fatal(err)
	}
	defer d.workers.Close()
	src, err := capture.Open(context.Background(), "file:"+path, capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	scores := thresholds(cfg.Detect, d.model).ByClass(d.model.Head.Classes)
	p, err := pipeline.New(pipeline.Config{
		Name: "demo", Detector: d.workers, Tracker: tracker.New(cfg.TrackerFor(&cfg.Cameras[0], d.model.Classes, scores)),
		Scores: scores, Input: cfg.Detect.InputSize(), Log: d.log,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return stepThrough(t, p, src, d.model.Classes)
}

// The daemon's engines find detections down to tracker.low_score, of the classes that are looked for; a camera's pipeline
// tells only of those above their class's score.
func TestWeakDetectionsAreForTheTracker(t *testing.T) {
	const clip = "../../testdata/videos/demo-640x480.mp4"
	for _, tt := range []struct {
		name, keys string
		least      float32
	}{
		{"default", "", 0.1},
		{"switched off", "[tracker]\nlow_score = 1\n", 0.35},
		{"one class", "[detect]\nclasses = [\"person\"]\nclass_scores = { person = 0.6 }\n[tracker]\nlow_score = 0.05\n", 0.05},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &daemon{cfg: testConfig(t, "127.0.0.1:0", tt.keys+"[[camera]]\nname = \"demo\"\nsource = \"file:x.mp4\"\n"), log: zerolog.Nop()}
			var err error
			if d.model, err = model.Builtin(); err != nil {
				t.Fatal(err)
			}
			if err := d.openWorkers(); err != nil {
				t.Fatal(err)
			}
			defer d.workers.Close()
			scores := thresholds(d.cfg.Detect, d.model).ByClass(d.model.Head.Classes)
			all, told := detectFirst(t, clip, d.workers, nil), detectFirst(t, clip, d.workers, scores)
			above := func(x infer.Detection) bool { return x.Score > scores[x.Class] }
			if n := slices.IndexFunc(all, func(x infer.Detection) bool { return x.Score <= tt.least || tt.least < 0.1 && x.Class != 0 }); n >= 0 {
				t.Errorf("found %+v", all[n])
			}
			if weak := slices.ContainsFunc(all, func(x infer.Detection) bool { return !above(x) }); weak != (tt.least < 0.35) {
				t.Errorf("weak detections: %t; %+v", weak, all)
			}
			if want := slices.DeleteFunc(all, func(x infer.Detection) bool { return !above(x) }); len(told) < 2 || !slices.Equal(told, want) {
				t.Errorf("told %+v, want %+v", told, want)
			}
		})
	}
}

// detectFirst looks at the first frame of a clip.
func detectFirst(t *testing.T, path string, d pipeline.Detector, scores []float32) []infer.Detection {
	t.Helper()
	src, err := capture.Open(context.Background(), "file:"+path, capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	p, err := pipeline.New(pipeline.Config{Detector: d, Scores: scores})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	if err := src.Read(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	res, err := p.Step(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	return res.Detections
}

func stepThrough(t *testing.T, p *pipeline.Pipeline, src pipeline.Source, classes []string) []trackStep {
	t.Helper()
	f := pipeline.NewFrame()
	defer f.Close()
	var steps []trackStep
	start := f.At
	for n := 0; ; n++ {
		if err := src.Read(context.Background(), f); errors.Is(err, io.EOF) {
			return steps
		} else if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			start = f.At
		}
		if n%demoStep != 0 {
			continue
		}
		res, err := p.Step(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		step := trackStep{Frame: n, T: round(f.At.Sub(start).Seconds(), 1e4), Tracks: []stepTrack{}}
		for _, tr := range res.Snapshot.All() {
			if tr.ID != 0 {
				b := tr.Box
				step.Tracks = append(step.Tracks, stepTrack{ID: tr.ID, Class: className(classes, tr.Class), State: tr.State.String(), Box: [4]float64{
					round(float64(b.X0), 10), round(float64(b.Y0), 10), round(float64(b.X1), 10), round(float64(b.Y1), 10)}})
			}
		}
		steps = append(steps, step)
	}
}

// checkPeople holds the tracks against the truth: each person has one id from the first second to the end, and no two share one.
func checkPeople(t *testing.T, steps []trackStep, truth []demoTruth) {
	t.Helper()
	ids := map[int]int{} // of a person
	for i := range truth[0].Boxes {
		followed := 0
		for _, s := range steps {
			b := truth[s.Frame].Boxes[i]
			want := stepTrack{Class: b.Class, Box: [4]float64{float64(b.Box[0]), float64(b.Box[1]), float64(b.Box[2]), float64(b.Box[3])}}
			k := slices.IndexFunc(s.Tracks, func(tr stepTrack) bool { return tr.Class == want.Class && tr.box().IoU(want.box()) >= 0.5 })
			if k < 0 {
				continue
			}
			followed++
			if id := s.Tracks[k].ID; ids[i] == 0 {
				ids[i] = id
			} else if ids[i] != id {
				t.Errorf("frame %d: person %d was track %d and is now %d", s.Frame, i, ids[i], id)
				ids[i] = id
			}
		}
		if followed < len(steps)*9/10 {
			t.Errorf("person %d is followed in %d of %d steps", i, followed, len(steps))
		}
		for j := range i {
			if ids[j] == ids[i] {
				t.Errorf("persons %d and %d are both track %d", j, i, ids[i])
			}
		}
	}
}

func compareSteps(t *testing.T, got, want []trackStep) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d steps, want %d", len(got), len(want))
	}
	if a, b := idsOf(got), idsOf(want); !slices.Equal(a, b) {
		t.Errorf("tracks %v, want %v", a, b)
	}
	same, all, told := 0, 0, 0
	for i, g := range got {
		w := want[i]
		if g.Frame != w.Frame || !near(g.T, w.T, 0.001) {
			t.Fatalf("step %d is of frame %d at %g s, want %d at %g s", i, g.Frame, g.T, w.Frame, w.T)
		}
		agree, of := agreement(g.Tracks, w.Tracks)
		same, all = same+agree, all+of
		if told < 10 && agree < of {
			told++
			t.Logf("frame %d: %v\n\twant %v", g.Frame, g.Tracks, w.Tracks)
		}
	}
	if float64(same) < sameTracks*float64(all) {
		t.Errorf("%d of %d tracks of steps agree, want %.0f %%; if the change is meant see the test's comment", same, all, 100*sameTracks)
	}
}

// agreement is how many tracks of a step are the same in both lists, and how many there are in either.
func agreement(got, want []stepTrack) (same, all int) {
	all = len(got)
	for _, w := range want {
		switch {
		case slices.ContainsFunc(got, w.near):
			same++
		case !slices.ContainsFunc(got, func(g stepTrack) bool { return g.ID == w.ID }):
			all++
		}
	}
	return same, all
}

// idsOf are all ids, rising.
func idsOf(steps []trackStep) []int {
	var ids []int
	for _, s := range steps {
		for _, tr := range s.Tracks {
			if !slices.Contains(ids, tr.ID) {
				ids = append(ids, tr.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

func readSteps(t *testing.T, path string) []trackStep {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []trackStep
	s := bufio.NewScanner(f)
	for s.Scan() {
		var line trackStep
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, line)
	}
	if err := s.Err(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return all
}

func writeSteps(t *testing.T, path string, steps []trackStep) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, s := range steps {
		if err := enc.Encode(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
