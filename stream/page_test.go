package stream

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// webFiles are the page as it is written.
var webFiles = os.DirFS("web")

func TestPageFiles(t *testing.T) {
	h := testServer(t).Handler()
	for _, row := range []struct{ path, kind string }{
		{"/", "text/html; charset=utf-8"},
		{"/login", "text/html; charset=utf-8"},
		{"/app.js", "text/javascript; charset=utf-8"},
		{"/early.js", "text/javascript; charset=utf-8"},
		{"/page.css", "text/css; charset=utf-8"},
		{"/favicon.svg", "image/svg+xml"},
		{"/icon-192.png", "image/png"},
		{"/manifest.webmanifest", "application/manifest+json"},
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
	for _, path := range []string{"/index.html", "/login.html", "/web/", "/web/app.js", "/bundle/app.js", "/player.js", "/page.go", "/x"} {
		if w := do(h, "GET", path); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, w.Code)
		}
	}
}

// TestPageKeepsToItself holds the page to its own content security policy and to no request beyond this server.
func TestPageKeepsToItself(t *testing.T) {
	inline := regexp.MustCompile(`(?i)\son[a-z]+\s*=\s*"|\sstyle\s*=|javascript:|<style|<script(?:\s[^>]*)?>[^<]`)
	foreign := regexp.MustCompile(`(?:https?:)?//[a-z0-9-]+\.[a-z]`)
	err := fs.WalkDir(webFiles, ".", func(path string, d fs.DirEntry, err error) error {
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

// TestPageWords: every word that the page asks for is in the table, and the table has none that nobody asks for.
func TestPageWords(t *testing.T) {
	table, err := fs.ReadFile(webFiles, "strings.js")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  '([a-z0-9_.]+)':`).FindAllStringSubmatch(string(table), -1) {
		words[m[1]] = false
	}
	if len(words) < 100 {
		t.Fatalf("%d words found in the table", len(words))
	}
	asked := regexp.MustCompile("data-t(?:-title)?=\"([^\"]+)\"|\\bt\\(['`]([^'`]+)['`]|\\bt\\([^'`)]*\\? '([^']+)' : '([^']+)'")
	for name, text := range pageTexts(t) {
		for _, m := range asked.FindAllStringSubmatch(text, -1) {
			for _, word := range m[1:] {
				if word != "" && !askWord(words, word) {
					t.Errorf("%s says %q, which has no words", name, word)
				}
			}
		}
	}
	for word, used := range words {
		if !used {
			t.Errorf("nobody says %q", word)
		}
	}
}

// askWord marks a word as used; one with a part that is put in, "state.${...}", stands for all that fit.
func askWord(words map[string]bool, word string) (known bool) {
	fits := regexp.MustCompile("^" + regexp.MustCompile(`\\\$\\\{.*?\\\}`).ReplaceAllString(regexp.QuoteMeta(word), `[a-z0-9_]+`) + "$")
	for w := range words {
		if fits.MatchString(w) {
			words[w], known = true, true
		}
	}
	return known
}

// pageTexts are the page's scripts and its HTML, by name.
func pageTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	entries, err := fs.ReadDir(webFiles, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".js") && !strings.HasSuffix(e.Name(), ".html") {
			continue
		}
		data, err := fs.ReadFile(webFiles, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts[e.Name()] = string(data)
	}
	return texts
}
