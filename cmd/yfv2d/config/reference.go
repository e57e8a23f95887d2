package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"yfv2d/capture/userinfo"
)

// A text of the file may hold references: ${cred:NAME} is the file NAME in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=),
// ${env:NAME} an environment variable, and $${ a plain ${. What they stand for is put in before anything is checked, and
// people are shown the text as it was written.

const (
	credential  = "cred"
	environment = "env"

	// maxSecret bounds what a reference stands for, bytes: a private key would fit.
	maxSecret = 8 << 10
	// hidden is the shortest value that is looked for in logs and messages, bytes. A shorter one would be found in words and
	// numbers that have nothing to do with it; sources and faults never show it, whatever its length.
	hidden = 4
)

const referenceForms = "${cred:NAME}, ${env:NAME}, or $${ for a plain ${"

// Names start with no dot and hold no slash, so no name leads out of the folder. systemd's are of this form too.
var (
	credentialName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	environmentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
)

// part is a piece of a text: plain, or a reference of a kind.
type part struct {
	plain      string
	kind, name string
	value      string // what the reference stands for, once it was looked up
}

func (p part) String() string {
	if p.kind == "" {
		return p.plain
	}
	return "${" + p.kind + ":" + p.name + "}"
}

// split takes a text apart. Its error quotes no more than names.
func split(s string) (parts []part, err error) {
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			parts = append(parts, part{plain: plain.String()})
			plain.Reset()
		}
	}
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			plain.WriteString(s)
			flush()
			return parts, nil
		}
		if i > 0 && s[i-1] == '$' {
			plain.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		plain.WriteString(s[:i])
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, errors.New("a ${ has no }")
		}
		p := part{}
		p.kind, p.name, _ = strings.Cut(s[i+2:i+end], ":")
		if err := p.check(); err != nil {
			return nil, err
		}
		flush()
		parts = append(parts, p)
		s = s[i+end+1:]
	}
}

func (p part) check() error {
	form := environmentName
	switch p.kind {
	case environment:
	case credential:
		form = credentialName
	default:
		return errors.New("${ begins a reference of a kind that there is not")
	}
	if !form.MatchString(p.name) {
		return fmt.Errorf("${%s:...} holds no valid name", p.kind)
	}
	return nil
}

// look finds what the reference stands for. Its error says what to do and holds no value.
func (p part) look() (string, error) {
	value, err := "", error(nil)
	if p.kind == credential {
		value, err = readCredential(p.name)
	} else if v, ok := os.LookupEnv(p.name); ok {
		value = v
	} else {
		err = fmt.Errorf("the environment has no %s; set it for the daemon (in a unit: Environment= or EnvironmentFile=)", p.name)
	}
	switch {
	case err != nil:
		return "", err
	case value == "":
		return "", fmt.Errorf("what %s stands for is empty", p)
	case len(value) > maxSecret:
		return "", fmt.Errorf("what %s stands for is longer than %d kB", p, maxSecret>>10)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", fmt.Errorf("what %s stands for holds a line break or another sign that is no text", p)
	}
	return value, nil
}

// readCredential reads a file of the credentials' folder, without the line break that editors leave at its end.
func readCredential(name string) (string, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("the credential %s cannot be looked up: CREDENTIALS_DIRECTORY is not set; a service has it from LoadCredential=%s:FILE "+
			"in its unit, a command beside it from CREDENTIALS_DIRECTORY=/run/credentials/yfv2d.service", name, name)
	}
	path := filepath.Join(dir, name)
	info, err := os.Stat(path) // before it is opened: a pipe would wait for a writer
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("there is no credential %s in %s; add LoadCredential=%s:FILE to the service and start it again", name, dir, name)
	case err != nil:
		return "", fmt.Errorf("the credential %s cannot be read: %w", name, plain(err))
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("the credential %s is no file", name)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the credential %s cannot be read: %w", name, plain(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+2))
	if err != nil {
		return "", fmt.Errorf("the credential %s cannot be read: %w", name, plain(err))
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

var urlHead = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// join puts the values in. In an address, scheme://..., those of user name and password are percent-encoded, so that they
// may hold any sign; elsewhere in an address only an @ is, which would make what stands before it a password.
func join(parts []part) string {
	var bare strings.Builder // references as a letter, to find where user name and password end
	for _, p := range parts {
		if p.kind == "" {
			bare.WriteString(p.plain)
		} else {
			bare.WriteByte('x')
		}
	}
	head := len(urlHead.FindString(bare.String()))
	login := -1
	if head > 0 {
		login = head + userinfo.End(bare.String()[head:])
	}
	var out strings.Builder
	at := 0 // in bare
	for _, p := range parts {
		switch {
		case p.kind == "":
			out.WriteString(p.plain)
			at += len(p.plain)
			continue
		case head > 0 && at >= head && at < login:
			out.WriteString(percentEncode(p.value))
		case head > 0:
			out.WriteString(strings.ReplaceAll(p.value, "@", "%40"))
		default:
			out.WriteString(p.value)
		}
		at++
	}
	return out.String()
}

// percentEncode encodes all but the unreserved characters of RFC 3986 section 2.3.
func percentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; bareByte(c) || c == '.' || c == '~' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// expand puts values in place of the references of all texts below at.
func (l *loader) expand(at string, v any) any {
	switch v := v.(type) {
	case string:
		return l.expandText(at, v)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			v[name] = l.expand(joinPath(at, name), v[name])
		}
	case []any:
		for i, item := range v {
			v[i] = l.expand(indexPath(at, i), item)
		}
	case []map[string]any:
		for i, item := range v {
			l.expand(indexPath(at, i), item)
		}
	}
	return v
}

func (l *loader) expandText(at, s string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	parts, err := split(s)
	if err != nil {
		l.failed[at] = true
		l.fault(at, err.Error(), Fault{Allowed: referenceForms})
		return s
	}
	used := false
	for i := range parts {
		p := &parts[i]
		if p.kind == "" {
			continue
		}
		used = true
		if p.value, err = p.look(); err != nil {
			l.failed[at] = true
			l.fault(at, err.Error(), Fault{})
			return s
		}
	}
	whole := join(parts)
	if !used {
		return whole
	}
	l.written[at] = s
	for _, p := range parts {
		if p.kind != "" && len(p.value) >= hidden && (p.kind == credential || mayHoldSecret(keyOf(at))) {
			l.secrets[p.value] = p.String()
		}
	}
	if mayHoldSecret(keyOf(at)) && isChild(whole) {
		l.failed[at] = true
		l.fault(at, "the arguments of a program can be read by everybody on this machine, so nothing secret is put into them; "+
			"let the program read its secret itself, from the environment or from a file in $CREDENTIALS_DIRECTORY", Fault{})
		return s
	}
	return whole
}

// mayHoldSecret says of a key whether what an environment variable puts there is never to be told. Elsewhere (an address to
// listen on, a log level) it is a plain setting, and looking for it in every line of the log would garble them.
func mayHoldSecret(key string) bool {
	switch key {
	case "camera.source", "camera.detect_source", "webrtc.ice_servers":
		return true
	}
	return false
}

var childScheme = regexp.MustCompile(`(?i)^(exec|libcamera):`)

// isChild says whether a source is a program that is given it as arguments.
func isChild(source string) bool { return childScheme.MatchString(source) }

// shown is a text of the file for a message: with its references instead of what they stand for.
func (l *loader) shown(path, s string) string {
	for _, p := range []string{path, indexPath(path, 0)} { // one text may stand as a list
		if w, ok := l.written[p]; ok {
			return show(w)
		}
	}
	return show(s)
}
