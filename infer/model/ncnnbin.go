package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Layers of an ncnn file that carry no weights. Any other type but the convolutions is refused, for nobody knows how
// many bytes of the .bin belong to it.
var ncnnWeightless = map[string]bool{
	"Input": true, "Split": true, "Pooling": true, "Concat": true, "ShuffleChannel": true, "Slice": true, "Crop": true,
	"Interp": true, "Permute": true, "Softmax": true, "Sigmoid": true, "ReLU": true, "Reshape": true, "Noop": true,
	"Dropout": true, "Flatten": true,
}

// readWeights gives each convolution its weights, which lie in the .bin in the layers' order.
func readWeights(layers []*ncnnLayer, bin []byte) error {
	r := &ncnnReader{b: bin}
	for _, l := range layers {
		if l.typ != "Convolution" && l.typ != "ConvolutionDepthWise" {
			if !ncnnWeightless[l.typ] {
				return fmt.Errorf("%s is of a type that YOLO-FastestV2 does not have", l)
			}
			continue
		}
		if err := l.readConv(r); err != nil {
			return err
		}
	}
	if len(r.b) != 0 {
		return fmt.Errorf("the .bin file has %d bytes more than the layers of the .param file take; expected a pair of one network", len(r.b))
	}
	return nil
}

// Parameters of ncnn's convolutions.
const (
	ncnnOut        = 0
	ncnnKernelW    = 1
	ncnnDilationW  = 2
	ncnnStrideW    = 3
	ncnnPad        = 4
	ncnnBias       = 5
	ncnnWeights    = 6 // number of weights
	ncnnGroup      = 7
	ncnnInt8       = 8
	ncnnActivation = 9 // 0 none, 1 ReLU, 4 sigmoid
	ncnnKernelH    = 11
	ncnnStrideH    = 13
)

func (l *ncnnLayer) readConv(r *ncnnReader) error {
	p, err := l.convParams()
	if err != nil {
		return err
	}
	c := &conv{out: p[ncnnOut], k: p[ncnnKernelW], stride: p[ncnnStrideW], groups: p[ncnnGroup], relu: p[ncnnActivation] == 1}
	l.sigmoidActivity = p[ncnnActivation] == 4
	per := int64(c.out) * int64(c.k) * int64(c.k) // weights for each input channel of a group
	if p[ncnnWeights] < 1 || int64(p[ncnnWeights])%per != 0 || c.out%c.groups != 0 {
		return fmt.Errorf("%s: %d weights do not fit %d channels of %dx%d in %d groups", l, p[ncnnWeights], c.out, c.k, c.k, c.groups)
	}
	c.in = int(int64(p[ncnnWeights])/per) * c.groups
	if c.w, err = r.weights(p[ncnnWeights]); err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	if p[ncnnBias] == 0 {
		c.b = make([]float32, c.out)
	} else if c.b, err = r.floats(c.out); err != nil {
		return fmt.Errorf("%s: biases: %w", l, err)
	}
	l.conv = c
	return nil
}

// convParams reads and checks a convolution's parameters.
func (l *ncnnLayer) convParams() (p [14]int, err error) {
	p[ncnnDilationW], p[ncnnStrideW], p[ncnnGroup] = 1, 1, 1
	for _, id := range []int{ncnnOut, ncnnKernelW, ncnnDilationW, ncnnStrideW, ncnnPad, ncnnBias, ncnnWeights, ncnnGroup, ncnnInt8, ncnnActivation} {
		if p[id], err = l.int(id, p[id]); err != nil {
			return p, err
		}
	}
	if p[ncnnKernelH], err = l.int(ncnnKernelH, p[ncnnKernelW]); err != nil {
		return p, err
	}
	if p[ncnnStrideH], err = l.int(ncnnStrideH, p[ncnnStrideW]); err != nil {
		return p, err
	}
	switch {
	case p[ncnnInt8] != 0:
		return p, fmt.Errorf("%s has int8 weights; expected fp16 or fp32", l)
	case p[ncnnOut] < 1 || p[ncnnOut] > math.MaxInt16, p[ncnnKernelW] < 1 || p[ncnnKernelW] > 31, p[ncnnGroup] < 1, p[ncnnStrideW] < 1:
		return p, fmt.Errorf("%s: channels, kernel, stride or groups are out of range", l)
	case p[ncnnKernelH] != p[ncnnKernelW] || p[ncnnStrideH] != p[ncnnStrideW] || p[ncnnDilationW] != 1 || p[ncnnPad] != p[ncnnKernelW]/2:
		return p, fmt.Errorf("%s: kernel, stride, dilation or padding are not those of YOLO-FastestV2", l)
	case p[ncnnActivation] != 0 && p[ncnnActivation] != 1 && p[ncnnActivation] != 4:
		return p, fmt.Errorf("%s: activation %d; expected none, ReLU or sigmoid", l, p[ncnnActivation])
	}
	return p, nil
}

// Flags before a layer's weights in a .bin file.
const (
	ncnnFlagFloat32 = 0
	ncnnFlagFloat16 = 0x01306B47
)

// ncnnReader reads a .bin file from front to back.
type ncnnReader struct{ b []byte }

func (r *ncnnReader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.b) {
		return nil, fmt.Errorf("the .bin file ends too early: %d bytes left; expected %d", len(r.b), n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b, nil
}

// weights reads a flag and n numbers in the form that it names.
func (r *ncnnReader) weights(n int) ([]float32, error) {
	flag, err := r.take(4)
	if err != nil {
		return nil, err
	}
	switch f := binary.LittleEndian.Uint32(flag); f {
	case ncnnFlagFloat32:
		return r.floats(n)
	case ncnnFlagFloat16:
		return r.halves(n)
	default:
		return nil, fmt.Errorf("the .bin file has weights of kind 0x%08x; expected fp32 or fp16", f)
	}
}

func (r *ncnnReader) floats(n int) ([]float32, error) {
	if n > len(r.b)/4 {
		return nil, fmt.Errorf("the .bin file ends too early: %d bytes left; expected %d numbers of fp32", len(r.b), n)
	}
	raw, err := r.take(4 * n)
	if err != nil {
		return nil, err
	}
	return decodeFloats(raw, "Float")
}

// halves reads n fp16 numbers, which are padded to a multiple of four bytes. ncnn's tools cut a float's lower bits off
// instead of rounding (float32_to_float16 in its mat.cpp), so every stored weight is too small, by half a unit of its
// last place on average. Over forty layers that adds up: the middle of the interval is the better estimate, and takes
// the largest error of a logit of the official sample from 0.13 to 0.055.
func (r *ncnnReader) halves(n int) ([]float32, error) {
	if n > len(r.b)/2 {
		return nil, fmt.Errorf("the .bin file ends too early: %d bytes left; expected %d numbers of fp16", len(r.b), n)
	}
	raw, err := r.take((2*n + 3) / 4 * 4)
	if err != nil {
		return nil, err
	}
	w, err := decodeFloats(raw[:2*n], "Half")
	for i := range w {
		w[i] = uncut(w[i], binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return w, err
}

// uncut moves v, which is the fp16 number h, to the middle of the numbers that are cut to it. Zero, subnormal numbers
// (ncnn makes them zero) and infinities stay.
func uncut(v float32, h uint16) float32 {
	const bias, mantissaBits = 15, 10
	exp := int(h >> mantissaBits & 31)
	if exp == 0 || exp == 31 {
		return v
	}
	half := math.Ldexp(0.5, exp-bias-mantissaBits)
	return v + float32(math.Copysign(half, float64(v)))
}

var errNCNNShape = errors.New("its layers are not connected as those of YOLO-FastestV2")
