//go:build cgo && !noxnnpack

package xnn

import (
	"fmt"
	"math"
	"slices"

	"yfv2d/infer/model"
)

// number is a float attribute, or def if the node has none of that name.
func number(n *model.Node, name string, def float32) float32 {
	if a := n.Attr(name); a != nil && a.Kind == model.AttrFloat {
		return a.F
	}
	return def
}

func lowerLeaky(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	s := newStep(kindLeaky, n.String())
	s.scale = number(n, "alpha", 0.01)
	// XNNPACK takes no other slopes
	if size := math.Abs(float64(s.scale)); s.scale == 1 || !(size > 1e-38 && size < 1e38) {
		return fmt.Errorf("slope %g is out of range", s.scale)
	}
	return b.elementwise(n, s, v)
}

// lowerHardSigmoid clamps alpha*x+beta to 0..1: in the convolution that makes x if nobody else reads it.
func lowerHardSigmoid(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	alpha, beta := number(n, "alpha", 0.2), number(n, "beta", 0.5)
	if err := b.affine(n, 0, v, slices.Repeat([]float32{alpha}, v.c), slices.Repeat([]float32{beta}, v.c)); err != nil {
		return err
	}
	b.values[n.Outputs[0]].step.clamp(0, 1)
	return nil
}
