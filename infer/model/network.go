package model

import (
	"fmt"
	"strconv"
)

// conv is a convolution with its BatchNorm folded in, weights [out][in/groups][k][k], padded by k/2 on each side.
type conv struct {
	out, in   int // channels
	k, stride int
	groups    int
	relu      bool
	w, b      []float32
}

func (c *conv) depthwise() bool { return c.groups > 1 && c.groups == c.in && c.in == c.out }

// check compares the conv with what the network has at this place. in < 0 leaves the number of channels open.
func (c *conv) check(place string, in, k, stride int, depthwise bool) error {
	want := "convolution"
	if depthwise {
		want = "depthwise convolution"
	}
	ok := c.k == k && c.stride == stride && (in < 0 || c.in == in) && c.depthwise() == depthwise && (depthwise || c.groups == 1)
	if !ok {
		return fmt.Errorf("%s is a %dx%d convolution of stride %d, %d -> %d channels in %d groups; expected a %dx%d %s of stride %d on %d channels",
			place, c.k, c.k, c.stride, c.in, c.out, c.groups, k, k, want, stride, in)
	}
	if len(c.w) != c.out*c.in/c.groups*k*k || len(c.b) != c.out {
		return fmt.Errorf("%s has %d weights and %d biases; expected %d and %d", place, len(c.w), len(c.b), c.out*c.in/c.groups*k*k, c.out)
	}
	return nil
}

// block is one ShuffleNetV2 block. Only the first of a stage has proj (depthwise of stride 2, then pointwise); main is
// pointwise, depthwise, pointwise.
type block struct {
	proj [2]*conv
	main [3]*conv
}

// headConvs is one decoupled head: depthwise 5x5, pointwise, depthwise 5x5, pointwise.
type headConvs [4]*conv

// network is YOLO-FastestV2 as its authors wrote it, channels in their order.
type network struct {
	stem   *conv
	stages [3][]block // stage2, stage3, stage4
	s3     *conv      // fpn.conv1x1_3: C3 to the stride 32 scale
	s2     *conv      // fpn.conv1x1_2: concat(upsampled C3, C2) to the stride 16 scale
	reg    [2]headConvs
	cls    [2]headConvs // by scale: stride 16, stride 32
	outReg *conv
	outObj *conv
	outCls *conv
}

const anchorsPerScale = 3

// strides are the scales' pixels per cell.
var strides = []int{16, 32}

func (n *network) classes() int { return n.outCls.out }

// checker walks the network with the number of channels that arrive and keeps the first error.
type checker struct{ err error }

func (k *checker) conv(place string, c *conv, in, size, stride int, depthwise bool) int {
	if k.err != nil {
		return 0
	}
	if c == nil {
		k.err = fmt.Errorf("%s is missing", place)
		return 0
	}
	k.err = c.check(place, in, size, stride, depthwise)
	return c.out
}

func (k *checker) want(ok bool, format string, args ...any) {
	if k.err == nil && !ok {
		k.err = fmt.Errorf(format, args...)
	}
}

// check says whether all parts fit together. Every reader of weights ends with it.
func (n *network) check() error {
	k := &checker{}
	ch := k.conv("first convolution", n.stem, 3, 3, 2, false)
	var c [3]int
	for s := range n.stages {
		ch = k.stage("stage"+strconv.Itoa(s+2), n.stages[s], ch)
		c[s] = ch
	}
	depth := k.conv("fpn 1x1 of C3", n.s3, c[2], 1, 1, false)
	k.want(k.err != nil || k.conv("fpn 1x1 of C3 and C2", n.s2, c[2]+c[1], 1, 1, false) == depth,
		"the two fpn convolutions differ in channels; expected %d from both", depth)
	for s := range n.reg {
		k.head(fmt.Sprintf("reg head of stride %d", strides[s]), n.reg[s], depth)
		k.head(fmt.Sprintf("cls head of stride %d", strides[s]), n.cls[s], depth)
	}
	k.output("reg output", n.outReg, depth, 4*anchorsPerScale)
	k.output("obj output", n.outObj, depth, anchorsPerScale)
	k.output("cls output", n.outCls, depth, -1)
	return k.err
}

func (k *checker) stage(place string, blocks []block, in int) int {
	k.want(len(blocks) > 0, "%s has no blocks", place)
	out := 0
	for i := range blocks {
		at := fmt.Sprintf("%s block %d", place, i)
		b := &blocks[i]
		if i == 0 {
			k.conv(at+" projection depthwise", b.proj[0], in, 3, 2, true)
			proj := k.conv(at+" projection pointwise", b.proj[1], in, 1, 1, false)
			out = proj + k.main(at, b, in, 2)
			k.want(out%2 == 0, "%s: %d channels cannot be halved", at, out)
			continue
		}
		main := k.main(at, b, out/2, 1)
		k.want(main == out/2, "%s gives %d channels; expected %d", at, main, out/2)
	}
	return out
}

func (k *checker) main(at string, b *block, in, stride int) int {
	mid := k.conv(at+" first pointwise", b.main[0], in, 1, 1, false)
	k.conv(at+" depthwise", b.main[1], mid, 3, stride, true)
	return k.conv(at+" second pointwise", b.main[2], mid, 1, 1, false)
}

func (k *checker) head(place string, h headConvs, depth int) {
	for i := 0; i < 4; i += 2 {
		k.conv(place+" depthwise", h[i], depth, 5, 1, true)
		out := k.conv(place+" pointwise", h[i+1], depth, 1, 1, false)
		k.want(out == depth, "%s gives %d channels; expected %d", place, out, depth)
	}
}

// maxClasses bounds what a damaged header can ask for.
const maxClasses = 100_000

func (k *checker) output(place string, c *conv, depth, want int) {
	out := k.conv(place, c, depth, 1, 1, false)
	if want > 0 {
		k.want(out == want, "%s has %d channels; expected %d (%d anchors)", place, out, want, anchorsPerScale)
		return
	}
	k.want(out >= 1 && out <= maxClasses, "%s has %d channels; expected one per class, 1 to %d", place, out, maxClasses)
}
