package model

import (
	"bytes"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yfv2d/infer"
	"yfv2d/infer/model/modeltest"
)

// writeFiles writes name, content pairs into a folder of the test's own.
func writeFiles(t testing.TB, files map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// importSmall imports a made-up network in one of three formats.
func importSmall(t testing.TB, format string, classes int, opt ImportOptions) *Model {
	t.Helper()
	spec := modeltest.Small(classes)
	files := []string{"w.pth"}
	var dir string
	if format == "pth" {
		dir = writeFiles(t, map[string][]byte{"w.pth": spec.PTH()})
	} else {
		param, bin := spec.NCNN(format == "ncnn fp16")
		dir = writeFiles(t, map[string][]byte{"w.param": param, "w.bin": bin})
		files = []string{"w.bin", "w.param"}
	}
	for i := range files {
		files[i] = filepath.Join(dir, files[i])
	}
	m, err := Import(opt, files...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestClassCounts imports the same weights from each format: all graphs must agree, for every number of classes. Three
// classes are as many as there are obj channels.
func TestClassCounts(t *testing.T) {
	size := image.Pt(64, 96)
	input := noise(size)
	for _, classes := range []int{1, 2, 3, 5, 80} {
		var want []float32
		for _, row := range []struct {
			format    string
			tolerance float64
		}{{"pth", 0}, {"ncnn fp32", 1e-4}, {"ncnn fp16", 0.05}} {
			m := importSmall(t, row.format, classes, ImportOptions{})
			if len(m.Classes) != classes || m.Head.Classes != classes {
				t.Fatalf("%s: %d classes; expected %d", row.format, len(m.Classes), classes)
			}
			stock := run(t, stockOf(t, m, size), input)
			if len(stock) != headLen(size, classes) {
				t.Fatalf("%d outputs; expected %d", len(stock), headLen(size, classes))
			}
			if d := largestDifference(t, run(t, fastOf(t, m, size), input), stock); d > 1e-4 {
				t.Errorf("%s, %d classes: fast and stock graph differ by %v", row.format, classes, d)
			}
			if want == nil {
				want = stock
			}
			if d := largestDifference(t, stock, want); d > row.tolerance {
				t.Errorf("%s, %d classes: differs from the .pth by %v", row.format, classes, d)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	opt := ImportOptions{
		Name: "mine", Licence: "CC0", Notes: "for a test", Score: 0.25, Letterbox: true,
		Anchors: "1,2 3,4 5,6 7,8 9,10 11,12.5",
		Names:   filepath.Join(writeFiles(t, map[string][]byte{"n": []byte("\ufeffcat\r\n\r\nbig \"dog\"\nпёс\n")}), "n"),
	}
	a := importSmall(t, "pth", 3, opt)
	data := a.Encode()
	b, err := Parse(data, "x.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Encode(), data) {
		t.Error("reading and writing a model changes it")
	}
	if want := []string{"cat", `big "dog"`, "пёс"}; !slices.Equal(b.Classes, want) {
		t.Errorf("classes %q; expected %q", b.Classes, want)
	}
	if b.Name != "mine" || b.Licence != "CC0" || b.Notes != "for a test" || b.DefaultScore != 0.25 || b.Resize != infer.ResizeLetterbox {
		t.Errorf("metadata was lost: %+v", b)
	}
	if got := FormatAnchors(b.Head.Anchors); got != opt.Anchors {
		t.Errorf("anchors %q; expected %q", got, opt.Anchors)
	}
	if b.Source != "w.pth" || b.SHA256 != hashOf(modeltest.Small(3).PTH()) {
		t.Errorf("source is %q %s", b.Source, b.SHA256)
	}
	size := image.Pt(64, 64)
	sa, _ := a.StockONNX(size)
	sb, _ := b.StockONNX(size)
	if !bytes.Equal(sa, sb) {
		t.Error("the stock form differs after a round trip")
	}
}

func TestDefaults(t *testing.T) {
	m := importSmall(t, "pth", 80, ImportOptions{})
	if m.Classes[0] != "person" || m.Classes[79] != "toothbrush" || m.Warning != "" || m.Resize != infer.ResizeStretch || m.DefaultScore != 0.3 {
		t.Errorf("defaults for 80 classes are %+v", m)
	}
	m = importSmall(t, "ncnn fp32", 2, ImportOptions{})
	if m.Classes[1] != "class1" || !strings.Contains(m.Warning, "2 classes") || m.Source != "w.param+w.bin" {
		t.Errorf("defaults for 2 classes are %+v", m)
	}
	b, err := Load("builtin")
	if err != nil {
		t.Fatal(err)
	}
	if b.DefaultScore != 0.35 || len(b.Classes) != 80 || b.File != "builtin" {
		t.Errorf("the built-in model is %+v", b)
	}
}

func TestCheckSize(t *testing.T) {
	m := importSmall(t, "pth", 1, ImportOptions{})
	for _, s := range []image.Point{{}, {X: 352}, {X: 350, Y: 352}, {X: -32, Y: 32}, {X: 32, Y: 8192}} {
		if _, err := m.ONNX(s); err == nil || !strings.Contains(err.Error(), "multiples of 32") {
			t.Errorf("size %v: error %v", s, err)
		}
		if _, err := m.StockONNX(s); err == nil {
			t.Errorf("size %v was taken", s)
		}
	}
}

func TestInfo(t *testing.T) {
	m, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	i, err := m.Info()
	if err != nil {
		t.Fatal(err)
	}
	// Without BatchNorms: 243,095 parameters of the PyTorch module, less two numbers for each of their channels, plus
	// one bias for each.
	if i.Parameters < 230_000 || i.Parameters > 243_095 {
		t.Errorf("%d parameters", i.Parameters)
	}
	if i.MACs < 100e6 || i.MACs > 125e6 { // the authors give 0.212 to 0.238 GFLOP
		t.Errorf("%d multiply-adds", i.MACs)
	}
	t.Logf("%+v", i)
}

func TestParseAnchors(t *testing.T) {
	for _, row := range []struct{ name, text, err string }{
		{"official", officialAnchors, ""},
		{"one list", "1,2,3,4,5,6,7,8,9,10,11,12", ""},
		{"few", "1,2 3,4", "4 numbers; expected 12"},
		{"word", strings.Replace(officialAnchors, "12.64", "wide", 1), `"wide"`},
		{"zero", strings.Replace(officialAnchors, "12.64", "0", 1), `"0"`},
		{"not a number", strings.Replace(officialAnchors, "12.64", "NaN", 1), `"NaN"`},
	} {
		_, err := ParseAnchors(row.text)
		if (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: error %v; expected %q", row.name, err, row.err)
		}
	}
}
