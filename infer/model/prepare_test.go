package model

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// foreign writes small networks as other detectors' files have them.
type foreign struct {
	*builder
	r *rand.Rand
}

func newForeign() *foreign {
	return &foreign{newBuilder("test", image.Pt(12, 8)), rand.New(rand.NewPCG(5, 6))}
}

func (f *foreign) dense(name, x string, in, out int) string {
	return f.conv(name, x, &conv{out: out, in: in, k: 1, stride: 1, groups: 1, relu: true, w: randoms(f.r, in*out), b: randoms(f.r, out)})
}

func (f *foreign) depthwise(name, x string, c int) string {
	return f.conv(name, x, &conv{out: c, in: c, k: 3, stride: 1, groups: c, w: randoms(f.r, 9*c), b: randoms(f.r, c)})
}

// shuffle mixes c channels of two branches, as PyTorch exports it.
func (f *foreign) shuffle(name, x string, c int) string {
	y := f.reshape(name+".groups", x, 1, 2, c/2, 8, 12)
	y = f.node("Transpose", name+".turn", []Attr{attrInts("perm", 0, 2, 1, 3, 4)}, y)
	return f.reshape(name, y, 1, -1, 8, 12)
}

// part is every second row and column of the input.
func (f *foreign) part(row, column int) string {
	name := fmt.Sprintf("part%d%d", row, column)
	rows := f.node("Slice", name+".rows", nil, inputName, f.ints(row), f.ints(math.MaxInt64), f.ints(2), f.ints(2))
	return f.node("Slice", name, nil, rows, f.ints(column), f.ints(math.MaxInt64), f.ints(3), f.ints(2))
}

// What Prepare makes of a graph computes the same; gone are the operators named, unless they have to stay.
func TestPrepare(t *testing.T) {
	for _, row := range []struct {
		name  string
		build func(f *foreign) []string // the outputs
		gone  string
		stays bool
	}{
		{"shuffled blocks", func(f *foreign) []string {
			a, b := f.dense("a", inputName, 3, 6), f.dense("b", inputName, 3, 6)
			x := f.shuffle("s0", f.concat("j0", 1, a, b), 12)
			for i := range 3 {
				at := fmt.Sprint(i + 1)
				main := f.dense("m"+at, f.depthwise("d"+at, f.dense("p"+at, f.slice("r"+at, x, 6, 12), 6, 6), 6), 6, 6)
				x = f.shuffle("s"+at, f.concat("j"+at, 1, f.slice("l"+at, x, 0, 6), main), 12)
			}
			return []string{f.dense("y", f.depthwise("d", x, 12), 12, 5), f.dense("z", x, 12, 4)}
		}, "Transpose", false},
		{"shuffle between others", func(f *foreign) []string {
			x := f.shuffle("s", f.dense("a", inputName, 3, 8), 8)
			sum := f.node("Add", "sum", nil, f.dense("b", x, 8, 8), x)
			return []string{f.upsample("up", x), sum}
		}, "Transpose", false},
		{"shuffle of too many channels into an output", func(f *foreign) []string {
			return []string{f.shuffle("s", f.depthwise("d", f.dense("a", inputName, 3, 160), 160), 160)}
		}, "Transpose", true},
		{"focus", func(f *foreign) []string {
			x := f.concat("focus", 1, f.part(0, 0), f.part(1, 0), f.part(0, 1), f.part(1, 1))
			return []string{f.conv("c", x, &conv{out: 5, in: 12, k: 3, stride: 1, groups: 1, w: randoms(f.r, 5*12*9), b: randoms(f.r, 5)})}
		}, "Slice", false},
		{"half a focus", func(f *foreign) []string {
			return []string{f.dense("c", f.concat("focus", 1, f.part(0, 0), f.part(1, 0)), 6, 5)}
		}, "Slice", true},
		{"nodes that change nothing", func(f *foreign) []string {
			return []string{f.dense("c", f.node("Identity", "same", nil, inputName), 3, 5)}
		}, "Identity", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newForeign()
			var want []float32
			x := randoms(f.r, 3*8*12)
			for _, name := range row.build(f) {
				f.g.Outputs = append(f.g.Outputs, Value{Name: name, Type: Float32})
			}
			for _, v := range f.g.Outputs {
				one := *f.g
				one.Outputs = []Value{v}
				want = append(want, run(t, &one, x)...)
			}
			before := encodeGraph(f.g)
			p, err := Prepare(f.g)
			if err != nil {
				t.Fatal(err)
			}
			if string(encodeGraph(f.g)) != string(before) {
				t.Error("the graph itself has changed")
			}
			if got := hasOp(p, row.gone); got != row.stays {
				t.Errorf("%s in the graph: %v, want %v", row.gone, got, row.stays)
			}
			sameValues(t, run(t, p, x), want)
		})
	}
}

