// Package modeltest makes weights files of YOLO-FastestV2 with made-up numbers, for tests. Equal specs give the same
// weights in every file format.
package modeltest

import (
	"fmt"
	"hash/fnv"
	"math"
)

// Spec is the shape of a network.
type Spec struct {
	Classes int
	Stem    int    // channels of the first convolution
	Repeats [3]int // blocks of stage2, stage3, stage4
	Depth   int    // channels of the feature pyramid
}

// Small is a network of the official form with few channels.
func Small(classes int) Spec {
	return Spec{Classes: classes, Stem: 4, Repeats: [3]int{3, 4, 2}, Depth: 6}
}

// layer is one convolution, with the name that it has in the authors' PyTorch code.
type layer struct {
	name, bn       string // bn is empty for the outputs, which have a bias instead
	out, perIn, k  int    // perIn is the number of input channels of a group
	stride, groups int
	relu           bool
}

func (l layer) weights() []float32 {
	return numbers(l.name, l.out*l.perIn*l.k*l.k, float64(l.perIn*l.k*l.k))
}

func (l layer) bias() []float32 { return numbers(l.name+" bias", l.out, 9) }

// numbers are n repeatable values around 0 whose sum over fan of them is about 1.
func numbers(name string, n int, fan float64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	state, out := h.Sum64(), make([]float32, n)
	for i := range out {
		state = state*6364136223846793005 + 1442695040888963407
		out[i] = float32((float64(state>>40)/(1<<23) - 1) * math.Sqrt(3/fan))
	}
	return out
}

func pw(name, bn string, in, out int, relu bool) layer {
	return layer{name: name, bn: bn, out: out, perIn: in, k: 1, stride: 1, groups: 1, relu: relu}
}

func dw(name, bn string, channels, k, stride int, relu bool) layer {
	return layer{name: name, bn: bn, out: channels, perIn: 1, k: k, stride: stride, groups: channels, relu: relu}
}

// stageChannels is the number of channels behind stage s: twice what arrives, as in the official network.
func (s Spec) stageChannels(stage int) int { return s.Stem << (stage + 1) }

func stageName(stage, block int) string { return fmt.Sprintf("backbone.stage%d.%d", stage+2, block) }

func (s Spec) stem() layer {
	return layer{name: "backbone.first_conv.0", bn: "backbone.first_conv.1", out: s.Stem, perIn: 3, k: 3, stride: 2, groups: 1, relu: true}
}

func (s Spec) proj(stage int) [2]layer {
	at, in := stageName(stage, 0)+".branch_proj.", s.stageChannels(stage-1)
	return [2]layer{dw(at+"0", at+"1", in, 3, 2, false), pw(at+"2", at+"3", in, in, true)}
}

func (s Spec) main(stage, block int) [3]layer {
	at, half, stride := stageName(stage, block)+".branch_main.", s.stageChannels(stage-1), 1
	if block == 0 {
		stride = 2
	}
	return [3]layer{pw(at+"0", at+"1", half, half, true), dw(at+"3", at+"4", half, 3, stride, false), pw(at+"5", at+"6", half, half, true)}
}

func (s Spec) fpn3() layer {
	return pw("fpn.conv1x1_3.0", "fpn.conv1x1_3.1", s.stageChannels(2), s.Depth, true)
}

func (s Spec) fpn2() layer {
	return pw("fpn.conv1x1_2.0", "fpn.conv1x1_2.1", s.stageChannels(2)+s.stageChannels(1), s.Depth, true)
}

// head is kind "reg" or "cls" of scale 2 or 3.
func (s Spec) head(kind string, scale int) [4]layer {
	at := fmt.Sprintf("fpn.%s_head_%d.block.", kind, scale)
	return [4]layer{
		dw(at+"0", at+"1", s.Depth, 5, 1, true), pw(at+"3", at+"4", s.Depth, s.Depth, false),
		dw(at+"5", at+"6", s.Depth, 5, 1, true), pw(at+"8", at+"9", s.Depth, s.Depth, false),
	}
}

func (s Spec) outputs() (reg, obj, cls layer) {
	return pw("output_reg_layers", "", s.Depth, 12, false), pw("output_obj_layers", "", s.Depth, 3, false),
		pw("output_cls_layers", "", s.Depth, s.Classes, false)
}

func (s Spec) layers() []layer {
	ls := []layer{s.stem()}
	for stage, n := range s.Repeats {
		for block := range n {
			if block == 0 {
				p := s.proj(stage)
				ls = append(ls, p[:]...)
			}
			m := s.main(stage, block)
			ls = append(ls, m[:]...)
		}
	}
	ls = append(ls, s.fpn3(), s.fpn2())
	for scale := 2; scale <= 3; scale++ {
		reg, cls := s.head("reg", scale), s.head("cls", scale)
		ls = append(append(ls, reg[:]...), cls[:]...)
	}
	reg, obj, cls := s.outputs()
	return append(ls, reg, obj, cls)
}
