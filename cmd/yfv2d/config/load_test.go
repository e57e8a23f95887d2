package config

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLoadTakesEveryForm(t *testing.T) {
	dir := t.TempDir()
	text := `model = "m.onnx"
log = { level = "debug", format = "json" }
preview.fps = 15
[server]
listen = "[::1]:0"
hosts = ["cam.local", "10.0.0.7"]
cors_origins = ["https://a.example:8443"]
[detect]
input = "416x320"
"fps" = 5
[detect.class_scores]
person = 0.5
"dining table" = 1
[tracker]
lost_after = 2.5
low_score = 0.2
confirm_after = 0.5
[[camera]]
name = "a"
source = "file:x.mp4"
loop = true
[[camera]]
name = "b"
source = "test:?size=640x480"
enabled = false
detect_fps = 2
`
	path := filepath.Join(dir, "c.toml")
	for name, content := range map[string]string{path: text, filepath.Join(dir, "m.onnx"): "x"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(path, testHooks)
	if err != nil {
		t.Fatal(err)
	}
	if c.Model != filepath.Join(dir, "m.onnx") || c.Dir != dir || c.Log != (Log{"debug", "json"}) || c.Server.Listen[0] != "[::1]:0" ||
		len(c.Server.Hosts) != 2 || c.Detect.FPS != 5 || c.Detect.ClassScores["dining table"] != 1 || c.Tracker.LostAfter != 2500*time.Millisecond ||
		c.Tracker.LowScore != 0.2 || c.Tracker.ConfirmAfter != 500*time.Millisecond {
		t.Errorf("%+v", c)
	}
	if got := c.Detect.InputSize(); got != image.Pt(416, 320) {
		t.Errorf("input %v", got)
	}
	a, b := &c.Cameras[0], &c.Cameras[1]
	if !a.Loop || !a.Enabled || b.Enabled || a.Line != 18 || c.DetectFPS(a) != 5 || c.DetectFPS(b) != 2 || c.PreviewFPS(a) != 15 {
		t.Errorf("%+v", c.Cameras)
	}
	tr := c.TrackerFor(b, []string{"person", "car", "truck"}, []float32{0.5, 0.25, 0.25})
	if tr.Interval != 500*time.Millisecond || tr.Groups[1] != tr.Groups[2] || tr.Groups[0] == tr.Groups[1] || !slices.Equal(tr.StartScores, []float64{0.5, 0.25, 0.25}) {
		t.Errorf("%+v", tr)
	}
}

func TestCommandLineGoesBeforeTheFile(t *testing.T) {
	open := "[server]\nlisten = \"0.0.0.0:80\"\n" + cam
	tests := []struct {
		name, text string
		listen     []string
		allow      bool
		want       string
	}{
		{"allowed by flag", open, nil, true, ""},
		{"listening elsewhere", open, []string{"127.0.0.1:1"}, false, ""},
		{"open by flag, with a login", cam, []string{"192.168.1.5:80"}, false, ""},
		{"open by flag, without", "server.auth = \"off\"\n" + cam, []string{"192.168.1.5:80"}, false, `command line: --listen: "192.168.1.5:80" lets other machines in`},
		{"open and allowed", cam, []string{"192.168.1.5:80"}, true, ""},
		{"allowed by the file", "server.allow_open = true\n" + cam, []string{":80"}, false, ""},
		{"no address", cam, []string{"x"}, true, `command line: --listen: "x" is no address (allowed: host:port, as in 127.0.0.1:8080)`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hooks := testHooks
			hooks.Listen, hooks.AllowOpen = tt.listen, tt.allow
			c, err := parse("c.toml", tt.text, hooks)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case err == nil && tt.listen != nil && c.Server.Listen[0] != tt.listen[0]:
				t.Errorf("listens on %v", c.Server.Listen)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name, auth, listen string
		open, want         bool
	}{
		{"loopback", "auto", "127.0.0.1:1", false, false},
		{"localhost", "auto", "localhost:1", false, false},
		{"network", "auto", "192.168.1.5:1", false, true},
		{"everywhere", "auto", ":1", false, true},
		{"everywhere and open", "auto", ":1", true, false},
		{"loopback, on", "on", "127.0.0.1:1", false, true},
		{"open, on", "on", ":1", true, true},
		{"open, off", "off", ":1", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Server{Listen: []string{"[::1]:1", tt.listen}, Auth: tt.auth, AllowOpen: tt.open}).Login(); got != tt.want {
				t.Errorf("a login: %v", got)
			}
		})
	}
	for auth, want := range map[string]bool{"auto": true, "off": false} {
		if got := (Server{Listen: []string{"127.0.0.1:1"}, Auth: auth, TrustedProxies: []string{"127.0.0.1"}}).Login(); got != want {
			t.Errorf("behind a proxy, auth %s: a login: %v", auth, got)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"":                                           "",
		"file:a@b:c.mp4":                             "file:a@b:c.mp4",
		"test:?size=640x480&fps=30":                  "test:?size=640x480&fps=30",
		"rtsp://10.0.0.9:554/live":                   "rtsp://10.0.0.9:554/live",
		"rtsp://me:hunter2@10.0.0.9/1":               "rtsp://***@10.0.0.9/1",
		"rtsp://hunter2@10.0.0.9/1":                  "rtsp://***@10.0.0.9/1",
		"RTSP://me:hunt@er2/:hunter2@host/1":         "RTSP://***@host/1",
		"rtsp://me:hunter2 hunter2\"@host/1":         "rtsp://***@host/1",
		"me:hunter2@host":                            "me:***@host",
		"rtsp:/me:hunter2@host":                      "rtsp:/***@host",
		"http://h/x?user=hunter2&n=1&pwd=hunter2":    "http://h/x?user=***&n=1&pwd=***",
		`dial "rtsp://me:hunter2@h/1": refused, a@b`: `dial "rtsp://***@h/1": refused, a@b`,
		"mail to a@b: no secret":                     "mail to a@b: no secret",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", in, got, want)
		}
		if got := Redact(want); got != want {
			t.Errorf("twice: %s gives %s", want, got)
		}
	}
}

