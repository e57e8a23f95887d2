package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/infer/model"
	"yfv2d/infer/xnn"
)

const sharedDir = "../../../shared"

// evalCommand runs `yfv2d eval` with these arguments.
func evalCommand(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	c := newEvalCmd()
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	err = c.ExecuteContext(context.Background())
	return out.String(), errs.String(), err
}

// The figures that were measured with the reference evaluator on the official code's boxes.
func TestEvalOnCocoTiny(t *testing.T) {
	images, ann := filepath.Join(sharedDir, "coco-tiny/val2017"), filepath.Join(sharedDir, "coco-tiny/instances_val2017.json")
	if _, err := os.Stat(ann); err != nil {
		t.Skipf("no shared data: coco-tiny")
	}
	pth, _ := filepath.Glob(filepath.Join(sharedDir, "models/yolo-fastestv2/*.pth"))
	if len(pth) == 0 {
		t.Skipf("no shared data: models")
	}
	for _, row := range []struct {
		name, model, engine, resize string
		ap, ap50                    float64
	}{
		{"official stretch", pth[0], "auto", "stretch", 18.35, 31.09},
		{"official stretch, OpenCV", pth[0], "opencv", "stretch", 18.35, 31.09},
		{"official letterbox", pth[0], "opencv", "letterbox", 16.51, 28.61},
		{"built-in stretch", "builtin", "auto", "stretch", 13.53, 25.34},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, errs, err := evalCommand(t, "--model", row.model, "--engine", row.engine, "--resize", row.resize, "--images", images, "--ann", ann, "--json")
			if err != nil || errs != "" {
				t.Fatalf("error %v, standard error %q", err, errs)
			}
			var r evalReport
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err)
			}
			t.Logf("AP %.2f AP50 %.2f AP75 %.2f", *r.AP, *r.AP50, *r.AP75)
			if math.Abs(*r.AP-row.ap) > 0.2 || math.Abs(*r.AP50-row.ap50) > 0.2 {
				t.Errorf("AP %.2f AP50 %.2f, want %.2f and %.2f within 0.2", *r.AP, *r.AP50, row.ap, row.ap50)
			}
			if r.Images != 80 || r.Failed != 0 || r.Input != "352x352" || r.Resize != row.resize || len(r.Classes) != 80 {
				t.Errorf("report says %+v", r)
			}
		})
	}
}

