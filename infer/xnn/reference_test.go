//go:build cgo && !noxnnpack

package xnn

import (
	"math"
	"slices"
	"testing"

	"yfv2d/infer/model"
)

// array is a value of the reference: a literal reading of ONNX, in rows of its dimensions.
type array struct {
	dims model.Shape
	v    []float64
}

func newArray(dims ...int) *array {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return &array{slices.Clone(dims), make([]float64, n)}
}

// each calls f with every index of a, in order.
func (a *array) each(f func(i []int, p *float64)) {
	i := make([]int, len(a.dims))
	for k := range a.v {
		f(i, &a.v[k])
		for d := len(i) - 1; d >= 0; d-- {
			if i[d]++; i[d] < a.dims[d] {
				break
			}
			i[d] = 0
		}
	}
}

// at is the element of index i; where a has one element along a dimension, or lacks leading ones, it is repeated.
func (a *array) at(i ...int) float64 {
	i = i[len(i)-len(a.dims):]
	k := 0
	for d, n := range a.dims {
		k *= n
		if n > 1 {
			k += i[d]
		}
	}
	return a.v[k]
}

// run computes a graph's output for an input, the slow way.
func run(t *testing.T, g *model.Graph, input *array) []float64 {
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
		execute(t, g, &g.Nodes[i], vals)
	}
	return vals[g.Outputs[0].Name].v
}

func execute(t *testing.T, g *model.Graph, n *model.Node, vals map[string]*array) {
	t.Helper()
	x := vals[n.Inputs[0]]
	in := func(i int) *array {
		if i < len(n.Inputs) {
			return vals[n.Inputs[i]]
		}
		return nil
	}
	ints := func(i int) []int64 { return g.Init(n.Inputs[i]).I64 }
	var y *array
	switch n.Op {
	case "Conv":
		y = refConv(n, x, in(1), in(2))
	case "MaxPool", "AveragePool":
		y = refPool(n, x)
	case "GlobalAveragePool":
		y = newArray(1, x.dims[1], 1, 1)
		x.each(func(i []int, p *float64) { y.v[i[1]] += *p / float64(x.dims[2]*x.dims[3]) })
	case "Gemm":
		y = newArray(1, in(1).dims[0])
		y.each(func(i []int, p *float64) {
			*p = in(2).at(i[1])
			for k, v := range x.v {
				*p += v * in(1).at(i[1], k)
			}
		})
	case "BatchNormalization":
		y = x.mapped(func(i []int, v float64) float64 {
			c := i[1]
			return in(1).v[c]*(v-in(3).v[c])/math.Sqrt(in(4).v[c]+1e-5) + in(2).v[c]
		})
	case "Relu":
		y = x.mapped(func(_ []int, v float64) float64 { return max(v, 0) })
	case "Clip":
		y = x.mapped(func(_ []int, v float64) float64 { return min(max(v, in(1).v[0]), in(2).v[0]) })
	case "Sigmoid":
		y = x.mapped(func(_ []int, v float64) float64 { return 1 / (1 + math.Exp(-v)) })
	case "HardSwish":
		y = x.mapped(func(_ []int, v float64) float64 { return v * min(max(v/6+0.5, 0), 1) })
	case "Softmax":
		y = refSoftmax(n, x)
	case "Add", "Mul":
		a, b := x, in(1)
		if len(b.v) > len(a.v) {
			a, b = b, a
		}
		y = a.mapped(func(i []int, v float64) float64 {
			if n.Op == "Add" {
				return v + b.at(i...)
			}
			return v * b.at(i...)
		})
	case "Concat":
		y = refConcat(n, vals)
	case "Slice":
		axis := int(ints(3)[0])
		y = x.part(axis, fromEnd(int(ints(1)[0]), x.dims[axis]), fromEnd(int(ints(2)[0]), x.dims[axis]))
	case "Split":
		from := 0
		for i, size := range n.Ints("split") {
			vals[n.Outputs[i]] = x.part(n.Int("axis", 0), from, from+size)
			from += size
		}
		return
	case "Reshape":
		y = &array{v: x.v}
		for _, d := range ints(1) {
			y.dims = append(y.dims, int(d))
		}
	case "Flatten":
		y = &array{model.Shape{1, len(x.v)}, x.v}
	case "Transpose":
		perm := n.Ints("perm")
		y = &array{dims: make(model.Shape, len(perm)), v: make([]float64, len(x.v))}
		for i, p := range perm {
			y.dims[i] = x.dims[p]
		}
		y.each(func(i []int, p *float64) {
			from := make([]int, len(i))
			for k, q := range perm {
				from[q] = i[k]
			}
			*p = x.at(from...)
		})
	case "Resize":
		y = refResize(n, x, int(g.Init(n.Inputs[2]).F32[2]), int(g.Init(n.Inputs[2]).F32[3]))
	case "Identity":
		y = x
	default:
		t.Fatalf("the reference does not have %s", n.Op)
	}
	vals[n.Outputs[0]] = y
}

func (a *array) mapped(f func(i []int, v float64) float64) *array {
	y := newArray(a.dims...)
	y.each(func(i []int, p *float64) { *p = f(i, a.at(i...)) })
	return y
}

