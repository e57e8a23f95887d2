package dnn

import (
	"errors"
	"image"
	"slices"
	"strings"
	"testing"

	"yfv2d/infer"
	"yfv2d/infer/model"
)

// A graph opened on its own gives what the engine gives.
func TestNet(t *testing.T) {
	m := builtin(t)
	size := image.Pt(96, 64)
	g, err := m.Graph(size)
	if err != nil {
		t.Fatal(err)
	}
	n, err := OpenNet(g)
	if err != nil {
		t.Fatal(err)
	}
	c := noise(size, 1)
	got, err := n.Forward(c.Pix)
	if err != nil {
		t.Fatal(err)
	}
	if want := forward(t, newEngineOf(t, m), c); !slices.Equal(got, want) {
		t.Error("other values than the engine's")
	}
	if _, err := n.Forward(c.Pix[1:]); err == nil || !strings.Contains(err.Error(), "holds 18431 bytes, want 18432") {
		t.Errorf("a short picture gives %v", err)
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Forward(c.Pix); !errors.Is(err, ErrClosed) {
		t.Errorf("Forward after Close gives %v", err)
	}
}

func TestNetRefuses(t *testing.T) {
	good, err := builtin(t).Graph(image.Pt(infer.MinInput, infer.MinInput))
	if err != nil {
		t.Fatal(err)
	}
	two, odd := *good, *good
	two.Outputs = append(two.Outputs, two.Outputs[0])
	odd.Nodes = append([]model.Node{{Op: "Erf", Name: "e", Inputs: []string{odd.Inputs[0].Name}, Outputs: []string{"e"}}}, odd.Nodes...)
	for _, row := range []struct {
		name string
		g    *model.Graph
		want string
	}{
		{"two outputs", &two, "one output"},
		{"an operator that nobody has", &odd, "not supported"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := OpenNet(row.g); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want one line with %q", err, row.want)
			}
		})
	}
}
