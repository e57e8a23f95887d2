package model

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/infer/model/modeltest"
)

// TestDamagedPTH has one row for each way in which a file can be wrong: the error must be one line that names the
// file and says what is wrong.
func TestDamagedPTH(t *testing.T) {
	spec := modeltest.Small(2)
	good := spec.PTH()
	for _, row := range []struct {
		name string
		data []byte
		err  string
	}{
		{"empty", nil, "not a PyTorch file"},
		{"text", []byte("hello"), "not a PyTorch file"},
		{"truncated", good[:len(good)/2], "not a PyTorch file"},
		{"old format", []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), "old format"},
		{"no pickle", modeltest.Zip([]modeltest.Record{{Name: "archive/version", Data: []byte("3")}}, zip.Store), `record "data.pkl" is missing`},
		{"TorchScript", modeltest.Zip([]modeltest.Record{{Name: "a/constants.pkl"}}, zip.Store), "TorchScript"},
		{"record twice", modeltest.Zip([]modeltest.Record{{Name: "a/data.pkl"}, {Name: "a/data.pkl"}}, zip.Store), "two records"},
		{"big endian", modeltest.Zip(append(spec.Records(), modeltest.Record{Name: "a/byteorder", Data: []byte("big")}), zip.Store), `byte order "big"`},
		{"zip bomb", bomb(), "is compressed"},
		{"data record missing", without(spec.Records(), "archive/data/3"), `record "data/3" is missing`},
		{"data record short", replaced(spec.Records(), "archive/data/0", make([]byte, 8)), "expected 108 elements of 4"},
		{"bit flipped", flipped(good), "checksum"},
		{"infinite weight", replaced(spec.Records(), "archive/data/0", bytes.Repeat([]byte{0, 0, 0x80, 0x7f}, 108)), "no finite number"},
		{"negative variance", replaced(spec.Records(), "archive/data/4", bytes.Repeat([]byte{0, 0, 0x80, 0xbf}, 4)), "variance of -1"},
		{"no tensors", pickled("\x80\x02}."), "no tensors"},
		{"foreign network", pickled("\x80\x02}(" + text("conv.weight") + tensorOps("0", "J\x01\x00\x00\x00", "K\x01", "K\x01") + "u."), "not those of YOLO-FastestV2"},
		{"foreign global", pickled("\x80\x02cos\nsystem\n" + text("rm -rf /") + "\x85R."), `it names "os.system"`},
		{"global by instance", pickled("\x80\x02(ios\nsystem\n."), "opcode 0x69"},
		{"global by stack", pickled("\x80\x04\x8c\x02os\x8c\x06system\x93."), "protocol 4"},
		{"opcode beyond the table", pickled("\x80\x02\xff."), "opcode 0xff"},
		{"self-containing list", pickled("\x80\x02]q\x00h\x00a."), "opcode 0x5d"},
		{"self-containing dict", pickled("\x80\x02}q\x00" + text("a") + "h\x00s."), "memo entry 0"},
		{"called storage", pickled("\x80\x02ctorch\nFloatStorage\n)R."), "it calls torch.FloatStorage"},
		{"called tuple", pickled("\x80\x02))R."), "wrong kind"},
		{"long text", pickled("\x80\x02X\xff\xff\xff\x7fabc."), "a text of 2147483647 bytes"},
		{"empty number", pickled("\x80\x02\x8a\x00."), "a number of 0 bytes"},
		{"odd dict", pickled("\x80\x02}(" + text("a") + "u."), "a key without a value"},
		{"number as key", pickled("\x80\x02}(K\x01K\x01u."), "a key that is no text"},
		{"deep marks", pickled("\x80\x02" + strings.Repeat("(", 1000)), "levels deep"},
		{"never stops", pickled("\x80\x02}"), "ends too early"},
		{"empty stack", pickled("\x80\x02."), "operand is missing"},
		{"no dict", pickled("\x80\x02K\x01."), "wrong kind"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(writeFiles(t, map[string][]byte{"bad.pth": row.data}), "bad.pth")
			_, err := Import(ImportOptions{}, path)
			checkOneLine(t, err, "bad.pth", row.err)
		})
	}
}

