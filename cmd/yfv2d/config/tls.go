package config

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"yfv2d/certificate"
)

const (
	tlsOff        = "off"
	tlsSelfSigned = "self-signed"
	tlsFiles      = "files" // of the program's own: the file says it by naming them

	tlsWant = `"off", "self-signed", or { cert = "fullchain.pem", key = "privkey.pem" }`
)

// tls reads a word or a table with two paths, and looks whether the files can be used.
func (l *loader) tls(path string, k *key, v any, to *TLS) {
	switch v := v.(type) {
	case string:
		if words := []string{tlsOff, tlsSelfSigned}; !slices.Contains(words, v) {
			near := ""
			if _, ok := l.written[path]; !ok {
				near = nearest(v, words)
			}
			l.fault(path, l.shown(path, v)+" is not one of its values", Fault{Allowed: k.want, Near: near})
			return
		}
		*to = TLS{Mode: v}
	case map[string]any:
		l.tlsTable(path, k, v, to)
	default:
		l.wrongType(path, k, "a text or a table", v)
	}
}

func (l *loader) tlsTable(path string, k *key, m map[string]any, to *TLS) {
	t := TLS{Mode: tlsFiles}
	places := map[string]*string{"cert": &t.Cert, "key": &t.Key}
	before := len(l.faults)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		at := joinPath(path, name)
		s, isText := m[name].(string)
		switch place := places[name]; {
		case place == nil:
			near := nearest(name, slices.Sorted(maps.Keys(places)))
			if near != "" {
				near = path + "." + near
			}
			l.fault(at, "unknown key", Fault{Near: near})
		case !isText:
			l.wrongType(at, k, "a path in quotes", m[name])
		case l.failed[at]:
			return
		case notEmpty(s) != "":
			l.fault(at, notEmpty(s), Fault{Allowed: k.want})
		case filepath.IsAbs(s):
			*place = s
		default:
			*place = filepath.Join(l.cfg.Dir, s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		if _, ok := m[name]; !ok && !slices.Contains(l.dropped, name) {
			l.faultAt(path, joinPath(path, name), "is missing", Fault{Allowed: k.want})
		}
	}
	if len(l.faults) > before || t.Cert == "" || t.Key == "" {
		return
	}
	*to = t
	if err := certificate.Check(t.Cert, t.Key); err != nil {
		what := firstLine(err)
		for name, place := range places {
			if w, ok := l.written[joinPath(path, name)]; ok {
				what = strings.ReplaceAll(what, *place, w)
			}
		}
		l.fault(path, "cannot be used: "+what, Fault{Allowed: "a certificate and its key in PEM that the daemon's user may read"})
	}
}

// Proxies are TrustedProxies as networks.
func (s Server) Proxies() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s.TrustedProxies {
		if network, ok := parseProxy(p); ok {
			out = append(out, network)
		}
	}
	return out
}

// parseProxy reads an address, which is a network of one, or a network.
func parseProxy(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil && !p.Addr().Is4In6()
}

func checkProxy(s string) string {
	p, ok := parseProxy(s)
	if !ok {
		return show(s) + " is no address and no network"
	}
	if p.Bits() == 0 {
		return fmt.Sprintf("%s is every address there is, and would let everybody pretend to be anybody", show(s))
	}
	return ""
}

var basePathForm = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*/?$`)

func checkBasePath(s string) string {
	if len(s) > 200 || !basePathForm.MatchString(s) {
		return show(s) + " is no such path"
	}
	return ""
}
