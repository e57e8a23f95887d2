//go:build cgo && !noxnnpack

package xnn

import (
	"image"
	"math"
	"runtime"
	"strings"
	"testing"

	"yfv2d/infer"
	"yfv2d/infer/dnn"
	"yfv2d/infer/model"
	"yfv2d/infer/xnn/xnntest"
)

// quantized is the int8 form of a model, calibrated on noise of several coarsenesses, so that all layers are reached.
func quantized(t testing.TB, m *model.Model) *model.Model {
	t.Helper()
	c, err := model.NewCalibrator(m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dnn.OpenNet(c.Graph())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range 4 {
		values, err := p.Forward(blocks(c.Size(), 1<<(2*i), uint64(i)).Pix)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Add(values); err != nil {
			t.Fatal(err)
		}
	}
	q, err := model.Quantize(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// blocks is noise of that many pixels a side.
func blocks(size image.Point, side int, seed uint64) *infer.Canvas {
	c := noise(size, seed)
	for y := range size.Y {
		for x := range size.X {
			from := (y/side*side*size.X + x/side*side) * 3
			copy(c.Pix[(y*size.X+x)*3:][:3], c.Pix[from:from+3])
		}
	}
	return c
}

// runRounded computes a graph's output with int8 values as the reference does: in float, each rounded where it is made.
func runRounded(t *testing.T, g *model.Graph, q *model.Quant, input *array) []float64 {
	t.Helper()
	vals := map[string]*array{g.Inputs[0].Name: input}
	for _, c := range g.Inits {
		a := &array{dims: c.Dims}
		for _, f := range c.F32 {
			a.v = append(a.v, float64(f))
		}
		vals[c.Name] = a
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op == "Reshape" { // all of these make one row
			x := vals[n.Inputs[0]]
			vals[n.Outputs[0]] = &array{model.Shape{1, len(x.v)}, x.v}
			continue
		}
		execute(t, g, n, vals)
		for _, out := range n.Outputs {
			if p, ok := q.Values[out]; ok {
				vals[out] = vals[out].mapped(func(_ []int, v float64) float64 { return rounded(v, p) })
			}
		}
	}
	return vals[g.Outputs[0].Name].v
}

func rounded(v float64, p model.QParam) float64 {
	k := min(max(math.RoundToEven(v/float64(p.Scale))+float64(p.Zero), -128), 127)
	return (k - float64(p.Zero)) * float64(p.Scale)
}

// pictureOf is a canvas as the network sees it.
func pictureOf(c *infer.Canvas) *array {
	a := newArray(1, 3, c.Size.Y, c.Size.X)
	a.each(func(i []int, p *float64) { *p = float64(c.Pix[(i[2]*c.Size.X+i[3])*3+i[1]]) / 255 })
	return a
}

// distance is the mean difference of two results, in units of the first's standard deviation.
func distance(want []float64, got []float32) float64 {
	var mean, spread, diff float64
	for _, v := range want {
		mean += v / float64(len(want))
	}
	for i, v := range want {
		spread += (v - mean) * (v - mean)
		diff += math.Abs(v - float64(got[i]))
	}
	return diff / float64(len(want)) / math.Sqrt(spread/float64(len(want)))
}

// XNNPACK computes what ONNX says of the quantised network, but for sums that fall on the border of two steps; and that is
// near the float network.
func TestInt8IsWhatItSays(t *testing.T) {
	m := builtin(t)
	q := quantized(t, m)
	size := image.Pt(96, 64)
	c := blocks(size, 4, 9)
	g, err := q.Graph(size)
	if err != nil {
		t.Fatal(err)
	}
	want := runRounded(t, g, q.Quant(), pictureOf(c))
	got := forward(t, newEngineOf(t, q), c)
	if d := distance(want, got); !(d < 0.01) {
		t.Errorf("differs from the reference by %.4f of the heads' spread", d)
	}
	if d := distance(want, forward(t, newEngineOf(t, m), c)); !(d < 0.1) {
		t.Errorf("differs from the float network by %.4f of the heads' spread", d)
	}
}

// A model without int8 layers of its own form: what the engine lacks in int8 is computed in float in between.
func TestInt8AmongFloats(t *testing.T) {
	zero := func(scale float32, zero int8) model.QParam { return model.QParam{Scale: scale, Zero: zero} }
	for _, row := range []struct {
		name   string
		build  func(g *graph) string
		values map[string]model.QParam
	}{
		{"picture's bytes", func(g *graph) string { return g.conv("x", 3, 4) }, map[string]model.QParam{"x": bytesParam}},
		{"coarser picture", func(g *graph) string { return g.conv("x", 3, 4) }, map[string]model.QParam{"x": zero(0.02, -100)}},
		{"rounded float convolution", func(g *graph) string { return g.node("Relu", nil, g.conv("x", 3, 4)) },
			map[string]model.QParam{"v1": zero(0.01, -128)}},
		{"sum of two scales", func(g *graph) string {
			return g.node("Add", nil, g.conv("x", 3, 4), g.conv("x", 3, 4))
		}, map[string]model.QParam{"v0": zero(0.01, 3), "v1": zero(0.02, -9), "v2": zero(0.025, 0)}},
		{"sum and activation", func(g *graph) string {
			return g.node("Relu", nil, g.node("Add", nil, g.conv("x", 3, 4), g.conv("x", 3, 4)))
		}, map[string]model.QParam{"v0": zero(0.01, 3), "v1": zero(0.02, -9), "v3": zero(0.01, -128)}},
		{"activation with negative numbers", func(g *graph) string { return g.node("Relu", nil, g.conv("x", 3, 4)) },
			map[string]model.QParam{"v0": zero(0.01, 0), "v1": zero(0.01, 0)}},
		{"joined with one scale", func(g *graph) string {
			return g.node("Concat", attrs{aint("axis", 1)}, g.conv("x", 3, 5), g.conv("x", 3, 4))
		}, map[string]model.QParam{"v0": zero(0.01, 0), "v1": zero(0.01, 0), "v2": zero(0.01, 0)}},
		{"joined with two scales", func(g *graph) string {
			return g.node("Concat", attrs{aint("axis", 1)}, g.conv("x", 3, 5), g.conv("x", 3, 4))
		}, map[string]model.QParam{"v0": zero(0.01, 0), "v1": zero(0.02, 7), "v2": zero(0.02, 7)}},
		{"cut and pooled", func(g *graph) string {
			s := g.slice(g.conv("x", 3, 9), 1, 2, 7)
			return g.node("MaxPool", attrs{aints("kernel_shape", 2, 2), aints("strides", 2, 2)}, s)
		}, map[string]model.QParam{"v0": zero(0.01, 0), "v1": zero(0.01, 0), "v2": zero(0.01, 0)}},
		{"sigmoid between", func(g *graph) string { return g.node("Sigmoid", nil, g.conv("x", 3, 4)) },
			map[string]model.QParam{"v0": zero(0.01, 0), "v1": zero(1.0/255, -128)}},
		{"read in both forms", func(g *graph) string {
			a := g.conv("x", 3, 4)
			return g.node("Add", nil, g.node("Sigmoid", nil, a), g.node("MaxPool", attrs{aints("kernel_shape", 3, 3), aints("pads", 1, 1, 1, 1)}, a))
		}, map[string]model.QParam{"v0": zero(0.01, 0), "v2": zero(0.01, 0)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newGraph(6, 8)
			g.Outputs = []model.Value{{Name: g.node("Reshape", nil, row.build(g), g.ints(1, -1))}}
			q := &model.Quant{Values: row.values}
			p, err := newQuantPlan(&g.Graph, q)
			if err != nil {
				t.Fatal(err)
			}
			pr, err := bound(t, p)
			if err != nil {
				t.Fatal(err)
			}
			c := noise(image.Pt(8, 6), 3)
			if err := pr.run(c.Pix); err != nil {
				t.Fatal(err)
			}
			in := pictureOf(c)
			if x, ok := row.values["x"]; ok {
				in = in.mapped(func(_ []int, v float64) float64 { return rounded(v, x) })
			}
			most := 1e-5
			for _, x := range row.values {
				most = max(most, 1.01*float64(x.Scale)) // one step
			}
			for i, want := range runRounded(t, &g.Graph, q, in) {
				if d := math.Abs(want - float64(pr.out[i])); !(d <= most) {
					t.Fatalf("value %d is %g, want %g", i, pr.out[i], want)
				}
			}
		})
	}
}

func TestInt8Refused(t *testing.T) {
	for _, row := range []struct {
		name  string
		conv  model.QConv
		scale float32
		want  string
	}{
		{"few weights", model.QConv{W: make([]int8, 5), Scale: []float32{1, 1}}, 1, "5 int8 weights, 2 scales and 0 biases do not fit"},
		{"few scales", model.QConv{W: make([]int8, 6), Scale: []float32{1}}, 1, "6 int8 weights, 1 scales"},
		{"few biases", model.QConv{W: make([]int8, 6), Scale: []float32{1, 1}, Bias: []int32{1}}, 1, "1 biases"},
		{"scales far apart", model.QConv{W: make([]int8, 6), Scale: []float32{1, 1}}, 1e-9, "too far apart"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newGraph(6, 8)
			g.Outputs = []model.Value{{Name: g.node("Reshape", nil, g.conv("x", 3, 2), g.ints(1, -1))}}
			q := &model.Quant{Convs: map[string]*model.QConv{"v0": &row.conv}, Values: map[string]model.QParam{"x": bytesParam, "v0": {Scale: row.scale}}}
			_, err := newQuantPlan(&g.Graph, q)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v; expected one line with %q", err, row.want)
			}
		})
	}
	g := newGraph(6, 8)
	g.Outputs = []model.Value{{Name: g.conv("x", 3, 2)}}
	if _, err := newQuantPlan(&g.Graph, &model.Quant{Values: map[string]model.QParam{"v0": {Scale: 1}}}); err == nil || !strings.Contains(err.Error(), "is int8") {
		t.Errorf("an int8 output: %v", err)
	}
}

// An int8 forward makes nothing on either heap, and closing gives all back.
func TestInt8AllocatesNothing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	q := quantized(t, builtin(t))
	before := xnntest.Heap()
	for range 20 {
		e, err := New(q, Options{})
		if err != nil {
			t.Fatal(err)
		}
		c := noise(image.Pt(160, 96), 1)
		forward(t, e, c)
		if n := testing.AllocsPerRun(20, func() { forward(t, e, c) }); n != 0 {
			t.Errorf("a forward makes %g objects", n)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if grown := xnntest.Heap() - before; grown > slack {
		t.Errorf("engines opened and closed left %d bytes", grown)
	}
}

// BenchmarkInt8 is the int8 form against the float one, turn by turn on one thread at 352x352.
func BenchmarkInt8(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := official(b)
	if m == nil {
		m = builtin(b)
	}
	float, int8 := newEngineOf(b, m), newEngineOf(b, quantized(b, m))
	c := noise(image.Pt(352, 352), 1)
	forward(b, float, c)
	forward(b, int8, c)
	var f, q stopwatch
	for b.Loop() {
		f.time(func() { forward(b, float, c) })
		q.time(func() { forward(b, int8, c) })
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(f.medianMS(), "float-ms")
	b.ReportMetric(q.medianMS(), "int8-ms")
	b.ReportMetric(q.medianMS()/f.medianMS(), "ratio")
}
