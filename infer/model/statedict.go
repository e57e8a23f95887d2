package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// stateDict makes the network from tensors by name. It keeps the first error.
type stateDict struct {
	file *torchFile
	dict map[string]*torchTensor
	err  error
}

func newStateDict(f *torchFile, dict map[string]*torchTensor) *stateDict {
	return &stateDict{file: f, dict: dict}
}

// bnEpsilon is what the network's BatchNorm layers add to the variance.
const bnEpsilon = 1e-5

// Names of the official checkpoint's layers.
func (d *stateDict) network() (*network, error) {
	if d.dict["backbone.first_conv.0.weight"] == nil || d.dict["output_cls_layers.weight"] == nil {
		return nil, errors.New("its tensors are not those of YOLO-FastestV2 (no backbone.first_conv.0.weight or output_cls_layers.weight)")
	}
	n := &network{stem: d.convBN("backbone.first_conv.0", "backbone.first_conv.1", 2, true)}
	for s := range n.stages {
		n.stages[s] = d.stage("backbone.stage" + strconv.Itoa(s+2))
	}
	n.s3 = d.convBN("fpn.conv1x1_3.0", "fpn.conv1x1_3.1", 1, true)
	n.s2 = d.convBN("fpn.conv1x1_2.0", "fpn.conv1x1_2.1", 1, true)
	for i := range n.reg {
		n.reg[i] = d.head("fpn.reg_head_" + strconv.Itoa(i+2))
		n.cls[i] = d.head("fpn.cls_head_" + strconv.Itoa(i+2))
	}
	n.outReg = d.convBias("output_reg_layers")
	n.outObj = d.convBias("output_obj_layers")
	n.outCls = d.convBias("output_cls_layers")
	if d.err != nil {
		return nil, d.err
	}
	return n, n.check()
}

func (d *stateDict) stage(name string) []block {
	var blocks []block
	for i := 0; d.err == nil; i++ {
		at := name + "." + strconv.Itoa(i)
		if d.dict[at+".branch_main.0.weight"] == nil {
			break
		}
		var b block
		stride := 1
		if i == 0 {
			stride = 2
			b.proj[0] = d.convBN(at+".branch_proj.0", at+".branch_proj.1", 2, false)
			b.proj[1] = d.convBN(at+".branch_proj.2", at+".branch_proj.3", 1, true)
		}
		b.main[0] = d.convBN(at+".branch_main.0", at+".branch_main.1", 1, true)
		b.main[1] = d.convBN(at+".branch_main.3", at+".branch_main.4", stride, false)
		b.main[2] = d.convBN(at+".branch_main.5", at+".branch_main.6", 1, true)
		blocks = append(blocks, b)
	}
	return blocks
}

func (d *stateDict) head(name string) headConvs {
	return headConvs{
		d.convBN(name+".block.0", name+".block.1", 1, true),
		d.convBN(name+".block.3", name+".block.4", 1, false),
		d.convBN(name+".block.5", name+".block.6", 1, true),
		d.convBN(name+".block.8", name+".block.9", 1, false),
	}
}

// conv reads a kernel. A kernel with one input channel is depthwise: this network has no other of that kind.
func (d *stateDict) conv(name string, stride int, relu bool) *conv {
	w, shape := d.tensor(name+".weight", 4)
	if d.err != nil {
		return nil
	}
	c := &conv{out: shape[0], in: shape[1], k: shape[2], stride: stride, groups: 1, relu: relu, w: w}
	if shape[2] != shape[3] {
		d.err = fmt.Errorf("tensor %q has shape %v; expected a square kernel", name+".weight", shape)
	}
	if c.in == 1 {
		c.in, c.groups = c.out, c.out
	}
	return c
}

func (d *stateDict) convBias(name string) *conv {
	c := d.conv(name, 1, false)
	b := d.vector(name+".bias", c)
	if d.err != nil {
		return nil
	}
	c.b = b
	return c
}

func (d *stateDict) convBN(name, bn string, stride int, relu bool) *conv {
	c := d.conv(name, stride, relu)
	gamma, beta := d.vector(bn+".weight", c), d.vector(bn+".bias", c)
	mean, variance := d.vector(bn+".running_mean", c), d.vector(bn+".running_var", c)
	if d.err != nil {
		return nil
	}
	if err := c.foldBN(gamma, beta, mean, variance); err != nil {
		d.err = fmt.Errorf("%s: %w", bn, err)
	}
	return c
}

