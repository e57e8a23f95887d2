package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestBundleIsFresh: what is served was made from the page's files as they are.
func TestBundleIsFresh(t *testing.T) {
	files, err := bundle("../../stream/web")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../../stream/bundle", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("stream/bundle/%s is not what stream/web makes now (%v); run go generate ./stream", name, err)
		}
	}
	there, err := os.ReadDir("../../stream/bundle")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range there {
		if files[e.Name()] == nil {
			t.Errorf("stream/bundle/%s is of no use; run go generate ./stream", e.Name())
		}
	}
}

// TestBundleFaults: a page that cannot be joined says which file and line.
func TestBundleFaults(t *testing.T) {
	dir := t.TempDir()
	web := filepath.Join(dir, "web")
	if err := os.Mkdir(web, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range entries {
		if err := os.WriteFile(filepath.Join(web, name), []byte("/* nothing */"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(web, "app.js"), []byte("\nimport { x } from './missing.js';\nx();"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := run(dir)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("app.js:2")) {
		t.Errorf("a missing module: %v", err)
	}
}
