package model

import (
	"math"
	"strings"
	"testing"

	"yfv2d/infer/model/modeltest"
)

// watched is a calibrator that has seen so many pictures.
func watchedOn(t testing.TB, m *Model, pictures int) *Calibrator {
	t.Helper()
	c, err := NewCalibrator(m)
	if err != nil {
		t.Fatal(err)
	}
	watch(t, c, pictures)
	return c
}

func watch(t testing.TB, c *Calibrator, pictures int) {
	t.Helper()
	g := c.Graph()
	for i := range pictures {
		if err := c.Add(run(t, g, randomInput(g, uint64(i)))); err != nil {
			t.Fatal(err)
		}
	}
}

// unevenness is how much larger a value's channels get than the median one, on the average over all that may be scaled.
func unevenness(c *Calibrator) (sum float64) {
	n := 0.0
	for i := range c.graph.Nodes {
		if !c.plan.convs[i] {
			continue
		}
		v, readers := c.plan.followed(c.graph, c.graph.Nodes[i].Outputs[0])
		peaks := c.peaks(v)
		if len(readers) == 0 || peaks == nil {
			continue
		}
		var most, mean float64
		for _, p := range peaks {
			most, mean = max(most, p), mean+p/float64(len(peaks))
		}
		if mean > 0 {
			sum, n = sum+most/mean, n+1
		}
	}
	return sum / n
}

// The equalised network is the same one in float, with its channels nearer to each other, and comes out the same every time.
func TestEqualizedIsTheSameNetwork(t *testing.T) {
	m := importSpec(t, modeltest.Small(3))
	c := watchedOn(t, m, 2)
	e, err := c.Equalized()
	if err != nil {
		t.Fatal(err)
	}
	if e.Pictures() != 0 {
		t.Errorf("it has seen %d pictures", e.Pictures())
	}
	input := randomInput(c.graph, 7)
	want, got := run(t, c.graph, input), run(t, e.graph, input)
	for i := range want {
		if d := math.Abs(float64(want[i] - got[i])); !(d <= 1e-4*(1+math.Abs(float64(want[i])))) {
			t.Fatalf("value %d is %g, was %g", i, got[i], want[i])
		}
	}
	watch(t, e, 2)
	if before, after := unevenness(c), unevenness(e); !(after < before) {
		t.Errorf("channels reach %.2f times their mean, before %.2f", after, before)
	}
	again, err := c.Equalized()
	if err != nil {
		t.Fatal(err)
	}
	if string(encodeGraph(e.graph)) != string(encodeGraph(again.graph)) {
		t.Error("a second time gives other weights")
	}
	none, err := NewCalibrator(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := none.Equalized(); err == nil || !strings.Contains(err.Error(), "no picture") {
		t.Errorf("without pictures: %v", err)
	}
}

// Rounding the weights moves no channel in the mean: the bias makes up for it.
func TestQuantizeKeepsMeans(t *testing.T) {
	const channels, inputs, groups = 4, 6, 2
	w := &Tensor{Name: "w", Type: Float32, Dims: Shape{channels, inputs / groups, 1, 1}}
	for i := range channels * inputs / groups {
		w.F32 = append(w.F32, float32(math.Sin(float64(i))))
	}
	g := &Graph{}
	g.addInit(w)
	g.addInit(&Tensor{Name: "b", Type: Float32, Dims: Shape{channels}, F32: []float32{1, -2, 0, 0.5}})
	n := &Node{Op: "Conv", Inputs: []string{"x", "w", "b"}, Outputs: []string{"y"}, Attrs: []Attr{attrInt("group", groups)}}
	x, means := QParam{Scale: 0.01}, []float64{0.3, -0.2, 0.9, 0.1, 0.5, -0.7}
	c := quantizeConv(g, n, x, means)
	for o := range channels {
		want := float64(g.Init("b").F32[o])
		got := float64(c.Bias[o]) * float64(x.Scale) * float64(c.Scale[o])
		for i := range inputs / groups {
			at, in := o*inputs/groups+i, o/(channels/groups)*(inputs/groups)+i
			want += float64(w.F32[at]) * means[in]
			got += float64(c.W[at]) * float64(c.Scale[o]) * means[in]
		}
		if unit := float64(x.Scale) * float64(c.Scale[o]); !(math.Abs(got-want) <= 0.51*unit) {
			t.Errorf("channel %d has the mean %g, want %g within a half of %g", o, got, want, unit)
		}
	}
}
