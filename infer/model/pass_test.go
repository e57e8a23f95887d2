package model

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// A depthwise convolution between two values gives the same numbers before and after the rewriting, whatever the plane.
func TestFastDepthwise(t *testing.T) {
	rows := []struct {
		k, stride int
		relu      bool
		size      image.Point
		nodes     int // after the rewriting
	}{
		{3, 1, false, image.Pt(22, 9), 1},  // fast as it is
		{3, 1, false, image.Pt(18, 5), 1},  // just wide enough
		{3, 1, false, image.Pt(17, 5), 3},  // pad, conv, cut
		{3, 1, true, image.Pt(11, 11), 4},  // and ReLU
		{3, 2, false, image.Pt(16, 12), 3}, // stride 2
		{3, 2, true, image.Pt(13, 13), 4},
		{3, 1, false, image.Pt(7, 7), 1},  // too narrow
		{5, 1, true, image.Pt(22, 22), 8}, // two pads, four convs, sum, ReLU
		{5, 1, false, image.Pt(18, 3), 7},
		{5, 1, true, image.Pt(17, 4), 9}, // and cut
		{5, 1, true, image.Pt(11, 11), 9},
		{5, 1, false, image.Pt(8, 20), 8},
		{5, 1, true, image.Pt(7, 20), 2},
		{3, 1, true, image.Pt(20, 1), 3},  // a single row: pad above and below
		{3, 1, false, image.Pt(10, 1), 3}, // and widen
		{3, 2, false, image.Pt(20, 1), 2},
		{5, 1, true, image.Pt(20, 1), 2}, // left alone
		{5, 1, true, image.Pt(20, 2), 8},
		{5, 2, true, image.Pt(22, 22), 2}, // no such thing in the network: left alone
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%dx%d stride %d relu %v on %v", row.k, row.k, row.stride, row.relu, row.size), func(t *testing.T) {
			before := depthwiseGraph(t, row.k, row.stride, row.relu, row.size)
			after := depthwiseGraph(t, row.k, row.stride, row.relu, row.size)
			x := randoms(rand.New(rand.NewPCG(3, 4)), 3*row.size.X*row.size.Y)
			want := run(t, before, x)
			if err := fastDepthwise(after); err != nil {
				t.Fatal(err)
			}
			if len(after.Nodes) != row.nodes {
				t.Errorf("%d nodes, want %d", len(after.Nodes), row.nodes)
			}
			got := run(t, after, x)
			if len(got) != len(want) {
				t.Fatalf("%d values, want %d", len(got), len(want))
			}
			for i := range got {
				if math.Abs(float64(got[i]-want[i])) > 1e-5 {
					t.Fatalf("value %d is %g, want %g", i, got[i], want[i])
				}
			}
		})
	}
}

func depthwiseGraph(t *testing.T, k, stride int, relu bool, size image.Point) *Graph {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	b := newBuilder("test", size)
	c := &conv{out: 3, in: 3, k: k, stride: stride, groups: 3, relu: relu, w: randoms(r, 3*k*k), b: randoms(r, 3)}
	y := b.conv("dw", inputName, c)
	shapes, err := InferShapes(b.g)
	if err != nil {
		t.Fatal(err)
	}
	b.g.Outputs = []Value{{Name: y, Type: Float32, Dims: shapes[y]}}
	return b.g
}

func randoms(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}
