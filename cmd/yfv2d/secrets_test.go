package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"yfv2d/cmd/yfv2d/config"
)

// heard is what was written, from any goroutine.
type heard struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.b.String()
}

// TestSecretsAreShownNowhere has cameras whose passwords are references, and cameras that repeat what they are told, and
// looks for the passwords in all that the program says.
func TestSecretsAreShownNowhere(t *testing.T) {
	const first, second, token = `n33dle@one:/?#%"\ä`, `n33dle-two&x`, "n33dle-three"
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("YFV2D_TEST_TOKEN", token)
	put := func(secret string) {
		if err := os.WriteFile(filepath.Join(dir, "door"), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(first)
	var mu sync.Mutex
	logins := map[string]bool{} // guarded by mu
	cam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		mu.Lock()
		logins[password] = true
		mu.Unlock()
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", r.URL.Query().Get("x")+password))
		w.Header().Set("Content-Type", "text/"+token)
		if r.URL.Path == "/moved" {
			w.Header().Set("Location", "gopher://"+r.URL.Query().Get("x")+"/")
			w.WriteHeader(http.StatusFound)
			return
		}
		if password == "" || r.URL.Path == "/locked" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprintln(w, r.URL, password)
	}))
	defer cam.Close()
	host := strings.TrimPrefix(cam.URL, "http://")
	cameras := fmt.Sprintf(`
[[camera]]
name = "door"
source = 'http://me:${cred:door}@%[1]s/snap'
[[camera]]
name = "locked"
source = 'http://me:${cred:door}@%[1]s/locked'
[[camera]]
name = "path"
source = 'http://%[1]s/moved?x=${env:YFV2D_TEST_TOKEN}'
[[camera]]
name = "rtsp"
source = 'rtsp://me:${cred:door}@127.0.0.1:1/${env:YFV2D_TEST_TOKEN}/1'
[[camera]]
name = "file"
source = 'file:/no/${env:YFV2D_TEST_TOKEN}.mp4'
`, host)
	var all heard
	path := testConfig(t, "127.0.0.1:0", cameras+"\n[log]\nlevel = \"trace\"\nformat = \"json\"\n").Path
	for _, args := range [][]string{{"check", "-c", path}, {"doctor", "--json", "-c", path}} {
		_, out, stderr := runCLI(t, args...)
		fmt.Fprintln(&all, out, stderr)
	}
	read := func() (*config.Config, error) { return loadConfig(path, configHooks()) }
	cfg, err := read()
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(cfg, read, newLogger(cfg.Log, &all))
	if err != nil {
		t.Fatal(err)
	}
	s := serveDaemon(t, d)
	tried := func(password string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return logins[password]
		}
	}
	waitUntil(t, "the camera was given its password as it is", tried(first))
	ask := func() {
		for _, name := range []string{"door", "locked", "path", "rtsp", "file"} {
			waitUntil(t, name+" is down", func() bool { return s.camera(name).stats().Source.Reason != "" })
		}
		for _, p := range []string{"api/cameras", "api/cameras/door", "metrics", "healthz", "api/version"} {
			res, err := http.Get(s.url + p)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(&all, res.Body)
			_ = res.Body.Close()
		}
	}
	ask()

	put(second)
	code, done, body := s.reload()
	if code != http.StatusOK || strings.Join(done.Changed, " ") != "door locked rtsp" {
		t.Errorf("reload with another password: %d %s", code, body)
	}
	fmt.Fprintln(&all, body)
	waitUntil(t, "the camera was given its new password", tried(second))
	ask()
	if err := os.Remove(filepath.Join(dir, "door")); err != nil {
		t.Fatal(err)
	}
	code, _, body = s.reload()
	if code != http.StatusUnprocessableEntity && code != http.StatusBadRequest && code != http.StatusConflict || !strings.Contains(body, "LoadCredential=door:FILE") {
		t.Errorf("reload without the credential: %d %s", code, body)
	}
	fmt.Fprintln(&all, body)
	s.stop()

	text := all.String()
	for _, secret := range []string{first, second, token} {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), "n33dle"} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%q is shown: ...%s...", form, text[max(0, i-200):min(len(text), i+60)])
			}
		}
	}
	if !strings.Contains(text, "/${env:YFV2D_TEST_TOKEN}") {
		t.Error("nothing names the reference: does the test look at the right thing?")
	}
}
