package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"yfv2d/infer/model"
	"yfv2d/infer/model/modeltest"
)

// runModel runs a command with arguments and returns what it printed.
func runModel(ctx context.Context, c *cobra.Command, args ...string) (stdout, stderr string, err error) {
	var o, e bytes.Buffer
	c.SetArgs(args)
	c.SetOut(&o)
	c.SetErr(&e)
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(ctx)
	return o.String(), e.String(), err
}

func writeTestFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestModelImportAndInfo(t *testing.T) {
	pth := writeTestFile(t, "mine.pth", modeltest.Small(2).PTH())
	names := writeTestFile(t, "mine.names", []byte("cat\ndog\n"))
	out := filepath.Join(t.TempDir(), "mine.onnx")
	stdout, stderr, err := runModel(context.Background(), newModelCmd(), "import", pth, "-o", out, "--names", names, "--score", "0.4")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout, "model = "+strconv.Quote(out)+"\n") || stderr != "" {
		t.Errorf("printed %q and %q", stdout, stderr)
	}
	stdout, _, err = runModel(context.Background(), newModelCmd(), "info", out, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var info model.Info
	if err := json.Unmarshal([]byte(stdout), &info); err != nil {
		t.Fatal(err)
	}
	if strings.Join(info.Classes, " ") != "cat dog" || info.DefaultScore != 0.4 || info.Source != "mine.pth" || info.MACs == 0 {
		t.Errorf("info is %+v", info)
	}
	stdout, _, err = runModel(context.Background(), newModelCmd(), "info", "builtin")
	for _, want := range []string{"yolo-fastestv2-builtin", "80: person, bicycle", "238,847", "101,364,120 at 352x352", "78 Conv", "a027dcc1"} {
		if err != nil || !strings.Contains(stdout, want) {
			t.Errorf("the card lacks %q (%v):\n%s", want, err, stdout)
		}
	}
}

func TestModelImportWarnsOfUnnamedClasses(t *testing.T) {
	pth := writeTestFile(t, "mine.pth", modeltest.Small(2).PTH())
	_, stderr, err := runModel(context.Background(), newModelCmd(), "import", pth, "-o", filepath.Join(t.TempDir(), "m.onnx"))
	if err != nil || !strings.Contains(stderr, "class0 to class1") {
		t.Errorf("error %v, standard error %q", err, stderr)
	}
}

func TestModelErrors(t *testing.T) {
	pth := writeTestFile(t, "mine.pth", modeltest.Small(2).PTH())
	names := writeTestFile(t, "one.names", []byte("cat\n"))
	text := writeTestFile(t, "notes.txt", []byte("hello"))
	out := filepath.Join(t.TempDir(), "m.onnx")
	for _, row := range []struct {
		name string
		args []string
		code int
		err  string
	}{
		{"no file", []string{"import", "-o", out}, exitUsage, "got 0 files"},
		{"no output", []string{"import", pth}, exitUsage, "-o FILE.onnx"},
		{"bad resize", []string{"import", pth, "-o", out, "--resize", "crop"}, exitUsage, "stretch or letterbox"},
		{"missing file", []string{"import", "/nowhere.pth", "-o", out}, exitFailed, "/nowhere.pth: no such file"},
		{"no weights", []string{"import", text, "-o", out}, exitFailed, "notes.txt: not a PyTorch file"},
		{"names do not fit", []string{"import", pth, "-o", out, "--names", names}, exitFailed, "1 names; expected 2"},
		{"bad anchors", []string{"import", pth, "-o", out, "--anchors", "1,2"}, exitFailed, "anchors: 2 numbers; expected 12"},
		{"bad score", []string{"import", pth, "-o", out, "--score", "2"}, exitFailed, "expected 0 to 1"},
		{"output folder missing", []string{"import", pth, "-o", "/nowhere/m.onnx"}, exitFailed, "no such file"},
		{"info of a text", []string{"info", text}, exitFailed, "notes.txt: "},
		{"info without a name", []string{"info"}, exitUsage, "got 0 names"},
		{"fetch of another", []string{"fetch", "yolov9"}, exitUsage, "yolo-fastestv2"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := runModel(context.Background(), newModelCmd(), row.args...)
			if err == nil || !strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v; expected one line with %q", err, row.err)
			}
			if got := exitCode(err); got != row.code {
				t.Errorf("exit code %d; expected %d", got, row.code)
			}
		})
	}
}

