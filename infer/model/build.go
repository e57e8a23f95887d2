package model

import (
	"fmt"
	"image"
	"strconv"
	"strings"
)

// builder writes the nodes of our graphs. Values are named after the node that makes them.
type builder struct{ g *Graph }

const (
	inputName  = "input"
	outputName = "heads"
)

func newBuilder(name string, size image.Point) *builder {
	return &builder{&Graph{
		Name:   name,
		Inputs: []Value{{Name: inputName, Type: Float32, Dims: Shape{1, 3, size.Y, size.X}}},
	}}
}

// node adds an operation with one output, which has the node's name.
func (b *builder) node(op, name string, attrs []Attr, inputs ...string) string {
	b.g.Nodes = append(b.g.Nodes, Node{Op: op, Name: name, Inputs: inputs, Outputs: []string{name}, Attrs: attrs})
	return name
}

// conv adds a convolution, with its ReLU if it has one.
func (b *builder) conv(name, x string, c *conv) string {
	return b.convWeights(name, name, x, c)
}

// convWeights is conv with constants that carry another name, so that two nodes can share them.
func (b *builder) convWeights(name, weights, x string, c *conv) string {
	w, bias := weights+".weight", weights+".bias"
	b.g.addInit(&Tensor{Name: w, Type: Float32, Dims: Shape{c.out, c.in / c.groups, c.k, c.k}, F32: c.w})
	inputs := []string{x, w}
	if c.b != nil {
		b.g.addInit(&Tensor{Name: bias, Type: Float32, Dims: Shape{c.out}, F32: c.b})
		inputs = append(inputs, bias)
	}
	y := b.node("Conv", name, convAttrs(c, c.k/2), inputs...)
	if c.relu {
		y = b.node("Relu", name+".relu", nil, y)
	}
	return y
}

func convAttrs(c *conv, pad int) []Attr {
	return []Attr{
		attrInts("dilations", 1, 1), attrInt("group", c.groups), attrInts("kernel_shape", c.k, c.k),
		attrInts("pads", pad, pad, pad, pad), attrInts("strides", c.stride, c.stride),
	}
}

func (b *builder) maxPool(name, x string) string {
	return b.node("MaxPool", name, []Attr{attrInts("kernel_shape", 3, 3), attrInts("pads", 1, 1, 1, 1), attrInts("strides", 2, 2)}, x)
}

func (b *builder) concat(name string, axis int, xs ...string) string {
	if len(xs) == 1 {
		return xs[0]
	}
	return b.node("Concat", name, []Attr{attrInt("axis", axis)}, xs...)
}

// slice takes channels from..to-1 of x.
func (b *builder) slice(name, x string, from, to int) string {
	return b.node("Slice", name, nil, x, b.ints(from), b.ints(to), b.ints(1))
}

func (b *builder) reshape(name, x string, shape ...int) string {
	return b.node("Reshape", name, nil, x, b.ints(shape...))
}

// upsample doubles width and height, nearest neighbour.
func (b *builder) upsample(name, x string) string {
	b.g.addInit(&Tensor{Name: "no_roi", Type: Float32, Dims: Shape{0}, F32: []float32{}})
	b.g.addInit(&Tensor{Name: "scale_by_2", Type: Float32, Dims: Shape{4}, F32: []float32{1, 1, 2, 2}})
	return b.node("Resize", name, []Attr{
		attrString("coordinate_transformation_mode", "asymmetric"), attrString("mode", "nearest"), attrString("nearest_mode", "floor"),
	}, x, "no_roi", "scale_by_2")
}

// ints is a constant list of integers.
func (b *builder) ints(v ...int) string {
	t := &Tensor{Type: Int64, Dims: Shape{len(v)}}
	var name strings.Builder
	name.WriteString("ints")
	for _, i := range v {
		t.I64 = append(t.I64, int64(i))
		name.WriteString("_" + strconv.Itoa(i))
	}
	t.Name = name.String()
	b.g.addInit(t)
	return t.Name
}

// int is a constant integer without dimensions.
func (b *builder) int(v int) string {
	t := &Tensor{Name: "int_" + strconv.Itoa(v), Type: Int64, Dims: Shape{}, I64: []int64{int64(v)}}
	b.g.addInit(t)
	return t.Name
}

// finish flattens the heads into the one output; length is their number of values together.
func (b *builder) finish(length int, heads ...string) *Graph {
	flat := make([]string, len(heads))
	for i, h := range heads {
		flat[i] = b.reshape(h+".flat", h, 1, -1)
	}
	b.concat(outputName, 1, flat...)
	b.g.Outputs = []Value{{Name: outputName, Type: Float32, Dims: Shape{1, length}}}
	return b.g
}

// stagePlace names a conv of a stage as the fast graph's constants do.
func stagePlace(stage, block int, part string) string {
	return fmt.Sprintf("stage%d.%d.%s", stage+2, block, part)
}

// headLen is the number of values in all heads at an input size.
func headLen(size image.Point, classes int) int {
	n := 0
	for _, s := range strides {
		n += (size.X / s) * (size.Y / s) * (anchorsPerScale*5 + classes)
	}
	return n
}

func attrInt(name string, v int) Attr { return Attr{Name: name, Kind: AttrInt, I: int64(v)} }

func attrString(name, v string) Attr { return Attr{Name: name, Kind: AttrString, S: v} }

func attrInts(name string, v ...int) Attr {
	a := Attr{Name: name, Kind: AttrInts}
	for _, i := range v {
		a.Ints = append(a.Ints, int64(i))
	}
	return a
}
