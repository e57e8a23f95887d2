//go:build cgo && !noxnnpack

package xnn

import (
	"errors"
	"fmt"
	"math"

	"yfv2d/infer/model"
)

// windowOf reads a node's kernel of kh*kw cells.
func windowOf(n *model.Node, kh, kw int) (window, error) {
	pads, strides, dil := n.Ints("pads", 0, 0, 0, 0), n.Ints("strides", 1, 1), n.Ints("dilations", 1, 1)
	if auto := n.Str("auto_pad", "NOTSET"); auto == "VALID" {
		pads = []int{0, 0, 0, 0}
	} else if auto != "NOTSET" {
		return window{}, fmt.Errorf("auto_pad %.20q; expected explicit pads", auto)
	}
	if len(pads) != 4 || len(strides) != 2 || len(dil) != 2 {
		return window{}, errors.New("expected a kernel of two dimensions")
	}
	w := window{kh: kh, kw: kw, sh: strides[0], sw: strides[1], dh: dil[0], dw: dil[1],
		top: pads[0], left: pads[1], bottom: pads[2], right: pads[3]}
	return w, w.check()
}

func lowerConv(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	h, w, err := v.picture()
	if err != nil {
		return err
	}
	kernel, dims, err := b.constant(n, 1)
	if err != nil {
		return err
	}
	bias, _, err := b.constant(n, 2)
	if err != nil {
		return err
	}
	s := newStep(kindConv, n.String())
	s.groups = n.Int("group", 1)
	if len(dims) != 4 || s.groups < 1 || dims[0] < 1 || dims[0]%s.groups != 0 || v.c%s.groups != 0 || dims[1] != v.c/s.groups {
		return fmt.Errorf("a kernel of shape %v in %d groups does not fit an input of shape %v", []int(dims), s.groups, []int(v.dims))
	}
	if bias != nil && len(bias) != dims[0] {
		return fmt.Errorf("%d biases for %d output channels", len(bias), dims[0])
	}
	if s.window, err = windowOf(n, dims[2], dims[3]); err != nil {
		return err
	}
	oh, ow, err := s.window.over(h, w)
	if err != nil {
		return err
	}
	if err := b.countTable(s.window, oh, ow); err != nil {
		return err
	}
	scale := float32(1)
	if n.Inputs[0] == b.input {
		scale = b.byteStep
	}
	s.weights, s.bias = channelsInnermost(kernel, dims, scale), bias
	out, err := b.picture(dims[0], oh, ow)
	if err != nil {
		return err
	}
	b.emit(s, v, out)
	return b.set(n, 0, out)
}

// channelsInnermost turns a kernel from (output, input, row, column) to (output, row, column, input), times scale.
func channelsInnermost(kernel []float32, dims model.Shape, scale float32) []float32 {
	in, cells := dims[1], dims[2]*dims[3]
	if scale == 1 && (in == 1 || cells == 1) {
		return kernel
	}
	out := make([]float32, len(kernel))
	for o := 0; o < len(kernel); o += in * cells {
		for c := range in {
			for k := range cells {
				out[o+k*in+c] = kernel[o+c*cells+k] * scale
			}
		}
	}
	return out
}

// lowerNorm folds a normalisation with constant statistics into the convolution before it.
func lowerNorm(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	if len(n.Inputs) != 5 || len(n.Outputs) != 1 {
		return errors.New("expected five inputs and one output")
	}
	var p [4][]float32 // scale, shift, mean, variance
	for i := range p {
		if p[i], _, err = b.constant(n, 1+i); err != nil {
			return err
		}
		if len(p[i]) != v.c || v.form != channelsFirst {
			return fmt.Errorf("%d constants for %d channels of shape %v", len(p[i]), v.c, []int(v.dims))
		}
	}
	epsilon := float32(1e-5)
	if a := n.Attr("epsilon"); a != nil {
		epsilon = a.F
	}
	scale, shift := make([]float32, v.c), make([]float32, v.c)
	for i := range scale {
		scale[i] = p[0][i] / float32(math.Sqrt(float64(p[3][i]+epsilon)))
		shift[i] = p[1][i] - p[2][i]*scale[i]
	}
	return b.affine(n, 0, v, scale, shift)
}