func checkOneLine(t *testing.T, err error, file, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v; expected one line with %q and %q", err, file, want)
	}
	if err != nil && len(err.Error()) > 500 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func bomb() []byte {
	return modeltest.Zip([]modeltest.Record{{Name: "archive/data.pkl", Data: make([]byte, 4<<20)}}, zip.Deflate)
}

func without(rs []modeltest.Record, name string) []byte {
	var out []modeltest.Record
	for _, r := range rs {
		if r.Name != name {
			out = append(out, r)
		}
	}
	return modeltest.Zip(out, zip.Store)
}

func replaced(rs []modeltest.Record, name string, data []byte) []byte {
	for i := range rs {
		if rs[i].Name == name {
			rs[i].Data = data
		}
	}
	return modeltest.Zip(rs, zip.Store)
}

// flipped has one wrong bit in the first tensor's data.
func flipped(good []byte) []byte {
	b := bytes.Clone(good)
	b[bytes.Index(b, []byte("archive/data/0"))+40] ^= 1
	return b
}

// pickled is a PyTorch file with this pickle.
func pickled(ops string) []byte {
	return modeltest.Zip([]modeltest.Record{{Name: "archive/data.pkl", Data: []byte(ops)}, {Name: "archive/data/0", Data: make([]byte, 4)}}, zip.Store)
}

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// tensorOps pickles a tensor of record key with its number of elements, shape and strides.
func tensorOps(key, size, shape, strides string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" + text(key) + text("cpu") + size + "tQK\x00(" + shape + "t(" + strides + "ttR"
}

// TestAbsurdTensors replaces the first tensor of a good file.
func TestAbsurdTensors(t *testing.T) {
	const big = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f" // the largest integer
	for _, row := range []struct{ name, key, size, shape, strides, err string }{
		{"huge shape", "0", "Kl", big + "K\x03K\x03K\x03", "K\x1bK\x09K\x03K\x01", "out of range"},
		{"zero shape", "0", "Kl", "K\x00K\x03K\x03K\x03", "K\x1bK\x09K\x03K\x01", "out of range"},
		{"negative shape", "0", "Kl", "J\xff\xff\xff\xffK\x03K\x03K\x03", "K\x1bK\x09K\x03K\x01", "out of range"},
		{"too few dimensions", "0", "Kl", "K\x03", "K\x01", "expected 4 dimensions"},
		{"more than its record", "0", "Kl", "K\x05K\x03K\x03K\x03", "K\x1bK\x09K\x03K\x01", "its record has 108"},
		{"size that overflows", "0", "\x8a\x08\x6c\x00\x00\x00\x00\x00\x00\x40", "K\x04K\x03K\x03K\x03", "K\x1bK\x09K\x03K\x01", "expected 4611686018427388012 elements"},
		{"gaps", "0", "Kl", "K\x04K\x03K\x03K\x03", "K\x1bK\x09K\x01K\x03", "without gaps"},
		{"path as key", "../0", "Kl", "K\x04K\x03K\x03K\x03", "K\x1bK\x09K\x03K\x01", "described in an unknown way"},
		{"negative size", "0", "J\xff\xff\xff\xff", "K\x04K\x03K\x03K\x03", "K\x1bK\x09K\x03K\x01", "described in an unknown way"},
		{"kernel of another size", "0", "Kl", "K\x04K\x1bK\x01K\x01", "K\x1bK\x01K\x01K\x01", "1x1 convolution"},
	} {
		t.Run(row.name, func(t *testing.T) {
			rs := modeltest.Small(2).Records()
			first := append([]byte("\x80\x02}("), []byte(text("backbone.first_conv.0.weight"))...)
			next := bytes.Index(rs[0].Data, []byte(text("backbone.first_conv.1.weight")))
			rest := bytes.Clone(rs[0].Data[next:])
			rs[0].Data = append(append(first, tensorOps(row.key, row.size, row.shape, row.strides)...), rest...)
			_, err := parsePTH(modeltest.Zip(rs, zip.Store))
			checkOneLine(t, err, "", row.err)
		})
	}
}
