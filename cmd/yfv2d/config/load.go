package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// maxSize bounds a configuration file, bytes. The one that documents every key is about 6 kB.
const maxSize = 64 << 10

// Hooks are what Load asks other parts for, and what the command line says instead of the file. All may be left out.
type Hooks struct {
	// CheckSource says what is wrong with a source's form, without opening it.
	CheckSource func(source string) error
	// CheckCamera says what is wrong with a camera whose sources are right in themselves, and with which of its keys.
	CheckCamera func(cam Camera) (key string, err error)
	// Model finds the model that ref means (Builtin, a name, or a path), checks that it can be used, and returns what
	// Config.Model becomes and the model's class names. Without it paths are only opened, names other than Builtin
	// are refused, and class names are not checked.
	Model func(ref string) (model string, classes []string, err error)
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

	written map[string]string // path of a text with references -> the text as it stands in the file
	secrets map[string]string // as Config.Secrets
	failed  map[string]bool   // paths of texts whose references stand for nothing; they have their fault

	dropped []string // names of the keys on faulty lines: given, though not readable
}

func parse(path, text string, hooks Hooks) (*Config, error) {
	l := &loader{
		file: path, hooks: hooks, cfg: Default(), lines: map[string]int{},
		written: map[string]string{}, secrets: map[string]string{}, failed: map[string]bool{},
	}
	l.cfg.Path, l.cfg.Dir = path, filepath.Dir(path)
	root := l.decode(text)
	l.expand("", root)
	l.section("", "", root, nil)
	l.cameras(root)
	l.crossCheck()
	if len(l.faults) > 0 {
		return nil, l.faults.sorted()
	}
	l.cfg.Secrets = l.secrets
	return &l.cfg, nil
}

// index is what a path has more than a key: people find the camera by the line.
var index = regexp.MustCompile(`\[\d+\]`)

func keyOf(path string) string { return redactText(index.ReplaceAllString(path, "")) }

// fault notes what is wrong with what stands at path.
func (l *loader) fault(path, what string, f Fault) {
	for value, reference := range l.secrets { // a second lock: messages are made of what is written
		what = strings.ReplaceAll(what, value, reference)
	}
	f.File, f.Line, f.Key, f.What = l.file, l.line(path), keyOf(path), what
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
		l.syntax(1+strings.Count(text[:i], "\n"), "a byte that is no UTF-8 text; "+restUnchecked)
		l.cut = true
		text = text[:strings.LastIndexByte(text[:i], '\n')+1]
	}
	lines := strings.Split(text, "\n")
	for range maxSyntax { // each round takes lines away
		text := strings.Join(lines, "\n")
		root, places, err := decodeTOML(text)
		if err == nil {
			l.locate(places)
			return root
		}
		message := tidy(err.Message)
		line := min(max(err.Position.Line, 1), len(lines))
		good := goodBefore(lines, line)
		if good == line-1 && alone(lines[line-1]) {
			l.syntax(line, hint(lines[line-1], message))
			l.dropped = append(l.dropped, scanName(lines[line-1]))
			lines[line-1] = ""
			continue
		}
		if good < line-1 {
			message += fmt.Sprintf(" (it begins in line %d)", good+1)
		}
		l.syntax(line, message+"; "+restUnchecked)
		l.cut = true
		lines = lines[:good]
	}
	l.cut = true
	return nil
}

const (
	restUnchecked = "what follows is not checked"
	// maxSyntax bounds the rounds of decode, and how far it looks back for the beginning of what is faulty.
	maxSyntax = 100
)

// goodBefore is how many whole lines before the faulty one can be parsed; 0 if that is not known.
func goodBefore(lines []string, faulty int) int {
	for n := faulty - 1; n > max(0, faulty-maxSyntax); n-- {
		if _, _, err := decodeTOML(strings.Join(lines[:n], "\n")); err == nil {
			return n
		}
	}
	return 0
}

// tidy makes the library's message part of a sentence.
func tidy(message string) string {
	message = strings.TrimRight(strings.TrimSpace(message), ".")
	return strings.ToLower(message[:min(1, len(message))]) + message[min(1, len(message)):]
}

// unquoted is key = word, the most frequent fault of all.
var unquoted = regexp.MustCompile(`^\s*[A-Za-z0-9_.-]+\s*=\s*[A-Za-z/~]`)

// hint is a fault of form in words that help; it quotes nothing, since the line may hold a password.
func hint(line, message string) string {
	if unquoted.MatchString(line) {
		return "a text needs quotes around it, and true and false are written small"
	}
	return message
}

// scanName is the key of a line that may be faulty behind it.
func scanName(line string) string {
	s := scanner{text: line}
	names := s.names()
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
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
	what, _, _ = strings.Cut(redactText(what), "\n")
	l.faults = append(l.faults, Fault{File: l.file, Line: line, What: "not valid TOML: " + what})
}

// alone says whether a faulty line can be left out without changing the meaning of the lines around it.
func alone(line string) bool {
	return !strings.HasPrefix(strings.TrimSpace(line), "[") &&
		!strings.Contains(line, `"""`) && !strings.Contains(line, "'''") &&
		strings.Count(line, "[") == strings.Count(line, "]") && strings.Count(line, "{") == strings.Count(line, "}")
}

// decodeTOML is the library's decoder into maps, with its rare panics on malformed input turned into errors. places are
// those of our scanner that the library agrees with.
func decodeTOML(text string) (root map[string]any, places []place, err *toml.ParseError) {
	defer func() {
		if r := recover(); r != nil {
			root, places, err = nil, nil, &toml.ParseError{Message: "the text cannot be understood"}
		}
	}()
	places, deep := scan(text)
	if deep > 0 {
		what := fmt.Sprintf("nested deeper than %d levels", maxDepth)
		return nil, nil, &toml.ParseError{Message: what, Position: toml.Position{Line: deep}}
	}
	meta, e := toml.Decode(text, &root)
	if e == nil {
		return root, agreed(places, meta.Keys()), nil
	}
	var pe toml.ParseError
	if !errors.As(e, &pe) {
		pe = toml.ParseError{Message: e.Error()}
	}
	return nil, nil, &pe
}

// agreed is the part of places, from the first on, that the library's list of keys confirms.
func agreed(places []place, keys []toml.Key) []place {
	for i, p := range places {
		if p.byIndex {
			continue
		}
		if len(keys) == 0 || !slices.Equal(p.key, keys[0]) {
			return places[:i]
		}
		keys = keys[1:]
	}
	return places
}

// locate fills lines. A table that no line of its own introduces has the line of its first key.
func (l *loader) locate(places []place) {
	for _, p := range places {
		for path := p.path; path != ""; path = path[:max(0, strings.LastIndexAny(path, ".["))] {
			if _, ok := l.lines[path]; !ok {
				l.lines[path] = p.line
			}
		}
	}
}
