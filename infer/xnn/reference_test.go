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

// run computes a graph's outputs for an input, the slow way, one behind the other.
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
	var out []float64
	for _, v := range g.Outputs {
		out = append(out, vals[v.Name].v...)
	}
	return out
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
	case "Gemm", "MatMul":
		y = refMatrix(n, x, in(1), in(2))
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
	case "LeakyRelu":
		y = x.mapped(func(_ []int, v float64) float64 { return max(v, 0) + float64(n.Attr("alpha").F)*min(v, 0) })
	case "HardSigmoid":
		y = x.mapped(func(_ []int, v float64) float64 {
			return min(max(v*float64(n.Attr("alpha").F)+float64(n.Attr("beta").F), 0), 1)
		})
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
		y = x
		for k, axis := range ints(3) {
			size, step := x.dims[axis], 1
			if len(n.Inputs) > 4 {
				step = int(ints(4)[k])
			}
			y = y.part(int(axis), fromEnd(int(ints(1)[k]), size), min(fromEnd(int(ints(2)[k]), size), size), step)
		}
	case "Gather":
		i := int(ints(1)[0])
		y = x.part(0, i, i+1, 1)
		y.dims = y.dims[1:]
	case "Pad":
		y = refPad(x, ints(1))
	case "Split":
		from := 0
		for i, size := range n.Ints("split") {
			vals[n.Outputs[i]] = x.part(n.Int("axis", 0), from, from+size, 1)
			from += size
		}
		return
	case "Reshape":
		y = refReshape(x, ints(1))
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
		y = refResize(n, x, float64(g.Init(n.Inputs[2]).F32[2]), float64(g.Init(n.Inputs[2]).F32[3]))
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

// part is every step-th element of from..to-1 of an axis.
func (a *array) part(axis, from, to, step int) *array {
	dims := slices.Clone(a.dims)
	dims[axis] = (to - from + step - 1) / step
	y := newArray(dims...)
	y.each(func(i []int, p *float64) {
		j := slices.Clone(i)
		j[axis] = from + j[axis]*step
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

// refConv adds tap by tap over whole planes.
func refConv(n *model.Node, x, w, bias *array) *array {
	pads, s, d := n.Ints("pads", 0, 0, 0, 0), n.Ints("strides", 1, 1), n.Ints("dilations", 1, 1)
	perOut, kh, kw := w.dims[0]/n.Int("group", 1), w.dims[2], w.dims[3]
	y := outputOf(n, x, w.dims[0], kh, kw)
	ih, iw, oh, ow := x.dims[2], x.dims[3], y.dims[2], y.dims[3]
	for o := range w.dims[0] {
		out := y.v[o*oh*ow : (o+1)*oh*ow]
		for i := range out {
			if bias != nil {
				out[i] = bias.v[o]
			}
		}
		for k := range w.dims[1] * kh * kw {
			in := x.v[(o/perOut*w.dims[1]+k/(kh*kw))*ih*iw:]
			by, ky, kx := w.v[o*w.dims[1]*kh*kw+k], k/kw%kh, k%kw
			for oy := range oh {
				iy := oy*s[0] - pads[0] + ky*d[0]
				if iy < 0 || iy >= ih {
					continue
				}
				row, to := in[iy*iw:(iy+1)*iw], out[oy*ow:(oy+1)*ow]
				for ox, ix := 0, kx*d[1]-pads[1]; ox < ow; ox, ix = ox+1, ix+s[1] {
					if ix >= 0 && ix < iw {
						to[ox] += by * row[ix]
					}
				}
			}
		}
	}
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
		if n.Int("count_include_pad", 0) != 0 {
			count = float64(k[0] * k[1])
		}
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
