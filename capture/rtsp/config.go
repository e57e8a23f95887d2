package rtsp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"yfv2d/capture/live"
	"yfv2d/capture/userinfo"
)

// Transport is how pictures come from the camera.
type Transport uint8

const (
	TCP  Transport = iota // within the RTSP connection: nothing is lost, and firewalls let it through
	UDP                   // packets of their own: less delay on a bad network, at the price of lost pictures
	Auto                  // UDP, or TCP if no packet comes through
)

var transports = [...]string{TCP: "tcp", UDP: "udp", Auto: "auto"}

func (t Transport) String() string { return transports[t] }

// ParseTransport reads tcp, udp or auto; empty is tcp.
func ParseTransport(s string) (Transport, error) {
	if s == "" {
		return TCP, nil
	}
	for t, name := range transports {
		if s == name {
			return Transport(t), nil
		}
	}
	return TCP, fmt.Errorf("transport %q: want tcp, udp or auto", s)
}

// Config is an RTSP source. Parse makes it; the exported fields may be set after it.
type Config struct {
	Transport Transport
	// TLSInsecure takes any certificate of an rtsps:// server.
	TLSInsecure bool
	// Fingerprint is the SHA-256 of the certificate that an rtsps:// server must show, whoever signed it; nil: it must be
	// signed for the server's name by somebody whom the system trusts.
	Fingerprint []byte

	scheme     string // rtsp or rtsps
	host       string // name or address, with port if one was given
	path       string // escaped, with leading slash, with query
	user, pass string
	login      bool // user and pass were given
}

const want = "want rtsp://USER:PASSWORD@HOST:PORT/PATH (rtsps:// for TLS; user, password, port and path may be left out)"

var (
	specHead = regexp.MustCompile(`(?i)^(rtsps?)://`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)
	hexPair  = regexp.MustCompile(`^[0-9A-Fa-f]{2}`)
	encoded  = regexp.MustCompile(`^([^%]|%[0-9A-Fa-f]{2})*$`)
)

// Parse reads a whole source string. User name and password end at the last @, so that a password may hold @ : / # and ?
// as they are; an @ in the path is written %40. If each % in it is followed by two hexadecimal digits, a password is
// taken to be percent-encoded, else its % is a %. Nothing is looked up. No error holds a password.
func Parse(spec string) (Config, error) {
	head := specHead.FindStringSubmatch(spec)
	if head == nil {
		return Config{}, fmt.Errorf("source %q: %s", redact(spec), want)
	}
	c := Config{scheme: strings.ToLower(head[1])}
	rest := spec[len(head[0]):]
	if strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Config{}, fmt.Errorf("source %q: control characters are not allowed: %s", redact(spec), want)
	}
	if i := userinfo.End(rest); i >= 0 {
		c.login = true
		user, pass, _ := strings.Cut(rest[:i], ":")
		c.user, c.pass = decode(user), decode(pass)
		rest = rest[i+1:]
		if c.user == "" {
			return Config{}, fmt.Errorf("source %q: the user name is empty: %s", redact(spec), want)
		}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	if err := checkHost(rest[:end]); err != nil {
		return Config{}, fmt.Errorf("source %q: %w: %s", redact(spec), err, want)
	}
	c.host, c.path = rest[:end], escapePath(rest[end:])
	if _, err := c.url(); err != nil {
		return Config{}, fmt.Errorf("source %q: the path cannot be read: %s", redact(spec), want)
	}
	return c, nil
}

// decode takes percent-encoding away, if it is one.
func decode(s string) string {
	if encoded.MatchString(s) {
		if d, err := url.PathUnescape(s); err == nil {
			return d
		}
	}
	return s
}

// checkHost takes a name or an address, an IPv6 address in brackets, and perhaps a port.
func checkHost(s string) error {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			if strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
				return errors.New("an IPv6 address stands in brackets, as in [fe80::1]")
			}
			return fmt.Errorf("port %q: want a number from 1 to 65535", port)
		}
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if a, err := netip.ParseAddr(inner); !ok || err != nil || !a.Is6() {
			return fmt.Errorf("host %q: no IPv6 address", host)
		}
		return nil
	}
	switch {
	case host == "":
		return errors.New("the host is missing")
	case strings.Contains(host, ":"):
		return errors.New("an IPv6 address stands in brackets, as in [fe80::1]")
	case !hostName.MatchString(host):
		return fmt.Errorf("host %q: want a name or an address", host)
	}
	return nil
}

// escapePath makes a path out of what people type and cameras announce.
func escapePath(s string) string {
	var b strings.Builder
	if !strings.HasPrefix(s, "/") {
		b.WriteByte('/')
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%' && !hexPair.MatchString(s[i+1:]), c == '#', c <= ' ', c >= 0x7f, strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// url is the address without user name and password.
func (c Config) url() (*url.URL, error) {
	u, err := url.Parse(c.scheme + "://" + strings.ReplaceAll(c.host, "%", "%25") + c.path)
	if err != nil {
		return nil, errors.New("malformed address") // the error would quote the path
	}
	return u, nil
}

// String is the address for people, without secrets.
func (c Config) String() string {
	path := strings.ReplaceAll(c.path, "@", "%40") // an @ would be taken for the end of a password, here and by Parse
	if path == "/" {
		path = ""
	}
	return redact(c.scheme + "://" + c.host + path)
}

// GoString is String, so that no way of printing shows a password.
func (c Config) GoString() string { return c.String() }

// hostname is the host without port and brackets, for comparison.
func (c Config) hostname() string {
	u := url.URL{Host: c.host}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

// address is host and port, for people.
func (c Config) address() string {
	u := url.URL{Host: c.host}
	port := u.Port()
	if port == "" {
		port = map[string]string{"rtsp": "554", "rtsps": "322"}[c.scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// pathSecret is a password in the way that some recorders and cheap cameras want it: /user=admin_password=x_channel=1.sdp
var pathSecret = regexp.MustCompile(`(?i)((?:^|[/_&?;])(?:user|usr|username|login|pass|passwd|password|pwd|token|auth|key|secret)=)[^&;_/?"'\s]*`)

// redact is live.Redact, and more: for texts with RTSP addresses.
func redact(s string) string { return pathSecret.ReplaceAllString(live.Redact(s), "$1***") }
