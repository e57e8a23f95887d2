package webcam

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// challenge is one way in which a server lets itself be told the password (RFC 7235 section 4.1).
type challenge struct {
	scheme string // in lower case
	params map[string]string
}

// maxChallenge bounds what is read of a WWW-Authenticate line.
const maxChallenge = 4096

// parseChallenges reads WWW-Authenticate lines; one may hold several challenges. What cannot be read is left out.
func parseChallenges(lines []string) []challenge {
	var list []challenge
	for _, line := range lines {
		line = line[:min(len(line), maxChallenge)]
		for line = strings.TrimLeft(line, " \t,"); line != ""; line = strings.TrimLeft(line, " \t,") {
			var word string
			word, line = token(line)
			if word == "" {
				break
			}
			rest := strings.TrimLeft(line, " \t")
			if !strings.HasPrefix(rest, "=") {
				list = append(list, challenge{strings.ToLower(word), map[string]string{}})
				continue
			}
			var value string
			value, line = paramValue(strings.TrimLeft(rest[1:], " \t"))
			if len(list) > 0 {
				list[len(list)-1].params[strings.ToLower(word)] = value
			}
		}
	}
	return list
}

// token cuts off the word that a line begins with.
func token(s string) (word, rest string) {
	i := strings.IndexAny(s, " \t,=\"")
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

// paramValue cuts off a value, quoted or not.
func paramValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ", \t")
		if i < 0 {
			return s, ""
		}
		return s[:i], s[i:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// hashes of RFC 7616 section 6.1, by strength.
var hashes = map[string]struct {
	make func() hash.Hash
	rank int
}{
	"":            {md5.New, 2}, // a camera that names none means MD5
	"MD5":         {md5.New, 2},
	"SHA-256":     {sha256.New, 3},
	"SHA-512-256": {sha512.New512_256, 4},
}

// rank says how much a challenge is to be preferred; 0: it cannot be met.
func (c challenge) rank() int {
	switch c.scheme {
	case "basic":
		return 1
	case "digest":
		name, _ := c.algorithm()
		if c.params["qop"] != "" && !c.auth() || c.params["nonce"] == "" {
			return 0
		}
		return hashes[name].rank
	}
	return 0
}

// algorithm is a digest's hash, and whether its key is bound to the session.
func (c challenge) algorithm() (name string, session bool) {
	return strings.CutSuffix(strings.ToUpper(c.params["algorithm"]), "-SESS")
}

// auth says whether qop has "auth".
func (c challenge) auth() bool {
	for _, q := range strings.Split(c.params["qop"], ",") {
		if strings.EqualFold(strings.TrimSpace(q), "auth") {
			return true
		}
	}
	return false
}

// best is the strongest challenge that can be met; false if none can.
func best(list []challenge) (challenge, bool) {
	var b challenge
	for _, c := range list {
		if c.rank() > b.rank() {
			b = c
		}
	}
	return b, b.rank() > 0
}

// credentials answer one server's challenges. It belongs to one goroutine at a time.
type credentials struct {
	user, pass string
	challenge  challenge
	count      uint32 // answers to this challenge
}

// meet takes a challenge for the answers to come.
func (c *credentials) meet(ch challenge) { c.challenge, c.count = ch, 0 }

// answer is the Authorization line for a request, empty before the first challenge: a password is never sent unasked.
func (c *credentials) answer(method, uri string) string {
	switch c.challenge.scheme {
	case "basic":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.user+":"+c.pass))
	case "digest":
		c.count++
		return c.digest(method, uri, nonce())
	}
	return ""
}

// nonce is the client's part of a digest.
func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// digest is RFC 7616 section 3.4.
func (c *credentials) digest(method, uri, cnonce string) string {
	p := c.challenge.params
	name, session := c.challenge.algorithm()
	h := hashes[name].make()
	sum := func(parts ...string) string {
		h.Reset()
		h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	a1 := sum(c.user, p["realm"], c.pass)
	if session {
		a1 = sum(a1, p["nonce"], cnonce)
	}
	a2 := sum(method, uri)
	nc := fmt.Sprintf("%08x", c.count)
	response := sum(a1, p["nonce"], a2)
	if c.challenge.auth() {
		response = sum(a1, p["nonce"], nc, cnonce, "auth", a2)
	}
	user := c.user
	if strings.EqualFold(p["userhash"], "true") {
		user = sum(c.user, p["realm"])
	}
	return c.line(user, uri, response, nc, cnonce)
}

// line spells an answer as cameras expect it: what RFC 7616 quotes is quoted, the rest is not.
func (c *credentials) line(user, uri, response, nc, cnonce string) string {
	p := c.challenge.params
	_, session := c.challenge.algorithm()
	var b strings.Builder
	fmt.Fprintf(&b, "Digest username=%s, realm=%s, nonce=%s, uri=%s, response=%q", quote(user), quote(p["realm"]), quote(p["nonce"]), quote(uri), response)
	if a := p["algorithm"]; a != "" {
		fmt.Fprintf(&b, ", algorithm=%s", a)
	}
	if o, ok := p["opaque"]; ok {
		fmt.Fprintf(&b, ", opaque=%s", quote(o))
	}
	if c.challenge.auth() {
		fmt.Fprintf(&b, ", qop=auth, nc=%s", nc)
	}
	if c.challenge.auth() || session {
		fmt.Fprintf(&b, ", cnonce=%q", cnonce)
	}
	if strings.EqualFold(p["userhash"], "true") {
		b.WriteString(", userhash=true")
	}
	return b.String()
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
