package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/infer/model"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckShippedConfig(t *testing.T) {
	code, stdout, stderr := runCLI(t, "check", "-c", "../../config.toml")
	if code != exitOK || stdout != "../../config.toml: ok: 1 camera, model builtin, without a login, for this machine only\n" || stderr != "" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestCheckNamesEveryFault(t *testing.T) {
	path := writeConfig(t, `[detect]
fsp = 5
classes = ["person", "caar"]
[[camera]]
name = "a"
source = "gopher://me:hunter2@h/1"
`)
	code, stdout, stderr := runCLI(t, "check", "--config", path)
	if code != exitConfig || stdout != "" {
		t.Errorf("code %d, stdout %q", code, stdout)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for i, want := range []string{
		`:2: detect.fsp: unknown key, did you mean "detect.fps"?`,
		`:3: detect.classes: the model knows no class "caar", did you mean "car"?`,
		`:6: camera.source: source "gopher://`,
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], "yfv2d: "+path+want) {
			t.Errorf("line %d: got\n%s\nwant %s", i+1, stderr, want)
		}
	}
	if len(lines) != 3 || strings.Contains(stderr, "hunter2") {
		t.Errorf("stderr:\n%s", stderr)
	}
}

func TestCheckWithoutFile(t *testing.T) {
	code, _, stderr := runCLI(t, "check", "-c", filepath.Join(t.TempDir(), "none.toml"))
	if code != exitConfig || !strings.Contains(stderr, "there is no such file; give the configuration with -c FILE") {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
}

func TestCheckFindsFetchedModelByName(t *testing.T) {
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	const camera = "\n[[camera]]\nname = \"a\"\nsource = \"test:\"\n[[camera]]\nname = \"b\"\nsource = \"test:\"\nenabled = false\n"
	path := writeConfig(t, "model = \"yolo-fastestv2\""+camera)
	code, _, stderr := runCLI(t, "check", "-c", path)
	if code != exitConfig || !strings.Contains(stderr, `:1: model: "yolo-fastestv2" cannot be used: it is not in `+state+"/models; get it with `yfv2d model fetch`") {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
	m, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(state, "models", "yolo-fastestv2.onnx")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeModel(m, file); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runCLI(t, "check", "-c", path)
	if code != exitOK || stdout != path+": ok: 2 cameras (1 off), model "+file+", without a login, for this machine only\n" {
		t.Errorf("code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if err := os.WriteFile(file, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = runCLI(t, "check", "-c", path); code != exitConfig || !strings.Contains(stderr, "expected an ONNX file") {
		t.Errorf("code %d, stderr %q", code, stderr)
	}
}
