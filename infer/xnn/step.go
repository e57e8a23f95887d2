//go:build cgo && !noxnnpack

package xnn

import (
	"fmt"
	"math"
)

// step is one operator or loop. Its areas get their places when all steps are known.
type step struct {
	kind    kind
	node    string // that it stands for, in errors
	in, in2 area
	out     area
	h, w    int // of the input
	oh, ow  int
	window  window
	groups  int
	flags   uint32
	lo, hi  float32 // the output is clamped to these
	spread  bool    // in2 has one pixel, used for all
	packed  bool    // the output leaves no gaps, whatever its storage says
	scale   float32
	weights []float32
	bias    []float32
	q       *quantStep // of an int8 step
}

// window is a sliding kernel.
type window struct {
	kh, kw, sh, sw, dh, dw   int
	top, left, bottom, right int
}

var noWindow = window{kh: 1, kw: 1, sh: 1, sw: 1, dh: 1, dw: 1}

// maxSide bounds kernels, strides, dilations and pads; no real network comes near.
const maxSide = 1 << 12

func (w window) check() error {
	for _, v := range []int{w.kh, w.kw, w.sh, w.sw, w.dh, w.dw} {
		if v < 1 || v > maxSide {
			return fmt.Errorf("kernel %dx%d, strides %dx%d or dilations %dx%d are out of range 1 to %d", w.kh, w.kw, w.sh, w.sw, w.dh, w.dw, maxSide)
		}
	}
	for _, v := range []int{w.top, w.left, w.bottom, w.right} {
		if v < 0 || v > maxSide {
			return fmt.Errorf("pads of %d cells are out of range 0 to %d", v, maxSide)
		}
	}
	return nil
}

// over is the size of the output for an input of h rows and w columns.
func (w window) over(h, width int) (oh, ow int, err error) {
	if err := w.check(); err != nil {
		return 0, 0, err
	}
	spanH := h + w.top + w.bottom - w.dh*(w.kh-1) - 1
	spanW := width + w.left + w.right - w.dw*(w.kw-1) - 1
	if spanH < 0 || spanW < 0 {
		return 0, 0, fmt.Errorf("kernel %dx%d reaches beyond the padded input of %dx%d", w.kh, w.kw, h, width)
	}
	return spanH/w.sh + 1, spanW/w.sw + 1, nil
}

// clamp narrows the step's output range to lo..hi behind what it has already.
func (s *step) clamp(lo, hi float32) {
	s.lo, s.hi = min(max(s.lo, lo), hi), max(min(s.hi, hi), lo)
}

// unclamped says that the output has no range yet.
func (s *step) unclamped() bool {
	return math.IsInf(float64(s.lo), -1) && math.IsInf(float64(s.hi), 1)
}

func newStep(k kind, node string) *step {
	inf := float32(math.Inf(1))
	return &step{kind: k, node: node, window: noWindow, groups: 1, lo: -inf, hi: inf, scale: 1}
}
