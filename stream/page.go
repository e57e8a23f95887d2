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

//go:embed web
var webFiles embed.FS

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
	files, err := fs.Sub(webFiles, "web")
	if err != nil {
		return nil, fmt.Errorf("embedded page: %w", err)
	}
	var out []route
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("embedded page: %w", err)
		}
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
