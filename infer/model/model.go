package model

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"

	"yfv2d/infer"
)

// Model is a detector: a network's weights and what is needed to use them. It is read-only once made and safe for use
// by many goroutines.
type Model struct {
	Name         string
	Classes      []string // by class number
	Head         infer.Head
	Resize       infer.Resize // how the training pictures were fitted to the input
	DefaultScore float32      // the least score worth showing, 0..1

	Source  string // name of the file or files that the weights were imported from
	SHA256  string // of that file, hexadecimal; of a pair: both, joined by "+"
	Licence string // one line; empty if not known
	Notes   string // one line
	File    string // where the model was read from: a path or "builtin"; empty right after an import
	Warning string // one line for the user about something assumed in an import; empty otherwise

	net   *fastNet
	quant *Quant // nil: float
}

// DefaultSize is the input that the network was trained with, in pixels.
var DefaultSize = image.Pt(352, 352)

// MaxSide bounds an input's width and height, pixels.
const MaxSide = 4096

// BuiltinName is what Load takes for the model inside the program.
const BuiltinName = "builtin"

//go:generate go run yfv2d/cmd/yfv2d model import ../../../shared/models/bundled/yolo-fastestv2-bundled.pth --builtin -o builtin/yolo-fastestv2-builtin.onnx

//go:embed builtin/yolo-fastestv2-builtin.onnx
var builtinONNX []byte

//go:embed builtin/MODEL_CARD.md
var builtinCard string

//go:embed builtin/LICENSE.FastestDet
var builtinLicence string

// Builtin is the model inside the program: a small demo model made for this project.
func Builtin() (*Model, error) { return Parse(builtinONNX, BuiltinName) }

// BuiltinCard is the built-in model's card and the licence text that must stay with its weights.
func BuiltinCard() (card, licence string) { return builtinCard, builtinLicence }

// Load reads the model that ref names: "builtin" or the path of an ONNX file of ours.
func Load(ref string) (*Model, error) {
	if ref == BuiltinName || ref == "" {
		return Builtin()
	}
	return Open(ref)
}

// maxFile bounds what a reader takes into memory, bytes; a hostile file can cost some hundred times its size. The network has 1 MB.
const maxFile = 32 << 20

// Open reads an ONNX file that Encode wrote. The error is one line with the file's name, what is wrong and what to do.
func Open(path string) (*Model, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(data, path)
}

func readFile(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("model: %s is not a regular file", path)
	}
	if st.Size() > maxFile {
		return nil, fmt.Errorf("model: %s has %d bytes; expected at most %d", path, st.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return data, nil
}

// Parse reads the bytes of an ONNX file that Encode wrote; name stands in errors.
func Parse(data []byte, name string) (*Model, error) {
	m, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	m.File = name
	return m, nil
}

func parse(data []byte) (*Model, error) {
	if kind := foreignKind(data); kind != "" {
		return nil, fmt.Errorf("this is %s; make an ONNX file of it with `yfv2d model import`", kind)
	}
	f, err := DecodeONNX(data)
	if err != nil {
		return nil, fmt.Errorf("%w; expected an ONNX file written by `yfv2d model import`", err)
	}
	m := &Model{}
	if err := m.setMeta(f); err != nil {
		return nil, err
	}
	g := f.Graph
	if isQDQ(g) {
		if g, m.quant, err = SplitQDQ(g); err != nil {
			return nil, err
		}
	}
	if m.net, err = readFastNet(g); err != nil {
		return nil, err
	}
	if got, want := m.net.outObjCls.out-anchorsPerScale, len(m.Classes); got != want {
		return nil, fmt.Errorf("the network has %d classes, but %d are named", got, want)
	}
	m.Head = newHead(len(m.Classes), m.Head.Anchors)
	return m, m.sameGraph(f.Graph)
}

// sameGraph makes sure that the file's nodes are those that we would write for its weights.
func (m *Model) sameGraph(g *Graph) error {
	if !bytes.Equal(encodeGraph(g), encodeGraph(m.fileGraph())) {
		return errors.New("its graph is not the one that its weights belong to: the file was changed or damaged; import the weights again")
	}
	return nil
}

// foreignKind recognises files that a user may take for a model of ours.
func foreignKind(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return "a zip file, perhaps PyTorch weights"
	case bytes.HasPrefix(data, []byte(ncnnMagic+"\n")) || bytes.HasPrefix(data, []byte(ncnnMagic+"\r\n")):
		return "an ncnn .param file"
	case len(data) == 0:
		return "an empty file"
	}
	return ""
}

