package model

import (
	"image"
	"slices"
	"strconv"
)

// fastNet is the network rewritten: channels in the order of layouts, the fpn's 1x1 over concat(up(C3), C2) as a sum of
// two, obj and cls as one convolution. It is what our ONNX files hold; every step can be undone.
type fastNet struct {
	network      // permuted; s2, outObj and outCls are replaced by what follows
	s2up, s2c2   *conv
	outObjCls    *conv
	stageLayouts [3]*stageLayout
}

func newFastNet(n *network) *fastNet {
	f := &fastNet{network: *n.permuted(false), stageLayouts: n.layouts()}
	f.s2up, f.s2c2 = splitInputs(f.s2, f.s3.in)
	f.outObjCls = joinOutputs(f.outObj, f.outCls)
	return f
}

// original undoes newFastNet.
func (f *fastNet) original() *network {
	n := f.network
	n.s2 = joinInputs(f.s2up, f.s2c2)
	n.outObj, n.outCls = splitOutputs(f.outObjCls, anchorsPerScale)
	return n.permuted(true)
}

// splitInputs turns a 1x1 conv into two whose sum it is: one over the first channels, without bias and ReLU, and one
// over the rest with the bias. The ReLU belongs behind the sum.
func splitInputs(c *conv, first int) (a, b *conv) {
	a = &conv{out: c.out, in: first, k: 1, stride: 1, groups: 1}
	b = &conv{out: c.out, in: c.in - first, k: 1, stride: 1, groups: 1, b: c.b}
	for o := range c.out {
		row := c.w[o*c.in : (o+1)*c.in]
		a.w = append(a.w, row[:first]...)
		b.w = append(b.w, row[first:]...)
	}
	return a, b
}

func joinInputs(a, b *conv) *conv {
	c := &conv{out: a.out, in: a.in + b.in, k: 1, stride: 1, groups: 1, relu: true, b: b.b}
	for o := range a.out {
		c.w = append(c.w, a.w[o*a.in:(o+1)*a.in]...)
		c.w = append(c.w, b.w[o*b.in:(o+1)*b.in]...)
	}
	return c
}

// joinOutputs is one conv that gives the channels of a and then those of b, which read the same input.
func joinOutputs(a, b *conv) *conv {
	c := *a
	c.out = a.out + b.out
	c.w, c.b = slices.Concat(a.w, b.w), slices.Concat(a.b, b.b)
	return &c
}

func splitOutputs(c *conv, first int) (a, b *conv) {
	x, y := *c, *c
	row := len(c.w) / c.out
	x.out, x.w, x.b = first, c.w[:first*row], c.b[:first]
	y.out, y.w, y.b = c.out-first, c.w[first*row:], c.b[first:]
	return &x, &y
}

// fastGraph writes the rewritten network for an input size.
func fastGraph(f *fastNet, size image.Point) *Graph {
	b := newBuilder("YOLO-FastestV2", size)
	y := b.maxPool("pool", b.conv("stem", inputName, f.stem))
	var c [3]string
	for s, blocks := range f.stages {
		y = b.fastStage(s, blocks, f.stageLayouts[s], y)
		c[s] = y
	}
	s3 := b.conv("fpn.s3", c[2], f.s3)
	up := b.upsample("fpn.up", b.conv("fpn.s2up", c[2], f.s2up))
	sum := b.node("Add", "fpn.s2", nil, b.conv("fpn.s2c2", c[1], f.s2c2), up)
	s2 := b.node("Relu", "fpn.s2.relu", nil, sum)
	var heads []string
	for i, x := range []string{s2, s3} {
		scale := strconv.Itoa(strides[i])
		reg := b.head("reg"+scale, x, f.reg[i])
		cls := b.head("cls"+scale, x, f.cls[i])
		heads = append(heads,
			b.convWeights("out_reg"+scale, "out_reg", reg, f.outReg),
			b.convWeights("out_objcls"+scale, "out_objcls", cls, f.outObjCls))
	}
	return b.finish(headLen(size, f.outObjCls.out-anchorsPerScale), heads...)
}

// fastStage gathers each block's input from runs of channels of the blocks before it.
func (b *builder) fastStage(s int, blocks []block, l *stageLayout, x string) string {
	producers := []string{b.proj(s, x, &blocks[0]), b.main(s, 0, x, &blocks[0])}
	for i := 1; i < len(blocks); i++ {
		in := b.gather(s, i, l, producers)
		producers = append(producers, b.main(s, i, in, &blocks[i]))
	}
	return b.gather(s, len(blocks), l, producers)
}

// gather concatenates the runs that consumer takes.
func (b *builder) gather(s, consumer int, l *stageLayout, producers []string) string {
	var runs []string
	for p, x := range producers {
		n := l.pieces[p][consumer]
		if n == 0 {
			continue
		}
		from := 0
		for _, m := range l.pieces[p][:consumer] {
			from += m
		}
		if n < len(l.out[p]) {
			x = b.slice(stagePlace(s, consumer, "from"+strconv.Itoa(p)), x, from, from+n)
		}
		runs = append(runs, x)
	}
	return b.concat(stagePlace(s, consumer, "in"), 1, runs...)
}
