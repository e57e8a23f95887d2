package rtsp

import (
	"bytes"
	"net/url"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"yfv2d/capture/live"
)

// response sees each answer before the library does: it reads the announcement and hands on one of our own, keeps
// redirects from being followed with the password in hand, and sees sessions end.
func (s *session) response(res *base.Response) {
	switch {
	case s.playing.Load():
		if res.StatusCode == base.StatusSessionNotFound {
			s.fail(s.cfg.status(int(res.StatusCode), ""))
		}
	case res.StatusCode > 300 && res.StatusCode < 400:
		if to := res.Header["Location"]; len(to) > 0 {
			s.redirect = to[0]
		}
		delete(res.Header, "Location")
	case res.StatusCode == base.StatusOK && len(res.Body) > 0:
		s.announcement(res)
	}
}

// announcement replaces an SDP by what is of use in it, and mends what cameras get wrong around it.
func (s *session) announcement(res *base.Response) {
	if t := res.Header["Content-Type"]; len(t) == 0 && bytes.HasPrefix(bytes.TrimSpace(res.Body), []byte("v=")) {
		res.Header["Content-Type"] = base.HeaderValue{"application/sdp"}
	} else if len(t) > 1 {
		res.Header["Content-Type"] = t[:1]
	}
	if s.offer, s.offerErr = readOffer(res.Body); s.offerErr != nil {
		return
	}
	res.Body = s.offer.sdp
	at := res.Header["Content-Base"]
	if len(at) > 1 {
		at = at[:1]
		res.Header["Content-Base"] = at
	}
	if len(at) == 1 && !isBase(at[0]) {
		delete(res.Header, "Content-Base")
	}
}

// isBase says whether tracks' addresses can be built upon what a camera names as base: an RTSP address or a path.
func isBase(s string) bool {
	if len(s) > 0 && s[0] == '/' {
		s = "rtsp://host" + s
	}
	u, err := base.ParseURL(s)
	return err == nil && u.Host != "" && u.User == nil
}

// follow is where a camera redirects to. User name and password go with it only to the same host, and never from TLS to
// a connection in the clear.
func (c Config) follow(to string) (Config, error) {
	ref, err := url.Parse(to)
	here, err2 := c.url()
	if err != nil || err2 != nil {
		return c, live.Refuse("the camera redirects to an address that cannot be read")
	}
	next, err := Parse(here.ResolveReference(ref).String())
	if err != nil {
		return c, &live.Refused{Err: err}
	}
	if c.scheme == "rtsps" && next.scheme != "rtsps" {
		return c, live.Refuse("the camera redirects from TLS to %v, which anybody could listen to", next)
	}
	next.Transport, next.TLSInsecure, next.Fingerprint = c.Transport, c.TLSInsecure, c.Fingerprint
	if !next.login && next.hostname() == c.hostname() {
		next.login, next.user, next.pass = c.login, c.user, c.pass
	}
	return next, nil
}
