package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"yfv2d/capture"
)

// TestDocsShowWhatIsPrinted runs every command whose JSON docs/api.md shows and holds the two against each other.
func TestDocsShowWhatIsPrinted(t *testing.T) {
	dir := t.TempDir()
	picture := still(t, dir, "still.png")
	ann := filepath.Join(dir, "ann.json")
	// One large object where the demo's person stands, so that the figures are numbers and not null.
	const instances = `{"images":[{"id":1,"file_name":"still.png"}],"categories":[{"id":1,"name":"person"}],
		"annotations":[{"image_id":1,"category_id":1,"bbox":[0,49,330,424],"area":139920},
			{"image_id":1,"category_id":1,"bbox":[500,10,50,50],"area":2500},{"image_id":1,"category_id":1,"bbox":[600,10,20,20],"area":400}]}`
	if err := os.WriteFile(ann, []byte(instances), 0o644); err != nil {
		t.Fatal(err)
	}
	printed := map[string]func(t *testing.T) string{
		"yfv2d detect --json": func(t *testing.T) string {
			_, out, _ := runUntil(t, 8, "detect", "--json", "--track", clip)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			return lines[len(lines)-1]
		},
		"yfv2d model info --json": func(t *testing.T) string { return printedBy(t, "model", "info", "--json", "builtin") },
		"yfv2d eval --json": func(t *testing.T) string {
			return printedBy(t, "eval", "--json", "--images", filepath.Dir(picture), "--ann", ann)
		},
		"yfv2d track-eval --json": func(t *testing.T) string {
			return printedBy(t, "track-eval", "--json", "--seq", motSequence(t, "TUD-Campus"))
		},
		"yfv2d bench --json": func(t *testing.T) string {
			text := printedBy(t, "bench", "--json", "--seconds", "0.05", "--engine", "opencv", "--input", "64x64")
			return regexp.MustCompile(`"(celsius|mhz)":[0-9.]+`).ReplaceAllString(text, `"$1":null`) // not every machine tells
		},
		"yfv2d version --json": func(t *testing.T) string { return printedBy(t, "version", "--json") },
	}
	shown := examples(t, "../../docs/api.md")
	if a, b := slices.Sorted(maps.Keys(shown)), slices.Sorted(maps.Keys(printed)); !slices.Equal(a, b) {
		t.Fatalf("docs/api.md shows %q, the test knows %q", a, b)
	}
	for title, run := range printed {
		t.Run(title, func(t *testing.T) {
			var got, want any
			if err := json.Unmarshal([]byte(run(t)), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(shown[title]), &want); err != nil {
				t.Fatalf("the example: %v", err)
			}
			for _, fault := range differ("", got, want) {
				t.Error(fault)
			}
		})
	}
}

func printedBy(t *testing.T, args ...string) string {
	t.Helper()
	code, out, stderr := runCLI(t, args...)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	return out
}

// examples are the JSON blocks of a document by the heading that they stand under.
func examples(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		if m := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(body, -1); len(m) == 1 {
			out[title] = m[0][1]
		} else if len(m) > 1 {
			t.Errorf("%s: %d examples under %q, want one", path, len(m), title)
		}
	}
	return out
}

// differ tells where two JSON values differ in keys or types. Of lists the first elements are compared.
func differ(at string, printed, shown any) []string {
	switch p := printed.(type) {
	case map[string]any:
		s, ok := shown.(map[string]any)
		if !ok {
			break
		}
		var faults []string
		for k := range p {
			if _, ok := s[k]; !ok {
				faults = append(faults, fmt.Sprintf("%s.%s is printed and not shown", at, k))
				continue
			}
			faults = append(faults, differ(at+"."+k, p[k], s[k])...)
		}
		for k := range s {
			if _, ok := p[k]; !ok {
				faults = append(faults, fmt.Sprintf("%s.%s is shown and not printed", at, k))
			}
		}
		return faults
	case []any:
		s, ok := shown.([]any)
		if !ok {
			break
		}
		if len(p) == 0 || len(s) == 0 {
			return []string{fmt.Sprintf("%s is empty: nothing to compare", at)}
		}
		return differ(at+"[0]", p[0], s[0])
	default:
		if fmt.Sprintf("%T", printed) == fmt.Sprintf("%T", shown) {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s is printed as %T and shown as %T", at, printed, shown)}
}

func TestDifferFindsDifferences(t *testing.T) {
	for _, tt := range []struct {
		name, printed, shown string
		faults               int
	}{
		{"equal", `{"a":[1,2],"b":"x"}`, `{"a":[3],"b":"y"}`, 0},
		{"key missing in the docs", `{"a":1,"b":2}`, `{"a":1}`, 1},
		{"key missing in the output", `{"a":1}`, `{"a":1,"b":2}`, 1},
		{"type", `{"a":1}`, `{"a":"1"}`, 1},
		{"null", `{"a":null}`, `{"a":1}`, 1},
		{"deep", `{"a":[{"b":1}]}`, `{"a":[{"b":[1]}]}`, 1},
		{"object for a list", `{"a":{}}`, `{"a":[1]}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p, s any
			if err := json.Unmarshal([]byte(tt.printed), &p); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tt.shown), &s); err != nil {
				t.Fatal(err)
			}
			if f := differ("", p, s); len(f) != tt.faults {
				t.Errorf("faults %q, want %d", f, tt.faults)
			}
		})
	}
}

// Every source that the README shows is one that the program takes.
func TestReadmeSources(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := regexp.MustCompile(`"((?:rtsps?|https?|v4l2|libcamera|exec|file|test):[^"]*)"`).FindAllStringSubmatch(string(text), -1)
	kinds := map[string]bool{}
	for _, s := range sources {
		if err := capture.Check(s[1]); err != nil {
			t.Errorf("%s: %v", s[1], err)
		}
		kind, _, _ := strings.Cut(s[1], ":")
		kinds[kind] = true
	}
	for _, kind := range []string{"rtsp", "http", "v4l2", "libcamera", "exec", "file", "test"} {
		if !kinds[kind] {
			t.Errorf("the README shows no %s: source", kind)
		}
	}
}
