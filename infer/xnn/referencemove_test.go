//go:build cgo && !noxnnpack

package xnn

import (
	"math"
	"slices"

	"yfv2d/infer/model"
)

func refPad(x *array, pads []int64) *array {
	dims := slices.Clone(x.dims)
	for k := range pads {
		dims[k%len(dims)] += int(pads[k])
	}
	y := newArray(dims...)
	y.each(func(i []int, p *float64) {
		j := slices.Clone(i)
		for d := range j {
			if j[d] -= int(pads[d]); j[d] < 0 || j[d] >= x.dims[d] {
				return
			}
		}
		*p = x.at(j...)
	})
	return y
}

// refReshape keeps the elements' order; 0 is a dimension as it was, -1 what is left.
func refReshape(x *array, want []int64) *array {
	y := &array{dims: make(model.Shape, len(want)), v: x.v}
	rest := len(x.v)
	for i, d := range want {
		if y.dims[i] = int(d); d == 0 {
			y.dims[i] = x.dims[i]
		}
		if d != -1 {
			rest /= y.dims[i]
		}
	}
	if i := slices.Index(want, -1); i >= 0 {
		y.dims[i] = rest
	}
	return y
}

func refResize(n *model.Node, x *array, fy, fx float64) *array {
	h, w := int(float64(x.dims[2])*fy), int(float64(x.dims[3])*fx)
	y := newArray(1, x.dims[1], h, w)
	source := func(i int, f float64, in, out int) float64 {
		at := (float64(i)+0.5)/f - 0.5
		switch n.Str("coordinate_transformation_mode", "half_pixel") {
		case "asymmetric":
			at = float64(i) / f
		case "align_corners":
			at = float64(i) * float64(in-1) / float64(out-1)
		}
		return min(max(at, 0), float64(in-1))
	}
	y.each(func(i []int, p *float64) {
		sy, sx := source(i[2], fy, x.dims[2], h), source(i[3], fx, x.dims[3], w)
		if n.Str("mode", "nearest") == "nearest" {
			near := func(s float64) int { return int(math.Ceil(s - 0.5)) }
			if n.Str("nearest_mode", "round_prefer_floor") == "floor" {
				near = func(s float64) int { return int(s) }
			}
			*p = x.at(0, i[1], near(sy), near(sx))
			return
		}
		y0, x0 := int(sy), int(sx)
		y1, x1 := min(y0+1, x.dims[2]-1), min(x0+1, x.dims[3]-1)
		ty, tx := sy-float64(y0), sx-float64(x0)
		top := x.at(0, i[1], y0, x0)*(1-tx) + x.at(0, i[1], y0, x1)*tx
		bottom := x.at(0, i[1], y1, x0)*(1-tx) + x.at(0, i[1], y1, x1)*tx
		*p = top*(1-ty) + bottom*ty
	})
	return y
}

// refMatrix multiplies along x's last dimension, as Gemm and MatMul do.
func refMatrix(n *model.Node, x, w, bias *array) *array {
	factor := func(name string) float64 {
		if a := n.Attr(name); a != nil {
			return float64(a.F)
		}
		return 1
	}
	turned := n.Int("transB", 0) == 1
	last := len(x.dims) - 1
	dims := slices.Clone(x.dims)
	if dims[last] = w.dims[1]; turned {
		dims[last] = w.dims[0]
	}
	y := newArray(dims...)
	y.each(func(i []int, p *float64) {
		j := slices.Clone(i)
		for k := range x.dims[last] {
			j[last] = k
			at := []int{k, i[last]}
			if turned {
				at = []int{i[last], k}
			}
			*p += factor("alpha") * x.at(j...) * w.at(at...)
		}
		if bias != nil {
			*p += factor("beta") * bias.v[i[last]]
		}
	})
	return y
}
