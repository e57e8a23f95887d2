package model

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

func TestDamagedQuantized(t *testing.T) {
	good := quantizeOn(t, importSpec(t, tiny()), 1).Encode()
	edited := func(edit func(g *Graph)) []byte {
		f, err := DecodeONNX(bytes.Clone(good)) // raw constants point into it
		if err != nil {
			t.Fatal(err)
		}
		edit(f.Graph)
		return f.Encode()
	}
	// init edits the constant of a name, node the first node that makes a value.
	init := func(name string, edit func(c *Tensor)) []byte {
		return edited(func(g *Graph) { edit(g.Init(name)) })
	}
	node := func(out string, edit func(n *Node)) []byte {
		return edited(func(g *Graph) {
			for i := range g.Nodes {
				if g.Nodes[i].Outputs[0] == out {
					edit(&g.Nodes[i])
				}
			}
		})
	}
	drop := func(name string) []byte {
		return edited(func(g *Graph) {
			for i, c := range g.Inits {
				if c.Name == name {
					g.Inits = append(g.Inits[:i:i], g.Inits[i+1:]...)
					return
				}
			}
			t.Fatalf("no constant %q", name)
		})
	}
	for _, row := range []struct {
		name string
		data []byte
		err  string
	}{
		{"no scale of a value", drop("stem.relu.scale"), `scale "stem.relu.scale" is missing`},
		{"no scale of weights", drop("stem.weight.scale"), `scale "stem.weight.scale" is missing`},
		{"no scale of a bias", drop("stem.bias.scale"), `scale "stem.bias.scale" is missing`},
		{"no zero point of a value", drop("stem.relu.zero"), `zero point "stem.relu.zero" is missing`},
		{"no weights", drop("stem.weight.int8"), `neither a constant nor made by a QuantizeLinear`},
		{"scale of 0", init("stem.relu.scale", func(c *Tensor) { c.F32[0] = 0 }), "has the value 0"},
		{"negative scale", init("stem.weight.scale", func(c *Tensor) { c.F32[1] = -1 }), "has the value -1"},
		{"scale that is no number", init("input.scale", func(c *Tensor) { c.F32[0] = float32(math.NaN()) }), "has the value NaN"},
		{"infinite scale", init("input.scale", func(c *Tensor) { c.F32[0] = float32(math.Inf(1)) }), "has the value +Inf"},
		{"scale of integers", init("input.scale", func(c *Tensor) { c.Type, c.F32, c.I64 = Int32, nil, []int64{1} }), "no constant of float32"},
		{"scales for another axis", node("stem.weight", func(n *Node) { n.Attrs = []Attr{attrInt("axis", 1)} }), "on axis 1"},
		{"scales without an axis", node("stem.weight", func(n *Node) { n.Attrs = nil }), "on axis 1"},
		{"too few scales", init("stem.weight.scale", func(c *Tensor) { c.Dims, c.F32 = Shape{1}, c.F32[:1] }), "1 scales on axis 0"},
		{"many scales of a value", init("stem.relu.scale", func(c *Tensor) { c.Dims, c.F32 = Shape{2}, []float32{1, 1} }), "2 scales; expected one"},
		{"zero point of weights", init("stem.weight.zero", func(c *Tensor) { c.Raw[1] = 3 }), `a zero point of constant "stem.weight.int8" is 3; expected 0`},
		{"unsigned zero point", init("stem.relu.zero", func(c *Tensor) { c.Type = 2 }), "expected int8"},
		{"two zero points", init("stem.relu.zero", func(c *Tensor) { c.Dims, c.Raw = Shape{2}, []byte{0, 0} }), "expected one for each of 1 scales"},
		{"empty zero point", init("stem.relu.zero", func(c *Tensor) { c.Raw = nil }), "expected one for each of 1 scales"},
		{"another zero point", init("stem.relu.zero", func(c *Tensor) { c.Raw[0] ^= 1 }), ""}, // it is a number like any other
		{"zero point left out", node("stem.relu.dq", func(n *Node) { n.Inputs = n.Inputs[:2] }), "no zero point"},
		{"no inputs", node("stem.relu.q", func(n *Node) { n.Inputs = nil }), "0 inputs"},
		{"read with another scale", node("stem.relu.dq", func(n *Node) { n.Inputs[1] = "input.scale" }), "is quantised with scale"},
		{"quantised twice", edited(func(g *Graph) {
			g.Nodes = append(g.Nodes, Node{Op: "QuantizeLinear", Inputs: []string{"stem.relu", "input.scale", "input.zero"}, Outputs: []string{"again"}})
		}), "quantised in two ways"},
		{"read unquantised", node("pool", func(n *Node) { n.Inputs[0] = "stem.relu" }), "without a DequantizeLinear"},
		{"read as int8", node("pool", func(n *Node) { n.Inputs[0] = "stem.relu.q" }), "without a DequantizeLinear"},
		{"weights of another type", init("stem.weight.int8", func(c *Tensor) { c.Type = 2 }), "of another type"},
		{"weights too short", init("stem.weight.int8", func(c *Tensor) { c.Raw = c.Raw[1:] }), "or not as many"},
		{"weights of another shape", init("stem.weight.int8", func(c *Tensor) { c.Dims = Shape{2, 27, 1, 1} }), "first convolution"},
		{"huge weights", init("stem.weight.int8", func(c *Tensor) { c.Dims = Shape{2, 1 << 20, 1 << 10} }), "more than"},
		{"weights without dimensions", init("stem.weight.int8", func(c *Tensor) { c.Dims = Shape{} }), "expected one for each of the first dimension"},
		{"bias with another scale", init("stem.bias.scale", func(c *Tensor) { c.F32[0] *= 2 }), "scale 0 of its bias"},
		{"bias of int8", init("stem.bias.int32", func(c *Tensor) { c.Type, c.I64, c.Raw = Int8, nil, []byte{1, 2} }), "is not int32"},
		{"bias too short", init("stem.bias.int32", func(c *Tensor) { c.Dims, c.I64 = Shape{1}, c.I64[:1] }), "expected one for each of the first dimension"},
		{"other wiring", node("pool", func(n *Node) { n.Inputs[0] = "input.dq" }), "was changed or damaged"},
		{"output quantised", edited(func(g *Graph) { g.Outputs[0].Name = "pool.dq" }), "expected a float one"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse(row.data, "bad.onnx")
			if row.err == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkOneLine(t, err, "bad.onnx", row.err)
		})
	}
}

