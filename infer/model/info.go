package model

import (
	"slices"
	"strings"
)

// OpCount is how often a graph uses an operator.
type OpCount struct {
	Op    string `json:"op"`
	Count int    `json:"count"`
}

// Info is a model's card.
type Info struct {
	Name         string    `json:"name"`
	File         string    `json:"file"`
	Classes      []string  `json:"classes"`
	Input        [2]int    `json:"input"` // width, height in pixels of the default input; other multiples of 32 work too
	Parameters   int       `json:"parameters"`
	MACs         int64     `json:"macs"`      // multiply-adds of one run at that input
	Precision    string    `json:"precision"` // of the weights: float32 or int8
	Layers       []OpCount `json:"layers"`
	Strides      []int     `json:"strides"`
	Anchors      string    `json:"anchors"`
	Resize       string    `json:"resize"`
	DefaultScore float32   `json:"default_score"`
	Source       string    `json:"source"`
	SourceSHA256 string    `json:"source_sha256"`
	SHA256       string    `json:"sha256"` // of the model as an ONNX file
	Licence      string    `json:"licence"`
	Notes        string    `json:"notes"`
}

// Info describes the model.
func (m *Model) Info() (*Info, error) {
	g, err := m.Graph(DefaultSize)
	if err != nil {
		return nil, err
	}
	macs, err := g.MACs()
	if err != nil {
		return nil, err
	}
	return &Info{
		Name: m.Name, File: m.File, Classes: m.Classes, Input: [2]int{DefaultSize.X, DefaultSize.Y},
		Parameters: g.Params(), MACs: macs, Precision: m.precision(), Layers: g.Ops(), Strides: m.Head.Strides, Anchors: FormatAnchors(m.Head.Anchors),
		Resize: resizeName(m.Resize), DefaultScore: m.DefaultScore, Source: m.Source, SourceSHA256: m.SHA256,
		SHA256: hashOf(m.Encode()), Licence: m.Licence, Notes: m.Notes,
	}, nil
}

// Ops counts the graph's operators, the most frequent first.
func (g *Graph) Ops() []OpCount {
	count := map[string]int{}
	for i := range g.Nodes {
		count[g.Nodes[i].Op]++
	}
	out := make([]OpCount, 0, len(count))
	for op, n := range count {
		out = append(out, OpCount{op, n})
	}
	slices.SortFunc(out, func(a, b OpCount) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Op, b.Op)
	})
	return out
}

// MACs is the number of multiply-adds in the graph's convolutions.
func (g *Graph) MACs() (int64, error) {
	shapes, err := InferShapes(g)
	if err != nil {
		return 0, err
	}
	var total int64
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Op != "Conv" {
			continue
		}
		w, y := shapes[n.Inputs[1]], shapes[n.Outputs[0]]
		total += int64(w[1]) * int64(w[2]) * int64(w[3]) * int64(y[1]) * int64(y[2]) * int64(y[3])
	}
	return total, nil
}
