package model

import (
	"fmt"
)

// DType is a tensor's element type, with ONNX's own numbers (TensorProto.DataType).
type DType int32

const (
	Float32 DType = 1
	Int64   DType = 7
	Float64 DType = 11
)

// Shape is a tensor's dimensions, outermost first; -1 is a dimension not known.
type Shape []int

// Elems is the number of elements, or an error if a dimension is unknown or the product does not fit limit.
func (s Shape) Elems(limit int) (int, error) {
	n := 1
	for _, d := range s {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a dimension that is not known", []int(s))
		}
		if d > 0 && n > limit/d {
			return 0, fmt.Errorf("shape %v has more than %d elements", []int(s), limit)
		}
		n *= d
	}
	return n, nil
}

// Tensor is a constant. Floats (Float32, and Float64 rounded to it) are in F32, Int64 and Int32 in I64; elements of
// other types are left as they were read, in Raw.
type Tensor struct {
	Name string
	Type DType
	Dims Shape
	F32  []float32
	I64  []int64
	Raw  []byte // little-endian
}

// Value names a graph's input or output.
type Value struct {
	Name string
	Type DType
	Dims Shape
}

// AttrKind says which field of an Attr holds its value, with ONNX's own numbers (AttributeProto.AttributeType).
type AttrKind int32

const (
	AttrFloat   AttrKind = 1
	AttrInt     AttrKind = 2
	AttrString  AttrKind = 3
	AttrTensor  AttrKind = 4
	AttrFloats  AttrKind = 6
	AttrInts    AttrKind = 7
	AttrStrings AttrKind = 8
)

// Attr is one named attribute of a node.
type Attr struct {
	Name    string
	Kind    AttrKind
	F       float32
	I       int64
	S       string
	T       *Tensor
	Floats  []float32
	Ints    []int64
	Strings []string
}

// Node is one operation: its ONNX operator, the values it reads ("" is an input left out) and those it makes.
type Node struct {
	Op      string
	Domain  string // empty for the standard operators
	Name    string
	Inputs  []string
	Outputs []string
	Attrs   []Attr
}

// Attr returns the attribute of that name, nil if the node has none.
func (n *Node) Attr(name string) *Attr {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			return &n.Attrs[i]
		}
	}
	return nil
}

// Int is an integer attribute, or def if the node has none of that name.
func (n *Node) Int(name string, def int) int {
	if a := n.Attr(name); a != nil && a.Kind == AttrInt {
		return int(a.I)
	}
	return def
}

// Ints is a list attribute, or def if the node has none of that name.
func (n *Node) Ints(name string, def ...int) []int {
	a := n.Attr(name)
	if a == nil || a.Kind != AttrInts {
		return def
	}
	out := make([]int, len(a.Ints))
	for i, v := range a.Ints {
		out[i] = int(v)
	}
	return out
}

// Str is a string attribute, or def if the node has none of that name.
func (n *Node) Str(name, def string) string {
	if a := n.Attr(name); a != nil && a.Kind == AttrString {
		return a.S
	}
	return def
}

// String names the node. Names come from files: they are quoted and cut, so that an error stays one short line.
func (n *Node) String() string { return fmt.Sprintf("%.40q %.60q", n.Op, n.Name) }

// Graph is a network in ONNX's operators. Nodes stand in an order in which they can be run. Constants are shared
// between graphs: treat their elements as read-only.
type Graph struct {
	Name    string
	Inputs  []Value // without constants
	Outputs []Value
	Nodes   []Node
	Inits   []*Tensor

	index map[string]*Tensor
}

// Init returns the constant of that name, nil if there is none.
func (g *Graph) Init(name string) *Tensor {
	if g.index == nil || len(g.index) != len(g.Inits) {
		g.index = make(map[string]*Tensor, len(g.Inits))
		for _, t := range g.Inits {
			g.index[t.Name] = t
		}
	}
	return g.index[name]
}

// addInit adds t unless a constant of its name stands already.
func (g *Graph) addInit(t *Tensor) {
	if g.Init(t.Name) != nil {
		return
	}
	g.Inits = append(g.Inits, t)
	g.index[t.Name] = t
}

// Params is the number of weights and biases of the graph's convolutions.
func (g *Graph) Params() int {
	seen, n := map[string]bool{}, 0
	for i := range g.Nodes {
		if g.Nodes[i].Op != "Conv" {
			continue
		}
		for _, in := range g.Nodes[i].Inputs[1:] {
			if t := g.Init(in); t != nil && !seen[in] {
				seen[in] = true
				n += len(t.F32)
			}
		}
	}
	return n
}
