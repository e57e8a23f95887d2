// Package dnn runs a model's network with OpenCV's DNN module, on one thread.
package dnn

/*
#cgo pkg-config: opencv4
#cgo CFLAGS: -O3
#cgo CXXFLAGS: -std=c++11
#include "net.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"slices"
	"sync"
	"unsafe"

	"gocv.io/x/gocv"

	"yfv2d/infer"
)

// maxNets is how many input sizes an engine keeps ready: cameras of differing shapes share it, and a network of one
// size takes some 10 MB.
const maxNets = 4

// ErrClosed is what Forward returns after Close.
var ErrClosed = errors.New("engine is closed")

var oneThread sync.Once

// Engine is an infer.Engine. It keeps one network and one input blob per input size, the last few sizes used.
type Engine struct {
	graph  func(size image.Point) ([]byte, error) // ONNX for an input size
	head   infer.Head
	nets   []*network // the one used last comes first
	closed bool
}

// newEngine makes an engine of graphs that have one input (1,3,height,width) and, flattened into one output, the heads
// that infer.Engine describes.
func newEngine(head infer.Head, graph func(size image.Point) ([]byte, error)) *Engine {
	oneThread.Do(func() { C.yfv_one_thread() })
	return &Engine{graph: graph, head: head}
}

// Forward runs the network on c; see infer.Engine. A size seen for the first time, or again after others, takes some
// milliseconds more. The values lie in memory of OpenCV, valid until the next Forward or Close.
func (e *Engine) Forward(c *infer.Canvas) ([]float32, error) {
	if e.closed {
		return nil, ErrClosed
	}
	if err := infer.CheckInput(c.Size); err != nil {
		return nil, err
	}
	if want := c.Size.X * c.Size.Y * 3; len(c.Pix) != want {
		return nil, fmt.Errorf("canvas of %dx%d holds %d bytes, want %d", c.Size.X, c.Size.Y, len(c.Pix), want)
	}
	n, err := e.network(c.Size)
	if err != nil {
		return nil, err
	}
	return n.forward(c.Pix)
}

// network is that of the size, made now if it is not at hand.
func (e *Engine) network(size image.Point) (*network, error) {
	i := slices.IndexFunc(e.nets, func(n *network) bool { return n.size == size })
	if i == 0 {
		return e.nets[0], nil
	}
	if i > 0 {
		n := e.nets[i]
		e.nets = slices.Insert(slices.Delete(e.nets, i, i+1), 0, n)
		return n, nil
	}
	n, err := e.open(size)
	if err != nil {
		return nil, fmt.Errorf("prepare network for input %dx%d: %w", size.X, size.Y, err)
	}
	if len(e.nets) == maxNets {
		e.nets[maxNets-1].close()
		e.nets = e.nets[:maxNets-1]
	}
	e.nets = slices.Insert(e.nets, 0, n)
	return n, nil
}

func (e *Engine) open(size image.Point) (*network, error) {
	onnx, err := e.graph(size)
	if err != nil {
		return nil, err
	}
	values, err := e.head.Len(size)
	if err != nil {
		return nil, err
	}
	return openNetwork(onnx, size, values)
}

// Close frees all networks. It may be called twice.
func (e *Engine) Close() error {
	for _, n := range e.nets {
		n.close()
	}
	e.nets, e.closed = nil, true
	return nil
}

// network is one loaded graph of a fixed input size. It owns its Mats and the net.
type network struct {
	size image.Point
	net  gocv.Net
	blob gocv.Mat  // the input, (1,3,height,width)
	in   []float32 // blob's memory
	out  gocv.Mat  // the last output; shares the net's memory
}

// openNetwork loads an ONNX graph that gives `values` floats. gocv lets C++ exceptions pass, which ends the process:
// so the graph is first loaded and run once where exceptions are caught, and gocv then repeats what has worked.
func openNetwork(onnx []byte, size image.Point, values int) (*network, error) {
	if len(onnx) == 0 {
		return nil, errors.New("empty graph")
	}
	var why [256]C.char
	if C.yfv_try_net(unsafe.Pointer(&onnx[0]), C.size_t(len(onnx)), C.int(size.X), C.int(size.Y), C.size_t(values),
		&why[0], C.size_t(len(why))) != 0 {
		return nil, fmt.Errorf("OpenCV does not run this graph: %s", C.GoString(&why[0]))
	}
	net, err := gocv.ReadNetFromONNXBytes(onnx)
	if err != nil {
		return nil, fmt.Errorf("read graph: %w", err)
	}
	n := &network{size: size, net: net}
	n.blob = gocv.NewMatWithSizes([]int{1, 3, size.Y, size.X}, gocv.MatTypeCV32F)
	n.out = gocv.NewMat()
	if n.in, err = n.blob.DataPtrFloat32(); err != nil {
		n.close()
		return nil, fmt.Errorf("input blob: %w", err)
	}
	_ = net.SetPreferableBackend(gocv.NetBackendOpenCV)
	_ = net.SetPreferableTarget(gocv.NetTargetCPU)
	return n, nil
}

func (n *network) forward(pix []byte) ([]float32, error) {
	fill(n.in, pix, n.size.X*n.size.Y)
	n.net.SetInput(n.blob, "")
	_ = n.out.Close()
	n.out = n.net.Forward("")
	return n.out.DataPtrFloat32()
}

// fill turns BGR pixels into three planes of floats 0..1. dst and pix hold 3*pixels elements.
func fill(dst []float32, pix []byte, pixels int) {
	C.yfv_fill((*C.float)(&dst[0]), (*C.uint8_t)(&pix[0]), C.size_t(pixels))
}

func (n *network) close() {
	_ = n.out.Close()
	_ = n.blob.Close()
	_ = n.net.Close()
}
