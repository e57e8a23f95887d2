//go:build cgo && !noxnnpack

package xnn

import (
	"errors"
	"fmt"
	"slices"

	"yfv2d/infer/model"
)

// lowerGemm takes y = alpha*x*w + beta*b of one row x, what a fully connected layer is exported as.
func lowerGemm(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	if n.Int("transA", 0) != 0 || len(v.dims) != 2 {
		return fmt.Errorf("expected transA=0 and an input of two dimensions, not %v", []int(v.dims))
	}
	alpha, beta := float32(1), float32(1)
	for name, f := range map[string]*float32{"alpha": &alpha, "beta": &beta} {
		if a := n.Attr(name); a != nil {
			*f = a.F
		}
	}
	bias, dims, err := b.constant(n, 2)
	if err != nil {
		return err
	}
	if bias != nil && (len(dims) == 0 || dims[len(dims)-1] != len(bias)) {
		return fmt.Errorf("a bias of shape %v is no row", []int(dims))
	}
	return b.dense(n, v, n.Int("transB", 0) != 0, alpha, scaled(bias, beta))
}

// lowerMatMul takes a value with its channels last times a constant matrix.
func lowerMatMul(b *builder, n *model.Node) error {
	v, err := b.in(n, 0)
	if err != nil {
		return err
	}
	return b.dense(n, v, false, 1, nil)
}

// dense multiplies each pixel's channels, which are the last dimension, by the node's second input: a convolution of one
// cell, which is what XNNPACK's fully connected operator computes too. rows says that w has a row for each output.
func (b *builder) dense(n *model.Node, v *value, rows bool, alpha float32, bias []float32) error {
	w, dims, err := b.constant(n, 1)
	if err != nil {
		return err
	}
	if len(dims) != 2 {
		return errors.New("expected a constant matrix as its second input")
	}
	in, out := dims[0], dims[1]
	if rows {
		in, out = out, in
	}
	last := len(v.dims) - 1
	if v.channelAxis() != last || in != v.c || out < 1 || bias != nil && len(bias) != out {
		return fmt.Errorf("a matrix of shape %v and %d biases do not fit an input of shape %v", []int(dims), len(bias), []int(v.dims))
	}
	st, err := b.storage(v.st.h, v.st.w, out)
	if err != nil {
		return err
	}
	y := &value{area: st.whole(), dims: slices.Clone(v.dims), form: v.form}
	y.dims[last] = out
	s := newStep(kindConv, n.String())
	if !rows {
		w = transposed(w, in, out)
	}
	s.weights, s.bias = scaled(w, alpha), bias
	b.emit(s, v, y)
	return b.set(n, 0, y)
}

// scaled is v times f; v itself if f is 1.
func scaled(v []float32, f float32) []float32 {
	if f == 1 || v == nil {
		return v
	}
	out := make([]float32, len(v))
	for i := range v {
		out[i] = v[i] * f
	}
	return out
}

// transposed is a matrix of so many rows with its columns as rows.
func transposed(m []float32, rows, columns int) []float32 {
	out := make([]float32, len(m))
	for r := range rows {
		for c := range columns {
			out[c*rows+r] = m[r*columns+c]
		}
	}
	return out
}
