package main

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"yfv2d/infer/model"
)

// noisePictures is a folder of n pictures.
func noisePictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		im := image.NewRGBA(image.Rect(0, 0, 80, 60))
		for x := range 80 {
			for y := range 60 {
				im.Set(x, y, color.RGBA{uint8(x * 3), uint8(y * 4), uint8(r.Uint32()), 255})
			}
		}
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, im); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestModelQuantize(t *testing.T) {
	dir := noisePictures(t, fewPictures)
	if err := os.WriteFile(filepath.Join(dir, "broken.jpg"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "b-int8.onnx")
	stdout, stderr, err := runModel(context.Background(), newModelCmd(), "quantize", "builtin", "--calibrate", dir, "-o", out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout, "model = "+strconv.Quote(out)) {
		t.Errorf("printed %q", stdout)
	}
	if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "broken.jpg") {
		t.Errorf("told of the broken picture with %q", stderr)
	}
	m, err := model.Load(out)
	if err != nil || m.Quant() == nil || !strings.Contains(m.Notes, "calibrated on 32 pictures") {
		t.Fatalf("read back %+v, %v", m, err)
	}
	_, _, err = runModel(context.Background(), newModelCmd(), "quantize", out, "--calibrate", dir, "-o", out)
	if err == nil || !strings.Contains(err.Error(), "int8 already") {
		t.Errorf("quantised twice: %v", err)
	}
}

func TestModelQuantizeFew(t *testing.T) {
	out := filepath.Join(t.TempDir(), "b-int8.onnx")
	_, stderr, err := runModel(context.Background(), newModelCmd(), "quantize", "builtin", "--calibrate", noisePictures(t, 2), "-o", out)
	if err != nil || !strings.Contains(stderr, "calibrated on 2 pictures only") {
		t.Errorf("printed %q, %v", stderr, err)
	}
}

func TestModelQuantizeVideo(t *testing.T) {
	clips, _ := filepath.Glob("../../testdata/videos/*.mp4")
	if len(clips) == 0 {
		t.Fatal("no demo clip")
	}
	out := filepath.Join(t.TempDir(), "b-int8.onnx")
	if _, _, err := runModel(context.Background(), newModelCmd(), "quantize", "builtin", "--calibrate", clips[0], "-o", out); err != nil {
		t.Fatal(err)
	}
	if _, err := model.Load(out); err != nil {
		t.Error(err)
	}
}

func TestModelQuantizeRefuses(t *testing.T) {
	empty := t.TempDir()
	bad := writeTestFile(t, "bad.jpg", []byte("no picture"))
	out := filepath.Join(t.TempDir(), "q.onnx")
	for _, row := range []struct {
		name string
		args []string
		err  string
	}{
		{"no output", []string{"builtin", "--calibrate", empty}, "with -o"},
		{"no pictures named", []string{"builtin", "-o", out}, "with --calibrate"},
		{"no model", []string{"--calibrate", empty, "-o", out}, "takes one model file"},
		{"empty folder", []string{"builtin", "--calibrate", empty, "-o", out}, "no picture to calibrate with"},
		{"missing folder", []string{"builtin", "--calibrate", "/nowhere", "-o", out}, "no picture to calibrate with"},
		{"broken picture", []string{"builtin", "--calibrate", bad, "-o", out}, "no picture to calibrate with"},
		{"missing model", []string{"/nowhere.onnx", "--calibrate", empty, "-o", out}, "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := runModel(context.Background(), newModelCmd(), append([]string{"quantize"}, row.args...)...)
			if err == nil || !strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v; expected one line with %q", err, row.err)
			}
			if _, serr := os.Stat(out); serr == nil {
				t.Error("a model was written")
			}
		})
	}
}
