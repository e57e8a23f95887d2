package model

// QParam says how a value is kept in int8: number = Scale * (q - Zero).
type QParam struct {
	Scale float32 // over 0
	Zero  int8
}

// QConv is a convolution's constants in int8, symmetric: weight = Scale[output channel] * W.
type QConv struct {
	W     []int8    // in the order of the float weights
	Scale []float32 // one for each output channel, over 0
	Bias  []int32   // in units of the input's scale times the channel's; nil without a bias
}

// Quant is what makes int8 of a float graph. It is read-only once made.
type Quant struct {
	Convs  map[string]*QConv // by the convolution's output; the others are computed in float
	Values map[string]QParam // by value: it is rounded to int8 where it is made, and all readers see that
}

// Quant is the model's int8 form, nil for a float model. Its names are those of Graph at every size, and Graph's weights
// are then the rounded ones.
func (m *Model) Quant() *Quant { return m.quant }

// Float is the model computed in float: of an int8 model the one with the rounded weights and nothing else rounded, of a float
// model the model itself.
func (m *Model) Float() *Model {
	if m.quant == nil {
		return m
	}
	f := *m
	f.quant = nil
	return &f
}

// The oldest opset whose DequantizeLinear takes a scale for each channel, and its IR version.
const (
	qdqOpset     = 13
	qdqIRVersion = 7
)

// ONNX's numbers for the types of quantised tensors.
const (
	Int8  DType = 3
	Int32 DType = int32Type
)

// qdqGraph writes a float graph and its int8 form as standard ONNX: each quantised value passes QuantizeLinear and
// DequantizeLinear, each quantised constant is int8 (a bias int32) behind a DequantizeLinear.
func qdqGraph(g *Graph, q *Quant) *Graph {
	w := &qdqWriter{b: builder{&Graph{Name: g.Name, Inputs: g.Inputs, Outputs: g.Outputs}}, g: g, q: q}
	for _, in := range g.Inputs {
		w.pair(in.Name)
	}
	for i := range g.Nodes {
		w.node(g.Nodes[i])
	}
	return w.b.g
}

type qdqWriter struct {
	b builder
	g *Graph
	q *Quant
}

func (w *qdqWriter) node(n Node) {
	inputs := append([]string(nil), n.Inputs...)
	c := w.q.Convs[n.Outputs[0]]
	for i, in := range inputs {
		_, quantised := w.q.Values[in]
		switch t := w.g.Init(in); {
		case quantised:
			inputs[i] = in + ".dq"
		case c != nil && i == 1:
			w.weights(t, c)
		case c != nil && i == 2:
			w.bias(t, c, w.q.Values[n.Inputs[0]].Scale)
		case t != nil:
			w.b.g.addInit(t)
		}
	}
	n.Inputs = inputs
	w.b.g.Nodes = append(w.b.g.Nodes, n)
	for _, out := range n.Outputs {
		w.pair(out)
	}
}

// pair adds the rounding of a quantised value.
func (w *qdqWriter) pair(v string) {
	p, ok := w.q.Values[v]
	if !ok {
		return
	}
	scale, zero := v+".scale", v+".zero"
	w.b.g.addInit(&Tensor{Name: scale, Type: Float32, Dims: Shape{}, F32: []float32{p.Scale}})
	w.b.g.addInit(&Tensor{Name: zero, Type: Int8, Dims: Shape{}, Raw: []byte{byte(p.Zero)}})
	w.b.node("QuantizeLinear", v+".q", nil, v, scale, zero)
	w.b.node("DequantizeLinear", v+".dq", nil, v+".q", scale, zero)
}

func (w *qdqWriter) weights(t *Tensor, c *QConv) {
	raw := make([]byte, len(c.W))
	for i, v := range c.W {
		raw[i] = byte(v)
	}
	channels := Shape{len(c.Scale)}
	name := t.Name
	w.b.g.addInit(&Tensor{Name: name + ".int8", Type: Int8, Dims: t.Dims, Raw: raw})
	w.b.g.addInit(&Tensor{Name: name + ".scale", Type: Float32, Dims: channels, F32: c.Scale})
	w.b.g.addInit(&Tensor{Name: name + ".zero", Type: Int8, Dims: channels, Raw: make([]byte, len(c.Scale))})
	w.b.node("DequantizeLinear", name, []Attr{attrInt("axis", 0)}, name+".int8", name+".scale", name+".zero")
}

func (w *qdqWriter) bias(t *Tensor, c *QConv, input float32) {
	name := t.Name
	ints := make([]int64, len(c.Bias))
	for i, v := range c.Bias {
		ints[i] = int64(v)
	}
	w.b.g.addInit(&Tensor{Name: name + ".int32", Type: Int32, Dims: t.Dims, I64: ints})
	w.b.g.addInit(&Tensor{Name: name + ".scale", Type: Float32, Dims: t.Dims, F32: biasScale(input, c.Scale)})
	w.b.node("DequantizeLinear", name, []Attr{attrInt("axis", 0)}, name+".int32", name+".scale")
}

// biasScale is what one unit of a bias stands for: that of the products it is added to.
func biasScale(input float32, weights []float32) []float32 {
	out := make([]float32, len(weights))
	for i, s := range weights {
		out[i] = input * s
	}
	return out
}

// isQDQ says that the graph holds quantised values.
func isQDQ(g *Graph) bool {
	for i := range g.Nodes {
		if isQuantOp(g.Nodes[i].Op) {
			return true
		}
	}
	return false
}

func isQuantOp(op string) bool { return op == "QuantizeLinear" || op == "DequantizeLinear" }

// precision names the form of a model's weights.
func (m *Model) precision() string {
	if m.quant == nil {
		return "float32"
	}
	return "int8"
}
