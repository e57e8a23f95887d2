package model

import (
	"fmt"
	"slices"
	"strings"
)

// ncnnWalk finds the network's convolutions by how layers are connected, never by their names: converters number them
// as they like. It keeps the first error.
type ncnnWalk struct {
	layers    []*ncnnLayer
	consumers map[string][]*ncnnLayer // by blob, through Split
	sources   map[string]string       // of the outputs of Split
	err       error
}

func newNCNNWalk(layers []*ncnnLayer) *ncnnWalk {
	w := &ncnnWalk{layers: layers, consumers: map[string][]*ncnnLayer{}, sources: map[string]string{}}
	for _, l := range layers {
		if l.passes() {
			for _, t := range l.tops {
				w.sources[t] = w.source(l.bottoms[0])
			}
		}
	}
	for i := len(layers) - 1; i >= 0; i-- { // a layer's consumers come after it
		l := layers[i]
		if l.passes() {
			for _, t := range l.tops {
				w.reads(l.bottoms, w.consumers[t]...)
			}
			continue
		}
		w.reads(l.bottoms, l)
	}
	for blob := range w.consumers {
		slices.Reverse(w.consumers[blob])
	}
	return w
}

// passes says whether the layer's outputs are its one input.
func (l *ncnnLayer) passes() bool {
	return len(l.bottoms) == 1 && (l.typ == "Split" || l.typ == "Noop" || l.typ == "Dropout")
}

func (w *ncnnWalk) reads(blobs []string, by ...*ncnnLayer) {
	for _, b := range blobs {
		w.consumers[b] = append(w.consumers[b], by...)
	}
}

func (w *ncnnWalk) fail(after, format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: behind %.40q %s", errNCNNShape, after, fmt.Sprintf(format, args...))
	}
}

func (w *ncnnWalk) network() (*network, error) {
	n := &network{}
	x := w.input()
	n.stem, x = w.conv(x)
	x = w.pass(x, "Pooling")
	var c [3]string
	for s := range n.stages {
		n.stages[s], x = w.stage(x)
		c[s] = x
	}
	s3, s2 := w.fpn(n, c[2], c[1])
	for i, x := range []string{s2, s3} {
		w.scale(n, i, x)
	}
	if w.err != nil {
		return nil, w.err
	}
	return n, n.check()
}

func (w *ncnnWalk) input() string {
	for _, l := range w.layers {
		if l.typ == "Input" && len(l.tops) == 1 {
			return l.tops[0]
		}
	}
	w.fail("", "there is no Input layer")
	return ""
}

// one is the single consumer of a blob.
func (w *ncnnWalk) one(blob string) *ncnnLayer {
	cs := w.consumers[blob]
	if w.err == nil && len(cs) != 1 {
		w.fail(blob, "are %d layers; expected one", len(cs))
	}
	if w.err != nil {
		return nil
	}
	return cs[0]
}

// pass goes through the single consumer, which must be of a type and have one output.
func (w *ncnnWalk) pass(blob, typ string) string {
	l := w.one(blob)
	if l == nil {
		return ""
	}
	if l.typ != typ || len(l.tops) != 1 {
		w.fail(blob, "is %s; expected %s", l, typ)
		return ""
	}
	return l.tops[0]
}

// conv goes through the single consumer, which must be a convolution.
func (w *ncnnWalk) conv(blob string) (*conv, string) {
	l := w.one(blob)
	if l == nil {
		return nil, ""
	}
	return w.through(blob, l)
}

// through goes through convolution l and a ReLU layer behind it.
func (w *ncnnWalk) through(blob string, l *ncnnLayer) (*conv, string) {
	if l.conv == nil || len(l.tops) != 1 || len(l.bottoms) != 1 {
		w.fail(blob, "is %s; expected a convolution", l)
		return nil, ""
	}
	c, y := l.conv, l.tops[0]
	if next := w.consumers[y]; len(next) == 1 && next[0].typ == "ReLU" && len(next[0].tops) == 1 {
		c.relu = true
		y = next[0].tops[0]
	}
	return c, y
}

// stage reads blocks until the shuffles end, and returns the blob behind the last.
func (w *ncnnWalk) stage(x string) ([]block, string) {
	var first block
	dw, pw := w.branches(x)
	if w.err != nil {
		return nil, ""
	}
	var proj string
	first.proj[0], proj = w.through(x, dw)
	first.proj[1], proj = w.conv(proj)
	main := w.main(&first, x, pw)
	x = w.joined(proj, main)
	blocks := []block{first}
	for w.err == nil {
		next := w.consumers[x]
		if len(next) != 1 || next[0].typ != "ShuffleChannel" {
			break
		}
		passed, taken := w.halves(x)
		l := w.one(taken)
		if l == nil {
			break
		}
		var b block
		x = w.joined(passed, w.main(&b, taken, l))
		blocks = append(blocks, b)
	}
	return blocks, x
}

// branches finds the two convolutions that begin a stage.
func (w *ncnnWalk) branches(x string) (dw, pw *ncnnLayer) {
	for _, l := range w.consumers[x] {
		switch {
		case l.conv == nil || l.conv.k == 1 && l.conv.groups == 1 && pw != nil:
		case l.conv.groups > 1 && dw == nil:
			dw = l
		case l.conv.k == 1 && pw == nil:
			pw = l
		}
	}
	if dw == nil || pw == nil {
		w.fail(x, "no stage of ShuffleNetV2 begins")
	}
	return dw, pw
}

func (w *ncnnWalk) main(b *block, x string, first *ncnnLayer) string {
	b.main[0], x = w.through(x, first)
	b.main[1], x = w.conv(x)
	b.main[2], x = w.conv(x)
	return x
}