// affine makes scale*x+shift for each channel: in the convolution that makes x if nobody else reads it, else by one
// of its own.
func (b *builder) affine(n *model.Node, input int, v *value, scale, shift []float32) error {
	if s := v.step; s != nil && s.kind == kindConv && s.unclamped() && b.lastUse(n, input) {
		s.foldAffine(scale, shift)
		return b.set(n, 0, v)
	}
	out, err := b.like(v)
	if err != nil {
		return err
	}
	s := newStep(kindConv, n.String())
	s.groups, s.weights, s.bias = v.c, scale, shift
	b.emit(s, v, out)
	return b.set(n, 0, out)
}

// foldAffine scales and shifts a convolution's output. Weights may be shared with the graph: they are copied.
func (s *step) foldAffine(scale, shift []float32) {
	weights, bias := make([]float32, len(s.weights)), make([]float32, len(scale))
	row := len(weights) / len(scale)
	for i, w := range s.weights {
		weights[i] = w * scale[i/row]
	}
	for i := range bias {
		if s.bias != nil {
			bias[i] = s.bias[i]
		}
		bias[i] = bias[i]*scale[i] + shift[i]
	}
	s.weights, s.bias = weights, bias
}

func lowerMaxPool(b *builder, n *model.Node) error { return b.pool(n, kindMaxPool) }

func lowerAveragePool(b *builder, n *model.Node) error { return b.pool(n, kindAvgPool) }

func (b *builder) pool(n *model.Node, k kind) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	h, w, err := v.picture()
	if err != nil {
		return err
	}
	size := n.Ints("kernel_shape")
	if len(size) != 2 || n.Int("ceil_mode", 0) != 0 || len(n.Outputs) != 1 {
		return errors.New("expected a kernel of two dimensions, rounding down, one output")
	}
	s := newStep(k, n.String())
	if s.window, err = windowOf(n, size[0], size[1]); err != nil {
		return err
	}
	if err := s.window.checkPool(k, n.Int("count_include_pad", 0) != 0); err != nil {
		return err
	}
	oh, ow, err := s.window.over(h, w)
	if err != nil {
		return err
	}
	if err := b.countTable(s.window, oh, ow); err != nil {
		return err
	}
	out, err := b.picture(v.c, oh, ow)
	if err != nil {
		return err
	}
	b.emit(s, v, out)
	return b.set(n, 0, out)
}

// maxTables bounds the tables that XNNPACK makes: a pointer for each cell of a kernel and of its output. The project's
// network takes a third of it at 2048x2048.
const maxTables = 1 << 25

func (b *builder) countTable(w window, oh, ow int) error {
	n := w.kh * w.kw
	if oh*ow > maxTables/n || b.tables+oh*ow*n > maxTables {
		return fmt.Errorf("kernel %dx%d on an output of %dx%d cells needs too much memory", w.kh, w.kw, oh, ow)
	}
	b.tables += oh * ow * n
	return nil
}

// checkPool refuses what XNNPACK does not have, or computes otherwise than ONNX says.
func (w window) checkPool(k kind, countPad bool) error {
	padded := w.top+w.left+w.bottom+w.right > 0
	switch {
	case w.kh*w.kw == 1:
		return errors.New("expected a kernel of more than one cell")
	case max(w.top, w.bottom) >= w.kh || max(w.left, w.right) >= w.kw:
		return errors.New("expected pads smaller than the kernel")
	case k == kindAvgPool && (w.dh != 1 || w.dw != 1):
		return errors.New("expected no dilation")
	case k == kindAvgPool && padded && countPad:
		return errors.New("expected padding not to be counted")
	case padded && (w.dh > 1 || w.dw > 1):
		return errors.New("expected no padding with dilation")
	}
	return nil
}
