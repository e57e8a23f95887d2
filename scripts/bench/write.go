package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files in the folder of the results. The second is what -int8-only measured on Debian 13.
const (
	resultsFile = "results.json"
	trixieFile  = "results-trixie.json"
	tableFile   = "RESULTS.md"
)

// write keeps what was measured, and shows it with what is known of Debian 13.
func (r *results) write(dir string) error {
	if err := r.writeJSON(filepath.Join(dir, resultsFile)); err != nil {
		return err
	}
	return r.writeTable(dir)
}

func (r *results) writeTable(dir string) error {
	text := r.markdown()
	trixie, err := readResults(filepath.Join(dir, trixieFile))
	switch {
	case err == nil:
		text += trixie.int8Section()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	fmt.Print(text)
	return os.WriteFile(filepath.Join(dir, tableFile), []byte(text), 0o644)
}

// writeInt8 keeps and shows what -int8-only measured.
func (r *results) writeInt8(path string) error {
	fmt.Print(r.int8Section())
	return r.writeJSON(path)
}

func (r *results) writeJSON(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// render writes the table anew from the figures in dir.
func render(dir string) error {
	r, err := readResults(filepath.Join(dir, resultsFile))
	if err != nil {
		return err
	}
	return r.writeTable(dir)
}

func readResults(path string) (*results, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &results{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("results in %s: %w", path, err)
	}
	return r, nil
}
