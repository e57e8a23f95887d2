package model

import (
	"fmt"
	"math"
	"testing"
)

// array is a value while the literal executor runs.
type array struct {
	dims Shape
	v    []float32
}

// run executes a graph literally: one loop nest for each operator, no trick. It is the reference for every rewrite.
func run(t testing.TB, g *Graph, input []float32) []float32 {
	t.Helper()
	return runRounded(t, g, input, func(string, []float32) {})
}

// runRounded is run with a change to each value right after it is made.
func runRounded(t testing.TB, g *Graph, input []float32, round func(name string, v []float32)) []float32 {
	t.Helper()
	shapes, err := InferShapes(g)
	if err != nil {
		t.Fatal(err)
	}
	vals := map[string]*array{g.Inputs[0].Name: {g.Inputs[0].Dims, input}}
	for _, c := range g.Inits {
		if c.F32 != nil {
			vals[c.Name] = &array{c.Dims, c.F32}
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		y := &array{dims: shapes[n.Outputs[0]]}
		size, _ := y.dims.Elems(1 << 30)
		y.v = make([]float32, size)
		execute(t, g, n, vals, y)
		round(n.Outputs[0], y.v)
		vals[n.Outputs[0]] = y
	}
	return vals[g.Outputs[0].Name].v
}

func execute(t testing.TB, g *Graph, n *Node, vals map[string]*array, y *array) {
	x := vals[n.Inputs[0]]
	switch n.Op {
	case "Conv":
		var bias []float32
		if len(n.Inputs) > 2 {
			bias = vals[n.Inputs[2]].v
		}
		execConv(n, x, vals[n.Inputs[1]], bias, y)
	case "MaxPool":
		execPool(n, x, y)
	case "Relu":
		for i, v := range x.v {
			y.v[i] = max(v, 0)
		}
	case "Add", "Sum":
		for _, in := range n.Inputs {
			v := vals[in].v
			for i := range y.v {
				y.v[i] += v[i%len(v)] // all, or one number
			}
		}
	case "Mul":
		by := vals[n.Inputs[1]].v
		for i, v := range x.v {
			y.v[i] = v * by[i%len(by)]
		}
	case "Round":
		for i, v := range x.v {
			y.v[i] = float32(math.RoundToEven(float64(v)))
		}
	case "Reshape", "Identity":
		copy(y.v, x.v)
	case "Concat":
		execConcat(n, vals, y)
	case "Pad":
		execPad(g.Init(n.Inputs[1]).I64, x, y)
	default:
		execIndexed(t, g, n, x, y)
	}
}

// execIndexed runs operators that only move elements: source says where an output element comes from.
func execIndexed(t testing.TB, g *Graph, n *Node, x, y *array) {
	source, ok := map[string]func(out []int) []int{
		"Slice": func(out []int) []int {
			for i, a := range g.Init(n.Inputs[3]).I64 {
				if len(n.Inputs) > 4 {
					out[a] *= int(g.Init(n.Inputs[4]).I64[i])
				}
				out[a] += int(g.Init(n.Inputs[1]).I64[i])
			}
			return out
		},
		"Resize": func(out []int) []int { return []int{out[0], out[1], out[2] / 2, out[3] / 2} },
		"Transpose": func(out []int) []int {
			in := make([]int, len(out))
			for i, p := range n.Ints("perm") {
				in[p] = out[i]
			}
			return in
		},
		"Gather": func(out []int) []int { return append([]int{int(g.Init(n.Inputs[1]).I64[0])}, out...) },
	}[n.Op]
	if !ok {
		t.Fatal(fmt.Errorf("the executor does not know %s", n))
	}
	at := make([]int, len(y.dims))
	for i := range y.v {
		rest := i
		for d := len(at) - 1; d >= 0; d-- {
			at[d], rest = rest%y.dims[d], rest/y.dims[d]
		}
		from := 0
		for d, k := range source(append([]int(nil), at...)) {
			from = from*x.dims[d] + k
		}
		y.v[i] = x.v[from]
	}
}

// execPad pads the two inner dimensions.
func execPad(pads []int64, x, y *array) {
	top, left := int(pads[2]), int(pads[3])
	for r := range len(x.v) / x.dims[3] {
		c, row := r/x.dims[2], r%x.dims[2]
		to := (c*y.dims[2]+row+top)*y.dims[3] + left
		copy(y.v[to:], x.v[r*x.dims[3]:(r+1)*x.dims[3]])
	}
}

func execConcat(n *Node, vals map[string]*array, y *array) {
	outer, off := 1, 0
	axis := n.Int("axis", 0)
	for _, d := range y.dims[:axis] {
		outer *= d
	}
	row := len(y.v) / outer
	for _, in := range n.Inputs {
		v := vals[in].v
		part := len(v) / outer
		for o := range outer {
			copy(y.v[o*row+off:], v[o*part:(o+1)*part])
		}
		off += part
	}
}

// execConv sums in float64, tap by tap over whole rows.
func execConv(n *Node, x, w *array, bias []float32, y *array) {
	groups, pads, strides := n.Int("group", 1), n.Ints("pads"), n.Ints("strides")
	dil := n.Ints("dilations", 1, 1)
	ih, iw, oh, ow := x.dims[2], x.dims[3], y.dims[2], y.dims[3]
	kh, kw, perOut, perIn := w.dims[2], w.dims[3], w.dims[0]/groups, w.dims[1]
	acc := make([]float64, oh*ow)
	for o := range w.dims[0] {
		clear(acc)
		for i := range perIn {
			plane := x.v[(o/perOut*perIn+i)*ih*iw:]
			for k := range kh * kw {
				f := float64(w.v[(o*perIn+i)*kh*kw+k])
				addTap(acc, plane, f, tap{k/kw*dil[0] - pads[0], k%kw*dil[1] - pads[1], strides[0], strides[1]}, [4]int{ih, iw, oh, ow})
			}
		}
		for j, v := range acc {
			if bias != nil {
				v += float64(bias[o])
			}
			y.v[o*oh*ow+j] = float32(v)
		}
	}
}

// tap is a kernel element: its offset in the input, and the strides.
type tap struct{ dy, dx, sy, sx int }

func addTap(acc []float64, plane []float32, f float64, t tap, dims [4]int) {
	ih, iw, oh, ow := dims[0], dims[1], dims[2], dims[3]
	for r := range oh {
		iy := r*t.sy + t.dy
		if iy < 0 || iy >= ih {
			continue
		}
		out, in := acc[r*ow:(r+1)*ow], plane[iy*iw:(iy+1)*iw]
		for c := range out {
			if ix := c*t.sx + t.dx; ix >= 0 && ix < iw {
				out[c] += f * float64(in[ix])
			}
		}
	}
}

func execPool(n *Node, x, y *array) {
	ih, iw, oh, ow := x.dims[2], x.dims[3], y.dims[2], y.dims[3]
	for c := range y.dims[1] {
		for i := range oh * ow {
			best := float32(-1e30)
			for k := range 9 {
				iy, ix := i/ow*2-1+k/3, i%ow*2-1+k%3
				if iy >= 0 && iy < ih && ix >= 0 && ix < iw {
					best = max(best, x.v[(c*ih+iy)*iw+ix])
				}
			}
			y.v[c*oh*ow+i] = best
		}
	}
}
