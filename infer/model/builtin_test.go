package model

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestBuiltinReproduced makes the built-in model from its weights again and compares every byte.
func TestBuiltinReproduced(t *testing.T) {
	m, err := Import(BuiltinOptions(), shared(t, "models", "bundled", "yolo-fastestv2-bundled.pth"))
	if err != nil {
		t.Fatal(err)
	}
	const file = "builtin/yolo-fastestv2-builtin.onnx"
	if *update {
		if err := os.WriteFile(file, m.Encode(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Encode(), want) {
		t.Errorf("the imported model differs from %s; make it again with go generate", file)
	}
}
