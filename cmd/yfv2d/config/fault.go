package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	File    string
	Line    int    // from 1; 0 if the fault is of no line (a table that is missing)
	Key     string // as in config.toml: "detect.fps", "camera.name"; "--listen" for a flag; "" for the file itself
	What    string // what is wrong
	Allowed string // may be empty
	Near    string // the nearest valid name, may be empty
}

// Error is "file:line: key: what is wrong (allowed: ...), did you mean "x"?".
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.What)
	if f.Allowed != "" {
		fmt.Fprintf(&b, " (allowed: %s)", f.Allowed)
	}
	if f.Near != "" {
		fmt.Fprintf(&b, ", did you mean %q?", f.Near)
	}
	return b.String()
}

// Errors is everything that is wrong with a file, by line.
type Errors []Fault

// Error has one line for each fault.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted puts faults in the order of the file, those of no line last.
func (e Errors) sorted() Errors {
	rank := func(f Fault) int {
		if f.Line == 0 {
			return 1 << 30
		}
		return f.Line
	}
	slices.SortStableFunc(e, func(a, b Fault) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a.Key, b.Key)) })
	return e
}

// nearest is the candidate that name is most likely a misspelling of, "" if none is near. Half of the letters may
// differ: two letters swapped in a short name (fsp) already count as two.
func nearest(name string, candidates []string) string {
	if utf8.RuneCountInString(name) > 64 {
		return ""
	}
	best, least := "", 1<<30
	for _, c := range candidates {
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(c))
		if c != name && d < least && d <= (min(len(name), len(c))+1)/2 {
			best, least = c, d
		}
	}
	return best
}

var (
	scheme      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)
	userInfo    = regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*:/*)?.*@`)
	urlUser     = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]*@`)
	secretParam = regexp.MustCompile(`(?i)([?&;/_](?:user|usr|username|login|pass|passwd|password|pwd|token|access_token|auth|key|apikey|api_key|secret|sig|signature)=)[^&;/_\s"'#?]*`)
)

// Redact hides user names, passwords and tokens in a source, or in a text that quotes URLs. A password may hold any
// character unescaped, even @, / and blanks, so of a source everything up to the last @ goes: rather too much than too
// little. It is safe on any text and changes nothing that holds no secret.
func Redact(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at >= 0 && !isFile(s) && (scheme.MatchString(s) || strings.Contains(s[:at], ":") && !strings.ContainsAny(s[:at], " \t\n\"'")) {
		s = userInfo.ReplaceAllString(s, "$1***@")
	}
	return redactText(s)
}

// redactText hides secrets in the URLs that a text quotes.
func redactText(s string) string {
	return secretParam.ReplaceAllString(urlUser.ReplaceAllString(s, "$1***@"), "$1***")
}

func isFile(source string) bool { return len(source) >= 5 && strings.EqualFold(source[:5], "file:") }

// show quotes a value for a message: without secrets and not too long.
func show(s string) string {
	const most = 80
	s = Redact(s)
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
