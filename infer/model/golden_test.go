package model

import (
	"encoding/binary"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"
)

const sharedDir = "../../../shared"

// shared is the path of a shared file; the test is skipped where the folder is absent.
func shared(t testing.TB, parts ...string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(sharedDir, parts[0])); err != nil {
		t.Skipf("no shared data: %s", parts[0])
	}
	return filepath.Join(append([]string{sharedDir}, parts...)...)
}

func officialPTH(t testing.TB) string {
	return shared(t, "models", "yolo-fastestv2", "coco2017-0.241078ap-model.pth")
}

func officialNCNN(t testing.TB) (param, bin string) {
	p := shared(t, "models", "yolo-fastestv2", "yolo-fastestv2-opt.param")
	return p, shared(t, "models", "yolo-fastestv2", "yolo-fastestv2-opt.bin")
}

func mustImport(t testing.TB, files ...string) *Model {
	t.Helper()
	m, err := Import(ImportOptions{}, files...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// golden reads a picture as network input and the heads that the authors' PyTorch code gives for it.
func golden(t testing.TB, name string) (input, heads []float32) {
	t.Helper()
	bgr, err := os.ReadFile(shared(t, "golden", name+".input.bgr"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(shared(t, "golden", name+".heads.f32"))
	if err != nil {
		t.Fatal(err)
	}
	heads = make([]float32, len(raw)/4)
	for i := range heads {
		heads[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return planes(bgr), heads
}

// planes turns BGR pixels into the network's input.
func planes(bgr []byte) []float32 {
	n := len(bgr) / 3
	out := make([]float32, len(bgr))
	for i, v := range bgr {
		out[i%3*n+i/3] = float32(v) / 255
	}
	return out
}

// noise is a deterministic input of a size.
func noise(size image.Point) []float32 {
	bgr := make([]byte, size.X*size.Y*3)
	state := uint32(1)
	for i := range bgr {
		state = state*1664525 + 1013904223
		bgr[i] = byte(state >> 24)
	}
	return planes(bgr)
}

func largestDifference(t testing.TB, a, b []float32) float64 {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d values against %d", len(a), len(b))
	}
	worst := 0.0
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if !(d <= worst) {
			worst = d
		}
	}
	return worst
}

func decodeGraphOf(t testing.TB, onnx []byte, err error) *Graph {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	f, err := DecodeONNX(onnx)
	if err != nil {
		t.Fatal(err)
	}
	return f.Graph
}

func fastOf(t testing.TB, m *Model, size image.Point) *Graph {
	t.Helper()
	onnx, err := m.ONNX(size)
	return decodeGraphOf(t, onnx, err)
}

func stockOf(t testing.TB, m *Model, size image.Point) *Graph {
	t.Helper()
	onnx, err := m.StockONNX(size)
	return decodeGraphOf(t, onnx, err)
}

func TestGoldenOfficialPTH(t *testing.T) {
	m := mustImport(t, officialPTH(t))
	checkGolden(t, fastOf(t, m, DefaultSize), 1e-3)
}

// The official ncnn file has weights cut (not rounded) to fp16; read as the middle of what is cut to them they move
// single logits by up to 0.055.
func TestGoldenOfficialNCNN(t *testing.T) {
	param, bin := officialNCNN(t)
	checkGolden(t, fastOf(t, mustImport(t, param, bin), DefaultSize), 0.06)
}

func checkGolden(t *testing.T, g *Graph, tolerance float64) {
	for _, name := range []string{"000004", "000139", "000148", "000181", "000230"} {
		t.Run(name, func(t *testing.T) {
			input, want := golden(t, name)
			d := largestDifference(t, run(t, g, input), want)
			t.Logf("largest difference of a logit: %.2g", d)
			if d > tolerance {
				t.Errorf("logits differ by up to %v; allowed %v", d, tolerance)
			}
		})
	}
}

// TestFastEqualsStock compares the three forms of a network at a square, a wide and a tall input.
func TestFastEqualsStock(t *testing.T) {
	builtin := func(t *testing.T) *Model {
		m, err := Builtin()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	official := func(t *testing.T) *Model { return mustImport(t, officialPTH(t)) }
	for _, row := range []struct {
		name string
		load func(t *testing.T) *Model
		size image.Point
	}{
		{"official 352x352", official, image.Pt(352, 352)},
		{"built-in 416x320", builtin, image.Pt(416, 320)},
		{"built-in 32x64", builtin, image.Pt(32, 64)},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, size := row.load(t), row.size
			input := noise(size)
			stock := run(t, stockOf(t, m, size), input)
			plain, err := m.Graph(size)
			if err != nil {
				t.Fatal(err)
			}
			if d := largestDifference(t, run(t, fastOf(t, m, size), input), stock); d > 1e-4 {
				t.Errorf("fast and stock graph differ by %v", d)
			}
			if d := largestDifference(t, run(t, plain, input), stock); d > 1e-4 {
				t.Errorf("graph without split kernels and stock graph differ by %v", d)
			}
		})
	}
}