// joined is the concatenation of exactly a and b.
func (w *ncnnWalk) joined(a, b string) string {
	l, m := w.one(a), w.one(b)
	if w.err != nil {
		return ""
	}
	axis, err := l.int(0, 0)
	if l != m || l.typ != "Concat" || len(l.bottoms) != 2 || len(l.tops) != 1 || err != nil || axis != 0 {
		w.fail(a, "is %s; expected a concatenation with %.40q", l, b)
		return ""
	}
	if w.source(l.bottoms[0]) != w.source(a) {
		w.fail(a, "%s takes its inputs in the other order", l)
	}
	return l.tops[0]
}

// source is the blob that a chain of Split and like layers began with.
func (w *ncnnWalk) source(blob string) string {
	if from, ok := w.sources[blob]; ok {
		return from
	}
	return blob
}

// halves goes through a reversed shuffle in two groups (even channels first) and a slice into halves.
func (w *ncnnWalk) halves(x string) (passed, taken string) {
	shuffle := w.one(x)
	if shuffle == nil {
		return "", ""
	}
	groups, err1 := shuffle.int(0, 1)
	reverse, err2 := shuffle.int(1, 0)
	if err1 != nil || err2 != nil || groups != 2 || reverse != 1 || len(shuffle.tops) != 1 {
		w.fail(x, "%s does not split even from odd channels", shuffle)
		return "", ""
	}
	l := w.one(shuffle.tops[0])
	if l == nil {
		return "", ""
	}
	const sizes, even = -23300, "2,-233,-233" // an array of two lengths, each "the rest divided evenly"
	axis, err := l.int(1, 0)
	if l.typ != "Slice" || len(l.tops) != 2 || l.params[sizes] != even || err != nil || axis != 0 {
		w.fail(x, "is %s; expected a slice into halves", l)
		return "", ""
	}
	return l.tops[0], l.tops[1]
}

// fpn reads the two 1x1 convolutions and returns the blobs of stride 32 and stride 16.
func (w *ncnnWalk) fpn(n *network, c3, c2 string) (s3, s2 string) {
	var up string
	for _, l := range w.consumers[c3] {
		switch {
		case l.conv != nil && n.s3 == nil:
			n.s3, s3 = w.through(c3, l)
		case l.typ == "Interp" && len(l.tops) == 1:
			up = w.nearest(c3, l)
		}
	}
	if w.err != nil {
		return "", ""
	}
	cat := w.one(up)
	if n.s3 == nil || cat == nil || cat.typ != "Concat" || len(cat.bottoms) != 2 || len(cat.tops) != 1 ||
		w.source(cat.bottoms[0]) != up || w.source(cat.bottoms[1]) != c2 {
		w.fail(c3, "the feature pyramid is missing or different")
		return "", ""
	}
	n.s2, s2 = w.conv(cat.tops[0])
	return s3, s2
}

// nearest checks that an Interp layer doubles both sides by nearest neighbour.
func (w *ncnnWalk) nearest(x string, l *ncnnLayer) string {
	two := func(s string) bool { return strings.TrimRight(strings.TrimSuffix(s, "e+00"), ".0") == "2" }
	kind, err := l.int(0, 0)
	if err != nil || kind != 1 || !two(l.params[1]) || !two(l.params[2]) {
		w.fail(x, "%s does not double both sides by nearest neighbour", l)
	}
	return l.tops[0]
}

// scale reads both heads of one scale and its outputs.
func (w *ncnnWalk) scale(n *network, i int, x string) {
	branches := w.consumers[x]
	if w.err == nil && len(branches) != 2 {
		w.fail(x, "are %d layers; expected two heads", len(branches))
	}
	if w.err != nil {
		return
	}
	for _, l := range branches {
		var h headConvs
		h[0], x = w.through(x, l)
		for j := 1; j < 4; j++ {
			h[j], x = w.conv(x)
		}
		if w.err != nil {
			return
		}
		if outs := w.consumers[x]; len(outs) == 1 {
			n.reg[i] = h
			w.output(x, &n.outReg, outs[0])
		} else {
			n.cls[i] = h
			w.objAndCls(n, x, outs)
		}
	}
}

// objAndCls tells the two outputs of a class head apart: obj goes through a sigmoid, cls does not.
func (w *ncnnWalk) objAndCls(n *network, x string, outs []*ncnnLayer) {
	if len(outs) != 2 || w.sigmoid(outs[0]) == w.sigmoid(outs[1]) {
		w.fail(x, "are %d layers; expected an obj output (with sigmoid) and a cls output", len(outs))
		return
	}
	if !w.sigmoid(outs[0]) {
		outs = []*ncnnLayer{outs[1], outs[0]}
	}
	w.output(x, &n.outObj, outs[0])
	w.output(x, &n.outCls, outs[1])
}

func (w *ncnnWalk) sigmoid(l *ncnnLayer) bool {
	if l.sigmoidActivity || len(l.tops) != 1 {
		return l.sigmoidActivity
	}
	next := w.consumers[l.tops[0]]
	return len(next) == 1 && next[0].typ == "Sigmoid"
}

// output keeps an output convolution; ncnn files hold it once for each scale, and both must be the same.
func (w *ncnnWalk) output(x string, have **conv, l *ncnnLayer) {
	c := l.conv
	if c == nil {
		w.fail(x, "is %s; expected an output convolution", l)
		return
	}
	if *have == nil {
		*have = c
		return
	}
	if !slices.Equal((*have).w, c.w) || !slices.Equal((*have).b, c.b) {
		w.fail(x, "%s differs from the other scale's; expected shared output weights", l)
	}
}
