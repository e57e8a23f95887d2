package webcam

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yfv2d/capture/live"
)

const (
	maxRedirects = 5
	maxHeaders   = 64 << 10
	maxRefusal   = 64 << 10 // of the page that comes with a 401: read, so that the connection can be used again
	keepIdle     = 2 * time.Minute
)

// client asks one camera. It belongs to one goroutine at a time.
type client struct {
	cfg       Config
	transport *http.Transport
	logins    map[string]*credentials // by scheme and host
}

// newClient makes a client without any connection. Cameras are close by, so a proxy of the environment is not asked.
func newClient(cfg Config, opt live.Options) *client {
	limit := opt.Timeout()
	return &client{cfg: cfg, logins: map[string]*credentials{}, transport: &http.Transport{
		DialContext:            (&net.Dialer{Timeout: limit, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        live.TLSConfig(cfg.TLSInsecure, cfg.Fingerprint),
		TLSHandshakeTimeout:    limit,
		ResponseHeaderTimeout:  limit,
		MaxResponseHeaderBytes: maxHeaders,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        keepIdle,
		DisableCompression:     true,
		ReadBufferSize:         32 << 10,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 is what cameras speak well
	}}
}

// close lets go of idle connections; those in use end with their context.
func (c *client) close() { c.transport.CloseIdleConnections() }

// get asks for the camera's address and follows where it sends. The caller closes the body of the answer, which is one of success.
// There is no http.Client in between: it would tell other hosts the address, which may hold a password, as Referer.
func (c *client) get(ctx context.Context) (*http.Response, error) {
	u := c.cfg.url
	for range maxRedirects + 1 {
		res, err := c.ask(ctx, u)
		if err != nil {
			return nil, err
		}
		switch res.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			discard(res)
			if u, err = follow(u, res.Header.Get("Location")); err != nil {
				return nil, err
			}
			continue
		}
		if err := c.status(res); err != nil {
			discard(res)
			return nil, err
		}
		return res, nil
	}
	return nil, live.Refuse("it redirects more than %d times", maxRedirects)
}

// follow is where a redirect leads.
func follow(from *url.URL, location string) (*url.URL, error) {
	if location == "" {
		return nil, live.Refuse("it redirects without saying where to")
	}
	u, err := from.Parse(location)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, live.Refuse("it redirects to %q, which is no address of HTTP", live.Redact(clean(location)))
	}
	u.User, u.Fragment = nil, ""
	return u, nil
}

// ask asks once, and again with the password if it is asked for.
func (c *client) ask(ctx context.Context, u *url.URL) (*http.Response, error) {
	login := c.login(u)
	for try := 0; ; try++ {
		req := &http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{
			"User-Agent": {"yfv2d"}, "Accept": {"multipart/x-mixed-replace, image/jpeg, */*"},
		}}
		if login != nil {
			if a := login.answer(req.Method, u.RequestURI()); a != "" {
				req.Header.Set("Authorization", a)
			}
		}
		res, err := c.transport.RoundTrip(req.WithContext(ctx))
		if err != nil || res.StatusCode != http.StatusUnauthorized || login == nil {
			return res, err
		}
		ch, ok := best(parseChallenges(res.Header.Values("WWW-Authenticate")))
		if !ok {
			discard(res)
			return nil, live.Refuse("the camera asks for the password in a way that is not known (%.80q); Digest and Basic are",
				clean(strings.Join(res.Header.Values("WWW-Authenticate"), ", ")))
		}
		if try > 1 || try == 1 && !strings.EqualFold(ch.params["stale"], "true") {
			return res, nil
		}
		discard(res)
		login.meet(ch)
	}
}

// login is what a server may be told; nil for one that is not the configured camera. The camera itself may send from http to https.
func (c *client) login(u *url.URL) *credentials {
	own := c.cfg.url
	same := u.Scheme == own.Scheme && strings.EqualFold(address(u), address(own))
	upgrade := own.Scheme == "http" && u.Scheme == "https" && strings.EqualFold(u.Hostname(), own.Hostname())
	if !c.cfg.login || !same && !upgrade {
		return nil
	}
	key := u.Scheme + "://" + address(u)
	if c.logins[key] == nil {
		c.logins[key] = &credentials{user: c.cfg.user, pass: c.cfg.pass}
	}
	return c.logins[key]
}

// address is host and port.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// discard ends an answer that nobody wants.
func discard(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, maxRefusal)
	_ = res.Body.Close()
}

// status is an error for every answer but success.
func (c *client) status(res *http.Response) error {
	switch code := res.StatusCode; {
	case code == http.StatusOK:
		return nil
	case code == http.StatusUnauthorized && !c.cfg.login:
		return live.Refuse("the camera wants a user name and a password (401): write them before the host, as in http://USER:PASSWORD@HOST/PATH")
	case code == http.StatusUnauthorized && res.Request != nil && c.login(res.Request.URL) == nil:
		return live.Refuse("it redirects to %s, which wants a password (401) and is not told the camera's: write that address", res.Request.URL.Host)
	case code == http.StatusUnauthorized:
		return live.Refuse("wrong user name or password (401)")
	case code == http.StatusForbidden:
		return live.Refuse("this user may not see the picture (403)")
	case code == http.StatusNotFound, code == http.StatusGone:
		return live.Refuse("no such picture or stream (%d): check the path in the camera's manual", code)
	case code == http.StatusServiceUnavailable, code == http.StatusTooManyRequests:
		return errors.New("the camera is busy (" + res.Status[:3] + "): it may allow few viewers at a time")
	case code >= 400 && code < 500 && code != http.StatusRequestTimeout:
		return live.Refuse("the camera answers %s", clean(res.Status))
	}
	return errors.New("the camera answers " + clean(res.Status))
}
