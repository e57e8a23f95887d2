package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"

	"yfv2d/cmd/yfv2d/config"
	"yfv2d/pipeline"
	"yfv2d/stream"
)

// pattern is a camera of the test pattern, with further keys.
func pattern(name, more string) string {
	return fmt.Sprintf("[[camera]]\nname = %q\nsource = \"test:?size=320x240&fps=20\"\n%s\n", name, more)
}

// rewrite replaces the cameras in the file of a daemon that runs.
func (s *served) rewrite(cameras string) {
	s.t.Helper()
	text := "[server]\nlisten = [\"127.0.0.1:0\"]\n\n[webrtc]\nport = 0\n\n" + cameras
	if err := os.WriteFile(s.d.cfg.Path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// reload asks for a reload over the API.
func (s *served) reload() (int, stream.Reloaded, string) {
	s.t.Helper()
	res, err := http.Post(s.url+"api/reload", "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var done stream.Reloaded
	_ = json.Unmarshal(body, &done)
	return res.StatusCode, done, string(body)
}

func (s *served) names() string {
	var names []string
	for _, c := range s.d.fleet.list() {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

func TestReloadChangesOnlyWhatDiffers(t *testing.T) {
	s := serve(t, "127.0.0.1:0", pattern("a", "")+pattern("b", "")+pattern("c", ""))
	for _, name := range []string{"a", "b", "c"} {
		waitUntil(t, name+" gives frames", func() bool { return s.camera(name).stats().Ledger.Captured > 3 })
	}
	a, b := s.camera("a"), s.camera("b")
	since := a.stats().Source.Since

	s.rewrite(pattern("d", "") + pattern("b", "rotate = 90") + "# a comment moves the lines\n" + pattern("a", ""))
	code, done, body := s.reload()
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	want := stream.Reloaded{Added: []string{"d"}, Removed: []string{"c"}, Changed: []string{"b"}, Kept: []string{"a"}, Restart: []string{}}
	if fmt.Sprint(done) != fmt.Sprint(want) {
		t.Errorf("reload did %+v, want %+v", done, want)
	}
	if got := s.names(); got != "d b a" {
		t.Errorf("cameras %q, want the file's order", got)
	}
	if s.camera("a") != a || s.camera("b") == b {
		t.Error("a was made anew, or b was not")
	}
	captured := a.stats().Ledger.Captured
	waitUntil(t, "all give frames", func() bool {
		return a.stats().Ledger.Captured > captured+3 && s.camera("b").stats().Ledger.Captured > 3 && s.camera("d").stats().Ledger.Captured > 3
	})
	st := a.stats()
	if err := st.Ledger.Check(); err != nil || !st.Source.Since.Equal(since) || st.Ledger.PreviewDropped.Shutdown+st.Ledger.DetectDropped.Shutdown > 0 {
		t.Errorf("the camera that was kept: %v, %+v", err, st)
	}
	if st := b.stats(); st.Source.State != pipeline.Ended || st.Ledger.PreviewInFlight+st.Ledger.DetectInFlight > 0 || st.Ledger.Check() != nil {
		t.Errorf("the camera that was changed has left: %+v", st)
	}
}

func TestReloadOfAFaultyFileChangesNothing(t *testing.T) {
	var log bytes.Buffer
	cfg := testConfig(t, "127.0.0.1:0", pattern("a", ""))
	read := func() (*config.Config, error) { return loadConfig(cfg.Path, configHooks()) }
	d, err := newDaemon(cfg, read, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	s := serveDaemon(t, d)
	a := s.camera("a")
	for _, row := range []struct{ name, text, says string }{
		{"a key that is none", pattern("a", "rotat = 90"), `config.toml:10: camera.rotat: unknown key, did you mean \"camera.rotate\"?`},
		{"a source with a password", pattern("b", "detect_source = \"gopher://me:hunter2@host/\""), "unknown kind"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.rewrite(row.text)
			code, _, body := s.reload()
			if code != http.StatusUnprocessableEntity || !strings.Contains(body, row.says) || strings.Contains(body, "hunter2") {
				t.Errorf("%d %s, want %q", code, body, row.says)
			}
			if s.names() != "a" || s.camera("a") != a || a.stats().Source.State == pipeline.Ended {
				t.Error("the camera has changed")
			}
		})
	}
	s.stop()
	if n := strings.Count(log.String(), "nothing has changed"); n != 2 || strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log says so %d times:\n%s", n, log.String())
	}
}

func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	s := serve(t, "127.0.0.1:0", pattern("a", ""))
	s.rewrite("[detect]\nscore = 0.5\nworkers = 2\nfps = 5\n[log]\nlevel = \"debug\"\n" + pattern("a", ""))
	code, done, body := s.reload()
	if code != http.StatusOK || !slices.Equal(done.Restart, []string{"log", "detect.score", "detect.workers"}) || !slices.Equal(done.Changed, []string{"a"}) {
		t.Errorf("%d %s", code, body)
	}
}

// TestHangupReloadsUnderAViewer changes the other cameras while a browser watches one: its picture goes on.
func TestHangupReloadsUnderAViewer(t *testing.T) {
	b := openBrowser(t)
	s := serve(t, "127.0.0.1:0", demo(t)+pattern("old", ""))
	b.do(chromedp.EmulateViewport(1280, 1600)) // both cards are in view: others do not play
	b.open(s.url, "demo")
	b.waitFrames("demo", 30)
	cam := s.camera("demo")
	before := cam.preview.Stats()
	s.rewrite(demo(t) + pattern("new", ""))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the file is read again", func() bool { return s.names() == "demo new" })
	b.waitFor("the new camera is shown", `document.querySelector('[data-camera="new"]') !== null`)
	b.waitFrames("new", 5)
	b.waitFrames("demo", 90)
	if s.camera("demo") != cam || s.d.whep.Viewers("demo") != 1 {
		t.Errorf("the viewer has lost its camera: %d viewers", s.d.whep.Viewers("demo"))
	}
	after := cam.preview.Stats()
	if st := cam.stats(); st.Ledger.Check() != nil || st.Ledger.PreviewDropped.Shutdown > 0 || after.Encodes <= before.Encodes {
		t.Errorf("frames were lost: %+v", st.Ledger)
	}
	if s.d.whep.Viewers("old") != 0 {
		t.Error("a viewer of the camera that went is left")
	}
	s.stop()
}