// foldBN makes the conv give what it and the BatchNorm behind it give together.
func (c *conv) foldBN(gamma, beta, mean, variance []float32) error {
	row := len(c.w) / c.out
	c.b = make([]float32, c.out)
	for o := range c.out {
		scale := float64(gamma[o]) / math.Sqrt(float64(variance[o])+bnEpsilon)
		bias := float64(beta[o]) - float64(mean[o])*scale
		if math.IsNaN(scale+bias) || math.IsInf(scale+bias, 0) {
			return fmt.Errorf("channel %d has a variance of %v or a value that is no number", o, variance[o])
		}
		for i := o * row; i < (o+1)*row; i++ {
			c.w[i] = float32(float64(c.w[i]) * scale)
		}
		c.b[o] = float32(bias)
	}
	return nil
}

// vector reads one number for each output channel of c.
func (d *stateDict) vector(name string, c *conv) []float32 {
	v, _ := d.tensor(name, 1)
	if d.err == nil && len(v) != c.out {
		d.err = fmt.Errorf("tensor %q has %d numbers; expected %d", name, len(v), c.out)
	}
	return v
}

// tensor decodes a tensor of that many dimensions.
func (d *stateDict) tensor(name string, rank int) ([]float32, []int) {
	if d.err != nil {
		return nil, nil
	}
	t := d.dict[name]
	if t == nil {
		d.err = fmt.Errorf("tensor %q is missing", name)
		return nil, nil
	}
	if len(t.shape) != rank {
		d.err = fmt.Errorf("tensor %q has shape %v; expected %d dimensions", name, t.shape, rank)
		return nil, nil
	}
	v, err := d.file.decode(t)
	if err != nil {
		d.err = fmt.Errorf("tensor %q: %w", name, err)
	}
	return v, t.shape
}

var elementBytes = map[string]int{"Float": 4, "Double": 8, "Half": 2, "BFloat16": 2}

// decode reads a tensor's elements as float32.
func (f *torchFile) decode(t *torchTensor) ([]float32, error) {
	size := elementBytes[t.dtype]
	if size == 0 {
		return nil, fmt.Errorf("elements of type %s; expected Float, Double, Half or BFloat16", t.dtype)
	}
	n := 1
	for i := len(t.shape) - 1; i >= 0; i-- {
		if t.shape[i] < 1 || t.shape[i] > math.MaxInt32/n {
			return nil, fmt.Errorf("shape %v is out of range", t.shape)
		}
		if t.shape[i] > 1 && t.strides[i] != n {
			return nil, fmt.Errorf("shape %v with strides %v; expected a tensor without gaps (save it with .contiguous())", t.shape, t.strides)
		}
		n *= t.shape[i]
	}
	raw, err := f.read("data/"+t.key, f.budget)
	if err != nil {
		return nil, err
	}
	f.budget -= len(raw)
	if len(raw)%size != 0 || len(raw)/size != t.size {
		return nil, fmt.Errorf("its record has %d bytes; expected %d elements of %d", len(raw), t.size, size)
	}
	if t.offset < 0 || t.offset > t.size-n {
		return nil, fmt.Errorf("%d elements from element %d on; its record has %d", n, t.offset, t.size)
	}
	return decodeFloats(raw[t.offset*size:(t.offset+n)*size], t.dtype)
}

func decodeFloats(raw []byte, dtype string) ([]float32, error) {
	size := elementBytes[dtype]
	out := make([]float32, len(raw)/size)
	for i := range out {
		b := raw[i*size:]
		switch dtype {
		case "Float":
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		case "Double":
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		case "Half":
			out[i] = halfToFloat(binary.LittleEndian.Uint16(b))
		case "BFloat16":
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)
		}
		if v := float64(out[i]); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("element %d is no finite number", i)
		}
	}
	return out, nil
}

// halfToFloat converts an IEEE 754 half-precision number, exactly.
func halfToFloat(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&0x3ff)
	switch exp {
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case 0:
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