// weightsSite serves made-up weights and counts requests.
func weightsSite(t *testing.T, handler func(w http.ResponseWriter, r *http.Request, b []byte)) (published, []byte) {
	b := modeltest.Small(2).PTH()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r, b) }))
	t.Cleanup(s.Close)
	sum := sha256.Sum256(b)
	return published{name: "yolo-test", file: "w.pth", urls: []string{s.URL + "/gone/w.pth", s.URL + "/w.pth"},
		sha256: hex.EncodeToString(sum[:]), bytes: int64(len(b)), says: "note: no licence is stated"}, b
}

func serveWeights(w http.ResponseWriter, r *http.Request, b []byte) {
	if strings.HasPrefix(r.URL.Path, "/gone/") {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

func TestModelFetch(t *testing.T) {
	requests := 0
	p, b := weightsSite(t, func(w http.ResponseWriter, r *http.Request, b []byte) {
		requests++
		serveWeights(w, r, b)
	})
	dir := filepath.Join(t.TempDir(), "state")
	out := filepath.Join(dir, "models", "yolo-test.onnx")
	part := filepath.Join(dir, "models", "w.pth.part")
	if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, b[:1000], 0o644); err != nil { // a download that was cut
		t.Fatal(err)
	}
	stdout, stderr, err := runModel(context.Background(), fetchCommand(p), "--dir", dir)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout, "model = "+strconv.Quote(out)+"\n") || !strings.Contains(stderr, "no licence") {
		t.Errorf("printed %q and %q", stdout, stderr)
	}
	if strings.ContainsAny(stderr, "\r\x1b") {
		t.Errorf("a progress bar was drawn off a terminal: %q", stderr)
	}
	if m, err := model.Load(out); err != nil || m.SHA256 != p.sha256 || m.Source != "w.pth" {
		t.Errorf("installed %+v, %v", m, err)
	}
	left, _ := os.ReadDir(filepath.Dir(out))
	if len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
	before := requests
	if _, stderr, err = runModel(context.Background(), fetchCommand(p), "--dir", dir); err != nil || !strings.Contains(stderr, "already there") || requests != before {
		t.Errorf("a second fetch: %v, %q, %d requests", err, stderr, requests-before)
	}
}

func TestModelFetchFrom(t *testing.T) {
	p, b := weightsSite(t, serveWeights)
	other := modeltest.Small(3).PTH()
	wrongURL, _ := weightsSite(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) { _, _ = w.Write(other) })
	for _, row := range []struct{ name, from, err string }{
		{"file", writeTestFile(t, "copy.pth", b), ""},
		{"mirror", p.urls[1], ""},
		{"other file", writeTestFile(t, "other.pth", other), "expected " + p.sha256},
		{"mirror with other content", wrongURL.urls[1], "expected " + p.sha256},
		{"mirror without it", p.urls[0], "404 Not Found; a mirror or a file can be named with --from"},
		{"missing file", "/nowhere/w.pth", "no such file"},
		{"damaged file", writeTestFile(t, "cut.pth", b[:2000]), "not a PyTorch file"},
		{"compressed file", writeTestFile(t, "z.pth", modeltest.Zip(modeltest.Small(2).Records(), zip.Deflate)), "is compressed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			_, _, err := runModel(context.Background(), fetchCommand(p), "--dir", dir, "--from", row.from)
			_, serr := os.Stat(filepath.Join(dir, "models", "yolo-test.onnx"))
			if row.err == "" {
				if err != nil || serr != nil {
					t.Fatal(err, serr)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.err) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v; expected one line with %q", err, row.err)
			}
			if serr == nil {
				t.Error("a model was installed")
			}
		})
	}
}

func TestModelFetchStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p, _ := weightsSite(t, func(w http.ResponseWriter, r *http.Request, b []byte) {
		cancel()
		<-r.Context().Done()
	})
	_, _, err := runModel(ctx, fetchCommand(p), "--dir", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "resumes the download") {
		t.Errorf("error %v", err)
	}
}

func TestStateDir(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "/srv/state:/srv/other")
	if d, err := stateDir(); err != nil || d != "/srv/state" {
		t.Errorf("with STATE_DIRECTORY: %q, %v", d, err)
	}
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", "/home/me/state")
	want := "/home/me/state/yfv2d"
	if os.Geteuid() == 0 {
		want = "/var/lib/yfv2d"
	}
	if d, err := stateDir(); err != nil || d != want {
		t.Errorf("%q, %v; expected %q", d, err, want)
	}
}
