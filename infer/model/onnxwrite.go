package model

import (
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// File is an ONNX file: a graph and what the file says of itself.
type File struct {
	IRVersion       int64
	Opset           int64 // of the standard operators
	Producer        string
	ProducerVersion string
	Meta            []MetaEntry // metadata_props, in the file's order
	Graph           *Graph
}

// MetaEntry is one metadata property.
type MetaEntry struct{ Key, Value string }

// MetaValue is the property of that key and whether the file has it.
func (f *File) MetaValue(key string) (string, bool) {
	for _, e := range f.Meta {
		if e.Key == key {
			return e.Value, true
		}
	}
	return "", false
}

// Field numbers below are those of onnx.proto.

// Encode writes the file. The same File gives the same bytes.
func (f *File) Encode() []byte {
	b := appendVarint(nil, 1, uint64(f.IRVersion))
	b = appendString(b, 2, f.Producer)
	b = appendString(b, 3, f.ProducerVersion)
	b = appendMessage(b, 7, encodeGraph(f.Graph))
	b = appendMessage(b, 8, appendVarint(nil, 2, uint64(f.Opset)))
	for _, e := range f.Meta {
		b = appendMessage(b, 14, appendString(appendString(nil, 1, e.Key), 2, e.Value))
	}
	return b
}

func encodeGraph(g *Graph) []byte {
	var b []byte
	for i := range g.Nodes {
		b = appendMessage(b, 1, encodeNode(&g.Nodes[i]))
	}
	b = appendString(b, 2, g.Name)
	for _, t := range g.Inits {
		b = appendMessage(b, 5, encodeTensor(t))
	}
	for _, v := range g.Inputs {
		b = appendMessage(b, 11, encodeValue(v))
	}
	for _, v := range g.Outputs {
		b = appendMessage(b, 12, encodeValue(v))
	}
	return b
}

func encodeNode(n *Node) []byte {
	var b []byte
	for _, s := range n.Inputs {
		b = appendMessage(b, 1, []byte(s))
	}
	for _, s := range n.Outputs {
		b = appendMessage(b, 2, []byte(s))
	}
	b = appendString(b, 3, n.Name)
	b = appendString(b, 4, n.Op)
	for i := range n.Attrs {
		b = appendMessage(b, 5, encodeAttr(&n.Attrs[i]))
	}
	return appendString(b, 7, n.Domain)
}

func encodeAttr(a *Attr) []byte {
	b := appendString(nil, 1, a.Name)
	switch a.Kind {
	case AttrFloat:
		b = appendFloat(b, 2, a.F)
	case AttrInt:
		b = appendVarint(b, 3, uint64(a.I))
	case AttrString:
		b = appendMessage(b, 4, []byte(a.S))
	case AttrTensor:
		b = appendMessage(b, 5, encodeTensor(a.T))
	}
	for _, f := range a.Floats {
		b = appendFloat(b, 7, f)
	}
	for _, i := range a.Ints {
		b = appendVarint(b, 8, uint64(i))
	}
	for _, s := range a.Strings {
		b = appendMessage(b, 9, []byte(s))
	}
	return appendVarint(b, 20, uint64(a.Kind))
}

func encodeTensor(t *Tensor) []byte {
	var b []byte
	for _, d := range t.Dims {
		b = appendVarint(b, 1, uint64(d))
	}
	b = appendVarint(b, 2, uint64(t.Type))
	b = appendString(b, 8, t.Name)
	return appendMessage(b, 9, tensorBytes(t))
}

// tensorBytes is the tensor's elements, little-endian.
func tensorBytes(t *Tensor) []byte {
	switch {
	case t.Type == Float64 && t.F32 != nil:
		raw := make([]byte, 0, 8*len(t.F32))
		for _, v := range t.F32 {
			raw = protowire.AppendFixed64(raw, math.Float64bits(float64(v)))
		}
		return raw
	case t.F32 != nil:
		raw := make([]byte, 0, 4*len(t.F32))
		for _, v := range t.F32 {
			raw = protowire.AppendFixed32(raw, math.Float32bits(v))
		}
		return raw
	case t.Type == int32Type && t.I64 != nil:
		raw := make([]byte, 0, 4*len(t.I64))
		for _, v := range t.I64 {
			raw = protowire.AppendFixed32(raw, uint32(v))
		}
		return raw
	case t.I64 != nil:
		raw := make([]byte, 0, 8*len(t.I64))
		for _, v := range t.I64 {
			raw = protowire.AppendFixed64(raw, uint64(v))
		}
		return raw
	}
	return slices.Clone(t.Raw)
}

func encodeValue(v Value) []byte {
	var dims []byte
	for _, d := range v.Dims {
		var dim []byte
		if d >= 0 {
			dim = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(d))
		}
		dims = appendMessage(dims, 1, dim)
	}
	tensor := appendMessage(appendVarint(nil, 1, uint64(v.Type)), 2, dims)
	return appendMessage(appendString(nil, 1, v.Name), 2, appendMessage(nil, 1, tensor))
}

func appendVarint(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendFloat(b []byte, num protowire.Number, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), math.Float32bits(v))
}

// appendString leaves an empty string out, as protobuf does.
func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func appendMessage(b []byte, num protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), m)
}
