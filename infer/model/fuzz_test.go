package model

import (
	"os"
	"strings"
	"testing"
	"unicode"

	"yfv2d/infer/model/modeltest"
)

// checkFuzzed wants a model that works, or an error of one short line without control characters.
func checkFuzzed(t *testing.T, n *network, err error) {
	if err != nil {
		if strings.ContainsFunc(err.Error(), unicode.IsControl) || len(err.Error()) > 1000 {
			t.Errorf("an error that is no short line: %q", err)
		}
		return
	}
	m := &Model{Name: "x", Classes: make([]string, n.classes()), Head: newHead(n.classes(), mustAnchors(t)), net: newFastNet(n)}
	g, err := m.Graph(DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := InferShapes(g); err != nil {
		t.Errorf("a network that was taken cannot run: %v", err)
	}
	if _, err := m.StockONNX(DefaultSize); err != nil {
		t.Error(err)
	}
}

func mustAnchors(t *testing.T) [][][2]float32 {
	a, err := ParseAnchors(officialAnchors)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// tiny is the least network, so that a fuzzer's inputs are small.
func tiny() modeltest.Spec {
	return modeltest.Spec{Classes: 1, Stem: 2, Repeats: [3]int{1, 1, 1}, Depth: 2}
}

func FuzzPTH(f *testing.F) {
	rs := tiny().Records()
	f.Add(tiny().PTH())
	f.Add(modeltest.Small(2).PTH())
	f.Add(modeltest.Zip(rs[:1], 0))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parsePTH(data)
		checkFuzzed(t, n, err)
	})
}

// FuzzPickle reaches what a zip's checksums keep FuzzPTH from: what passes the check must not make the unpickler panic.
func FuzzPickle(f *testing.F) {
	f.Add(tiny().Records()[0].Data)
	f.Add([]byte("\x80\x02}q\x00(X\x01\x00\x00\x00a)X\x01\x00\x00\x00bccollections\nOrderedDict\n)Ru."))
	f.Add([]byte("\x80\x02ccollections\nOrderedDict\nq\x01)R}(X\x09\x00\x00\x00_metadata}ub."))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkPickle(data) != nil {
			return
		}
		if _, err := unpickle(data); err != nil && strings.Contains(err.Error(), "damaged: ") {
			t.Errorf("the unpickler panicked: %v", err)
		}
	})
}

func FuzzNCNN(f *testing.F) {
	for _, half := range []bool{false, true} {
		param, bin := tiny().NCNN(half)
		f.Add(param, bin)
	}
	param, bin := modeltest.Small(2).NCNN(true)
	f.Add(param, bin)
	f.Fuzz(func(t *testing.T, param, bin []byte) {
		n, err := parseNCNN(param, bin)
		checkFuzzed(t, n, err)
	})
}

func FuzzONNX(f *testing.F) {
	dir := f.TempDir()
	for i, s := range []modeltest.Spec{tiny(), modeltest.Small(2)} {
		path := dir + "/" + string(rune('a'+i)) + ".pth"
		if err := os.WriteFile(path, s.PTH(), 0o644); err != nil {
			f.Fatal(err)
		}
		m, err := Import(ImportOptions{}, path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := DecodeONNX(data); err == nil {
			if _, err := InferShapes(file.Graph); err != nil {
				checkFuzzed(t, nil, err)
			}
			if _, err := DecodeONNX(file.Encode()); err != nil {
				t.Errorf("what was read cannot be read again: %v", err)
			}
		}
		m, err := Parse(data, "x")
		if err != nil {
			checkFuzzed(t, nil, err)
			return
		}
		checkFuzzed(t, m.net.original(), nil)
	})
}
