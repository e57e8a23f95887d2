package stream

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// The page and the API take no password on loopback, so any web page that this machine's browser opens could try to
// use them. Three checks keep such pages out: the Host header must be a name of this server (against DNS rebinding:
// the attacker's name resolves to our address, but the browser still sends the attacker's name), what changes
// something must come from our own page (against cross-site requests), and no other origin may read an answer (CORS).

// contentSecurityPolicy lets the page use its own files and nothing else; no inline script or style, no frame around it.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"media-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// preflightMaxAge is how many seconds a browser may keep a CORS answer.
const preflightMaxAge = "600"

// guard refuses requests that a foreign web page could have made. Its fields are fixed once it is made.
type guard struct {
	names    map[string]bool // Host names and addresses that are ours, normal form of hostName
	origins  map[string]bool // foreign origins allowed by configuration, normal form of parseOrigin
	refusals refusals
	front    front
	hsts     bool
}

// newGuard makes a guard for these listen addresses, further host names and foreign origins.
func newGuard(listen, hosts, origins []string, log zerolog.Logger) (*guard, error) {
	g := &guard{names: map[string]bool{"localhost": true}, origins: map[string]bool{}, refusals: refusals{log: log}}
	for _, l := range listen {
		// A wildcard is no name of ours; the address that a connection came in on is (see ours).
		if name, ok := hostName(l); ok && !unspecified(name) {
			g.names[name] = true
		}
	}
	if h, err := os.Hostname(); err == nil {
		g.addHostname(h)
	}
	for _, h := range hosts {
		name, ok := hostName(h)
		if addr, err := netip.ParseAddr(h); err == nil { // an IPv6 address needs no brackets here
			name, ok = addr.Unmap().WithZone("").String(), true
		}
		if !ok || unspecified(name) {
			return nil, fmt.Errorf("hosts: %q is not a host name or address; give names like \"camera.example.org\"", h)
		}
		g.names[name] = true
	}
	for _, o := range origins {
		origin, _, ok := parseOrigin(o)
		if !ok {
			return nil, fmt.Errorf("cors_origins: %q is not an origin; give scheme and host, like \"https://home.example.org\"", o)
		}
		g.origins[origin] = true
	}
	return g, nil
}

// addHostname allows the machine's own name: as it is, without its domain, and as multicast DNS has it.
func (g *guard) addHostname(h string) {
	name, ok := hostName(h)
	if !ok {
		return
	}
	short, _, _ := strings.Cut(name, ".")
	for _, n := range []string{name, short, short + ".local"} {
		g.names[n] = true
	}
}

// wrap puts the guard before next.
func (g *guard) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = withCame(r, g.front.read(r))
		protect(w.Header())
		if g.hsts {
			w.Header().Set("Strict-Transport-Security", "max-age="+hstsMaxAge)
		}
		if !g.ours(r) {
			g.refusals.add("host", r)
			writeError(w, http.StatusMisdirectedRequest, fmt.Sprintf("%s is not a name of this server; "+
				"use its address, localhost or its host name, or add the name to hosts in the configuration", quote(hostOf(r))))
			return
		}
		foreign := g.allowForeign(w, r)
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		switch {
		case preflight && foreign:
			answerPreflight(w, r)
		case !foreign && (preflight || changes(r)) && !sameOrigin(r):
			g.refusals.add("origin", r)
			writeError(w, http.StatusForbidden, fmt.Sprintf("a page of another origin (%s) may not do this; "+
				"add the origin to cors_origins in the configuration to allow it", quote(r.Header.Get("Origin"))))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// ours says whether the request names this server: one of the names, or the very address the connection came in on.
// The port is not compared: a tunnel or proxy in front changes it, and rebinding cannot be told by it.
func (g *guard) ours(r *http.Request) bool {
	// Both names: a proxy that passes X-Forwarded-Host on from a page (as nginx does, if it is not told) still tells the Host.
	return g.isOurs(r, hostOf(r)) && (hostOf(r) == r.Host || g.isOurs(r, r.Host))
}

// isOurs is ours for one name.
func (g *guard) isOurs(r *http.Request, host string) bool {
	name, ok := hostName(host)
	if !ok {
		return false
	}
	if g.names[name] {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	localName, ok := hostName(local.String())
	return ok && localName == name
}

// allowForeign adds the CORS headers if the request comes from a configured foreign origin, and says whether it does.
func (g *guard) allowForeign(w http.ResponseWriter, r *http.Request) bool {
	if len(g.origins) == 0 {
		return false
	}
	w.Header().Add("Vary", "Origin")
	values := r.Header.Values("Origin")
	if len(values) != 1 {
		return false
	}
	origin, _, ok := parseOrigin(values[0])
	if !ok || !g.origins[origin] {
		return false
	}
	w.Header().Set("Access-Control-Allow-Origin", values[0])
	w.Header().Set("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Post")
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	return true
}

func answerPreflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Content-Type, If-Match, Authorization")
	h.Set("Access-Control-Max-Age", preflightMaxAge)
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	w.WriteHeader(http.StatusNoContent)
}

// changes says whether a request may change something: every method but the safe ones of RFC 9110 section 9.2.1, and
// every change of protocol (a WebSocket is a GET).
func changes(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return len(r.Header.Values("Upgrade")) > 0
	}
	return true
}

