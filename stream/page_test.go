package stream

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestPageFiles(t *testing.T) {
	h := testServer(t).Handler()
	for _, row := range []struct{ path, kind string }{
		{"/", "text/html; charset=utf-8"},
		{"/app.js", "text/javascript; charset=utf-8"},
		{"/player.js", "text/javascript; charset=utf-8"},
		{"/style.css", "text/css; charset=utf-8"},
		{"/favicon.svg", "image/svg+xml"},
	} {
		t.Run(row.path, func(t *testing.T) {
			w := do(h, "GET", row.path)
			if w.Code != http.StatusOK || w.Body.Len() == 0 {
				t.Fatalf("status %d, %d bytes", w.Code, w.Body.Len())
			}
			if got := w.Header().Get("Content-Type"); got != row.kind {
				t.Errorf("content type %q, want %q", got, row.kind)
			}
			if w.Header().Get("Cache-Control") != "no-cache" {
				t.Error("a browser might show an old page")
			}
			r := httptest.NewRequest("GET", row.path, nil)
			r.Host = "localhost"
			r.Header.Set("If-None-Match", w.Header().Get("ETag"))
			again := httptest.NewRecorder()
			h.ServeHTTP(again, r)
			if again.Code != http.StatusNotModified {
				t.Errorf("unchanged file: status %d, want 304", again.Code)
			}
			if w := do(h, "POST", row.path); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("POST: status %d", w.Code)
			}
		})
	}
	for _, path := range []string{"/index.html", "/web/", "/web/app.js", "/page.go", "/x"} {
		if w := do(h, "GET", path); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

// TestPageKeepsToItself holds the page to its own content security policy and to no request beyond this server.
func TestPageKeepsToItself(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\son[a-z]+\s*=\s*"|\sstyle\s*=|javascript:|<style|<script(?:\s[^>]*)?>[^<]`)
	foreign := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]`)
	err := fs.WalkDir(webFiles, "web", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(webFiles, path)
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(data), `xmlns="http://www.w3.org/2000/svg"`, "")
		if m := foreign.FindString(text); m != "" {
			t.Errorf("%s speaks of another server: %s", path, m)
		}
		if strings.HasSuffix(path, ".html") {
			if m := inline.FindString(text); m != "" {
				t.Errorf("%s has inline code or style: %s", path, m)
			}
		}
		if strings.HasSuffix(path, ".js") && regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`).MatchString(text) {
			t.Errorf("%s puts text into the page as HTML", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
