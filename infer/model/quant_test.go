package model

import (
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/infer/model/modeltest"
)

// importSpec is the model of a made-up network.
func importSpec(t testing.TB, s modeltest.Spec) *Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net.pth")
	if err := os.WriteFile(path, s.PTH(), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Import(ImportOptions{}, path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// randomInput is a picture of noise for a graph.
func randomInput(g *Graph, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	n, _ := g.Inputs[0].Dims.Elems(1 << 30)
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.IntN(256)) / 255
	}
	return x
}

// quantizeOn calibrates a model on pictures of noise, run by the literal executor.
func quantizeOn(t testing.TB, m *Model, pictures int) *Model {
	t.Helper()
	c, err := NewCalibrator(m)
	if err != nil {
		t.Fatal(err)
	}
	g := c.Graph()
	for i := range pictures {
		if err := c.Add(run(t, g, randomInput(g, uint64(i)))); err != nil {
			t.Fatal(err)
		}
	}
	q, err := Quantize(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// fakeQuant makes what SplitQDQ gives literal: each quantised value is rounded where it is made.
func runQuant(t *testing.T, g *Graph, q *Quant, input []float32) []float32 {
	t.Helper()
	return runRounded(t, g, input, func(name string, v []float32) {
		p, ok := q.Values[name]
		if !ok {
			return
		}
		for i, x := range v {
			k := min(max(math.RoundToEven(float64(x/p.Scale))+float64(p.Zero), -128), 127)
			v[i] = float32(k-float64(p.Zero)) * p.Scale
		}
	})
}

// distance is the mean difference of two runs, in units of the first's standard deviation.
func distance(want, got []float32) float64 {
	var mean, spread, diff float64
	for _, v := range want {
		mean += float64(v) / float64(len(want))
	}
	for i, v := range want {
		spread += (float64(v) - mean) * (float64(v) - mean)
		diff += math.Abs(float64(v - got[i]))
	}
	return diff / float64(len(want)) / math.Sqrt(spread/float64(len(want)))
}

func TestQuantizeIsNearFloat(t *testing.T) {
	m := importSpec(t, modeltest.Small(3))
	q := quantizeOn(t, m, 2)
	g, err := m.Graph(DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	input := randomInput(g, 99)
	want := run(t, g, input)
	rounded, err := q.Graph(DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	if d := distance(want, run(t, rounded, input)); !(d < 0.03) {
		t.Errorf("rounded weights alone change the heads by %.3f of their spread", d)
	}
	if d := distance(want, runQuant(t, rounded, q.Quant(), input)); !(d < 0.1) {
		t.Errorf("int8 changes the heads by %.3f of their spread", d)
	}
}

// The float form of a model is its network without the rounding of values, and leaves the model as it is.
func TestFloatForm(t *testing.T) {
	m := importSpec(t, modeltest.Small(3))
	q := quantizeOn(t, m, 1)
	f := q.Float()
	if f.Quant() != nil || q.Quant() == nil || f == q || m.Float() != m {
		t.Errorf("float form %v of int8 %v; of a float model %v", f.Quant(), q.Quant(), m.Float() == m)
	}
	a, err := q.Graph(DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Graph(DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	if string(encodeGraph(a)) != string(encodeGraph(b)) {
		t.Error("its graph is another one")
	}
}

// The rounded graph says in float operators what int8 is: the same numbers, but for sums on the border of two steps.
func TestRoundedGraph(t *testing.T) {
	m := importSpec(t, modeltest.Small(3))
	q := quantizeOn(t, m, 1)
	size := image.Pt(64, 64)
	plain, err := q.Graph(size)
	if err != nil {
		t.Fatal(err)
	}
	g, err := q.RoundedGraph(size)
	if err != nil {
		t.Fatal(err)
	}
	input := randomInput(g, 5)
	for i, v := range input { // a picture's bytes
		input[i] = float32(math.Round(float64(min(max(v, 0), 1)*255))) / 255
	}
	want := runQuant(t, plain, q.Quant(), input)
	if d := distance(want, run(t, g, input)); !(d < 0.02) {
		t.Errorf("the rounded graph differs by %.3f of the heads' spread", d)
	}
	if d := distance(want, run(t, plain, input)); !(d > 1e-3) {
		t.Errorf("rounding changes nothing: %.2g of the heads' spread", d)
	}
	if _, err := m.RoundedGraph(size); err == nil || !strings.Contains(err.Error(), "nothing to round") {
		t.Errorf("a float model: %v", err)
	}
	if _, err := q.RoundedGraph(image.Pt(65, 64)); err == nil {
		t.Error("an odd size is taken")
	}
}

func TestQuantizedRoundTrip(t *testing.T) {
	q := quantizeOn(t, importSpec(t, modeltest.Small(3)), 1)
	data := q.Encode()
	back, err := Parse(data, "q.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if string(back.Encode()) != string(data) || len(back.Quant().Convs) != len(q.Quant().Convs) {
		t.Error("the file changes when it is read and written")
	}
	if !strings.HasSuffix(back.Name, "-int8") || !strings.Contains(back.Notes, "int8, calibrated on 1 pictures") {
		t.Errorf("named %q, notes %q", back.Name, back.Notes)
	}
	info, err := back.Info()
	if err != nil || info.Precision != "int8" {
		t.Errorf("precision %q, %v", info.Precision, err)
	}
	if _, err := NewCalibrator(back); err == nil || !strings.Contains(err.Error(), "int8 already") {
		t.Errorf("quantising twice: %v", err)
	}
}
