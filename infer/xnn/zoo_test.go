//go:build cgo && !noxnnpack

package xnn

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
)

// zoo are other detectors than the project's own, and how their authors prepare a picture: in 0..255, minus mean, over std.
var zoo = []struct {
	name, file string
	mean, std  [3]float32
}{
	{"FastestDet", "fastestdet/FastestDet.onnx", [3]float32{}, [3]float32{255, 255, 255}},
	{"NanoDet-m", "nanodet/nanodet_m_320.onnx", [3]float32{103.53, 116.28, 123.675}, [3]float32{57.375, 57.12, 58.395}},
	{"NanoDet-Plus-m", "nanodet-plus/nanodet-plus-m_416.onnx", [3]float32{103.53, 116.28, 123.675}, [3]float32{57.375, 57.12, 58.395}},
	{"PicoDet-S", "picodet/picodet_s_320_cv.onnx", [3]float32{103.53, 116.28, 123.675}, [3]float32{57.375, 57.12, 58.395}},
	{"YOLOX-Nano", "yolox/yolox_nano.onnx", [3]float32{}, [3]float32{1, 1, 1}},
}

// readZoo reads a network and puts its preparation in front, so that it takes pixels in 0..1.
func readZoo(t testing.TB, file string, mean, std [3]float32) *model.Graph {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(sharedDir, "models/zoo", file))
	if err != nil {
		t.Skipf("no shared data: models")
	}
	f, err := model.DecodeONNX(data)
	if err != nil {
		t.Fatal(err)
	}
	g := f.Graph
	mul := &model.Tensor{Name: "prepare.mul", Type: model.Float32, Dims: model.Shape{1, 3, 1, 1}}
	add := &model.Tensor{Name: "prepare.add", Type: model.Float32, Dims: model.Shape{1, 3, 1, 1}}
	for c := range 3 {
		mul.F32, add.F32 = append(mul.F32, 255/std[c]), append(add.F32, -mean[c]/std[c])
	}
	g.Inits = append(g.Inits, mul, add)
	g.Nodes = slices.Concat([]model.Node{
		{Op: "Mul", Name: "prepare.mul", Inputs: []string{"pixels", mul.Name}, Outputs: []string{"prepare.scaled"}},
		{Op: "Add", Name: "prepare.add", Inputs: []string{"prepare.scaled", add.Name}, Outputs: []string{g.Inputs[0].Name}},
	}, g.Nodes)
	g.Inputs[0].Name = "pixels"
	return g
}

// scene is a picture with large and small structure, the same each time, as pixels and as the network's input.
func scene(h, w int) (bgr []byte, in *array) {
	bgr, in = make([]byte, 3*h*w), newArray(1, 3, h, w)
	for i := range bgr {
		c, x, y := i%3, float64(i/3%w), float64(i/3/w)
		v := 128 + 60*math.Sin(x/(9+5*float64(c)))*math.Cos(y/17) + 50*math.Sin(x*y/float64(900+300*c))
		if int(x/40+y/56)%3 == 0 {
			v = 255 - v
		}
		bgr[i] = byte(min(max(v, 0), 255))
		in.v[c*h*w+i/3] = float64(bgr[i]) / 255
	}
	return bgr, in
}

// Both engines compute what the file says, read literally: within a hundredth of each output's range.
func TestZoo(t *testing.T) {
	for _, row := range zoo {
		t.Run(row.name, func(t *testing.T) {
			g := readZoo(t, row.file, row.mean, row.std)
			shapes, err := model.InferShapes(g)
			if err != nil {
				t.Fatal(err)
			}
			p, err := model.Prepare(g)
			if err != nil {
				t.Fatal(err)
			}
			bgr, in := scene(g.Inputs[0].Dims[2], g.Inputs[0].Dims[3])
			ours, opencv := openZoo(t, p)
			var want []float64
			if raced { // only the engines with each other
				for _, v := range forwardRaw(t, opencv, bgr) {
					want = append(want, float64(v))
				}
			} else {
				want = run(t, g, in)
			}
			for name, net := range map[string]rawNet{"XNNPACK": ours, "OpenCV": opencv} {
				forwardRaw(t, net, bgr) // what the first run leaves must not matter
				compareOutputs(t, name, g, shapes, forwardRaw(t, net, bgr), want)
			}
		})
	}
}

type rawNet interface {
	Forward(bgr []byte) ([]float32, error)
	Close() error
}

func openZoo(t testing.TB, p *model.Graph) (ours, opencv rawNet) {
	t.Helper()
	o, err := OpenNet(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dnn.OpenNet(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, n := range []rawNet{o, o, d, d} { // twice is allowed
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			if _, err := n.Forward(nil); err == nil {
				t.Error("Forward after Close")
			}
		}
	})
	return o, d
}

func forwardRaw(t testing.TB, n rawNet, bgr []byte) []float32 {
	t.Helper()
	out, err := n.Forward(bgr)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compareOutputs takes each of a network's outputs on its own, since their ranges differ.
func compareOutputs(t *testing.T, engine string, g *model.Graph, shapes map[string]model.Shape, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", engine, len(got), len(want))
	}
	for _, v := range g.Outputs {
		n, _ := shapes[v.Name].Elems(len(got))
		span := slices.Max(want[:n]) - slices.Min(want[:n])
		worst := 0.0
		for i := range n {
			if d := math.Abs(float64(got[i]) - want[i]); !(d <= worst) {
				worst = d
			}
		}
		t.Logf("%s: %s %v: largest difference %.2g of a range of %.3g", engine, v.Name, []int(shapes[v.Name]), worst, span)
		if !(worst <= 1e-2*span) {
			t.Errorf("%s: output %s differs by %g of a range of %g", engine, v.Name, worst, span)
		}
		got, want = got[n:], want[n:]
	}
}

// Each network on both engines, turn by turn on one thread. Medians of CPU milliseconds for a forward.
func BenchmarkZoo(b *testing.B) {
	for _, row := range zoo {
		b.Run(row.name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			p, err := model.Prepare(readZoo(b, row.file, row.mean, row.std))
			if err != nil {
				b.Fatal(err)
			}
			ours, opencv := openZoo(b, p)
			bgr, _ := scene(p.Inputs[0].Dims[2], p.Inputs[0].Dims[3])
			forwardRaw(b, ours, bgr)
			forwardRaw(b, opencv, bgr)
			var o, d stopwatch
			for b.Loop() {
				o.time(func() { forwardRaw(b, ours, bgr) })
				d.time(func() { forwardRaw(b, opencv, bgr) })
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(o.medianMS(), "xnnpack-ms")
			b.ReportMetric(d.medianMS(), "opencv-ms")
			b.ReportMetric(o.medianMS()/d.medianMS(), "ratio")
		})
	}
}