func TestCalibratorRefuses(t *testing.T) {
	c, err := NewCalibrator(importSpec(t, tiny()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Quantize(c); err == nil || !strings.Contains(err.Error(), "no picture") {
		t.Errorf("without pictures: %v", err)
	}
	if err := c.Add(make([]float32, 3)); err == nil || !strings.Contains(err.Error(), "3 values; expected") {
		t.Errorf("too few values: %v", err)
	}
	values := make([]float32, c.Values())
	values[7] = float32(math.NaN())
	if err := c.Add(values); err == nil || !strings.Contains(err.Error(), "computes NaN") {
		t.Errorf("NaN: %v", err)
	}
}

// FuzzQDQ reads quantised files. What is taken must be as good as what Quantize makes: it is written as it was read.
func FuzzQDQ(f *testing.F) {
	f.Add(quantizeOn(f, importSpec(f, tiny()), 1).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := DecodeONNX(data)
		if err != nil {
			return
		}
		if g, q, err := SplitQDQ(file.Graph); err != nil {
			checkOneLine(t, err, "", "")
		} else if q != nil {
			qdqGraph(g, q)
		}
		m, err := Parse(data, "fuzzed.onnx")
		if err != nil {
			checkOneLine(t, err, "fuzzed.onnx", "")
			return
		}
		if _, err := Parse(m.Encode(), "again.onnx"); err != nil {
			t.Error(err)
		}
	})
}
