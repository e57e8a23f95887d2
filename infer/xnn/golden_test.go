//go:build cgo && !noxnnpack

package xnn

import (
	"encoding/binary"
	"encoding/json"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"

	"yfv2d/infer"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
)

type golden struct {
	Width, Height int
	Detections    []struct {
		ClassID int `json:"class_id"`
		Score   float32
		Box     [4]float32
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readGolden is the canvas that went into the official network, the raw heads and the boxes that came out.
func readGolden(t *testing.T, stem string) (c *infer.Canvas, heads []float32, g golden) {
	t.Helper()
	if err := json.Unmarshal(read(t, stem+".json"), &g); err != nil {
		t.Fatal(err)
	}
	raw := read(t, stem+".heads.f32")
	heads = make([]float32, len(raw)/4)
	for i := range heads {
		heads[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	size := image.Pt(352, 352)
	c = &infer.Canvas{Pix: read(t, stem+".input.bgr"), Size: size, Letterbox: infer.NewStretch(image.Pt(g.Width, g.Height), size)}
	return c, heads, g
}

func TestGoldens(t *testing.T) {
	inputs, _ := filepath.Glob(filepath.Join(sharedDir, "golden/*.input.bgr"))
	if len(inputs) == 0 {
		t.Skipf("no shared data: golden")
	}
	pth, _ := filepath.Glob(filepath.Join(sharedDir, "models/yolo-fastestv2/*.pth"))
	ncnn, _ := filepath.Glob(filepath.Join(sharedDir, "models/yolo-fastestv2/*.param"))
	if len(pth) == 0 || len(ncnn) == 0 {
		t.Skipf("no shared data: models")
	}
	bin := ncnn[0][:len(ncnn[0])-len("param")] + "bin"
	for _, row := range []struct {
		name       string
		files      []string
		logit      float64
		over       int     // how many logits of a picture's 57,475 may differ by more ...
		worst      float64 // ... but none by more than this
		box, score float64
	}{
		{"pth", pth[:1], 1e-3, 0, 1e-3, 0.5, 1e-3},
		{"ncnn", []string{ncnn[0], bin}, 0.05, 1, 0.06, 0.5, 5e-3}, // its weights are fp16, cut instead of rounded
	} {
		m, err := model.Import(model.ImportOptions{}, row.files...)
		if err != nil {
			t.Fatal(err)
		}
		e := newEngineOf(t, m)
		dec, err := infer.NewDecoder(m.Head, infer.Thresholds{Score: 0.3, NMS: 0.4})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range inputs {
			stem := in[:len(in)-len(".input.bgr")]
			t.Run(row.name+"/"+filepath.Base(stem), func(t *testing.T) {
				c, want, g := readGolden(t, stem)
				heads := forward(t, e, c)
				worst, over := compareHeads(t, heads, want, row.logit)
				t.Logf("largest difference of a logit: %.2g, %d above %g", worst, over, row.logit)
				if over > row.over || !(worst <= row.worst) {
					t.Errorf("%d logits differ by more than %g and one by %g; allowed are %d and %g", over, row.logit, worst, row.over, row.worst)
				}
				dets, err := dec.Decode(heads, c.Size, c.Letterbox)
				if err != nil {
					t.Fatal(err)
				}
				compareBoxes(t, dets, g, row.box, row.score)
			})
		}
	}
}

// Both engines give the same heads for the same canvas, at every shape of input.
func TestAgreesWithOpenCV(t *testing.T) {
	models := map[string]*model.Model{"builtin": builtin(t)}
	if m := official(t); m != nil {
		models["official"] = m
	}
	for name, m := range models {
		ours := newEngineOf(t, m)
		ref, err := dnn.New(m)
		if err != nil {
			t.Fatal(err)
		}
		defer ref.Close()
		for i, size := range []image.Point{{352, 352}, {416, 320}, {640, 192}, {64, 64}, {64, 320}, {320, 64}, {96, 160}} {
			c := noise(size, uint64(i))
			want, err := ref.Forward(c)
			if err != nil {
				t.Fatal(err)
			}
			if worst, _ := compareHeads(t, forward(t, ours, c), want, 0); !(worst <= 2e-3) {
				t.Errorf("%s at %v: a logit differs by %g", name, size, worst)
			}
		}
	}
}

func compareHeads(t *testing.T, got, want []float32, limit float64) (worst float64, over int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		d := math.Abs(float64(got[i] - want[i]))
		if !(d <= limit) {
			over++
		}
		if !(d <= worst) { // not a number counts
			worst = d
		}
	}
	return worst, over
}

func compareBoxes(t *testing.T, got []infer.Detection, g golden, box, score float64) {
	t.Helper()
	if len(got) != len(g.Detections) {
		t.Fatalf("%d detections, want %d", len(got), len(g.Detections))
	}
	limits := [4]float64{float64(g.Width), float64(g.Height), float64(g.Width), float64(g.Height)}
	for i, w := range g.Detections {
		d := got[i]
		corners := [4]float32{d.Box.X0, d.Box.Y0, d.Box.X1, d.Box.Y1}
		for k, v := range corners {
			want := math.Min(math.Max(float64(w.Box[k]), 0), limits[k]) // the golden is not clipped to the picture
			if math.Abs(float64(v)-want) > box {
				t.Errorf("detection %d: corner %d at %g, want %g", i, k, v, want)
			}
		}
		if d.Class != w.ClassID || math.Abs(float64(d.Score-w.Score)) > score {
			t.Errorf("detection %d: class %d score %g, want %d and %g", i, d.Class, d.Score, w.ClassID, w.Score)
		}
	}
}
