//go:build cgo && !noxnnpack

package xnn

import (
	"slices"
	"strings"
	"testing"

	"yfv2d/infer/model"
)

// FuzzGraph reads ONNX files: whatever they say, the engine refuses them in one line, or runs them within the memory it
// planned.
func FuzzGraph(f *testing.F) {
	for _, row := range graphs {
		g := newGraph(6, 8)
		g.Outputs = []model.Value{{Name: row.build(g)}}
		f.Add((&model.File{IRVersion: 6, Opset: 11, Producer: "test", Graph: &g.Graph}).Encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := model.DecodeONNX(data)
		if err != nil || file.Graph == nil {
			return
		}
		plain := fuzzedRun(t, file.Graph)
		g, err := model.Prepare(file.Graph)
		if err != nil {
			oneLine(t, err)
			return
		}
		if _, err := model.OpenCVONNX(g); err != nil {
			oneLine(t, err)
		}
		if prepared := fuzzedRun(t, g); plain != nil && prepared != nil && len(plain) != len(prepared) {
			t.Fatalf("%d values as it is and %d prepared", len(plain), len(prepared))
		}
	})
}

// fuzzedRun is a graph's output, nil if it is refused or too slow for a test.
func fuzzedRun(t *testing.T, g *model.Graph) []float32 {
	p, err := newPlan(g)
	if err != nil {
		oneLine(t, err)
		return nil
	}
	if cost(p) > 1<<24 {
		return nil
	}
	pr, err := bound(t, p)
	if err != nil {
		return nil
	}
	d := g.Inputs[0].Dims
	if err := pr.run(make([]byte, 3*d[2]*d[3])); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(pr.out)
}

func oneLine(t *testing.T, err error) {
	if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
		t.Fatalf("not one short line: %v", err)
	}
}

// cost is roughly how many multiply-adds and moves a plan takes.
func cost(p *plan) int {
	n := p.floats
	for _, s := range p.steps {
		n += s.h*s.w*s.in.c + s.oh*s.ow*(s.out.c*s.window.kh*s.window.kw+len(s.weights))
	}
	return n
}
