package child

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// shellOnly are words that mean something to a shell and nothing to a program.
var shellOnly = []string{"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "|&"}

// words splits a command as a shell does, but expands nothing: 'x' is x as it stands, in "x" a backslash quotes ", \, $ and `, and
// elsewhere it quotes the next sign.
func words(s string) ([]string, error) {
	var list []string
	for s = trim(s); s != ""; s = trim(s) {
		word, rest, err := word(s)
		if err != nil {
			return nil, err
		}
		if slices.Contains(shellOnly, s[:len(s)-len(rest)]) {
			return nil, fmt.Errorf("%q: there is no shell here; write exec:sh -c '...' for one", word)
		}
		list = append(list, word)
		s = rest
	}
	if len(list) == 0 || list[0] == "" {
		return nil, errors.New("no program is named")
	}
	return list, nil
}

func trim(s string) string { return strings.TrimLeft(s, " \t") }

// word cuts off the first word of s, which does not begin with a space.
func word(s string) (word, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t':
			return b.String(), s[i:], nil
		case '\\':
			if i++; i == len(s) {
				return "", "", errors.New(`a backslash at the end quotes nothing`)
			}
			b.WriteByte(s[i])
		case '\'', '"':
			inner, n := quoted(s[i:])
			if n == 0 {
				return "", "", fmt.Errorf("a quotation that begins with %c has no end", c)
			}
			b.WriteString(inner)
			i += n - 1
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", nil
}

// quoted reads a quotation and says how long it is; 0: it has no end.
func quoted(s string) (string, int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), i + 1
		case s[0] == '"' && s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0
}
