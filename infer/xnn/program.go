//go:build cgo && !noxnnpack

package xnn

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lXNNPACK
#include "net.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"
)

// kind is what a step does.
type kind int32

const (
	kindConv      kind = C.YFV_CONV
	kindMaxPool   kind = C.YFV_MAXPOOL
	kindAvgPool   kind = C.YFV_AVGPOOL
	kindBilinear  kind = C.YFV_BILINEAR
	kindSoftmax   kind = C.YFV_SOFTMAX
	kindSigmoid   kind = C.YFV_SIGMOID
	kindHardSwish kind = C.YFV_HARDSWISH
	kindClamp     kind = C.YFV_CLAMP
	kindLeaky     kind = C.YFV_LEAKY
	kindFill      kind = C.YFV_FILL
	kindCopy      kind = C.YFV_COPY
	kindAdd       kind = C.YFV_ADD
	kindMul       kind = C.YFV_MUL
	kindRepeat    kind = C.YFV_REPEAT
	kindMean      kind = C.YFV_MEAN
	kindPlanes    kind = C.YFV_PLANES
)

// clamps says that a step of this kind can clamp its output.
func (k kind) clamps() bool {
	switch k {
	case kindConv, kindMaxPool, kindAvgPool, kindClamp, kindAdd, kindMul, kindMean:
		return true
	}
	return false
}

// program is a plan bound to memory: operators with their packed weights and tables of pointers.
//
// XNNPACK's subgraph runtime, which could run a graph too, copies joined and sliced channels: it took 1.08 times as long for
// the project's network with Debian 13's library, measured in turns, and Debian 12's can neither join nor slice.
type program struct {
	c   *C.yfv_program
	out []float32 // in the memory's arena, after a run

	place, values int // of the output in the arena, floats
	nodes         []string
}

// memory is the arena and workspace of programs that never run at the same time. It grows to what the greediest of them
// needs, and is closed after them.
type memory struct{ c *C.yfv_memory }

func newMemory() (*memory, error) {
	m := &memory{C.yfv_memory_new()}
	if m.c == nil {
		return nil, errors.New("out of memory")
	}
	return m, nil
}

// sharesWeights says that programs share equal weights in this library.
func sharesWeights() bool { return C.yfv_shares_weights() != 0 }

// close may be called twice.
func (m *memory) close() {
	C.yfv_memory_free(m.c)
	m.c = nil
}

var initLibrary = sync.OnceValue(func() error {
	if status := C.yfv_init(); status != 0 {
		return fmt.Errorf("XNNPACK does not start on this processor: %s", statusText(status))
	}
	return nil
})

// newProgram makes a program that computes in m.
func newProgram(p *plan, m *memory) (*program, error) {
	if err := initLibrary(); err != nil {
		return nil, err
	}
	pr := &program{c: C.yfv_new(C.size_t(len(p.steps))), place: p.out, values: p.values}
	if pr.c == nil {
		return nil, errors.New("out of memory")
	}
	for _, s := range p.steps {
		c := s.forC()
		kernel, bias, scale := s.constants()
		if status := C.yfv_add(pr.c, &c, kernel, bias, scale); status != 0 {
			pr.close()
			return nil, fmt.Errorf("node %s: XNNPACK does not take it: %s", s.node, statusText(status))
		}
		pr.nodes = append(pr.nodes, s.node)
	}
	if status := C.yfv_bind(pr.c, m.c, C.size_t(p.floats)); status != 0 {
		pr.close()
		return nil, fmt.Errorf("bind %d MB of memory: %s", p.floats>>18, statusText(status))
	}
	return pr, nil
}

// run computes the output for a canvas of the plan's size.
func (p *program) run(bgr []byte) error {
	if status := C.yfv_run(p.c, (*C.uint8_t)(&bgr[0])); status != 0 {
		return fmt.Errorf("node %s: %s", p.nodes[C.yfv_failed(p.c)], statusText(status))
	}
	arena := (*float32)(unsafe.Pointer(C.yfv_arena(p.c))) // its growth for another program moves it
	p.out = unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(arena), 4*p.place)), p.values)
	return nil
}

func (p *program) close() {
	C.yfv_free(p.c)
	p.c, p.out = nil, nil
}

// forC is the step with its areas in their places.
func (s *step) forC() C.yfv_step {
	in, inStride := s.in.placeOrZero()
	in2, in2Stride := s.in2.placeOrZero()
	out, outStride := s.out.placeOrZero()
	if s.spread {
		in2Stride = 0
	}
	c := s.in.c
	if s.kind == kindFill || s.kind == kindFillQ8 {
		c = s.out.c
	}
	if s.packed {
		outStride = c
	}
	w := s.window
	st := C.yfv_step{
		kind: C.int32_t(s.kind),
		in:   C.size_t(in), in2: C.size_t(in2), out: C.size_t(out),
		in_stride: C.size_t(inStride), in2_stride: C.size_t(in2Stride), out_stride: C.size_t(outStride),
		h: C.size_t(s.h), w: C.size_t(s.w), c: C.size_t(c),
		oh: C.size_t(s.oh), ow: C.size_t(s.ow), oc: C.size_t(s.out.c),
		kh: C.uint32_t(w.kh), kw: C.uint32_t(w.kw), sh: C.uint32_t(w.sh), sw: C.uint32_t(w.sw), dh: C.uint32_t(w.dh), dw: C.uint32_t(w.dw),
		top: C.uint32_t(w.top), left: C.uint32_t(w.left), bottom: C.uint32_t(w.bottom), right: C.uint32_t(w.right),
		groups: C.uint32_t(s.groups), flags: C.uint32_t(s.flags),
		lo: C.float(s.lo), hi: C.float(s.hi), scale: C.float(s.scale),
	}
	s.q.forC(&st)
	return st
}

// placeOrZero is place, or nothing for an area that the step does not have.
func (a area) placeOrZero() (off, stride int) {
	if a.st == nil {
		return 0, 0
	}
	return a.place()
}

// statusText names an xnn_status.
func statusText(status C.int) string {
	names := []string{"success", "library not initialised", "invalid parameter", "invalid state", "unsupported parameter",
		"unsupported hardware", "out of memory"}
	if status < 0 || int(status) >= len(names) {
		return fmt.Sprintf("status %d", status)
	}
	return names[status]
}
