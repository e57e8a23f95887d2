package model

import (
	"fmt"
	"strconv"
)

// fastReader takes convolutions out of our own ONNX files by the names of their constants; what the nodes say is
// compared afterwards. It keeps the first error.
type fastReader struct {
	g   *Graph
	err error
}

// readFastNet rebuilds the network from the constants of a graph that fastGraph wrote.
func readFastNet(g *Graph) (*fastNet, error) {
	r := &fastReader{g: g}
	f := &fastNet{}
	f.stem = r.conv("stem", convForm{stride: 2, relu: true})
	for s := range f.stages {
		f.stages[s] = r.stage(s)
	}
	f.s3 = r.conv("fpn.s3", convForm{relu: true})
	f.s2up = r.conv("fpn.s2up", convForm{noBias: true})
	f.s2c2 = r.conv("fpn.s2c2", convForm{})
	for i := range f.reg {
		f.reg[i] = r.head("reg" + strconv.Itoa(strides[i]))
		f.cls[i] = r.head("cls" + strconv.Itoa(strides[i]))
	}
	f.outReg = r.conv("out_reg", convForm{})
	f.outObjCls = r.conv("out_objcls", convForm{})
	if r.err != nil {
		return nil, r.err
	}
	return f, f.link()
}

// link fills what the parts imply and checks that they fit.
func (f *fastNet) link() error {
	if f.outObjCls.out <= anchorsPerScale || f.s2up.out != f.s2c2.out || f.s2up.k != 1 || f.s2c2.k != 1 {
		return fmt.Errorf("the fpn or output convolutions do not fit together")
	}
	f.s2 = joinInputs(f.s2up, f.s2c2)
	f.outObj, f.outCls = splitOutputs(f.outObjCls, anchorsPerScale)
	if err := f.network.check(); err != nil {
		return err
	}
	f.stageLayouts = f.network.layouts()
	return nil
}

// convForm is what a constant's shape does not tell.
type convForm struct {
	stride    int // 0 is 1
	depthwise bool
	relu      bool
	noBias    bool
}

func (r *fastReader) conv(name string, form convForm) *conv {
	if r.err != nil {
		return nil
	}
	w := r.g.Init(name + ".weight")
	if w == nil || len(w.Dims) != 4 || w.Type != Float32 || w.Dims[2] != w.Dims[3] || w.Dims[0] == 0 || len(w.F32) == 0 {
		r.err = fmt.Errorf("weights %q are missing or have a wrong shape", name)
		return nil
	}
	c := &conv{out: w.Dims[0], in: w.Dims[1], k: w.Dims[2], stride: max(form.stride, 1), groups: 1, relu: form.relu, w: w.F32}
	if form.depthwise {
		if c.in != 1 {
			r.err = fmt.Errorf("depthwise weights %q have shape %v; expected 1 as the second number", name, []int(w.Dims))
			return nil
		}
		c.in, c.groups = c.out, c.out
	}
	if form.noBias {
		return c
	}
	b := r.g.Init(name + ".bias")
	if b == nil || b.Type != Float32 || len(b.F32) != c.out {
		r.err = fmt.Errorf("biases %q are missing or not %d numbers", name, c.out)
		return nil
	}
	c.b = b.F32
	return c
}

func (r *fastReader) stage(s int) []block {
	var blocks []block
	for i := 0; r.err == nil && r.g.Init(stagePlace(s, i, "main.pw1.weight")) != nil; i++ {
		var b block
		stride := 1
		if i == 0 {
			stride = 2
			b.proj[0] = r.conv(stagePlace(s, i, "proj.dw"), convForm{stride: 2, depthwise: true})
			b.proj[1] = r.conv(stagePlace(s, i, "proj.pw"), convForm{relu: true})
		}
		b.main[0] = r.conv(stagePlace(s, i, "main.pw1"), convForm{relu: true})
		b.main[1] = r.conv(stagePlace(s, i, "main.dw"), convForm{stride: stride, depthwise: true})
		b.main[2] = r.conv(stagePlace(s, i, "main.pw2"), convForm{relu: true})
		blocks = append(blocks, b)
	}
	return blocks
}

func (r *fastReader) head(name string) (h headConvs) {
	for j, part := range headParts {
		dw := j%2 == 0
		h[j] = r.conv(name+part, convForm{depthwise: dw, relu: dw})
	}
	return h
}
