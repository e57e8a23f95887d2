//go:build cgo && !noxnnpack

package xnn

import (
	"errors"
	"fmt"

	"yfv2d/infer/model"
)

// The library's flags for a bilinear resize; without either, cells have their values at their middles.
const (
	flagLegacy       = 0x4 // XNN_FLAG_TENSORFLOW_LEGACY_MODE: at their corners
	flagAlignCorners = 0x8 // XNN_FLAG_ALIGN_CORNERS
)

func lowerResize(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	h, w, err := v.picture()
	if err != nil {
		return err
	}
	fy, fx, err := b.factors(n, v)
	if err != nil {
		return err
	}
	out, err := b.picture(v.c, h*fy, w*fx)
	if err != nil {
		return err
	}
	s := newStep(kindRepeat, n.String())
	transform := n.Str("coordinate_transformation_mode", "half_pixel")
	switch mode := n.Str("mode", "nearest"); mode {
	case "nearest":
		if err := checkNearest(transform, n.Str("nearest_mode", "round_prefer_floor"), fy, fx); err != nil {
			return err
		}
		s.window.kh, s.window.kw = fy, fx
	case "linear":
		s.kind = kindBilinear
		if s.flags, err = bilinearFlags(transform); err != nil {
			return err
		}
	default:
		return fmt.Errorf("mode %.20q; expected nearest or linear", mode)
	}
	b.emit(s, v, out)
	return b.set(n, 0, out)
}

// factors are by how much height and width grow, from the node's scales or sizes.
func (b *builder) factors(n *model.Node, v *value) (fy, fx int, err error) {
	wrong := errors.New("expected height and width to grow by whole factors, the rest to stay")
	var f [4]int
	switch {
	case len(n.Inputs) == 3:
		scales, _, err := b.constant(n, 2)
		if err != nil {
			return 0, 0, err
		}
		if len(scales) != 4 {
			return 0, 0, wrong
		}
		for i, s := range scales {
			if !(s >= 1 && s <= maxSide) || s != float32(int(s)) {
				return 0, 0, wrong
			}
			f[i] = int(s)
		}
	case len(n.Inputs) == 4:
		sizes, err := b.ints(n, 3)
		if err != nil {
			return 0, 0, err
		}
		if len(sizes) != 4 {
			return 0, 0, wrong
		}
		for i, s := range sizes {
			if s < v.dims[i] || s%v.dims[i] != 0 || s/v.dims[i] > maxSide {
				return 0, 0, wrong
			}
			f[i] = s / v.dims[i]
		}
	default:
		return 0, 0, errors.New("expected a region and scales, or sizes")
	}
	if f[0] != 1 || f[1] != 1 {
		return 0, 0, wrong
	}
	return f[2], f[3], nil
}

// checkNearest takes the rules that repeat each cell: they agree for whole factors, but not all for odd ones.
func checkNearest(transform, rounding string, fy, fx int) error {
	switch {
	case transform == "asymmetric" && rounding == "floor":
		return nil
	case (transform == "half_pixel" || transform == "pytorch_half_pixel") && (rounding == "round_prefer_floor" || rounding == "round_prefer_ceil"):
		return nil
	}
	return fmt.Errorf("nearest by %.20q and %.20q for factors %dx%d does not repeat each cell", transform, rounding, fy, fx)
}

func bilinearFlags(transform string) (uint32, error) {
	switch transform {
	case "half_pixel", "pytorch_half_pixel":
		return 0, nil
	case "asymmetric":
		return flagLegacy, nil
	case "align_corners":
		return flagAlignCorners, nil
	}
	return 0, fmt.Errorf("coordinates %.20q; expected half_pixel, asymmetric or align_corners", transform)
}
