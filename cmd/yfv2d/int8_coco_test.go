package main

import (
	"context"
	"path/filepath"
	"testing"

	"yfv2d/eval"
	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
	"yfv2d/pipeline"
)

// labelled is the shared pictures with their objects, as the network sees them.
type labelled struct {
	*eval.Dataset
	canvases []*pipeline.Canvas // by image
}

// cocoTiny reads the shared pictures; the test is skipped without them.
func cocoTiny(t testing.TB) *labelled {
	t.Helper()
	dir := "../../../shared/coco-tiny"
	data, err := eval.LoadDataset(filepath.Join(dir, "instances_val2017.json"))
	if err != nil {
		t.Skipf("no shared data: coco-tiny (%v)", err)
	}
	l, err := pipeline.NewLetterboxer(model.DefaultSize, infer.ResizeStretch)
	if err != nil {
		t.Fatal(err)
	}
	frame := pipeline.NewFrame()
	defer frame.Close()
	out := &labelled{Dataset: data}
	for _, im := range data.Images {
		if err := readStill(context.Background(), filepath.Join(dir, "val2017", im.FileName), frame); err != nil {
			t.Fatal(err)
		}
		c := pipeline.NewCanvas()
		t.Cleanup(func() { _ = c.Close() })
		if err := l.Make(c, frame); err != nil {
			t.Fatal(err)
		}
		out.canvases = append(out.canvases, c)
	}
	return out
}

// quantize calibrates a model on every second picture, from the first or the second on.
func (l *labelled) quantize(t testing.TB, m *model.Model, first int) *model.Model {
	t.Helper()
	cal, err := newCalibration(m)
	if err != nil {
		t.Fatal(err)
	}
	defer cal.close()
	look := func() {
		for i := first; i < len(l.canvases); i += 2 {
			values, err := cal.net.Forward(l.canvases[i].Pix)
			if err != nil {
				t.Fatal(err)
			}
			if err := cal.model.Add(values); err != nil {
				t.Fatal(err)
			}
		}
	}
	look()
	if err := cal.equalize(); err != nil {
		t.Fatal(err)
	}
	look()
	q, err := model.Quantize(cal.model)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// detect runs a model with XNNPACK over the pictures first, first+step ...
func (l *labelled) detect(t testing.TB, m *model.Model, first, step int) []eval.Result {
	t.Helper()
	e, err := xnn.New(m, xnn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := infer.NewDetector(e, m.Head, infer.Thresholds{Score: 0.01, NMS: 0.4})
	defer d.Close()
	ids, err := eval.MapClasses(m.Classes, l.Categories)
	if err != nil {
		t.Fatal(err)
	}
	var out []eval.Result
	for i := first; i < len(l.canvases); i += step {
		dets, err := d.Detect(&l.canvases[i].Canvas)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dets {
			out = append(out, eval.Result{ImageID: l.Images[i].ID, CategoryID: ids[d.Class], Box: d.Box, Score: d.Score})
		}
	}
	return out
}

// maxInt8Loss is how many points of AP50 int8 may cost.
const maxInt8Loss = 1.5

// Each half of the pictures is looked at by a model that was calibrated on the other half.
func TestInt8KeepsPrecision(t *testing.T) {
	if !xnn.Built {
		t.Skip("built without XNNPACK")
	}
	data := cocoTiny(t)
	models := map[string]*model.Model{}
	var err error
	if models["builtin"], err = model.Builtin(); err != nil {
		t.Fatal(err)
	}
	if pth, _ := filepath.Glob("../../../shared/models/yolo-fastestv2/*.pth"); len(pth) > 0 {
		if models["official"], err = model.Import(model.ImportOptions{}, pth[0]); err != nil {
			t.Fatal(err)
		}
	}
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			float := eval.Evaluate(data.Dataset, data.detect(t, m, 0, 1))
			var results []eval.Result
			for i := range 2 {
				results = append(results, data.detect(t, data.quantize(t, m, 1-i), i, 2)...)
			}
			int8 := eval.Evaluate(data.Dataset, results)
			loss := 100 * (float.AP50 - int8.AP50)
			t.Logf("AP / AP50: float %.2f / %.2f, int8 %.2f / %.2f, loss of AP50 %.2f", 100*float.AP, 100*float.AP50, 100*int8.AP, 100*int8.AP50, loss)
			if !(loss <= maxInt8Loss) {
				t.Errorf("int8 costs %.2f points of AP50, more than %.1f", loss, maxInt8Loss)
			}
		})
	}
}