func hasOp(g *Graph, op string) bool {
	for i := range g.Nodes {
		if g.Nodes[i].Op == op {
			return true
		}
	}
	return false
}

func sameValues(t *testing.T, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i]-want[i])) < 1e-4*(1+math.Abs(float64(want[i])))) {
			t.Fatalf("value %d is %g, want %g", i, got[i], want[i])
		}
	}
}

// The official export of our own network, whose shuffles gather: no shuffle is left, the numbers stay.
func TestPrepareStock(t *testing.T) {
	m, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	g := stockGraph(m.net.original(), image.Pt(96, 64))
	p, err := Prepare(g)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"Transpose", "Gather"} {
		if hasOp(p, op) {
			t.Errorf("%s is left", op)
		}
	}
	x := randoms(rand.New(rand.NewPCG(1, 1)), 3*96*64)
	sameValues(t, run(t, p, x), run(t, g, x))
}

// A pool that counts the zeros before it, and a halving: as a convolution and a pool.
func TestPreparePools(t *testing.T) {
	f := newForeign()
	pad := f.node("Pad", "pad", []Attr{attrString("mode", "constant")}, inputName, f.ints(0, 0, 1, 1, 0, 0, 1, 1))
	y := f.node("AveragePool", "pool", []Attr{attrInts("kernel_shape", 3, 3), attrInts("strides", 2, 2)}, pad)
	f.g.addInit(&Tensor{Name: "half", Type: Float32, Dims: Shape{4}, F32: []float32{1, 1, 0.5, 0.5}})
	half := f.node("Resize", "halve", []Attr{attrString("mode", "linear")}, inputName, "", "half")
	f.g.Outputs = []Value{{Name: y}, {Name: half}}
	p, err := Prepare(f.g)
	if err != nil {
		t.Fatal(err)
	}
	if hasOp(p, "Pad") || hasOp(p, "Resize") || !hasOp(p, "Conv") || !hasOp(p, "AveragePool") {
		t.Errorf("nodes %v", p.Ops())
	}
}

func TestPrepareRefuses(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(f *foreign)
		want   string
	}{
		{"no output", func(f *foreign) { f.g.Outputs = nil }, "at least one output"},
		{"output of no node", func(f *foreign) { f.g.Outputs[0].Name = "nothing" }, "made by no node"},
		{"unknown operator", func(f *foreign) { f.g.Nodes[0].Op = "Erf" }, `operator "Erf" is not supported`},
		{"input of unknown size", func(f *foreign) { f.g.Inputs[0].Dims = Shape{1, 3, -1, -1} }, "has a dimension that is not known"},
		{"input of one channel", func(f *foreign) { f.g.Inputs[0].Dims = Shape{1, 1, 8, 12} }, "expected 1,3,height,width"},
		{"value made twice", func(f *foreign) { f.g.Nodes = append(f.g.Nodes, f.g.Nodes[0]) }, "is there already"},
		{"reads what comes later", func(f *foreign) { f.g.Nodes[0].Inputs[0] = "c.relu" }, "made by no node before it"},
		{"too many nodes", func(f *foreign) { f.g.Nodes = make([]Node, maxNodes+1) }, "at most 10000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newForeign()
			f.g.Outputs = []Value{{Name: f.dense("c", inputName, 3, 4)}}
			row.change(f)
			if _, err := Prepare(f.g); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want one line with %q", err, row.want)
			}
		})
	}
}
