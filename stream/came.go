package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// came is how a request came here: from whom, by what name and scheme, below what path. What a proxy says of it is believed
// only if the connection is from one that is trusted: everybody else could write such headers.
type came struct {
	addr   netip.Addr // of the client; zero if it has none
	secure bool       // over TLS, as the client sees it
	host   string     // as a Host header has it
	base   string     // path that all our addresses begin with, as "/cameras"; "" for none
}

type cameKey struct{}

// withCame puts it into the request's context, for the functions below.
func withCame(r *http.Request, c came) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), cameKey{}, c))
}

// cameOf is what withCame was told, or what the connection alone tells.
func cameOf(r *http.Request) came {
	if c, ok := r.Context().Value(cameKey{}).(came); ok {
		return c
	}
	return came{addr: peerAddr(r), secure: r.TLS != nil, host: r.Host}
}

// secure says whether the client came over TLS, to us or to a trusted proxy.
func secure(r *http.Request) bool { return cameOf(r).secure }

// clientAddr is the client's address, behind a trusted proxy the one that the proxy saw; zero if it is not known.
func clientAddr(r *http.Request) netip.Addr { return cameOf(r).addr }

// hostOf is the name that the client called, host[:port].
func hostOf(r *http.Request) string { return cameOf(r).host }

// basePath is what all addresses of this server begin with for the client, without a slash at its end; "" for none.
func basePath(r *http.Request) string { return cameOf(r).base }

func peerAddr(r *http.Request) netip.Addr {
	p, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr().Unmap().WithZone("")
}

// front is what stands between the clients and this server.
type front struct {
	proxies []netip.Prefix // whose word is believed
	base    string
}

func (f front) trusts(a netip.Addr) bool {
	for _, p := range f.proxies {
		if a.IsValid() && p.Contains(a) {
			return true
		}
	}
	return false
}

// read finds how r came. Forwarded (RFC 7239) is read only if there is no X-Forwarded-*: few proxies send it, and those that
// do not pass on what the client wrote there.
func (f front) read(r *http.Request) came {
	c := came{addr: peerAddr(r), secure: r.TLS != nil, host: r.Host, base: f.base}
	if !f.trusts(c.addr) {
		return c
	}
	chain, proto, host := lastItems(r.Header.Values("X-Forwarded-For")), lastItem(r.Header, "X-Forwarded-Proto"), lastItem(r.Header, "X-Forwarded-Host")
	if len(chain) == 0 && proto == "" && host == "" {
		for _, hop := range readForwarded(r.Header.Values("Forwarded")) {
			chain, proto, host = append(chain, hop["for"]), hop["proto"], hop["host"] // the last two of the nearest
		}
	}
	c.addr = f.client(c.addr, chain)
	switch strings.ToLower(proto) {
	case "https", "wss":
		c.secure = true
	case "http", "ws":
		c.secure = false
	}
	if _, ok := hostName(host); ok {
		c.host = host
	}
	return c
}

// client is the last of the chain (as each hop saw the one before it) that is no trusted proxy: what stands before that,
// the client may have written itself. Where a hop is no address, the one behind it is taken.
func (f front) client(peer netip.Addr, chain []string) netip.Addr {
	at := peer
	for i := len(chain) - 1; i >= 0 && f.trusts(at); i-- {
		next, ok := hopAddr(chain[i])
		if !ok {
			break
		}
		at = next
	}
	return at
}

// maxHops bounds how many entries of a header are looked at, from the last.
const maxHops = 32

// lastItems are the entries of a header that is a list, in order; of a long one the last.
func lastItems(values []string) []string {
	rest := strings.Join(values, ",")
	var back []string
	for rest != "" && len(back) < maxHops {
		i := strings.LastIndexByte(rest, ',')
		back = append(back, strings.TrimSpace(rest[i+1:]))
		rest = rest[:max(i, 0)]
	}
	out := make([]string, 0, len(back))
	for i := len(back) - 1; i >= 0; i-- {
		out = append(out, back[i])
	}
	return out
}

// lastItem is the last entry: what the proxy that is nearest to us says.
func lastItem(h http.Header, name string) string {
	items := lastItems(h.Values(name))
	if len(items) == 0 {
		return ""
	}
	return items[len(items)-1]
}

// hopAddr reads an address with or without a port; IPv6 may stand in brackets.
func hopAddr(s string) (netip.Addr, bool) {
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap().WithZone(""), true
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		s, ok = strings.CutSuffix(inner, "]")
		if !ok {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap().WithZone(""), err == nil
}

// readForwarded are the elements of Forwarded headers (RFC 7239 section 4): for, by, host and proto of each hop; nil if they
// are malformed. Names are in small letters, quotes are taken off.
func readForwarded(values []string) []map[string]string {
	s := strings.Join(values, ",")
	if s == "" || len(s) > maxHeader {
		return nil
	}
	hops := []map[string]string{{}}
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		switch s[0] {
		case ',':
			if len(hops) >= maxHops {
				return nil
			}
			hops, s = append(hops, map[string]string{}), s[1:]
			continue
		case ';':
			s = s[1:]
			continue
		}
		end := strings.IndexAny(s, "=,;")
		if end < 0 || s[end] != '=' {
			return nil
		}
		name := strings.ToLower(strings.TrimSpace(s[:end]))
		value, rest, ok := forwardedValue(s[end+1:])
		if !ok {
			return nil
		}
		hops[len(hops)-1][name], s = value, rest
	}
	return hops
}

// forwardedValue takes a token or a quoted text from the front of s.
func forwardedValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ",;")
		if end < 0 {
			end = len(s)
		}
		return strings.TrimSpace(s[:end]), s[end:], true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// checkBase is the path as it is used, without a slash at its end.
func checkBase(base string) (string, error) {
	base = strings.TrimSuffix(base, "/")
	if base == "" {
		return "", nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Path != base || path.Clean(base) != base || !strings.HasPrefix(base, "/") || strings.ContainsAny(base, "%{}") || u.Host != "" {
		return "", fmt.Errorf("base path %q: give a path like /cameras, with letters, digits, - and _", base)
	}
	return base, nil
}

// underBase serves next below a path. A proxy in front passes the path on as it is: so the server's addresses are the same
// for everybody, and what it says of itself is right with and without a proxy.
func underBase(base string, next http.Handler) http.Handler {
	if base == "" {
		return next
	}
	below := http.StripPrefix(base, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, base+"/"):
			below.ServeHTTP(w, r)
		case (r.URL.Path == base || r.URL.Path == "/") && !changes(r):
			to := base + "/"
			if r.URL.RawQuery != "" {
				to += "?" + r.URL.RawQuery
			}
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		default:
			writeError(w, http.StatusNotFound, fmt.Sprintf("nothing at %s; every address of this server begins with %s/ (server.base_path); "+
				"a proxy in front of it passes the path on as it is", quote(r.URL.Path), base))
		}
	})
}

// checkProxies refuses what would trust everybody by mistake.
func checkProxies(proxies []netip.Prefix) error {
	for _, p := range proxies {
		if !p.IsValid() {
			return errors.New("a trusted proxy is no address")
		}
		if p.Bits() == 0 {
			return fmt.Errorf("trusted proxies: %s is every address there is; name those of the proxies", p)
		}
	}
	return nil
}
