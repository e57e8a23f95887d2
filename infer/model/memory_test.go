package model

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestMemoryBound feeds each reader the files that cost it most for their size. All that it allocates on the way, garbage
// included, must stay within a constant times the file.
func TestMemoryBound(t *testing.T) {
	const size = 1 << 18
	message := func(field byte, inner string) []byte {
		b := []byte{field<<3 | 2}
		n := len(inner)
		for n > 127 {
			b, n = append(b, byte(n)|0x80), n>>7
		}
		return append(append(b, byte(n)), inner...)
	}
	read := func(data []byte) { _, _ = DecodeONNX(data) }
	lines := strings.Repeat("Split a 0 1 b\n", 4000)
	for _, row := range []struct {
		name  string
		data  []byte
		parse func(data []byte)
	}{
		{"ONNX of empty nodes", message(7, strings.Repeat("\x0a\x00", size/2)), read},
		{"ONNX of empty constants", message(7, strings.Repeat("\x2a\x00", size/2)), read},
		{"ONNX of empty inputs", message(7, strings.Repeat("\x5a\x00", size/2)), read},
		{"ONNX of empty properties", bytes.Repeat([]byte("\x72\x00"), size/2), read},
		{"ONNX of empty attributes", message(7, string(message(1, strings.Repeat("\x2a\x00", size/2)))), read},
		{"ONNX with a long list", message(7, string(message(1, string(message(5, string(message(8, strings.Repeat("\x01", size)))))))), read},
		{"constant that claims 2^31 elements", message(7, string(message(5, "\x08\xff\xff\xff\xff\x07\x10\x01"))), read},
		{"pickle of dicts", pickled("\x80\x02(" + strings.Repeat("}", size)), func(b []byte) { _, _ = parsePTH(b) }},
		{"pickle of dicts that passes", pickled("\x80\x02}(" + strings.Repeat("X\x00\x00\x00\x00}", size/6) + "u."), func(b []byte) { _, _ = parsePTH(b) }},
		{"pickle of ordered dicts", pickled("\x80\x02ccollections\nOrderedDict\nq\x00}(" + strings.Repeat("X\x00\x00\x00\x00h\x00)R", size/9) + "u."), func(b []byte) { _, _ = parsePTH(b) }},
		{"pickle of marks", pickled("\x80\x02}" + strings.Repeat("(t0", size/3) + "."), func(b []byte) { _, _ = parsePTH(b) }},
		{"pickle that claims 2 GB of text", pickled("\x80\x02X\xff\xff\xff\x7f."), func(b []byte) { _, _ = parsePTH(b) }},
		{"ncnn of many layers", []byte(fmt.Sprintf("7767517\n4000 1\n%s", lines)), func(b []byte) { _, _ = parseNCNN(b, nil) }},
		{"ncnn that claims 2^31 weights", []byte("7767517\n2 2\nInput a 0 1 a\nConvolution b 1 1 a b 0=1 1=1 6=2147483647\n"), func(b []byte) { _, _ = parseNCNN(b, make([]byte, 100)) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			row.parse(row.data)
			runtime.ReadMemStats(&after)
			got, file := after.TotalAlloc-before.TotalAlloc, uint64(len(row.data))
			t.Logf("%d bytes of file: %d bytes allocated, %d a byte", file, got, got/file)
			if got > 1000*file+1<<20 {
				t.Errorf("a file of %d bytes made the reader allocate %d", file, got)
			}
		})
	}
}
