package modeltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// ncnnWriter writes a .param text and the .bin beside it.
type ncnnWriter struct {
	lines []string
	bin   []byte
	half  bool
	n     int
}

// NCNN is the network as ncnn's converter writes it, with fp16 or fp32 weights. Layers have meaningless names.
func (s Spec) NCNN(half bool) (param, bin []byte) {
	w := &ncnnWriter{half: half}
	x := w.layer("Input", nil, 1, "")[0]
	x = w.conv(x, s.stem(), "")
	x = w.layer("Pooling", []string{x}, 1, "1=3 2=2 3=1 5=1")[0]
	var c2 string
	for stage := range s.Repeats {
		x = w.stage(s, stage, x)
		if stage == 1 { // the next stage and the feature pyramid
			split := w.layer("Split", []string{x}, 2, "")
			x, c2 = split[0], split[1]
		}
	}
	split := w.layer("Split", []string{x}, 2, "")
	s3 := w.conv(split[0], s.fpn3(), "")
	up := w.layer("Interp", split[1:], 1, "0=1 1=2.000000e+00 2=2.000000e+00")[0]
	s2 := w.conv(w.layer("Concat", []string{up, c2}, 1, "")[0], s.fpn2(), "")
	w.heads(s, 3, s3)
	w.heads(s, 2, s2)
	var b bytes.Buffer
	fmt.Fprintf(&b, "7767517\n%d %d\n", len(w.lines), w.n)
	for _, l := range w.lines {
		b.WriteString(l + "\n")
	}
	return b.Bytes(), w.bin
}

func (w *ncnnWriter) layer(typ string, in []string, out int, params string) []string {
	var tops []string
	for range out {
		tops = append(tops, fmt.Sprintf("b%d", w.n))
		w.n++
	}
	line := fmt.Sprintf("%-16s l%d %d %d", typ, len(w.lines), len(in), out)
	for _, b := range append(append([]string(nil), in...), tops...) {
		line += " " + b
	}
	w.lines = append(w.lines, line+" "+params)
	return tops
}

// conv writes a convolution with its ReLU, or with another activation, fused.
func (w *ncnnWriter) conv(x string, l layer, activation string) string {
	typ, v := "Convolution", l.weights()
	p := fmt.Sprintf("0=%d 1=%d 3=%d 4=%d 5=1 6=%d", l.out, l.k, l.stride, l.k/2, len(v))
	if l.groups > 1 {
		typ, p = "ConvolutionDepthWise", p+fmt.Sprintf(" 7=%d", l.groups)
	}
	if l.relu {
		activation = "9=1"
	}
	if w.half {
		w.bin = binary.LittleEndian.AppendUint32(w.bin, 0x01306B47)
		for _, f := range v {
			w.bin = binary.LittleEndian.AppendUint16(w.bin, cutToHalf(f))
		}
		for len(w.bin)%4 != 0 {
			w.bin = append(w.bin, 0)
		}
	} else {
		w.bin = append(binary.LittleEndian.AppendUint32(w.bin, 0), floats(v)...)
	}
	w.bin = append(w.bin, floats(l.bias())...)
	return w.layer(typ, []string{x}, 1, p+" "+activation)[0]
}

// cutToHalf drops the digits that fp16 does not have, as ncnn does. Too small values become 0.
func cutToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	exp := int(b>>23&255) - 112
	if exp < 1 {
		return 0
	}
	return uint16(b>>31<<15) | uint16(exp<<10) | uint16(b>>13&0x3ff)
}

func (w *ncnnWriter) stage(s Spec, stage int, x string) string {
	for block := range s.Repeats[stage] {
		var a, b string
		if block == 0 {
			split := w.layer("Split", []string{x}, 2, "")
			p := s.proj(stage)
			a = w.conv(w.conv(split[0], p[0], ""), p[1], "")
			b = split[1]
		} else {
			x = w.layer("ShuffleChannel", []string{x}, 1, "0=2 1=1")[0]
			halves := w.layer("Slice", []string{x}, 2, "-23300=2,-233,-233")
			a, b = halves[0], halves[1]
		}
		for _, l := range s.main(stage, block) {
			b = w.conv(b, l, "")
		}
		x = w.layer("Concat", []string{a, b}, 1, "")[0]
	}
	return x
}

func (w *ncnnWriter) heads(s Spec, scale int, x string) {
	split := w.layer("Split", []string{x}, 2, "")
	reg, cls := split[0], split[1]
	for _, l := range s.head("cls", scale) {
		cls = w.conv(cls, l, "")
	}
	for _, l := range s.head("reg", scale) {
		reg = w.conv(reg, l, "")
	}
	outReg, outObj, outCls := s.outputs()
	w.conv(reg, outReg, "9=4")
	split = w.layer("Split", []string{cls}, 2, "")
	w.conv(split[0], outCls, "")
	w.conv(split[1], outObj, "9=4")
}