// One picture that cannot be read among others: it is named, the rest is evaluated, and the error makes exit code 1.
func TestEvalWithUnreadablePictures(t *testing.T) {
	dir := t.TempDir()
	ppm := append([]byte("P6\n64 48\n255\n"), make([]byte, 64*48*3)...)
	for name, data := range map[string][]byte{"good.ppm": ppm, "bad.jpg": []byte("\xff\xd8\xff no picture"), "cut.ppm": ppm[:100]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ann := filepath.Join(dir, "ann.json")
	const instances = `{"images":[{"id":1,"file_name":"good.ppm"},{"id":2,"file_name":"bad.jpg"},{"id":3,"file_name":"../out.jpg"},
		{"id":4,"file_name":"gone.png"},{"id":5,"file_name":"cut.ppm"}],
		"categories":[{"id":1,"name":"person"},{"id":99,"name":"unicorn"}],
		"annotations":[{"image_id":1,"category_id":1,"bbox":[1,1,20,20],"area":400}]}`
	if err := os.WriteFile(ann, []byte(instances), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, err := evalCommand(t, "--images", dir, "--ann", ann, "--input", "64x64")
	if err == nil || !strings.Contains(err.Error(), "4 of 5 pictures could not be read") || exitCode(err) != exitFailed {
		t.Errorf("error %v", err)
	}
	if first, _, _ := strings.Cut(out, "\n"); first != "AP 0.00 AP50 0.00 AP75 0.00" {
		t.Errorf("first line %q", first)
	}
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	want := []string{"1 of the 2 categories", "bad.jpg", "../out.jpg", "gone.png", "cut.ppm"}
	if len(lines) != len(want) {
		t.Fatalf("standard error:\n%s", errs)
	}
	for i, w := range want {
		if !strings.Contains(lines[i], w) {
			t.Errorf("line %d is %q, want one with %q", i+1, lines[i], w)
		}
	}
	t.Log(errs)
}

// The report names the engine that ran: what was asked for and, of auto, what was chosen. A slower one than need be is told.
func TestEvalNamesItsEngine(t *testing.T) {
	dir := t.TempDir()
	ppm := append([]byte("P6\n64 48\n255\n"), make([]byte, 64*48*3)...)
	ann, int8 := filepath.Join(dir, "ann.json"), filepath.Join(dir, "int8.onnx")
	for path, data := range map[string][]byte{
		filepath.Join(dir, "a.ppm"): ppm, int8: quantized(t).Encode(),
		ann: []byte(`{"images":[{"id":1,"file_name":"a.ppm"}],"categories":[{"id":1,"name":"person"}],"annotations":[{"image_id":1,"category_id":1,"bbox":[1,1,20,20],"area":400}]}`),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	defer func(was engines) { builtEngines = was }(builtEngines)
	faster, slower := probed{Int8Ms: 1, XNNPACKMs: 2, OpenCVMs: 3}, probed{Int8Ms: 3, XNNPACKMs: 2, OpenCVMs: 3}
	for _, row := range []struct {
		name, model, engine string
		trial               probed
		ran, warns          string
	}{
		{"opencv", "builtin", "opencv", probed{}, nameOpenCV, ""},
		{"xnnpack", "builtin", "xnnpack", probed{}, nameXNNPACK, ""},
		{"xnnpack, int8", int8, "xnnpack", probed{}, nameInt8, ""},
		{"auto", "builtin", "auto", probed{XNNPACKMs: 2, OpenCVMs: 3}, nameXNNPACK, ""},
		{"auto, int8 is faster", int8, "auto", faster, nameInt8, ""},
		{"auto, int8 is slower", int8, "auto", slower, nameXNNPACK, ""},
		{"auto, XNNPACK errs", "builtin", "auto", probed{Refused: "it errs"}, nameOpenCV, "with OpenCV, which is slower: it errs"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if !xnn.Built && row.ran != nameOpenCV {
				t.Skip("built without XNNPACK")
			}
			builtEngines.built = true
			builtEngines.try = func(*model.Model, image.Point) probed { return row.trial }
			out, errs, err := evalCommand(t, "--model", row.model, "--engine", row.engine, "--images", dir, "--ann", ann, "--input", "64x64", "--json")
			var r evalReport
			if err != nil || json.Unmarshal([]byte(out), &r) != nil || r.Engine != row.ran {
				t.Errorf("engine %q, error %v; want %s", r.Engine, err, row.ran)
			}
			if !strings.Contains(errs, row.warns) || (row.warns == "") != (errs == "") {
				t.Errorf("standard error %q, want %q", errs, row.warns)
			}
		})
	}
}

func TestEvalRefuses(t *testing.T) {
	dir := t.TempDir()
	ann := filepath.Join(dir, "ann.json")
	const instances = `{"images":[{"id":1,"file_name":"a.jpg"}],"categories":[{"id":1,"name":"person"}],"annotations":[]}`
	if err := os.WriteFile(ann, []byte(instances), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"--images", dir, "--ann", ann}
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no annotations", []string{"--images", dir}, exitFailed, `"ann" not set`},
		{"annotations gone", []string{"--images", dir, "--ann", ann + "x"}, exitFailed, "no such file"},
		{"no folder", []string{"--images", ann, "--ann", ann}, exitFailed, "is no folder"},
		{"input", append(base, "--input", "350x350"), exitUsage, "multiples of 32"},
		{"engine", append(base, "--engine", "tensorrt"), exitUsage, "must be auto, xnnpack or opencv"},
		{"resize", append(base, "--resize", "crop"), exitUsage, "letterbox or stretch"},
		{"score", append(base, "--score", "2"), exitUsage, "between 0 and 1"},
		{"nms", append(base, "--nms", "-1"), exitUsage, "between 0 and 1"},
		{"model", append(base, "--model", "gone.onnx"), exitFailed, "gone.onnx"},
		{"weights", append(base, "--model", "gone.pth"), exitFailed, "gone.pth"},
		{"no picture at all", base, exitFailed, "no picture of"},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, _, err := evalCommand(t, row.args...)
			if err == nil || !strings.Contains(err.Error(), row.want) || exitCode(err) != row.code || out != "" {
				t.Errorf("error %v, code %d, output %q; want code %d and %q", err, exitCode(err), out, row.code, row.want)
			}
		})
	}
}
