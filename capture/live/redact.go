package live

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

var (
	userInfoSpec = regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*://).*@`)
	userInfoText = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"']*@`)
	// Parameters of an address, also in the way of recorders: /user=admin_password=x_channel=1.sdp
	secretParam = regexp.MustCompile(`(?i)([?&;/_](?:user|usr|username|login|pass|passwd|password|pwd|token|access_token|auth|key|apikey|api_key|secret|sig|signature)=)[^&;/_\s"'#?]*`)
)

// Redact removes user names, passwords and tokens from a source string, or from a text that quotes URLs: what stands
// between :// and the last @ goes (a password may hold @ or / unescaped, so too much rather than too little), and the
// values of parameters with telling names become ***. What Hide was told of becomes what it is shown as. It is safe on any string.
func Redact(spec string) string {
	spec = userInfoSpec.ReplaceAllString(Hidden(spec), "$1")
	spec = userInfoText.ReplaceAllString(spec, "$1")
	return secretParam.ReplaceAllString(spec, "$1***")
}

// The secrets of the process: what references of the configuration stand for. They are the process's and not a camera's,
// because a log line that one of them slips into may come from anywhere.
var (
	hiding   sync.Mutex // guards secrets
	secrets  []hidden   // oldest first
	replacer atomic.Pointer[strings.Replacer]
)

type hidden struct{ value, shown string }

// maxHidden bounds secrets: a service whose passwords change each day, reloaded for years, forgets the oldest.
const maxHidden = 1000

// Hide makes Redact and Hidden show each of these values as what it is mapped to, from now on. Those of before stay hidden:
// a camera that is being taken out may still tell of one.
func Hide(values map[string]string) {
	hiding.Lock()
	defer hiding.Unlock()
	for value, shown := range values {
		if h := (hidden{value, shown}); value != "" && !slices.Contains(secrets, h) {
			secrets = append(secrets, h)
		}
	}
	secrets = secrets[max(0, len(secrets)-maxHidden):]
	if len(secrets) == 0 {
		return
	}
	// A Replacer takes the first pair that matches: the longest go first, else the rest of one that another begins with would show.
	var all []hidden
	for _, h := range secrets {
		for _, form := range forms(h.value) {
			all = append(all, hidden{form, h.shown})
		}
	}
	slices.SortStableFunc(all, func(a, b hidden) int { return cmp.Compare(len(b.value), len(a.value)) })
	var pairs []string
	for _, h := range all {
		pairs = append(pairs, h.value, h.shown)
	}
	replacer.Store(strings.NewReplacer(pairs...))
}

// forms are a value as it may stand in a text: plain, in an address, quoted, and quoted twice.
func forms(v string) []string {
	out := []string{v, url.QueryEscape(v), url.PathEscape(v), url.User(v).String(), percentEncoded(v)}
	out = append(out, strings.ToLower(v), strings.ReplaceAll(v, "@", "%40")) // a host's name, a path
	for _, plain := range slices.Clone(out) {
		quoted := inside(strconv.Quote(plain))
		out = append(out, quoted, inside(strconv.Quote(quoted)))
		if j, err := json.Marshal(plain); err == nil {
			out = append(out, inside(string(j)), inside(strconv.Quote(inside(string(j)))))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func inside(quoted string) string { return quoted[1 : len(quoted)-1] }

// percentEncoded encodes all but the unreserved characters of RFC 3986, as the configuration does with what it puts into an address.
func percentEncoded(v string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Hidden is a text with what Hide was told of shown as it shall be. It costs nothing if there is no such thing.
func Hidden(text string) string {
	if r := replacer.Load(); r != nil {
		return r.Replace(text)
	}
	return text
}
