package model

import (
	"bytes"
	"strings"
	"testing"

	"yfv2d/infer/model/modeltest"
)

func TestDamagedONNX(t *testing.T) {
	m := importSmall(t, "pth", 2, ImportOptions{})
	good := m.Encode()
	edited := func(edit func(f *File)) []byte {
		f, err := DecodeONNX(good)
		if err != nil {
			t.Fatal(err)
		}
		edit(f)
		return f.Encode()
	}
	meta := func(key, value string) []byte {
		return edited(func(f *File) {
			for i := range f.Meta {
				if f.Meta[i].Key == key {
					f.Meta[i].Value = value
				}
			}
		})
	}
	stock, err := m.StockONNX(DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	param, _ := modeltest.Small(2).NCNN(false)
	for _, row := range []struct {
		name string
		data []byte
		err  string
	}{
		{"empty", nil, "an empty file"},
		{"text", []byte("model = builtin\n"), "expected an ONNX file"},
		{"truncated", good[:len(good)-100], "damaged protobuf"},
		{"half", good[:len(good)/2], "damaged protobuf"},
		{"weights of PyTorch", modeltest.Small(2).PTH(), "yfv2d model import"},
		{"weights of ncnn", param, "ncnn .param"},
		{"no metadata", edited(func(f *File) { f.Meta = nil }), "not written by yfv2d"},
		{"newer format", meta(keyFormat, "3"), `its format is "3"`},
		{"classes no list", meta(keyClasses, "cat"), "no JSON list"},
		{"classes too few", meta(keyClasses, `["cat"]`), "has 2 classes, but 1"},
		{"class twice", meta(keyClasses, `["cat","cat"]`), "stands twice"},
		{"class with line break", meta(keyClasses, `["cat","do\ng"]`), "short line"},
		{"anchors", meta(keyAnchors, "1,2"), "expected 12"},
		{"strides", meta(keyStrides, "8,16"), `"8,16"`},
		{"resize", meta(keyResize, "crop"), `"crop"`},
		{"score", meta(keyScore, "NaN"), `"NaN"`},
		{"stock graph", stock, `weights "fpn.s2up"`},
		{"other operator", edited(func(f *File) { f.Graph.Nodes[3].Op = "Evil" }), "was changed or damaged"},
		{"long name with line breaks", edited(func(f *File) {
			f.Graph.Nodes[0].Op, f.Graph.Nodes[0].Name = "Co\nnv\x1b[2J", strings.Repeat("\n", 10_000)
			f.Graph.Nodes[0].Attrs = []Attr{{Name: strings.Repeat("\r", 10_000), Kind: AttrTensor, T: &Tensor{Type: Float32, Dims: Shape{2}}}}
		}), `node 0 ("Co\nnv\x1b[2J"`},
		{"many dimensions", edited(func(f *File) { f.Graph.Inputs[0].Dims = make(Shape, 100_000) }), "more than 16 dimensions"},
		{"other wiring", edited(func(f *File) { f.Graph.Nodes[3].Inputs[0] = "input" }), "was changed or damaged"},
		{"more nodes", edited(func(f *File) { f.Graph.Nodes = append(f.Graph.Nodes, f.Graph.Nodes[0]) }), "was changed or damaged"},
		{"constant missing", edited(func(f *File) { f.Graph.Inits = f.Graph.Inits[1:] }), "missing"},
		{"constant of another shape", edited(func(f *File) { f.Graph.Inits[0].Dims = Shape{4, 27, 1, 1} }), "first convolution"},
		{"constant too short", edited(func(f *File) { f.Graph.Inits[0].F32 = f.Graph.Inits[0].F32[1:] }), "107 elements"},
		{"constant without elements", edited(func(f *File) { f.Graph.Inits[0].Dims, f.Graph.Inits[0].F32 = Shape{0, 3, 3, 3}, []float32{} }), "wrong shape"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse(row.data, "bad.onnx")
			checkOneLine(t, err, "bad.onnx", row.err)
		})
	}
}

// TestUnknownOperator has InferShapes name what it does not know.
func TestUnknownOperator(t *testing.T) {
	g := &Graph{
		Inputs:  []Value{{Name: "x", Type: Float32, Dims: Shape{1, 3}}},
		Outputs: []Value{{Name: "y"}},
		Nodes:   []Node{{Op: "NonMaxSuppression", Name: "nms", Inputs: []string{"x"}, Outputs: []string{"y"}}},
	}
	if _, err := InferShapes(g); err == nil || !strings.Contains(err.Error(), `"NonMaxSuppression" is not supported`) {
		t.Errorf("error %v", err)
	}
}

// TestZooRoundTrip reads other people's networks with the same reader and writes them: nothing may be lost.
func TestZooRoundTrip(t *testing.T) {
	for _, parts := range [][]string{
		{"fastestdet", "FastestDet.onnx"}, {"nanodet", "nanodet_m_320.onnx"}, {"nanodet-plus", "nanodet-plus-m_416.onnx"},
		{"picodet", "picodet_s_320_cv.onnx"}, {"yolox", "yolox_nano.onnx"},
	} {
		t.Run(parts[0], func(t *testing.T) {
			data, err := readFile(shared(t, append([]string{"models", "zoo"}, parts...)...))
			if err != nil {
				t.Fatal(err)
			}
			f, err := DecodeONNX(data)
			if err != nil {
				t.Fatal(err)
			}
			once := f.Encode()
			g, err := DecodeONNX(once)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(g.Encode(), once) {
				t.Error("reading and writing it again changes it")
			}
			t.Logf("opset %d, %d nodes, %d constants, %d weights: %v", f.Opset, len(f.Graph.Nodes), len(f.Graph.Inits), f.Graph.Params(), f.Graph.Ops())
			_, err = Parse(data, parts[1])
			checkOneLine(t, err, parts[1], "not written by yfv2d")
		})
	}
}