// A password must not show, whatever else is wrong around it.
func TestNoFaultShowsAPassword(t *testing.T) {
	const url = `rtsp://me:hunter2@10.0.0.9/1?token=hunter2`
	for _, text := range []string{
		"[[camera]]\nname = \"" + url + "\"\nsource = \"" + url + "\"\n",
		"[[camera]]\nsource = " + url + "\n",
		"[[camera]]\nsource = \"" + url + "\n",
		"[[camera]]\nsource = '''" + url + "\n",
		"[[camera]]\nsource = [\"" + url + "\"]\n",
		"[[camera]]\nname = \"a\"\nsource = \"\\q" + url + "\"\n",
		"[[camera]]\nname = \"a\"\nsource = { a = \"" + url + "\" }\n",
		"model = \"" + url + "\"\n",
		"server.listen = \"" + url + "\"\nserver.hosts = [\"" + url + "\"]\nserver.cors_origins = [\"" + url + "\"]\n",
		"detect.fps = \"" + url + "\"\nlog.level = \"" + url + "\"\ndetect.classes = [\"" + url + "\"]\n",
		"\"" + url + "\" = 1\n[\"" + url + "\"]\n",
		"detect.class_scores = { \"" + url + "\" = 1 }\n",
		url + "\n",
	} {
		_, err := parse("c.toml", text, testHooks)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, b := range bad {
		f.Add(b.text)
	}
	if text, err := os.ReadFile(shipped); err == nil {
		f.Add(string(text))
	}
	f.Add(strings.Repeat("[", 5000))
	f.Add("a = " + strings.Repeat("[", 5000))
	f.Add(strings.Repeat("a.", 5000))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse("c.toml", text, testHooks)
		if (c == nil) != (err != nil) {
			t.Fatalf("%v, %v", c, err)
		}
		var faults Errors
		if err != nil && (!errors.As(err, &faults) || len(faults) == 0) {
			t.Fatalf("%T %v", err, err)
		}
		last := 0
		for _, fault := range faults {
			if strings.Contains(fault.Error(), "\n") {
				t.Fatalf("not one line: %q", fault.Error())
			}
			if fault.Line == 0 || fault.Line > 1+strings.Count(text, "\n") || fault.Line < last {
				t.Fatalf("line of %+v after %d", fault, last)
			}
			last = fault.Line
		}
	})
}

func TestShapes(t *testing.T) {
	text := cam + "tls_fingerprint = \"sha256:" + strings.Repeat("AB:", 31) + "ab\"\nrotate = 270\nflip = \"both\"\ncrop = [0.25, 0, 0.5, 1]\nmask = [[[0, 0], [0.5, 0], [0, 1]], [[1, 1], [0.9, 1], [1, 0.9], [0.95, 0.8]]]\n"
	c, err := parse("c.toml", text, testHooks)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Cameras[0]
	if string(got.TLSFingerprint) != strings.Repeat("\xab", 32) {
		t.Errorf("fingerprint %x", got.TLSFingerprint)
	}
	if got.Rotate != 270 || got.Flip != "both" || got.Crop != (Crop{0.25, 0, 0.5, 1}) {
		t.Errorf("%+v", got)
	}
	if len(got.Mask) != 2 || len(got.Mask[1]) != 4 || got.Mask[1][3] != [2]float64{0.95, 0.8} {
		t.Errorf("masks %v", got.Mask)
	}
	if c, err = parse("c.toml", cam+"crop = []\nmask = []\n", testHooks); err != nil || c.Cameras[0].Crop != (Crop{}) || c.Cameras[0].Mask != nil {
		t.Errorf("empty shapes: %v, %+v", err, c)
	}
}

func TestFingerprints(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	read := func(s string) (Fingerprint, error) {
		c, err := parse("c.toml", cam+fmt.Sprintf("tls_fingerprint = %q\n", s), testHooks)
		if err != nil {
			return nil, err
		}
		return c.Cameras[0].TLSFingerprint, nil
	}
	for _, s := range []string{hex, strings.ToUpper(hex), "sha256:" + hex, "SHA256:" + hex, strings.Repeat("AB:", 31) + "AB"} {
		if b, err := read(s); err != nil || len(b) != 32 || b[0] != 0xab {
			t.Errorf("%s: %x, %v", s, b, err)
		}
	}
	if b, err := read(""); b != nil || err != nil {
		t.Errorf("empty: %x, %v", b, err)
	}
	for _, s := range []string{"ab", hex + "ab", "zz" + hex[2:], "md5:" + hex} {
		if _, err := read(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

// TestNoCamera: a fresh installation has none, and runs.
func TestNoCamera(t *testing.T) {
	for _, text := range []string{"", "# a\n\n# b\n", "[log]\nlevel = \"warn\"\n"} {
		if c, err := parse("c.toml", text, testHooks); err != nil || len(c.Cameras) != 0 {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
}
