//go:build cgo && !noxnnpack

package xnn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"yfv2d/infer/model"
)

// graph writes small networks on an input "x" of 3 channels.
type graph struct {
	model.Graph
	r *rand.Rand
	h int
	w int
}

func newGraph(h, w int) *graph {
	g := &graph{r: rand.New(rand.NewPCG(7, 7)), h: h, w: w}
	g.Inputs = []model.Value{{Name: "x", Type: model.Float32, Dims: model.Shape{1, 3, h, w}}}
	return g
}

// node adds an operation whose output has the name of the number of nodes before it.
func (g *graph) node(op string, attrs []model.Attr, inputs ...string) string {
	name := fmt.Sprint("v", len(g.Nodes))
	g.Nodes = append(g.Nodes, model.Node{Op: op, Name: name, Inputs: inputs, Outputs: []string{name}, Attrs: attrs})
	return name
}

// floats is a constant of random numbers around 0.
func (g *graph) floats(dims ...int) string {
	t := &model.Tensor{Name: fmt.Sprint("c", len(g.Inits)), Type: model.Float32, Dims: dims}
	n := 1
	for _, d := range dims {
		n *= d
	}
	for range n {
		t.F32 = append(t.F32, g.r.Float32()-0.5)
	}
	g.Inits = append(g.Inits, t)
	return t.Name
}

func (g *graph) these(v ...float32) string {
	name := g.floats(len(v))
	g.Inits[len(g.Inits)-1].F32 = v
	return name
}

func (g *graph) ints(v ...int64) string {
	t := &model.Tensor{Name: fmt.Sprint("c", len(g.Inits)), Type: model.Int64, Dims: model.Shape{len(v)}, I64: v}
	g.Inits = append(g.Inits, t)
	return t.Name
}

func aint(name string, v int64) model.Attr {
	return model.Attr{Name: name, Kind: model.AttrInt, I: v}
}

func aints(name string, v ...int64) model.Attr {
	return model.Attr{Name: name, Kind: model.AttrInts, Ints: v}
}

func afloat(name string, v float32) model.Attr {
	return model.Attr{Name: name, Kind: model.AttrFloat, F: v}
}

func astr(name, v string) model.Attr {
	return model.Attr{Name: name, Kind: model.AttrString, S: v}
}

type attrs = []model.Attr

// conv is a convolution of 1x1 cells to c channels, from in.
func (g *graph) conv(x string, in, c int) string {
	return g.node("Conv", nil, x, g.floats(c, in, 1, 1), g.floats(c))
}

func (g *graph) slice(x string, axis, from, to int64) string {
	return g.node("Slice", nil, x, g.ints(from), g.ints(to), g.ints(axis))
}

func (g *graph) resize(x, mode, transform, nearest string, fy, fx float32) string {
	return g.node("Resize", attrs{astr("mode", mode), astr("coordinate_transformation_mode", transform), astr("nearest_mode", nearest)},
		x, "", g.these(1, 1, fy, fx))
}

