package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"yfv2d/scripts/daemon"
)

const (
	jsonFile  = "preview.json"
	tableFile = "PREVIEW.md"
)

// results are all that is known, of this session and of those before. In the file the figures stand at the top level.
type results struct {
	figures  figures
	series   map[string][]float64 // curves, by name
	sessions map[string]session   // by part
}

// session says how a part was measured.
type session struct {
	Date       string   `json:"date"`
	Machine    string   `json:"machine"`
	System     string   `json:"system"`
	Daemon     string   `json:"daemon"`
	Command    string   `json:"command"`
	LoadBefore string   `json:"load_before"`
	LoadAfter  string   `json:"load_after"`
	Runs       int      `json:"runs"`
	Seconds    int      `json:"seconds"`
	Keys       []string `json:"keys"`   // of its figures
	Curves     []string `json:"curves"` // names of its series
	Failed     []string `json:"failed,omitempty"`
	Skipped    string   `json:"skipped,omitempty"`
}

func newResults() *results {
	return &results{figures: figures{}, series: map[string][]float64{}, sessions: map[string]session{}}
}

// put replaces what is known of a part.
func (r *results) put(name string, s session, f figures, series map[string][]float64) {
	r.forget(name)
	s.Keys, s.Curves = slices.Sorted(maps.Keys(f)), slices.Sorted(maps.Keys(series))
	maps.Copy(r.figures, f)
	maps.Copy(r.series, series)
	r.sessions[name] = s
}

// skip notes that a part cannot be measured; figures from before stay, with their date.
func (r *results) skip(name, why string) {
	s := r.sessions[name]
	s.Skipped = why
	r.sessions[name] = s
}

func (r *results) forget(name string) {
	s := r.sessions[name]
	for _, k := range s.Keys {
		delete(r.figures, k)
	}
	for _, k := range s.Curves {
		delete(r.series, k)
	}
}

// medians takes the median of each figure. Of an even number it is the lower of the two in the middle.
func medians(runs []figures) figures {
	values := map[string][]float64{}
	for _, f := range runs {
		for k, v := range f {
			values[k] = append(values[k], v)
		}
	}
	m := figures{}
	for k, v := range values {
		slices.Sort(v)
		m[k] = v[(len(v)-1)/2]
	}
	return m
}

func (f figures) print() {
	for _, k := range slices.Sorted(maps.Keys(f)) {
		fmt.Printf("  %-28s %.4g\n", k, f[k])
	}
}

func readResults(path string) (*results, error) {
	r := newResults()
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("results in %s: %w", path, err)
	}
	for k, v := range raw {
		switch k {
		case "series":
			err = json.Unmarshal(v, &r.series)
		case "parts":
			err = json.Unmarshal(v, &r.sessions)
		default:
			var n float64
			err = json.Unmarshal(v, &n)
			r.figures[k] = n
		}
		if err != nil {
			return nil, fmt.Errorf("results in %s: %s: %w", path, k, err)
		}
	}
	return r, nil
}

// write keeps what is known and shows it as a page.
func (r *results) write(dir string) error {
	flat := map[string]any{"series": r.series, "parts": r.sessions}
	for k, v := range r.figures {
		flat[k] = v
	}
	data, err := json.MarshalIndent(flat, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, jsonFile), append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, tableFile), []byte(r.markdown()), 0o644)
}

func machine() string {
	return fmt.Sprintf("%s, %d cores, %s", daemon.CPUModel(), runtime.NumCPU(), runtime.GOARCH)
}

// version is the daemon's own, with its commit.
func version(bin string) string {
	var own struct{ Version, Commit string }
	out, err := exec.Command(bin, "version", "--json").Output()
	if err != nil || json.Unmarshal(out, &own) != nil {
		return "unknown"
	}
	return strings.TrimSpace(own.Version + " " + own.Commit)
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "..."
	}
	return s
}