// ncnnMagic is the first line of an ncnn text .param file.
const ncnnMagic = "7767517"

func newHead(classes int, anchors [][][2]float32) infer.Head {
	return infer.Head{Classes: classes, Strides: append([]int(nil), strides...), Anchors: anchors}
}

// CheckSize says whether the network takes an input of this size.
func CheckSize(size image.Point) error {
	if size.X < 32 || size.Y < 32 || size.X%32 != 0 || size.Y%32 != 0 || size.X > MaxSide || size.Y > MaxSide {
		return fmt.Errorf("network input of %dx%d pixels: width and height must be multiples of 32, from 32 to %d", size.X, size.Y, MaxSide)
	}
	return nil
}

// Graph is the network for an input size, in the form that runs fastest where a 5x5 depthwise convolution costs what
// its arithmetic says. Input "input" is (1,3,H,W) BGR in 0..1; output "heads" is one row in infer.Engine's order.
func (m *Model) Graph(size image.Point) (*Graph, error) {
	if err := CheckSize(size); err != nil {
		return nil, err
	}
	return fastGraph(m.net, size), nil
}

// PlainONNX is a complete ONNX file of Graph, for engines whose 5x5 depthwise convolution is as fast as their 3x3 one.
func (m *Model) PlainONNX(size image.Point) ([]byte, error) {
	g, err := m.Graph(size)
	if err != nil {
		return nil, err
	}
	return m.file(g).Encode(), nil
}

// ONNX is a complete ONNX file of the network for an input size, in the form that runs fastest in OpenCV 4.6 on amd64:
// Graph with depthwise convolutions rewritten for its fast path.
func (m *Model) ONNX(size image.Point) ([]byte, error) {
	g, err := m.Graph(size)
	if err != nil {
		return nil, err
	}
	if err := fastDepthwise(g); err != nil {
		return nil, err
	}
	return m.file(g).Encode(), nil
}

// StockONNX is the network as the official PyTorch export has it, with the same input and output as ONNX.
func (m *Model) StockONNX(size image.Point) ([]byte, error) {
	if err := CheckSize(size); err != nil {
		return nil, err
	}
	return m.file(stockGraph(m.net.original(), size)).Encode(), nil
}

// Encode is the model as a file that Open reads. Equal models give equal bytes.
func (m *Model) Encode() []byte {
	f := m.file(m.fileGraph())
	if m.quant != nil {
		f.IRVersion, f.Opset = qdqIRVersion, qdqOpset
	}
	return f.Encode()
}

// fileGraph is the graph that the model's file holds.
func (m *Model) fileGraph() *Graph {
	g := fastGraph(m.net, DefaultSize)
	if m.quant != nil {
		return qdqGraph(g, m.quant)
	}
	return g
}

// Opset 11 is the oldest that has Resize as PyTorch's upsampling needs it, and both OpenCV 4.6 and current ONNX Runtime
// take it.
const (
	irVersion = 6
	opset     = 11
	producer  = "yfv2d"
)

func (m *Model) file(g *Graph) *File {
	return &File{IRVersion: irVersion, Opset: opset, Producer: producer, Meta: m.meta(), Graph: g}
}

// baseNames joins the file names of paths, without folders.
func baseNames(paths []string) string {
	s := ""
	for i, p := range paths {
		if i > 0 {
			s += "+"
		}
		s += filepath.Base(p)
	}
	return s
}