// graphs are small networks, each with something that the project's own does not have.
var graphs = []struct {
	name  string
	build func(g *graph) string
}{
	{"the input itself", func(g *graph) string { return g.node("Identity", nil, "x") }},
	{"input read twice", func(g *graph) string { return g.node("Add", nil, g.conv("x", 3, 3), "x") }},
	{"conv 3x3 of stride 2", func(g *graph) string {
		return g.node("Conv", attrs{aints("pads", 1, 1, 1, 1), aints("strides", 2, 2)}, "x", g.floats(5, 3, 3, 3), g.floats(5))
	}},
	{"conv without bias", func(g *graph) string { return g.node("Conv", nil, "x", g.floats(5, 3, 2, 3)) }},
	{"conv with uneven pads and strides", func(g *graph) string {
		return g.node("Conv", attrs{aints("pads", 0, 2, 1, 0), aints("strides", 2, 1)}, "x", g.floats(4, 3, 3, 4), g.floats(4))
	}},
	{"conv with dilation", func(g *graph) string {
		return g.node("Conv", attrs{aints("dilations", 2, 3), aints("pads", 2, 3, 2, 3)}, "x", g.floats(4, 3, 3, 3))
	}},
	{"conv in groups", func(g *graph) string {
		return g.node("Conv", attrs{aint("group", 3), aints("pads", 1, 1, 1, 1)}, g.conv("x", 3, 12), g.floats(6, 4, 3, 3), g.floats(6))
	}},
	{"depthwise 5x5", func(g *graph) string {
		return g.node("Conv", attrs{aint("group", 20), aints("pads", 2, 2, 2, 2)}, g.conv("x", 3, 20), g.floats(20, 1, 5, 5), g.floats(20))
	}},
	{"depthwise 7x7", func(g *graph) string {
		return g.node("Conv", attrs{aint("group", 5), aints("pads", 3, 3, 3, 3)}, g.conv("x", 3, 5), g.floats(5, 1, 7, 7), g.floats(5))
	}},
	{"depthwise of two for each", func(g *graph) string {
		return g.node("Conv", attrs{aint("group", 3), aints("pads", 1, 1, 1, 1)}, "x", g.floats(6, 1, 3, 3), g.floats(6))
	}},
	{"batch normalisation folded", func(g *graph) string { return g.norm(g.conv("x", 3, 6), 6) }},
	{"batch normalisation of a clamped value", func(g *graph) string { return g.norm(g.node("Relu", nil, g.conv("x", 3, 6)), 6) }},
	{"batch normalisation of a value read twice", func(g *graph) string {
		x := g.conv("x", 3, 6)
		return g.node("Add", nil, g.norm(x, 6), x)
	}},
	{"relu of a value read twice", func(g *graph) string {
		x := g.conv("x", 3, 6)
		return g.node("Add", nil, g.node("Relu", nil, x), x)
	}},
	{"relu6", func(g *graph) string {
		return g.node("Clip", nil, g.node("Mul", nil, g.conv("x", 3, 6), g.these(30)), g.these(0), g.these(6))
	}},
	{"clips one after the other", func(g *graph) string {
		return g.node("Clip", nil, g.node("Clip", nil, g.conv("x", 3, 6), g.these(-0.2), g.these(0.3)), g.these(-0.1), g.these(2))
	}},
	{"hard swish", func(g *graph) string {
		return g.node("HardSwish", nil, g.node("Mul", nil, g.conv("x", 3, 6), g.these(10)))
	}},
	{"leaky relu", func(g *graph) string { return g.node("LeakyRelu", attrs{afloat("alpha", 0.1)}, g.conv("x", 3, 6)) }},
	{"leaky relu of a value read twice", func(g *graph) string {
		x := g.conv("x", 3, 6)
		return g.node("Add", nil, g.node("LeakyRelu", attrs{afloat("alpha", -0.5)}, x), x)
	}},
	{"hard sigmoid folded", func(g *graph) string {
		return g.node("HardSigmoid", attrs{afloat("alpha", 2), afloat("beta", 0.4)}, g.conv("x", 3, 6))
	}},
	{"hard sigmoid of a value read twice", func(g *graph) string {
		x := g.conv("x", 3, 6)
		return g.node("Mul", nil, g.node("HardSigmoid", attrs{afloat("alpha", 2), afloat("beta", 0.4)}, x), x)
	}},
	{"sigmoid linear unit", func(g *graph) string {
		x := g.conv("x", 3, 6)
		return g.node("Mul", nil, g.node("Sigmoid", nil, x), x)
	}},
	{"relu of a slice leaves its source", func(g *graph) string {
		x := g.conv("x", 3, 6)
		return g.node("Concat", attrs{aint("axis", 1)}, g.node("Relu", nil, g.slice(x, 1, 1, 5)), x)
	}},
	{"sum clamped", func(g *graph) string {
		return g.node("Relu", nil, g.node("Add", nil, g.conv("x", 3, 4), g.conv("x", 3, 4)))
	}},
	{"one number for each channel", func(g *graph) string {
		x := g.conv("x", 3, 6)
		return g.node("Mul", nil, g.node("Sigmoid", nil, g.node("GlobalAveragePool", nil, x)), x)
	}},
	{"constants for each channel", func(g *graph) string {
		return g.node("Add", nil, g.floats(1, 6, 1, 1), g.node("Mul", nil, g.node("Relu", nil, g.conv("x", 3, 6)), g.floats(6, 1, 1)))
	}},
	{"max pool", func(g *graph) string {
		return g.node("MaxPool", attrs{aints("kernel_shape", 3, 3), aints("pads", 1, 1, 1, 1), aints("strides", 2, 2)}, g.conv("x", 3, 6))
	}},
	{"max pool 5x5, uneven", func(g *graph) string {
		return g.node("MaxPool", attrs{aints("kernel_shape", 5, 5), aints("pads", 2, 0, 1, 2)}, g.conv("x", 3, 6))
	}},
	{"average pool", func(g *graph) string {
		return g.node("AveragePool", attrs{aints("kernel_shape", 2, 2), aints("strides", 2, 2)}, g.conv("x", 3, 6))
	}},
	{"average pool with pads", func(g *graph) string {
		return g.node("AveragePool", attrs{aints("kernel_shape", 3, 3), aints("pads", 1, 1, 1, 1)}, g.conv("x", 3, 6))
	}},
	{"nearest by 2", func(g *graph) string { return g.resize(g.conv("x", 3, 6), "nearest", "asymmetric", "floor", 2, 2) }},
	{"nearest by 2 and 3 from half pixels", func(g *graph) string {
		return g.resize(g.conv("x", 3, 6), "nearest", "half_pixel", "round_prefer_floor", 2, 3)
	}},
	{"bilinear by 2", func(g *graph) string { return g.resize(g.conv("x", 3, 6), "linear", "half_pixel", "", 2, 2) }},
	{"bilinear, corners aligned", func(g *graph) string { return g.resize(g.conv("x", 3, 6), "linear", "align_corners", "", 2, 2) }},
	{"bilinear, asymmetric", func(g *graph) string { return g.resize(g.conv("x", 3, 6), "linear", "asymmetric", "", 2, 2) }},
	{"concat of concats and of one twice", func(g *graph) string {
		axis := attrs{aint("axis", 1)}
		a, b := g.conv("x", 3, 5), g.conv("x", 3, 4)
		ab := g.node("Concat", axis, a, b)
		c := g.node("Concat", axis, ab, a, ab)
		return g.conv(g.node("Concat", axis, c, ab), 32, 3)
	}},
	{"slices into several concats", func(g *graph) string {
		axis := attrs{aint("axis", 1)}
		a, b := g.conv("x", 3, 8), g.conv("x", 3, 8)
		one := g.node("Concat", axis, g.slice(a, 1, 0, 4), g.slice(b, 1, 0, 4))
		c := g.conv(one, 8, 8)
		two := g.node("Concat", axis, g.slice(a, 1, 4, 8), g.slice(b, 1, 4, 6), g.slice(c, 1, 0, 5))
		return g.node("Concat", axis, g.conv(two, 11, 4), g.slice(b, 1, 6, 8), g.slice(c, 1, 5, 8), g.slice(c, 1, -8, -6))
	}},
	{"split", func(g *graph) string {
		x := g.conv("x", 3, 8)
		g.Nodes = append(g.Nodes, model.Node{Op: "Split", Name: "split", Inputs: []string{x}, Outputs: []string{"a", "b"},
			Attrs: attrs{aint("axis", 1), aints("split", 3, 5)}})
		return g.node("Concat", attrs{aint("axis", 1)}, g.node("Relu", nil, "b"), "a")
	}},
	{"classes of a picture", func(g *graph) string {
		x := g.node("Flatten", nil, g.node("GlobalAveragePool", nil, g.conv("x", 3, 6)))
		return g.node("Softmax", attrs{aint("axis", 1)}, g.node("Gemm", attrs{aint("transB", 1)}, x, g.floats(7, 6), g.floats(7)))
	}},
	{"fully connected, of columns and scaled", func(g *graph) string {
		x := g.node("Flatten", nil, g.node("GlobalAveragePool", nil, g.conv("x", 3, 6)))
		return g.node("Gemm", attrs{afloat("alpha", 2), afloat("beta", -3)}, x, g.floats(6, 7), g.floats(1, 7))
	}},
	{"fully connected without bias, with ReLU", func(g *graph) string {
		x := g.node("Flatten", nil, g.conv("x", 3, 2))
		return g.node("Relu", nil, g.node("Gemm", attrs{aint("transB", 1)}, x, g.floats(5, 2*g.h*g.w)))
	}},
	{"rows times a matrix", func(g *graph) string {
		x := g.node("Transpose", attrs{aints("perm", 0, 2, 1)}, g.node("Reshape", nil, g.conv("x", 3, 5), g.ints(1, 5, -1)))
		return g.node("Softmax", attrs{aint("axis", 2)}, g.node("MatMul", nil, x, g.floats(5, 4)))
	}},
	{"pixels times a matrix, added to and clamped", func(g *graph) string {
		x := g.node("Transpose", attrs{aints("perm", 0, 2, 3, 1)}, g.conv("x", 3, 5))
		x = g.node("Relu", nil, g.node("Add", nil, g.node("MatMul", nil, x, g.floats(5, 4)), g.floats(4)))
		return g.node("Transpose", attrs{aints("perm", 0, 3, 1, 2)}, x)
	}},
	{"heads in rows of classes", func(g *graph) string {
		var rows []string
		for i, c := range []string{g.conv("x", 3, 5), g.node("MaxPool", attrs{aints("kernel_shape", 2, 2), aints("strides", 2, 2)}, g.conv("x", 3, 5))} {
			n := int64(g.h * g.w)
			if i == 1 {
				n = int64((g.h / 2) * (g.w / 2))
			}
			flat := g.node("Reshape", nil, c, g.ints(1, 5, n))
			rows = append(rows, g.node("Softmax", attrs{aint("axis", 2)}, g.node("Transpose", attrs{aints("perm", 0, 2, 1)}, flat)))
		}
		return g.node("Concat", attrs{aint("axis", 1)}, rows...)
	}},
	{"heads joined before their channels go to the end", func(g *graph) string {
		x := g.conv("x", 3, 5)
		pooled := g.node("MaxPool", attrs{aints("kernel_shape", 2, 2), aints("strides", 2, 2)}, x)
		both := g.node("Concat", attrs{aint("axis", 2)}, g.node("Reshape", nil, x, g.ints(1, 5, -1)), g.node("Reshape", nil, pooled, g.ints(1, 5, -1)))
		return g.node("Softmax", attrs{aint("axis", 2)}, g.node("Transpose", attrs{aints("perm", 0, 2, 1)}, both))
	}},
	{"channels to the end and back", func(g *graph) string {
		x := g.node("Transpose", attrs{aints("perm", 0, 2, 3, 1)}, g.conv("x", 3, 5))
		x = g.node("Transpose", attrs{aints("perm", 0, 3, 1, 2)}, g.node("Sigmoid", nil, x))
		return g.node("MaxPool", attrs{aints("kernel_shape", 2, 2)}, x)
	}},
	{"planes cut into rows", func(g *graph) string {
		return g.node("Softmax", attrs{aint("axis", 2)}, g.node("Reshape", nil, g.conv("x", 3, 6), g.ints(1, int64(2*g.h), int64(3*g.w))))
	}},
	{"flat and in rows again", func(g *graph) string {
		flat := g.node("Reshape", nil, g.conv("x", 3, 6), g.ints(1, int64(6*g.h*g.w)))
		both := g.node("Concat", attrs{aint("axis", 1)}, flat, g.node("Relu", nil, flat))
		return g.node("Softmax", attrs{aint("axis", 2)}, g.node("Reshape", nil, both, g.ints(1, int64(12*g.h), int64(g.w))))
	}},
}

