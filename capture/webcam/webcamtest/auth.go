package webcamtest

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"regexp"
	"strings"
)

// Auth is how a camera asks for its password.
type Auth uint8

const (
	DigestMD5 Auth = iota
	DigestSHA256
	DigestSession // MD5-sess
	DigestOld     // of RFC 2069, without qop
	DigestBoth    // SHA-256 and MD5 in one line, and Basic
	Basic
	Bearer // what a camera's client does not know
)

// refuse is what a request without the right password is answered; nil: it may pass.
func (s *Server) refuse(r *http.Request) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.User == "" {
		return nil
	}
	given := r.Header.Get("Authorization")
	stale := false
	switch {
	case strings.HasPrefix(given, "Basic ") && (s.cfg.Auth == Basic || s.cfg.Auth == DigestBoth):
		if user, pass, ok := r.BasicAuth(); ok && user == s.cfg.User && pass == s.cfg.Password {
			return nil
		}
	case strings.HasPrefix(given, "Digest ") && s.cfg.Auth != Basic:
		p := params(given)
		uses, known := s.nonces[p["nonce"]]
		if right := p["response"] == s.response(r, p) && p["uri"] == r.URL.RequestURI() && p["username"] == s.cfg.User; right && known {
			s.nonces[p["nonce"]]++
			count := p["nc"]
			if uses == 0 || !s.cfg.OneNonce && (count == "" || count == fmt.Sprintf("%08x", uses+1)) {
				return nil
			}
			stale = true
		}
	}
	nonce := fmt.Sprintf("%x", noise(12))
	s.nonces[nonce] = 0
	return s.challenges(nonce, stale)
}

func (s *Server) challenges(nonce string, stale bool) []string {
	digest := fmt.Sprintf(`realm="a \"camera\", indoors", nonce=%q, opaque="o=1,2"`, nonce)
	if stale {
		digest += `, stale=TRUE`
	}
	switch s.cfg.Auth {
	case Basic:
		return []string{`Basic realm="camera"`}
	case Bearer:
		return []string{`Bearer realm="camera"`}
	case DigestSHA256:
		return []string{`Digest ` + digest + `, qop="auth, auth-int", algorithm=SHA-256`}
	case DigestSession:
		return []string{`digest ` + digest + `, qop="auth",algorithm=MD5-sess`}
	case DigestOld:
		return []string{`Digest ` + digest}
	case DigestBoth:
		return []string{`Digest ` + digest + `, qop="auth", algorithm=MD5, Digest ` + digest + `, qop="auth", algorithm=SHA-256`, `Basic realm="camera"`}
	}
	return []string{`Digest ` + digest + `, qop="auth", algorithm=MD5`}
}

// response is what RFC 7616 wants.
func (s *Server) response(r *http.Request, p map[string]string) string {
	var h hash.Hash = md5.New()
	if strings.HasPrefix(p["algorithm"], "SHA-256") {
		h = sha256.New()
	}
	sum := func(format string, a ...any) string {
		h.Reset()
		fmt.Fprintf(h, format, a...)
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	a1 := sum("%s:%s:%s", s.cfg.User, `a "camera", indoors`, s.cfg.Password)
	if strings.HasSuffix(p["algorithm"], "-sess") {
		a1 = sum("%s:%s:%s", a1, p["nonce"], p["cnonce"])
	}
	a2 := sum("%s:%s", r.Method, r.URL.RequestURI())
	if p["qop"] == "" {
		return sum("%s:%s:%s", a1, p["nonce"], a2)
	}
	return sum("%s:%s:%s:%s:%s:%s", a1, p["nonce"], p["nc"], p["cnonce"], p["qop"], a2)
}

var param = regexp.MustCompile(`(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))`)

func params(line string) map[string]string {
	p := map[string]string{}
	for _, m := range param.FindAllStringSubmatch(line, -1) {
		p[m[1]] = strings.ReplaceAll(m[2]+m[3], `\"`, `"`)
	}
	return p
}
