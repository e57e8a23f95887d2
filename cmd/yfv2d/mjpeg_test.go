package main

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"testing"
)

// TestMotion watches moving JPEG pictures of a running camera: it counts the frames that are not due, decodes nothing
// twice, and its books balance.
func TestMotion(t *testing.T) {
	s := serve(t, "127.0.0.1:0", "[[camera]]\nname = \"a\"\nsource = \"test:?size=320x240&fps=30\"\n")
	cam := s.camera("a")
	resp, err := http.Get(s.url + "api/cameras/a/stream.mjpeg?fps=5&width=160")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	parts := multipart.NewReader(resp.Body, params["boundary"])
	for range 10 {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, p); err != nil || n < 1000 {
			t.Fatalf("picture of %d bytes: %v", n, err)
		}
	}
	_ = resp.Body.Close()
	waitUntil(t, "nobody watches", func() bool { return cam.preview.Wants() == 0 })
	st := cam.stats()
	if st.Ledger.Previewed < 9 || st.Ledger.PreviewDropped.NotDue == 0 || st.Ledger.PreviewDropped.EncodeSkipped != 0 {
		t.Errorf("ledger %+v", st.Ledger)
	}
	if p := cam.preview.Stats(); p.Encodes != 0 {
		t.Errorf("%d frames were encoded for nobody", p.Encodes)
	}
	s.stop()
	if err := cam.stats().Ledger.Check(); err != nil {
		t.Error(err)
	}
}
