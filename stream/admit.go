package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"yfv2d/access"
)

// errRevoked ends what lasts when the login or the token that it was given for is no longer good.
var errRevoked = errors.New("the login or token is no longer good")

// grantKey is where a request's context has its grant.
type grantKey struct{}

// grantOf is what the request's session or token grants; nil if there is no login on this server.
func grantOf(r *http.Request) *access.Grant {
	g, _ := r.Context().Value(grantKey{}).(*access.Grant)
	return g
}

// heldBy ends when what was given to the request must end, though it lasts longer than the request.
func heldBy(r *http.Request) context.Context {
	if g := grantOf(r); g != nil {
		return g.Context()
	}
	return context.Background()
}

// admit lets those through to next for whom the route is. The request's context ends with what was granted.
func (s *Server) admit(rt route, next http.HandlerFunc) http.HandlerFunc {
	if s.cfg.Access == nil || rt.who == forAll {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		g, err := s.identify(r)
		switch {
		case errors.Is(err, errForeign):
			s.accessLog.add("session used by another origin", g.Name, r)
			writeError(w, http.StatusForbidden, err.Error())
			return
		case g == nil && rt.page && wantsPage(r):
			sendToLogin(w, r)
			return
		case g == nil:
			s.challenge(w, r, err)
			return
		case !g.Role.May(rt.who.role()):
			s.accessLog.add("not allowed", g.Name, r)
			writeError(w, http.StatusForbidden, fmt.Sprintf("this needs the role %s; %s has the role %s", rt.who.role(), g.Name, g.Role))
			return
		}
		ctx, end := context.WithCancelCause(context.WithValue(r.Context(), grantKey{}, g))
		defer end(nil)
		stop := context.AfterFunc(g.Context(), func() { end(errRevoked) })
		defer stop()
		next(w, r.WithContext(ctx))
	}
}

var (
	errNoLogin  = errors.New("log in, or send a token: Authorization: Bearer TOKEN (yfv2d token add makes one)")
	errBadToken = errors.New("this token is not known, or its time is over; yfv2d token add makes another")
	errForeign  = errors.New("a page of another origin may not do this with your login")
)

// identify finds out who asks: by the token that the request brings, else by its cookie. With errForeign it tells whose login it
// was that may not be used so.
func (s *Server) identify(r *http.Request) (*access.Grant, error) {
	if token, ok := bearer(r); ok {
		if g, ok := s.cfg.Access.ByToken(token); ok {
			return g, nil
		}
		return nil, errBadToken
	}
	for _, c := range r.CookiesNamed(s.cfg.Access.Cookie()) {
		g, ok := s.cfg.Access.BySession(c.Value)
		if !ok {
			continue
		}
		// A browser sends cookies with what other pages ask for too. SameSite keeps those of other sites out, not those of other ports
		// of this host: what changes something must prove to come from our own page.
		if changes(r) && !provesOrigin(r) {
			return g, errForeign
		}
		return g, nil
	}
	return nil, errNoLogin
}

// bearer is the token in the request's header (RFC 6750, section 2.1). Other schemes are a proxy's matter.
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// provesOrigin says whether a browser says of the request that it comes from our own page: saying nothing is no proof.
func provesOrigin(r *http.Request) bool {
	return sameOrigin(r) && (r.Header.Get("Sec-Fetch-Site") == "same-origin" || r.Header.Get("Origin") != "")
}

// challenge answers 401 (RFC 6750, section 3).
func (s *Server) challenge(w http.ResponseWriter, r *http.Request, err error) {
	how := `Bearer realm="yfv2d"`
	if errors.Is(err, errBadToken) {
		how += `, error="invalid_token"`
		s.accessLog.add("unknown token", "", r)
	}
	w.Header().Set("WWW-Authenticate", how)
	writeError(w, http.StatusUnauthorized, err.Error())
}

// wantsPage tells a browser that opens the page from a program that reads it.
func wantsPage(r *http.Request) bool {
	_, ok := bearer(r)
	return !ok && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// sendToLogin sends a browser to the login page, which sends it back. The address is relative, so it holds behind a proxy too; the
// browser itself keeps what stands behind #.
func sendToLogin(w http.ResponseWriter, r *http.Request) {
	where := "login"
	if r.URL.RawQuery != "" {
		where += "?next=" + url.QueryEscape("./?"+r.URL.RawQuery)
	}
	h := w.Header()
	h.Set("Location", where)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}