func (a *array) part(axis, from, to int) *array {
	dims := slices.Clone(a.dims)
	dims[axis] = to - from
	y := newArray(dims...)
	y.each(func(i []int, p *float64) {
		j := slices.Clone(i)
		j[axis] += from
		*p = a.at(j...)
	})
	return y
}

// taps calls f with every cell of x that the kernel covers at output cell oy, ox, and the cell of the kernel.
func taps(n *model.Node, x *array, kh, kw, oy, ox int, f func(y, x, ky, kx int)) {
	pads, s, d := n.Ints("pads", 0, 0, 0, 0), n.Ints("strides", 1, 1), n.Ints("dilations", 1, 1)
	for ky := range kh {
		for kx := range kw {
			iy, ix := oy*s[0]-pads[0]+ky*d[0], ox*s[1]-pads[1]+kx*d[1]
			if iy >= 0 && ix >= 0 && iy < x.dims[2] && ix < x.dims[3] {
				f(iy, ix, ky, kx)
			}
		}
	}
}

// outputOf is an empty output of c channels of a kernel sliding over x.
func outputOf(n *model.Node, x *array, c, kh, kw int) *array {
	pads, s, d := n.Ints("pads", 0, 0, 0, 0), n.Ints("strides", 1, 1), n.Ints("dilations", 1, 1)
	return newArray(1, c, (x.dims[2]+pads[0]+pads[2]-d[0]*(kh-1)-1)/s[0]+1, (x.dims[3]+pads[1]+pads[3]-d[1]*(kw-1)-1)/s[1]+1)
}

func refConv(n *model.Node, x, w, bias *array) *array {
	groups := n.Int("group", 1)
	y := outputOf(n, x, w.dims[0], w.dims[2], w.dims[3])
	y.each(func(i []int, p *float64) {
		if bias != nil {
			*p = bias.v[i[1]]
		}
		first := i[1] / (w.dims[0] / groups) * w.dims[1]
		taps(n, x, w.dims[2], w.dims[3], i[2], i[3], func(iy, ix, ky, kx int) {
			for c := range w.dims[1] {
				*p += x.at(0, first+c, iy, ix) * w.at(i[1], c, ky, kx)
			}
		})
	})
	return y
}

func refPool(n *model.Node, x *array) *array {
	k := n.Ints("kernel_shape")
	y := outputOf(n, x, x.dims[1], k[0], k[1])
	y.each(func(i []int, p *float64) {
		most, sum, count := math.Inf(-1), 0.0, 0.0
		taps(n, x, k[0], k[1], i[2], i[3], func(iy, ix, _, _ int) {
			v := x.at(0, i[1], iy, ix)
			most, sum, count = max(most, v), sum+v, count+1
		})
		if *p = most; n.Op == "AveragePool" {
			*p = sum / count
		}
	})
	return y
}

// refSoftmax is over the last dimension.
func refSoftmax(_ *model.Node, x *array) *array {
	last := x.dims[len(x.dims)-1]
	y := newArray(x.dims...)
	for at := 0; at < len(x.v); at += last {
		sum := 0.0
		for k := range last {
			y.v[at+k] = math.Exp(x.v[at+k])
			sum += y.v[at+k]
		}
		for k := range last {
			y.v[at+k] /= sum
		}
	}
	return y
}

func refConcat(n *model.Node, vals map[string]*array) *array {
	axis := n.Int("axis", 0)
	dims := slices.Clone(vals[n.Inputs[0]].dims)
	for _, in := range n.Inputs[1:] {
		dims[axis] += vals[in].dims[axis]
	}
	y := newArray(dims...)
	y.each(func(i []int, p *float64) {
		j := slices.Clone(i)
		for _, in := range n.Inputs {
			a := vals[in]
			if j[axis] < a.dims[axis] {
				*p = a.at(j...)
				return
			}
			j[axis] -= a.dims[axis]
		}
	})
	return y
}

func refResize(n *model.Node, x *array, fy, fx int) *array {
	y := newArray(1, x.dims[1], x.dims[2]*fy, x.dims[3]*fx)
	source := func(i, f, in int) float64 {
		switch n.Str("coordinate_transformation_mode", "") {
		case "asymmetric":
			return float64(i) / float64(f)
		case "align_corners":
			return float64(i) * float64(in-1) / float64(in*f-1)
		}
		return (float64(i)+0.5)/float64(f) - 0.5
	}
	y.each(func(i []int, p *float64) {
		if n.Str("mode", "") == "nearest" {
			*p = x.at(0, i[1], i[2]/fy, i[3]/fx)
			return
		}
		sy := min(max(source(i[2], fy, x.dims[2]), 0), float64(x.dims[2]-1))
		sx := min(max(source(i[3], fx, x.dims[3]), 0), float64(x.dims[3]-1))
		y0, x0 := int(sy), int(sx)
		y1, x1 := min(y0+1, x.dims[2]-1), min(x0+1, x.dims[3]-1)
		ty, tx := sy-float64(y0), sx-float64(x0)
		top := x.at(0, i[1], y0, x0)*(1-tx) + x.at(0, i[1], y0, x1)*tx
		bottom := x.at(0, i[1], y1, x0)*(1-tx) + x.at(0, i[1], y1, x1)*tx
		*p = top*(1-ty) + bottom*ty
	})
	return y
}