func (g *graph) norm(x string, c int) string {
	variance := make([]float32, c)
	for i := range variance {
		variance[i] = 0.1 + g.r.Float32()
	}
	return g.node("BatchNormalization", nil, x, g.floats(c), g.floats(c), g.floats(c), g.these(variance...))
}

// Every operator computes what ONNX says, on its own and beside others.
func TestOperators(t *testing.T) {
	for _, row := range graphs {
		t.Run(row.name, func(t *testing.T) {
			g := newGraph(10, 14)
			g.Outputs = []model.Value{{Name: row.build(g)}}
			bgr := make([]byte, g.h*g.w*3)
			in := newArray(1, 3, g.h, g.w)
			for i := range bgr {
				bgr[i] = byte(g.r.Uint32())
				in.v[i%3*g.h*g.w+i/3] = float64(bgr[i]) / 255
			}
			want := run(t, &g.Graph, in)
			got := runOurs(t, &g.Graph, bgr)
			if len(got) != len(want) {
				t.Fatalf("%d values, want %d", len(got), len(want))
			}
			for i := range got {
				if d := math.Abs(float64(got[i]) - want[i]); !(d < 1e-4) {
					t.Fatalf("value %d of %d is %g, want %g", i, len(got), got[i], want[i])
				}
			}
		})
	}
}

// runOurs runs a graph twice: what the first run leaves in the arena must not matter.
func runOurs(t *testing.T, g *model.Graph, bgr []byte) []float32 {
	t.Helper()
	p, err := newPlan(g)
	if err != nil {
		t.Fatal(err)
	}
	pr, err := bound(t, p)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := pr.run(bgr); err != nil {
			t.Fatal(err)
		}
	}
	return pr.out
}

// Joining channels copies nothing where one step makes each part.
func TestConcatCopiesNothing(t *testing.T) {
	g := newGraph(8, 8)
	axis := attrs{aint("axis", 1)}
	ab := g.node("Concat", axis, g.node("Relu", nil, g.conv("x", 3, 4)), g.node("HardSwish", nil, g.conv("x", 3, 5)))
	y := g.node("Concat", axis, ab, g.conv("x", 3, 6))
	g.Outputs = []model.Value{{Name: g.conv(y, 15, 2)}}
	p, err := newPlan(&g.Graph)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.steps {
		if s.kind == kindCopy {
			t.Errorf("a copy at %s", s.node)
		}
	}
}
