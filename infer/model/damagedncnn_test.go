package model

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/infer/model/modeltest"
)

func TestDamagedNCNN(t *testing.T) {
	param, bin := modeltest.Small(2).NCNN(true)
	swap := func(old, new string) func() ([]byte, []byte) {
		return func() ([]byte, []byte) {
			if !strings.Contains(string(param), old) {
				t.Fatalf("no %q in the .param", old)
			}
			return []byte(strings.Replace(string(param), old, new, 1)), bin
		}
	}
	withBin := func(b []byte) func() ([]byte, []byte) { return func() ([]byte, []byte) { return param, b } }
	flag := bytes.Clone(bin)
	binary.LittleEndian.PutUint32(flag, 0x000D4B38)
	nan := bytes.Clone(bin)
	binary.LittleEndian.PutUint16(nan[4:], 0x7e00)
	for _, row := range []struct {
		name  string
		files func() (param, bin []byte)
		err   string
	}{
		{"empty param", func() ([]byte, []byte) { return nil, bin }, "expected 7767517"},
		{"binary param", func() ([]byte, []byte) { return []byte("\xdd\x85\x76\x00\x01"), bin }, "binary .param"},
		{"files of one kind", func() ([]byte, []byte) { return bin, bin }, ".param"},
		{"wrong magic", swap("7767517", "7767518"), "expected 7767517"},
		{"wrong layer count", swap("\n", "\n1"), "as line 2 says"},
		{"truncated param", func() ([]byte, []byte) { return param[:len(param)/2], bin }, "line 2 says"},
		{"empty bin", withBin(nil), "0 bytes left; expected 4"},
		{"truncated bin", withBin(bin[:len(bin)/2]), "ends too early"},
		{"bin of another network", withBin(append(bytes.Clone(bin), 1, 2, 3, 4)), "4 bytes more"},
		{"int8 weights", withBin(flag), "kind 0x000d4b38"},
		{"weight that is no number", withBin(nan), "no finite number"},
		{"unknown layer", swap("Pooling", "Python"), `("Python") is of a type`},
		{"recurrent input", swap("1 1 b0 b1", "1 1 b9 b1"), "which no layer before it makes"},
		{"blob made twice", swap("1 1 b0 b1", "1 1 b0 b0"), "a second time"},
		{"short line", swap("Pooling", "Pooling\nx"), "layers; expected"},
		{"counts beyond the line", swap("l1 1 1 b0", "l1 99 1 b0"), "do not fit the line"},
		{"negative count", swap("l1 1 1 b0", "l1 -1 1 b0"), "do not fit the line"},
		{"parameter without value", swap("0=4 1=3", "0=4 1"), "expected id=value"},
		{"parameter no number", swap("0=4 1=3", "0=4 1=x"), "expected an integer"},
		{"huge channels", swap("0=4 1=3", "0=2000000000 1=3"), "out of range"},
		{"weights do not fit", swap("6=108", "6=109"), "109 weights do not fit"},
		{"huge weights", swap("6=108", "6=1080000000"), "ends too early"},
		{"other padding", swap("3=2 4=1", "3=2 4=0"), "padding are not those"},
		{"other activation", swap("9=1", "9=3"), "activation 3"},
		{"shuffle forward", swap("0=2 1=1\n", "0=2\n"), "does not split even from odd"},
		{"uneven slice", swap("-23300=2,-233,-233", "-23300=2,1,-233"), "expected a slice into halves"},
		{"no upsampling", swap("Interp", "Noop"), "connected"},
		{"bilinear", swap("0=1 1=2.000000e+00", "0=2 1=2.000000e+00"), "nearest neighbour"},
		{"no input", swap("Input ", "Noop  "), "there is no Input"},
		{"obj without sigmoid", func() ([]byte, []byte) { return bytes.ReplaceAll(param, []byte("9=4"), nil), bin }, "with sigmoid"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, b := row.files()
			dir := writeFiles(t, map[string][]byte{"bad.param": p, "bad.bin": b})
			_, err := Import(ImportOptions{}, filepath.Join(dir, "bad.param"), filepath.Join(dir, "bad.bin"))
			checkOneLine(t, err, "bad.param", row.err)
		})
	}
	dir := writeFiles(t, map[string][]byte{"lone.param": param})
	_, err := Import(ImportOptions{}, filepath.Join(dir, "lone.param"))
	checkOneLine(t, err, "lone.param", "name both")
}
