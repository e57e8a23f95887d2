package model

import (
	"image"
	"strconv"
)

// stockGraph is the network as the official PyTorch export writes it: shuffles as Reshape-Transpose-Reshape and two
// Gathers, separate obj and cls outputs.
func stockGraph(n *network, size image.Point) *Graph {
	b := newBuilder("YOLO-FastestV2 stock", size)
	y := b.maxPool("pool", b.conv("stem", inputName, n.stem))
	side := image.Pt(size.X/4, size.Y/4)
	var c [3]string
	for s, blocks := range n.stages {
		side = side.Div(2)
		y = b.stockStage(s, blocks, y, side)
		c[s] = y
	}
	s3 := b.conv("fpn.s3", c[2], n.s3)
	s2 := b.conv("fpn.s2", b.concat("fpn.concat", 1, b.upsample("fpn.up", c[2]), c[1]), n.s2)
	var heads []string
	for i, x := range []string{s2, s3} {
		scale := strconv.Itoa(strides[i])
		reg := b.head("reg"+scale, x, n.reg[i])
		cls := b.head("cls"+scale, x, n.cls[i])
		heads = append(heads,
			b.convWeights("out_reg"+scale, "out_reg", reg, n.outReg),
			b.convWeights("out_obj"+scale, "out_obj", cls, n.outObj),
			b.convWeights("out_cls"+scale, "out_cls", cls, n.outCls))
	}
	return b.finish(headLen(size, n.classes()), heads...)
}

func (b *builder) stockStage(s int, blocks []block, x string, side image.Point) string {
	out := blocks[0].proj[1].out + blocks[0].main[2].out
	for i := range blocks {
		if i == 0 {
			proj := b.proj(s, x, &blocks[0])
			x = b.concat(stagePlace(s, 0, "concat"), 1, proj, b.main(s, 0, x, &blocks[0]))
			continue
		}
		at := stagePlace(s, i, "shuffle")
		r := b.reshape(at+".pairs", x, out/2, 2, side.X*side.Y)
		t := b.node("Transpose", at+".transpose", []Attr{attrInts("perm", 1, 0, 2)}, r)
		r = b.reshape(at+".halves", t, 2, 1, out/2, side.Y, side.X)
		axis := []Attr{attrInt("axis", 0)}
		pass := b.node("Gather", at+".even", axis, r, b.int(0))
		taken := b.node("Gather", at+".odd", axis, r, b.int(1))
		x = b.concat(stagePlace(s, i, "concat"), 1, pass, b.main(s, i, taken, &blocks[i]))
	}
	return x
}

func (b *builder) proj(s int, x string, blk *block) string {
	y := b.conv(stagePlace(s, 0, "proj.dw"), x, blk.proj[0])
	return b.conv(stagePlace(s, 0, "proj.pw"), y, blk.proj[1])
}

func (b *builder) main(s, i int, x string, blk *block) string {
	for j, part := range []string{"main.pw1", "main.dw", "main.pw2"} {
		x = b.conv(stagePlace(s, i, part), x, blk.main[j])
	}
	return x
}

func (b *builder) head(name, x string, h headConvs) string {
	for j, part := range headParts {
		x = b.conv(name+part, x, h[j])
	}
	return x
}

var headParts = []string{".dw1", ".pw1", ".dw2", ".pw2"}