// sameOrigin says whether the request carries no Origin (not from a page) or the server's own. Browsers that send
// Sec-Fetch-Site must agree.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return false
	}
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return true
	}
	if len(values) != 1 {
		return false
	}
	origin, authority, ok := parseOrigin(values[0])
	if !ok {
		return false // "null" and the like
	}
	scheme, _, _ := strings.Cut(origin, ":")
	// A proxy that ends TLS before us makes the origin https while we see plain HTTP: the authority decides.
	return authority == plainAuthority(scheme, strings.ToLower(hostOf(r)))
}

// parseOrigin takes an Origin header apart (RFC 6454): the normal form of the whole and of host[:port] in it.
func parseOrigin(s string) (origin, authority string, ok bool) {
	if len(s) > 300 {
		return "", "", false
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#") {
		return "", "", false
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", "", false
	}
	if _, ok := hostName(u.Host); !ok {
		return "", "", false
	}
	authority = plainAuthority(u.Scheme, strings.ToLower(u.Host))
	return u.Scheme + "://" + authority, authority, true
}

// plainAuthority is host[:port] without the scheme's default port.
func plainAuthority(scheme, authority string) string {
	if scheme == "https" {
		return strings.TrimSuffix(authority, ":443")
	}
	return strings.TrimSuffix(authority, ":80")
}

// hostName is the normal form of the name or address in a Host header, host:port or [address]:port: lower case, no
// port, no brackets, no zone, no last dot. Not ok for anything that is neither a name nor an address.
func hostName(s string) (string, bool) {
	host, port, ok := cutPort(s)
	if !ok || len(host) > 253 {
		return "", false
	}
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	if len(port) > 5 {
		return "", false
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().WithZone("").String(), true
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" || strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || strings.Contains(host, "..") {
		return "", false
	}
	for _, c := range []byte(host) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return "", false
		}
	}
	return host, true
}

// cutPort splits host[:port]; an IPv6 address stands in brackets, and nothing else does.
func cutPort(s string) (host, port string, ok bool) {
	if rest, bracket := strings.CutPrefix(s, "["); bracket {
		host, port, ok = strings.Cut(rest, "]")
		if !ok || !strings.Contains(host, ":") {
			return "", "", false
		}
		if _, err := netip.ParseAddr(host); err != nil {
			return "", "", false
		}
		if port == "" {
			return host, "", true
		}
		port, ok = strings.CutPrefix(port, ":")
		return host, port, ok
	}
	host, port, _ = strings.Cut(s, ":")
	return host, port, !strings.Contains(port, ":")
}

func unspecified(name string) bool {
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.IsUnspecified()
}

// protect sets the headers that every answer carries.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
}

// minutely counts what is logged the first time and then at most once a minute, with the number in between.
type minutely struct {
	mu   sync.Mutex // guards what follows
	last time.Time
	n    int
}

// count says whether it is time to log this one, and how many it stands for.
func (m *minutely) count() (n int, due bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	if time.Since(m.last) < time.Minute {
		return 0, false
	}
	n, m.n, m.last = m.n, 0, time.Now()
	return n, true
}

// refusals logs refused requests.
type refusals struct {
	log zerolog.Logger
	minutely
}

func (f *refusals) add(check string, r *http.Request) {
	if n, due := f.count(); due {
		f.log.Warn().Str("check", check).Str("host", cut(hostOf(r))).Str("origin", cut(r.Header.Get("Origin"))).
			Str("remote", clientAddr(r).String()).Int("refused", n).Msg("request refused")
	}
}

// quote shows a stranger's text in a message: escaped and not too long.
func quote(s string) string { return fmt.Sprintf("%q", cut(s)) }

func cut(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
