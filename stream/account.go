package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"time"

	"yfv2d/access"
)

// cookieAge is how long a browser keeps the session's cookie; the session itself may end sooner.
const cookieAge = 90 * 24 * time.Hour

// accountJSON is who asks.
type accountJSON struct {
	Auth    bool   `json:"auth"` // false: this server has no login, and the rest is empty
	Name    string `json:"name"`
	Role    string `json:"role"`
	Token   bool   `json:"token"`   // by a token, which has no password and no session
	Initial bool   `json:"initial"` // the password is still the generated one
}

// loginJSON is what the login page needs to know.
type loginJSON struct {
	Auth    bool   `json:"auth"`
	Initial bool   `json:"initial"` // somebody still has the generated password
	Command string `json:"command"` // that shows it; "" if it was printed
}

// refusedJSON says why somebody is not let in, and how long to wait.
type refusedJSON struct {
	Error      string `json:"error"`
	RetryAfter int    `json:"retry_after"` // seconds; 0: at once
}

type credentialsJSON struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

type passwordsJSON struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// serveLogin tells the login page what to show (GET) and begins a session (POST).
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	k := s.cfg.Access
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		writeJSON(w, http.StatusOK, s.loginHints())
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		writeError(w, http.StatusMethodNotAllowed, fmt.Sprintf("method %s is not for this address; use POST", quote(r.Method)))
		return
	}
	if k == nil {
		writeError(w, http.StatusNotFound, noLogin)
		return
	}
	var c credentialsJSON
	if !readJSON(w, r, &c) {
		return
	}
	who := "unknown" // what a stranger types as a name may be a password
	if k.Known(c.Name) {
		who = c.Name
	}
	secret, g, err := k.Login(r.Context(), clientAddr(r), c.Name, c.Password)
	if err != nil {
		s.accessLog.add("login refused", who, r)
		s.refuseLogin(w, err)
		return
	}
	s.cfg.Log.Info().Str("user", g.Name).Str("remote", clientAddr(r).String()).Msg("logged in")
	s.setCookie(w, r, secret)
	writeJSON(w, http.StatusOK, accountOf(g))
}

const noLogin = "this server has no login (server.auth)"

func (s *Server) loginHints() loginJSON {
	k := s.cfg.Access
	if k == nil {
		return loginJSON{}
	}
	h := loginJSON{Auth: true, Initial: k.Initial()}
	if !h.Initial {
		return h
	}
	if _, err := os.Stat(k.InitialFile()); err == nil {
		h.Command = "sudo cat " + k.InitialFile()
	}
	return h
}

// refuseLogin says why a password does not do.
func (s *Server) refuseLogin(w http.ResponseWriter, err error) {
	var locked *access.LockedError
	var wrong *access.WrongError
	var bad *access.BadPasswordError
	code, out := http.StatusInternalServerError, refusedJSON{Error: err.Error()}
	switch {
	case errors.As(err, &locked):
		code, out.RetryAfter = http.StatusTooManyRequests, locked.Seconds()
	case errors.As(err, &wrong):
		// 403: a 401 would tell the page that its session is over.
		code, out.RetryAfter = http.StatusForbidden, wrong.Seconds()
	case errors.As(err, &bad):
		code = http.StatusUnprocessableEntity
	case errors.Is(err, access.ErrBusy):
		code, out.RetryAfter = http.StatusServiceUnavailable, 2
	default:
		s.cfg.Log.Warn().Err(err).Msg("log in")
	}
	if out.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(out.RetryAfter))
	}
	writeJSON(w, code, out)
}

// readJSON reads a request's body, or answers why not. Only JSON is taken: a form of another site cannot send it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeError(w, http.StatusUnsupportedMediaType, "send JSON with Content-Type: application/json")
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, "the body is no JSON object of the form that is wanted") // it may hold a password
		return false
	}
	return true
}

// setCookie gives a browser its session; an empty secret takes it away.
func (s *Server) setCookie(w http.ResponseWriter, r *http.Request, secret string) {
	c := &http.Cookie{
		Name: s.cfg.Access.Cookie(), Value: secret, Path: basePath(r) + "/", MaxAge: int(cookieAge.Seconds()),
		HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode,
	}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func accountOf(g *access.Grant) accountJSON {
	return accountJSON{Auth: true, Name: g.Name, Role: string(g.Role), Token: g.Token, Initial: g.Initial}
}

// serveAccount tells who asks.
func (s *Server) serveAccount(w http.ResponseWriter, r *http.Request) {
	if g := grantOf(r); g != nil {
		writeJSON(w, http.StatusOK, accountOf(g))
		return
	}
	writeJSON(w, http.StatusOK, accountJSON{})
}

// ownGrant is the grant of a session, or an answer why there is none.
func ownGrant(w http.ResponseWriter, r *http.Request) *access.Grant {
	g := grantOf(r)
	switch {
	case g == nil:
		writeError(w, http.StatusNotFound, noLogin)
		return nil
	case g.Token:
		writeError(w, http.StatusForbidden, "a token has no session and no password; yfv2d token revoke ends it")
		return nil
	}
	return g
}

// servePassword changes one's own password; every other session of the user ends.
func (s *Server) servePassword(w http.ResponseWriter, r *http.Request) {
	g := ownGrant(w, r)
	var p passwordsJSON
	if g == nil || !readJSON(w, r, &p) {
		return
	}
	secret, err := s.cfg.Access.ChangePassword(r.Context(), clientAddr(r), g, p.Old, p.New)
	if err != nil {
		s.accessLog.add("password not changed", g.Name, r)
		s.refuseLogin(w, err)
		return
	}
	s.cfg.Log.Info().Str("user", g.Name).Str("remote", clientAddr(r).String()).Msg("password changed")
	s.setCookie(w, r, secret)
	out := accountOf(g)
	out.Initial = false
	writeJSON(w, http.StatusOK, out)
}

// serveLogout ends this session, or with ?everywhere=1 all of the user's.
func (s *Server) serveLogout(w http.ResponseWriter, r *http.Request) {
	g := ownGrant(w, r)
	if g == nil {
		return
	}
	everywhere := r.URL.Query().Get("everywhere") == "1"
	if everywhere {
		if err := s.cfg.Access.LogoutEverywhere(r.Context(), g); err != nil {
			s.cfg.Log.Warn().Err(err).Msg("log out everywhere")
			writeError(w, http.StatusInternalServerError, err.Error())
			return
		}
	} else {
		s.cfg.Access.Logout(r.Context(), g)
	}
	s.cfg.Log.Info().Str("user", g.Name).Str("remote", clientAddr(r).String()).Bool("everywhere", everywhere).Msg("logged out")
	s.setCookie(w, r, "")
	w.WriteHeader(http.StatusNoContent)
}
