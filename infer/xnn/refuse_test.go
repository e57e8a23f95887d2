//go:build cgo && !noxnnpack

package xnn

import (
	"math"
	"strings"
	"testing"

	"yfv2d/infer/model"
)

// What the engine does not have is said in one line that names the node.
func TestGraphsRefused(t *testing.T) {
	const huge = 1 << 40
	for _, row := range []struct {
		name  string
		build func(g *graph) string
		want  string
	}{
		{"unknown operator", func(g *graph) string { return g.node("Erf", nil, "x") }, `node "Erf" "v0": the XNNPACK engine does not have this operator`},
		{"other domain", func(g *graph) string {
			g.node("Relu", nil, "x")
			g.Nodes[0].Domain = "com.example"
			return "v0"
		}, "does not have this operator"},
		{"cycle", func(g *graph) string {
			g.node("Add", nil, "x", "v1")
			return g.node("Relu", nil, "v0")
		}, "made by no node before it"},
		{"reads itself", func(g *graph) string { return g.node("Relu", nil, "v0") }, "made by no node before it"},
		{"missing weights", func(g *graph) string { return g.node("Conv", nil, "x", "w") }, "not a constant of float32"},
		{"weights of another length", func(g *graph) string {
			w := g.floats(4, 3, 1, 1)
			g.Inits[0].F32 = g.Inits[0].F32[:5]
			return g.node("Conv", nil, "x", w)
		}, "holds 5 values"},
		{"wrong channels", func(g *graph) string { return g.conv("x", 4, 2) }, "does not fit an input"},
		{"no groups", func(g *graph) string { return g.node("Conv", attrs{aint("group", 0)}, "x", g.floats(3, 3, 1, 1)) }, "does not fit an input"},
		{"bias of another length", func(g *graph) string {
			return g.node("Conv", nil, "x", g.floats(3, 3, 1, 1), g.floats(4))
		}, "4 biases for 3"},
		{"negative pads", func(g *graph) string {
			return g.node("Conv", attrs{aints("pads", -1, 0, 0, 0)}, "x", g.floats(3, 3, 3, 3))
		}, "out of range"},
		{"huge pads", func(g *graph) string {
			return g.node("Conv", attrs{aints("pads", huge, huge, huge, huge)}, "x", g.floats(3, 3, 3, 3))
		}, "out of range"},
		{"large pads", func(g *graph) string {
			return g.node("Conv", attrs{aints("pads", 4096, 4096, 4096, 4096)}, g.conv("x", 3, 64), g.floats(64, 64, 1, 1))
		}, "too much memory"},
		{"zero strides", func(g *graph) string {
			return g.node("Conv", attrs{aints("strides", 0, 0)}, "x", g.floats(3, 3, 3, 3))
		}, "out of range"},
		{"kernel beyond the input", func(g *graph) string { return g.node("Conv", nil, "x", g.floats(1, 3, 20, 1)) }, "reaches beyond"},
		{"kernel of no cells", func(g *graph) string { return g.node("Conv", nil, "x", g.floats(1, 3, 0, 1)) }, "out of range"},
		{"pool of one cell", func(g *graph) string { return g.node("MaxPool", attrs{aints("kernel_shape", 1, 1)}, "x") }, "more than one cell"},
		{"pool with pads like its kernel", func(g *graph) string {
			return g.node("MaxPool", attrs{aints("kernel_shape", 2, 2), aints("pads", 2, 2, 2, 2)}, "x")
		}, "pads smaller than the kernel"},
		{"pool without kernel", func(g *graph) string { return g.node("AveragePool", nil, "x") }, "expected a kernel"},
		{"huge growth", func(g *graph) string {
			x := g.resize("x", "nearest", "asymmetric", "floor", 2048, 2048)
			return g.resize(x, "nearest", "asymmetric", "floor", 2048, 2048)
		}, "larger than 1024 MB"},
		{"scale that is no number", func(g *graph) string {
			return g.resize("x", "nearest", "asymmetric", "floor", float32(math.NaN()), 1)
		}, "whole factors"},
		{"many large values", func(g *graph) string {
			x, axis := g.resize("x", "nearest", "asymmetric", "floor", 256, 256), attrs{aint("axis", 1)}
			for range 4 {
				x = g.node("Concat", axis, x, x)
			}
			return g.slice(x, 1, 0, 1)
		}, "MB"},
		{"slope that is no number", func(g *graph) string {
			return g.node("LeakyRelu", attrs{afloat("alpha", float32(math.NaN()))}, "x")
		}, "out of range"},
		{"slope of nothing", func(g *graph) string { return g.node("LeakyRelu", attrs{afloat("alpha", 0)}, "x") }, "out of range"},
		{"slice with steps", func(g *graph) string {
			return g.node("Slice", nil, "x", g.ints(0), g.ints(9), g.ints(2), g.ints(2))
		}, "without steps"},
		{"rows of other channels", func(g *graph) string {
			return g.node("Concat", attrs{aint("axis", 2)}, g.node("Reshape", nil, "x", g.ints(1, 3, -1)), g.node("Reshape", nil, g.conv("x", 3, 2), g.ints(1, 2, -1)))
		}, "do not fit"},
		{"empty range", func(g *graph) string { return g.node("Clip", nil, "x", g.these(1), g.these(1)) }, "is empty"},
		{"ranges apart", func(g *graph) string {
			return g.node("Clip", nil, g.node("Clip", nil, g.conv("x", 3, 3), g.these(1), g.these(2)), g.these(3), g.these(4))
		}, "only the value 3 is left"},
		{"concat of other sizes", func(g *graph) string {
			return g.node("Concat", attrs{aint("axis", 1)}, "x", g.node("GlobalAveragePool", nil, "x"))
		}, "do not fit"},
		{"concat of rows of pixels", func(g *graph) string { return g.node("Concat", attrs{aint("axis", 2)}, "x", "x") }, "neither channels"},
		{"slice out of range", func(g *graph) string { return g.slice("x", 1, 2, -9) }, "out of range"},
		{"slice of rows", func(g *graph) string { return g.slice("x", 2, 0, 1) }, "is not the channels"},
		{"sum of other sizes", func(g *graph) string { return g.node("Add", nil, "x", g.conv("x", 3, 4)) }, "do not fit"},
		{"constant of another length", func(g *graph) string { return g.node("Mul", nil, "x", g.floats(2)) }, "does not fit"},
		{"two constants", func(g *graph) string { return g.node("Mul", nil, g.floats(2), g.floats(2)) }, "made by no node before it"},
		{"reshape to nothing", func(g *graph) string { return g.node("Reshape", nil, "x", g.ints(1, 0, 0, 0, 0)) }, "cannot reshape"},
		{"reshape to too much", func(g *graph) string { return g.node("Reshape", nil, "x", g.ints(huge, huge, -1)) }, "cannot reshape"},
		{"reshape of the batch", func(g *graph) string { return g.node("Reshape", nil, "x", g.ints(3, -1)) }, "cannot reshape"},
		{"transpose of pixels", func(g *graph) string { return g.node("Transpose", attrs{aints("perm", 0, 1, 3, 2)}, "x") }, "more than moving the channels"},
		{"planes times a matrix", func(g *graph) string { return g.node("MatMul", nil, "x", g.floats(8, 2)) }, "do not fit"},
		{"times a value", func(g *graph) string { return g.node("MatMul", nil, "x", "x") }, "not a constant of float32"},
		{"times a vector", func(g *graph) string { return g.node("MatMul", nil, "x", g.floats(8)) }, "expected a constant matrix"},
		{"times a matrix of no columns", func(g *graph) string {
			return g.node("Gemm", nil, g.node("Flatten", nil, g.conv("x", 3, 1)), g.floats(10*14, 0))
		}, "do not fit"},
		{"matrix of other columns", func(g *graph) string {
			return g.node("Gemm", attrs{aint("transB", 1)}, g.node("Flatten", nil, "x"), g.floats(2, 5))
		}, "do not fit"},
		{"picture as a row", func(g *graph) string { return g.node("Gemm", nil, "x", g.floats(8, 2)) }, "two dimensions"},
		{"bias as a column", func(g *graph) string {
			return g.node("Gemm", nil, g.node("Flatten", nil, "x"), g.floats(3*10*14, 2), g.floats(2, 1))
		}, "is no row"},
		{"softmax over planes", func(g *graph) string { return g.node("Softmax", attrs{aint("axis", 1)}, "x") }, "not the last one"},
		{"output made twice", func(g *graph) string {
			g.node("Relu", nil, "x")
			g.node("Relu", nil, "x")
			g.Nodes[1].Outputs[0] = "v0"
			return "v0"
		}, "there already"},
		{"no such output", func(g *graph) string { return "nothing" }, `no node makes the output "nothing"`},
		{"no inputs", func(g *graph) string { return g.node("Concat", nil) }, "no input"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := newGraph(10, 14)
			g.Outputs = []model.Value{{Name: row.build(g)}}
			p, err := newPlan(&g.Graph)
			if err == nil {
				t.Fatalf("taken, with %d floats of memory", p.floats)
			}
			if !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want one line with %q", err, row.want)
			}
		})
	}
}
