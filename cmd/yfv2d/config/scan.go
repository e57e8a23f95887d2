package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// place is where something stands in a file: a key, a [table], a [[table]], or an element of an array.
type place struct {
	key     []string // its names from the root, without array indexes; nil for an element
	path    string   // the same with indexes: camera[1].source
	line    int      // from 1
	byIndex bool     // an element of an array, which is no key
}

// scan finds the lines of all keys of a text that the TOML library has accepted: the library gives none. It knows just
// enough of the language to step over values, checks nothing, and stops quietly at what it does not understand; its
// result is compared with the library's own list of keys. deep is the first line that nests deeper than maxDepth, where
// it stops, or 0: there the library's time grows with the square of the depth, and the stack with it.
func scan(text string) (places []place, deep int) {
	text = strings.TrimPrefix(text, "\xef\xbb\xbf")
	s := scanner{text: text, line: 1, tables: map[string]int{}}
	s.file()
	return s.places, s.deep
}

// maxDepth bounds the names of a key and the brackets around a value; we have no key of more than three names.
const maxDepth = 16

type scanner struct {
	text   string
	pos    int
	line   int
	places []place
	tables map[string]int // path of an array of tables -> how many of them there are
	nested int            // brackets open around pos
	deep   int
}

// tooDeep ends the scan.
func (s *scanner) tooDeep() {
	s.deep, s.pos = s.line, len(s.text)
}

// spot is a key's names with and without indexes.
type spot struct {
	key  []string
	path string
}

func (p spot) join(name string) spot {
	return spot{append(slices.Clip(p.key), name), joinPath(p.path, name)}
}

// joinPath adds a name to a path, quoted as in TOML where that is needed.
func joinPath(path, name string) string {
	if !bare(name) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func bare(name string) bool {
	for i := 0; i < len(name); i++ {
		if !bareByte(name[i]) {
			return false
		}
	}
	return name != ""
}

func bareByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// skip goes n bytes on and counts lines.
func (s *scanner) skip(n int) {
	end := min(s.pos+n, len(s.text))
	s.line += strings.Count(s.text[s.pos:end], "\n")
	s.pos = end
}

// blank steps over spaces, and over line ends and comments if lines is set.
func (s *scanner) blank(lines bool) {
	for s.pos < len(s.text) {
		switch c := s.peek(); {
		case c == ' ' || c == '\t' || lines && (c == '\n' || c == '\r'):
			s.skip(1)
		case lines && c == '#':
			s.toLineEnd()
		default:
			return
		}
	}
}

func (s *scanner) toLineEnd() {
	n := strings.IndexByte(s.text[s.pos:], '\n')
	if n < 0 {
		n = len(s.text) - s.pos
	}
	s.skip(n)
}

func (s *scanner) file() {
	var at spot
	for {
		s.blank(true)
		start := s.pos
		switch {
		case s.pos == len(s.text):
			return
		case s.peek() == '[':
			at = s.header()
		default:
			s.pair(at)
		}
		if s.pos == start {
			return
		}
	}
}

// header reads [a.b] or [[a.b]] and returns where the keys below it belong.
func (s *scanner) header() spot {
	line, array := s.line, strings.HasPrefix(s.text[s.pos:], "[[")
	s.skip(1)
	if array {
		s.skip(1)
	}
	var at spot
	names := s.names()
	for i, name := range names {
		at = at.join(name)
		if n, ok := s.tables[at.path]; ok && (!array || i < len(names)-1) {
			at.path = indexPath(at.path, n-1)
		}
	}
	if array {
		n := s.tables[at.path]
		s.tables[at.path] = n + 1
		at.path = indexPath(at.path, n)
	}
	s.places = append(s.places, place{key: at.key, path: at.path, line: line})
	s.toLineEnd()
	return at
}

// pair reads key = value.
func (s *scanner) pair(at spot) {
	line := s.line
	names := s.names()
	if len(names) == 0 || s.peek() != '=' {
		return
	}
	for _, name := range names {
		at = at.join(name)
	}
	s.places = append(s.places, place{key: at.key, path: at.path, line: line})
	s.skip(1)
	s.blank(false)
	s.value(at)
}

// names reads a dotted key.
func (s *scanner) names() (names []string) {
	for {
		s.blank(false)
		name, ok := s.name()
		if !ok {
			return names
		}
		if len(names) == maxDepth {
			s.tooDeep()
			return nil
		}
		names = append(names, name)
		s.blank(false)
		if s.peek() != '.' {
			return names
		}
		s.skip(1)
	}
}

func (s *scanner) name() (string, bool) {
	start := s.pos
	if q := s.peek(); q == '"' || q == '\'' {
		s.text1()
		name := s.text[start+1 : max(start+1, s.pos-1)]
		if q == '"' {
			name = unescape(name)
		}
		return name, true
	}
	for s.pos < len(s.text) && bareByte(s.peek()) {
		s.pos++
	}
	return s.text[start:s.pos], s.pos > start
}

// value steps over a value that belongs to at.
func (s *scanner) value(at spot) {
	if s.nested == maxDepth {
		s.tooDeep()
		return
	}
	s.nested++
	defer func() { s.nested-- }()
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.array(at)
	case '{':
		s.table(at)
	default: // number, boolean, date
		n := strings.IndexAny(s.text[s.pos:], ",]}#\r\n")
		if n < 0 {
			n = len(s.text) - s.pos
		}
		s.skip(n)
	}
}

