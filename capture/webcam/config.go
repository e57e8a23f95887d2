package webcam

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"yfv2d/capture/live"
	"yfv2d/capture/userinfo"
)

// Pictures a second that may be asked for, and what is asked of a camera that gives one picture an answer if nothing is said.
const (
	minFPS     = 0.01
	maxFPS     = 60
	defaultFPS = 1
)

// Config is a camera on HTTP. Parse makes it; the exported fields may be set after it.
type Config struct {
	// FPS is how often a camera that gives one picture an answer is asked; 0 is once a second. Of a stream it is the rate that is
	// announced to the watchdog; 0: measured.
	FPS float64
	// TLSInsecure takes any certificate of an https:// camera.
	TLSInsecure bool
	// Fingerprint is the SHA-256 of the certificate that an https:// camera must show, whoever signed it; nil: it must be signed
	// for the camera's name by somebody whom the system trusts.
	Fingerprint []byte

	url        *url.URL // without user name, password and fragment
	user, pass string
	login      bool // user and pass were given
}

const want = "want http://USER:PASSWORD@HOST:PORT/PATH (https:// for TLS; user, password, port and path may be left out; #fps=2 at the end " +
	"asks for a still picture twice a second)"

var (
	specHead = regexp.MustCompile(`^(?i)(https?)://`)
	encoded  = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	strayPct = regexp.MustCompile(`%(?:[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|[0-9A-Fa-f]?$)`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
)

// Parse reads http(s)://USER:PASSWORD@HOST:PORT/PATH#fps=N. A password may hold any sign as it is; the last @ ends it. What stands
// behind # is for yfv2d and never sent. Errors quote no password.
func Parse(spec string) (Config, error) {
	c, err := parse(spec)
	if err != nil {
		return Config{}, fmt.Errorf("source %q: %w: %s", live.Redact(spec), err, want)
	}
	return c, nil
}

func parse(spec string) (Config, error) {
	head := specHead.FindString(spec)
	if head == "" {
		return Config{}, errors.New("no address of a camera")
	}
	if strings.ContainsFunc(spec, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Config{}, errors.New("it may hold no control characters")
	}
	var c Config
	rest := spec[len(head):]
	if i := userinfo.End(rest); i >= 0 {
		user, pass, _ := strings.Cut(rest[:i], ":")
		c.user, c.pass, c.login = decode(user), decode(pass), true
		rest = rest[i+1:]
		if c.user == "" {
			return Config{}, errors.New("the user name is empty")
		}
	}
	rest, options, _ := strings.Cut(rest, "#")
	if err := c.setOptions(options); err != nil {
		return Config{}, err
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if err := checkHost(rest[:end]); err != nil {
		return Config{}, err
	}
	u, err := url.Parse(strings.ToLower(head) + strings.ToLower(rest[:end]) + escape(rest[end:]))
	if err != nil {
		return Config{}, errors.New("the address cannot be read") // the error would quote it
	}
	if u.Path == "" {
		u.Path = "/"
	}
	c.url = u
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

// escape makes what people type behind a host fit for an address.
func escape(s string) string {
	s = strings.ReplaceAll(s, " ", "%20")
	for strayPct.MatchString(s) {
		i := strayPct.FindStringIndex(s)[0]
		s = s[:i] + "%25" + s[i+1:]
	}
	return s
}

// checkHost takes a name or an address, an IPv6 address in brackets, and perhaps a port.
func checkHost(s string) error {
	u := url.URL{Host: s}
	host, port := u.Hostname(), u.Port()
	if strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
		return errors.New("an IPv6 address stands in brackets, as in [fe80::1]")
	}
	if strings.HasPrefix(s, "[") {
		if ip := net.ParseIP(host); ip == nil || !strings.Contains(host, ":") {
			return fmt.Errorf("host %q is no IPv6 address", host)
		}
	} else if host == "" {
		return errors.New("the host is missing")
	} else if !hostName.MatchString(host) {
		return fmt.Errorf("host %q is no name and no address", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) || port == "" && strings.HasSuffix(s, ":") {
		return fmt.Errorf("port %q is no number from 1 to 65535", port)
	}
	return nil
}

// setOptions reads what stands behind #.
func (c *Config) setOptions(s string) error {
	if s == "" {
		return nil
	}
	for _, pair := range strings.Split(s, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if key != "fps" {
			return fmt.Errorf("unknown option %q behind #: only fps is known (write %%23 for a # in the address)", live.Redact(key))
		}
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || !(f >= minFPS && f <= maxFPS) {
			return fmt.Errorf("fps %q is no number from %v to %d", value, minFPS, maxFPS)
		}
		c.FPS = f
	}
	return nil
}

// String is the address for people, without secrets.
func (c Config) String() string {
	if c.url == nil {
		return "http:"
	}
	return live.Redact(c.url.Scheme + "://" + c.url.Host + strings.ReplaceAll(strings.TrimSuffix(c.url.RequestURI(), "/"), "@", "%40"))
}

// GoString is String, so that no way of printing shows a password.
func (c Config) GoString() string { return c.String() }

// pause is the time between two questions for a picture.
func (c Config) pause() time.Duration {
	if c.FPS <= 0 {
		return time.Second / defaultFPS
	}
	return time.Duration(float64(time.Second) / c.FPS)
}
