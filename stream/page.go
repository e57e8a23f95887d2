package stream

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// The page's scripts and styles are served joined, see scripts/bundlepage; all else as it is.
//
//go:generate go run yfv2d/scripts/bundlepage
//go:embed web/*.html web/*.svg web/*.png web/*.webmanifest bundle
var pageFiles embed.FS

// contentTypes of the page's files; the machine's own table of them is not asked, it may lack or bend one.
var contentTypes = map[string]string{
	".html":        "text/html; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".webmanifest": "application/manifest+json",
}

// pageRoutes are the embedded page's: index.html at /, login.html at /login, and all other files by their names. Who is not logged
// in may have the files, which hold nothing of anybody, and is sent from the page to the login.
func pageRoutes() ([]route, error) {
	var out []route
	err := fs.WalkDir(pageFiles, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(pageFiles, file)
		if err != nil {
			return fmt.Errorf("embedded page: %w", err)
		}
		name := path.Base(file)
		kind, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("embedded page: no content type for %s", name)
		}
		r := route{path: "/" + name, methods: "GET, HEAD", who: forAll, serve: asset(name, kind, data)}
		switch name {
		case "index.html":
			r.path, r.who, r.page = "/{$}", forViewers, true
		case "login.html":
			r.path = "/login"
		}
		out = append(out, r)
		return nil
	})
	return out, err
}

// asset serves one file. Browsers ask each time and mostly get 304: a new version shows at once.
func asset(name, kind string, data []byte) http.HandlerFunc {
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
	}
}