func (s *scanner) array(at spot) {
	s.skip(1)
	for i := 0; ; i++ {
		s.blank(true)
		if s.peek() == ']' {
			s.skip(1)
			return
		}
		start := s.pos
		item := spot{at.key, indexPath(at.path, i)}
		s.places = append(s.places, place{path: item.path, line: s.line, byIndex: true})
		s.value(item)
		s.blank(true)
		if s.peek() == ',' {
			s.skip(1)
		}
		if s.pos == start {
			return
		}
	}
}

func (s *scanner) table(at spot) {
	s.skip(1)
	for {
		s.blank(true)
		if s.peek() == '}' {
			s.skip(1)
			return
		}
		start := s.pos
		s.pair(at)
		s.blank(true)
		if s.peek() == ',' {
			s.skip(1)
		}
		if s.pos == start {
			return
		}
	}
}

// quoted steps over a text of any of the four kinds.
func (s *scanner) quoted() {
	q := s.text[s.pos : s.pos+1]
	triple := q + q + q
	if !strings.HasPrefix(s.text[s.pos:], triple) {
		s.text1()
		return
	}
	i := s.pos + 3
	for i < len(s.text) && !strings.HasPrefix(s.text[i:], triple) {
		if q == `"` && s.text[i] == '\\' {
			i++
		}
		i++
	}
	i += 3
	for n := 0; n < 2 && i < len(s.text) && s.text[i] == q[0]; n++ { // the text itself may end in quotes
		i++
	}
	s.skip(i - s.pos)
}

// text1 steps over a text of one line.
func (s *scanner) text1() {
	q := s.text[s.pos]
	i := s.pos + 1
	for i < len(s.text) && s.text[i] != q && s.text[i] != '\n' {
		if q == '"' && s.text[i] == '\\' {
			i++
		}
		i++
	}
	s.skip(i + 1 - s.pos)
}

// unescape resolves the escapes of a quoted key.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		digits := 0
		switch c := s[i]; c {
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			if n := strings.IndexByte("btnfre", c); n >= 0 {
				c = "\b\t\n\f\r\x1b"[n]
			}
			b.WriteByte(c)
			continue
		}
		end := min(i+1+digits, len(s))
		r, err := strconv.ParseUint(s[i+1:end], 16, 32)
		if err != nil {
			r = utf8.RuneError
		}
		b.WriteRune(rune(r))
		i = end - 1
	}
	return b.String()
}
