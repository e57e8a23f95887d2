package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func rounds(forward, step, around float64) []round {
	out := []round{{forward: forward * 9, step: step * 9, around: around * 9, cpu: 9}} // one bad round
	for range 4 {
		out = append(out, round{forward: forward, step: step, around: around, cpu: 1, fma: 1e11, width: "AVX2"})
	}
	return out
}

func TestSum(t *testing.T) {
	all := []*worker{
		{name: "opencv-stock", rounds: rounds(10, 11, 0.5)},
		{name: "opencv", rounds: rounds(5, 6, 0.5)},
		{name: "xnnpack", rounds: rounds(2, 2.2, 0.2), ready: readyLine{MACs: 100e6}},
		{name: "ort-stock-arena", rounds: rounds(2.5, 0, 0)},
		{name: "ort-ours-malloc", rounds: rounds(4, 0, 0)},
	}
	r := &results{Engines: map[string]figures{}}
	r.sum(all)
	for _, tt := range []struct {
		name string
		got  *float64
		want float64
	}{
		{"xnnpack over ort's best", r.XNNPACKOverORT, 0.8},
		{"step over ort's best", r.StepOverORT, 0.88},
		{"opencv over stock", r.OpenCVOverStock, 0.5},
		{"around over xnnpack", r.PrepostOverXNNPACK, 0.1},
	} {
		if tt.got == nil || *tt.got != tt.want {
			t.Errorf("%s is %v, want %g", tt.name, opt(tt.got, "%g"), tt.want)
		}
	}
	if r.Int8OverFloat != nil {
		t.Errorf("int8 over float is %g without int8", *r.Int8OverFloat)
	}
	if r.FloorMs != 1 || r.Engines["xnnpack"].FloorShare != 0.5 {
		t.Errorf("floor %g ms, share %g", r.FloorMs, r.Engines["xnnpack"].FloorShare)
	}
	text := r.markdown()
	for _, want := range []string{"| XNNPACK, float | 2.00 | 2.00 | 50 % | 2.20 | 0.200 | 1.00 | - |", "| XNNPACK, int8 | not built |", "(`xnnpack_over_ort`) | 0.800 | 1.00 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
}

// What was measured on Debian 13 stays in the table when the rest is measured anew, and is shown anew by itself.
func TestTableKeepsTrixie(t *testing.T) {
	dir := t.TempDir()
	all := []*worker{
		{name: "opencv-stock", rounds: rounds(10, 11, 0.5)},
		{name: "opencv", rounds: rounds(5, 6, 0.5)},
		{name: "xnnpack", rounds: rounds(2, 2.2, 0.2), ready: readyLine{MACs: 100e6}},
		{name: nameInt8, rounds: rounds(2.2, 2.4, 0.2)},
	}
	r := &results{System: "Debian 12", Engines: map[string]figures{}, Notes: []string{"a note"}}
	r.sum(all)
	table := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, tableFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(table(), "int8 on") {
		t.Error("a section of what was not measured")
	}
	trixie := &results{System: "Debian 13", VNNI: true, Engines: map[string]figures{}}
	trixie.sum([]*worker{{name: "xnnpack", rounds: rounds(2, 2.2, 0.2), ready: readyLine{MACs: 100e6}}, {name: nameInt8, rounds: rounds(1.2, 1.4, 0.2)}})
	if err := trixie.writeInt8(filepath.Join(dir, trixieFile)); err != nil {
		t.Fatal(err)
	}
	if err := render(dir); err != nil {
		t.Fatal(err)
	}
	want := r.markdown() + trixie.int8Section()
	if table() != want {
		t.Errorf("rendered:\n%s\nwant:\n%s", table(), want)
	}
	if err := r.write(dir); err != nil || table() != want {
		t.Errorf("measured anew, %v:\n%s", err, table())
	}
	for _, part := range []string{"# int8 on Debian 13", "has int8 products", "| XNNPACK, int8 | 1.20 |", "int8 / float: 0.600", "a note"} {
		if !strings.Contains(want, part) {
			t.Errorf("the table lacks %q:\n%s", part, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, trixieFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := render(dir); err == nil || !strings.Contains(err.Error(), trixieFile) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestEngineOf(t *testing.T) {
	o := &options{bin: "yfv2d", model: "m.onnx"}
	for _, row := range []struct{ name, engine, model string }{
		{"opencv", "opencv", "m.onnx"}, {"xnnpack", "xnnpack", "m.onnx"}, {nameInt8, "xnnpack", "dir/int8.onnx"}, {"ort-ours-arena", "", ""},
	} {
		e, ok := o.engineOf(row.name, "dir")
		if ok != (row.engine != "") || ok && (e.engine != row.engine || e.model != row.model) {
			t.Errorf("%s is %+v, %v", row.name, e, ok)
		}
	}
}

func TestWorkerThatIsNone(t *testing.T) {
	for _, tt := range []struct{ name, says, want string }{
		{"ends", "", "its process ended"},
		{"refuses", `{"error":"no such model"}`, "start x: no such model"},
		{"is another program", "usage:", "invalid character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := startWorker(context.Background(), "x", "printf", "%s\n", tt.says)
			if tt.says == "" {
				_, err = startWorker(context.Background(), "x", "true")
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestORTVersionIsExact(t *testing.T) {
	lock, err := ortFiles.ReadFile("ort/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	v := ortVersion(lock)
	pkg, err := ortFiles.ReadFile("ort/package.json")
	if err != nil || v == "" || !strings.Contains(string(pkg), `"onnxruntime-node": "`+v+`"`) {
		t.Errorf("lock file says %q, package.json %s (%v)", v, pkg, err)
	}
	if !sameORT(lock) || sameORT([]byte("{}")) {
		t.Error("sameORT")
	}
	if strings.Contains(string(lock), "http") {
		t.Error("the lock file names a place")
	}
}

func TestValgrindOutput(t *testing.T) {
	if m := counted.FindStringSubmatch("==1== \n==1== I   refs:      1,118,949,064\n"); m == nil || m[1] != "1,118,949,064" {
		t.Errorf("count %q", m)
	}
	const text = "==1== valgrind: Unrecognised instruction at address 0x4a2e49.\n==1==    at 0x4A2E49: runtime.cputicks.abi0 (asm_amd64.s:1261)\n"
	if m := stumbled.FindStringSubmatch(text); m == nil || m[1] != "runtime.cputicks.abi0 (asm_amd64.s:1261)" {
		t.Errorf("instruction %q", m)
	}
}

func TestRunRefuses(t *testing.T) {
	if err := run(context.Background(), &options{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
