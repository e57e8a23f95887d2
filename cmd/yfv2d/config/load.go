package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxSize bounds a configuration file, bytes. The one that documents every key is about 6 kB.
const maxSize = 256 << 10

// Hooks are what Load asks other parts for, and what the command line says instead of the file. All may be left out.
type Hooks struct {
	// CheckSource says what is wrong with a source's form, without opening it.
	CheckSource func(source string) error
	// Model checks that a model (Builtin, a name, or a path) can be used, and returns its class names. Without it
	// paths are only opened, names other than Builtin are refused, and class names are not checked.
	Model func(model string) (classes []string, err error)
	// Listen and AllowOpen are --listen and --allow-open.
	Listen    []string
	AllowOpen bool
}

// Load reads and checks the file at path. An error is of type Errors and names every fault that there is.
func Load(path string, hooks Hooks) (*Config, error) {
	text, err := read(path)
	if err != nil {
		return nil, Errors{{File: path, What: err.Error()}}
	}
	return parse(path, text, hooks)
}

func read(path string) (string, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", errors.New("there is no such file; give the configuration with -c FILE")
	case errors.Is(err, os.ErrPermission):
		return "", errors.New("this user may not read it")
	case err != nil:
		return "", plain(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return "", errors.New("is a folder, not a configuration file")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	switch {
	case err != nil:
		return "", plain(err)
	case len(b) > maxSize:
		return "", fmt.Errorf("is larger than %d kB and so no configuration", maxSize>>10)
	}
	return string(b), nil
}

// plain leaves off the operation and path of a file error, which the fault names already.
func plain(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// loader checks one file.
type loader struct {
	file   string
	hooks  Hooks
	cfg    Config
	lines  map[string]int // path of a key -> line
	faults Errors
	cut    bool // only the beginning of the file could be read: what is missing may stand further down
}

func parse(path, text string, hooks Hooks) (*Config, error) {
	l := &loader{file: path, hooks: hooks, cfg: Default(), lines: map[string]int{}}
	l.cfg.Path, l.cfg.Dir = path, filepath.Dir(path)
	root := l.decode(text)
	l.section("", "", root, nil)
	l.cameras(root)
	l.crossCheck()
	if len(l.faults) > 0 {
		return nil, l.faults.sorted()
	}
	return &l.cfg, nil
}

func (l *loader) fault(path, what string, f Fault) {
	f.File, f.Line, f.Key, f.What = l.file, l.line(path), path, what
	l.faults = append(l.faults, f)
}

// line is where path stands, or the nearest table around it; 0 if there is none.
func (l *loader) line(path string) int {
	for path != "" {
		if n, ok := l.lines[path]; ok {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 0
}

// decode parses the text, finds the lines of its keys, and notes what is wrong with its form. The library stops at the
// first fault; so a faulty line that stands for itself is left out and the rest is tried again. If that cannot be
// (an open bracket, a text without end, a bad header), only what stands before it is checked.
func (l *loader) decode(text string) map[string]any {
	if i := badUTF8(text); i >= 0 {
		l.syntax(1+strings.Count(text[:i], "\n"), "a byte that is no UTF-8 text")
		l.cut = true
		text = text[:strings.LastIndexByte(text[:i], '\n')+1]
	}
	lines := strings.Split(text, "\n")
	for range lines { // each round takes away a line
		text := strings.Join(lines, "\n")
		root, keys, err := decodeTOML(text)
		if err == nil {
			l.locate(text, keys)
			return root
		}
		line := min(max(err.Position.Line, 1), len(lines))
		l.syntax(line, err.Message)
		before := strings.Join(lines[:line-1], "\n")
		if _, _, err := decodeTOML(before); err != nil {
			l.cut = true
			return nil
		}
		if alone(lines[line-1]) {
			lines[line-1] = ""
			continue
		}
		l.cut = true
		lines = lines[:line-1]
	}
	return nil
}

func badUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return -1
}

func (l *loader) syntax(line int, what string) {
	what = strings.TrimSpace(Redact(what))
	if i := strings.IndexByte(what, '\n'); i >= 0 {
		what = what[:i]
	}
	l.faults = append(l.faults, Fault{File: l.file, Line: line, What: "not valid TOML: " + what})
}

// alone says whether a faulty line can be left out without changing the meaning of the lines around it.
func alone(line string) bool {
	return !strings.HasPrefix(strings.TrimSpace(line), "[") &&
		!strings.Contains(line, `"""`) && !strings.Contains(line, "'''") &&
		strings.Count(line, "[") == strings.Count(line, "]") && strings.Count(line, "{") == strings.Count(line, "}")
}

// decodeTOML is the library's decoder into maps, with its rare panics on malformed input turned into errors.
func decodeTOML(text string) (root map[string]any, keys []toml.Key, err *toml.ParseError) {
	defer func() {
		if r := recover(); r != nil {
			root, keys, err = nil, nil, &toml.ParseError{Message: "the text cannot be understood"}
		}
	}()
	meta, e := toml.Decode(text, &root)
	if e == nil {
		return root, meta.Keys(), nil
	}
	var pe toml.ParseError
	if !errors.As(e, &pe) {
		pe = toml.ParseError{Message: e.Error()}
	}
	return nil, nil, &pe
}

// locate fills lines, as far as our scanner and the library agree on what stands in the file. A table that no line of
// its own introduces has the line of its first key.
func (l *loader) locate(text string, keys []toml.Key) {
	for _, p := range scan(text) {
		if !p.byIndex {
			if len(keys) == 0 || !slices.Equal(p.key, keys[0]) {
				return
			}
			keys = keys[1:]
		}
		for path := p.path; path != ""; path = path[:max(0, strings.LastIndexAny(path, ".["))] {
			if _, ok := l.lines[path]; !ok {
				l.lines[path] = p.line
			}
		}
	}
}
