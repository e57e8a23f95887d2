//go:build cgo && !noxnnpack

package xnn

/*
#include "net.h"
*/
import "C"

import (
	"unsafe"

	"yfv2d/infer/model"
)

// Steps on int8 values.
const (
	kindConvQ8    kind = C.YFV_CONV_Q8
	kindMaxPoolQ8 kind = C.YFV_MAXPOOL_Q8
	kindAddQ8     kind = C.YFV_ADD_Q8
	kindToQ8      kind = C.YFV_TO_Q8
	kindFromQ8    kind = C.YFV_FROM_Q8
	kindFillQ8    kind = C.YFV_FILL_Q8
	kindCopyQ8    kind = C.YFV_COPY_Q8
	kindRepeatQ8  kind = C.YFV_REPEAT_Q8
)

// onBytes is the kind that does the same to int8 values. Only kinds that move numbers have one.
func (k kind) onBytes() kind {
	switch k {
	case kindMaxPool:
		return kindMaxPoolQ8
	case kindFill:
		return kindFillQ8
	case kindCopy:
		return kindCopyQ8
	case kindRepeat:
		return kindRepeatQ8
	}
	return k
}

// quantStep is what an int8 step needs beyond a float one.
type quantStep struct {
	in, in2, out model.QParam
	conv         *model.QConv // with W in the order of XNNPACK
}

// forC adds the scales and zero points to a step.
func (q *quantStep) forC(c *C.yfv_step) {
	if q == nil {
		return
	}
	c.in_scale, c.in_zero = C.float(q.in.Scale), C.int8_t(q.in.Zero)
	c.in2_scale, c.in2_zero = C.float(q.in2.Scale), C.int8_t(q.in2.Zero)
	c.out_scale, c.out_zero = C.float(q.out.Scale), C.int8_t(q.out.Zero)
}

// constants are a step's kernel, bias and the scales of an int8 kernel.
func (s *step) constants() (kernel, bias unsafe.Pointer, scale *C.float) {
	if s.q == nil || s.q.conv == nil {
		return unsafe.Pointer(unsafe.SliceData(s.weights)), unsafe.Pointer(unsafe.SliceData(s.bias)), nil
	}
	c := s.q.conv
	return unsafe.Pointer(unsafe.SliceData(c.W)), unsafe.Pointer(unsafe.SliceData(c.Bias)), (*C.float)(unsafe.SliceData(c.Scale))
}
