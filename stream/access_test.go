package stream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/access"
)

const testPassword = "correct horse"

// house is a server with a login: anna is the admin, ben a viewer.
type house struct {
	t     *testing.T
	s     *Server
	h     http.Handler
	store *access.Store
	log   *strings.Builder
	role  map[string]string // tokens by role
}

func newHouse(t *testing.T) *house {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	store := access.OpenStore(dir)
	h := &house{t: t, s: testServer(t), store: store, log: &strings.Builder{}, role: map[string]string{}}
	for name, role := range map[string]access.Role{"anna": access.Admin, "ben": access.Viewer} {
		if err := store.AddUser(ctx, name, role, testPassword); err != nil {
			t.Fatal(err)
		}
		token, err := store.AddToken(ctx, string(role), role, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		h.role[string(role)] = token
	}
	log := zerolog.New(h.log)
	k, err := access.NewKeeper(dir, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	h.s.cfg.Access, h.s.cfg.Log, h.s.accessLog.log = k, log, log
	table, err := h.s.routes()
	if err != nil {
		t.Fatal(err)
	}
	mux, err := h.s.router(table)
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGuard(h.s.cfg.Listen, nil, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	h.h = g.wrap(http.MaxBytesHandler(mux, maxBody))
	return h
}

// ask sends a request; header are pairs.
func (h *house) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancel(context.Background())
	defer time.AfterFunc(50*time.Millisecond, cancel).Stop() // what lasts is not waited for
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	r.Host = "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.h.ServeHTTP(w, r)
	return w
}

var fromPage = []string{"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin", "Content-Type", "application/json"}

// login logs in as the page does and returns the Cookie header.
func (h *house) login(name, password string) (string, *httptest.ResponseRecorder) {
	h.t.Helper()
	body, _ := json.Marshal(credentialsJSON{name, password})
	r := httptest.NewRequest("POST", "/api/login", strings.NewReader(string(body)))
	r.Host = "localhost:8080"
	for i := 0; i < len(fromPage); i += 2 {
		r.Header.Set(fromPage[i], fromPage[i+1])
	}
	w := httptest.NewRecorder()
	h.h.ServeHTTP(w, r)
	cookies := w.Result().Cookies()
	if len(cookies) == 0 {
		return "", w
	}
	return cookies[0].Name + "=" + cookies[0].Value, w
}

// sample is an address that a route's pattern fits.
func sample(path string) string {
	path = strings.NewReplacer("{name}", "door", "{id}", "none", "{$}", "").Replace(path)
	if path == "/" {
		return "/none"
	}
	return path
}

// TestEveryRouteAsksForARole walks the table that the server itself serves from.
func TestEveryRouteAsksForARole(t *testing.T) {
	h := newHouse(t)
	table, err := h.s.routes()
	if err != nil {
		t.Fatal(err)
	}
	public := map[string]bool{"/healthz": true, "/login": true, "/api/login": true}
	for _, rt := range table {
		file := regexp.MustCompile(`^/[a-z0-9-]+\.(js|css|svg|png|webmanifest)$`).MatchString(rt.path)
		if open := rt.who == forAll; open != (public[rt.path] || file) {
			t.Errorf("%s is for %v", rt.path, rt.who)
		}
		for _, method := range []string{"GET", "POST", "PATCH", "DELETE", "OPTIONS"} {
			target := sample(rt.path)
			if rt.path == "/{$}" {
				target = "/"
			}
			for _, as := range []string{"nobody", "viewer", "admin"} {
				header := fromPage
				if as != "nobody" {
					header = append([]string{"Authorization", "Bearer " + h.role[as]}, header...)
				}
				got := h.ask(method, target, "{}", header...).Code
				refused := got == http.StatusUnauthorized || got == http.StatusForbidden && rt.path != "/api/login" || got == http.StatusSeeOther
				want := 0
				switch {
				case rt.who == forAll:
				case as == "nobody" && rt.page && method == "GET":
					want = http.StatusSeeOther
				case as == "nobody":
					want = http.StatusUnauthorized
				case as == "viewer" && rt.who == forAdmins:
					want = http.StatusForbidden
				case method == "POST" && (rt.path == "/api/logout" || rt.path == "/api/account/password"):
					want = http.StatusForbidden // for tokens
				}
				if want != 0 && got != want || want == 0 && refused {
					t.Errorf("%s %s as %s: status %d, want %d", method, target, as, got, want)
				}
			}
		}
		t.Logf("%-40s %-10s %v", rt.path, rt.methods, rt.who)
	}
}

func TestARouteWithoutADecisionIsRefused(t *testing.T) {
	s := testServer(t)
	if _, err := s.router([]route{{path: "/new", serve: serveNothing}}); err == nil || !strings.Contains(err.Error(), "/new") {
		t.Errorf("error %v", err)
	}
}

// The document has the table that the server serves from.
func TestDocsShowTheRoutes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "api-http.md"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := testServer(t).routes()
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(/[^`]*)` \\| (everybody|viewer|admin) \\|").FindAllStringSubmatch(string(text), -1) {
		told[m[1]] = m[2]
	}
	for _, rt := range table {
		path := strings.TrimSuffix(rt.path, "{$}")
		if strings.Contains(filepath.Base(path), ".") && rt.who == forAll || rt.path == "/" {
			continue // the page's files, and what is nowhere
		}
		if told[path] != rt.who.String() {
			t.Errorf("docs/api-http.md says %s is for %q; it is for %v", path, told[path], rt.who)
		}
		delete(told, path)
	}
	for path := range told {
		t.Errorf("docs/api-http.md tells of %s, which is not served", path)
	}
}

func TestUnauthorizedTellsHow(t *testing.T) {
	h := newHouse(t)
	w := h.ask("GET", "/api/cameras", "")
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer realm="yfv2d"` {
		t.Errorf("%d %q", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	w = h.ask("GET", "/api/cameras", "", "Authorization", "Bearer "+access.TokenPrefix+strings.Repeat("x", 43))
	if w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("%d %q", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	cookie, _ := h.login("anna", testPassword)
	if w := h.ask("GET", "/api/cameras", "", "Cookie", cookie, "Authorization", "Bearer wrong"); w.Code != 401 {
		t.Errorf("a wrong token with a good cookie: %d", w.Code)
	}
	if w := h.ask("GET", "/api/cameras", "", "Cookie", cookie, "Authorization", "Basic cHJveHk6eA=="); w.Code != 200 {
		t.Errorf("a proxy's own login with a good cookie: %d", w.Code)
	}
	if w := h.ask("GET", "/api/cameras", "", "Authorization", "bearer "+h.role["viewer"]); w.Code != 200 {
		t.Errorf("the scheme in small letters: %d", w.Code)
	}
}

func TestSentToLogin(t *testing.T) {
	h := newHouse(t)
	for target, want := range map[string]string{
		"/": "login", "/?selftest=1&camera=a": "login?next=.%2F%3Fselftest%3D1%26camera%3Da", "/?next=//evil.example": "login?next=.%2F%3Fnext%3D%2F%2Fevil.example",
	} {
		w := h.ask("GET", target, "")
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", target, w.Code, w.Header().Get("Location"), want)
		}
	}
}

func TestLogin(t *testing.T) {
	h := newHouse(t)
	cookie, w := h.login(" Anna ", testPassword)
	if w.Code != 200 || cookie == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.MaxAge <= 0 {
		t.Errorf("cookie %+v", c)
	}
	w = h.ask("GET", "/api/account", "", "Cookie", cookie)
	var who accountJSON
	if err := json.Unmarshal(w.Body.Bytes(), &who); err != nil || who != (accountJSON{Auth: true, Name: "anna", Role: "admin"}) {
		t.Errorf("account %+v, %v", who, err)
	}
	if w := h.ask("GET", "/", "", "Cookie", cookie); w.Code != 200 {
		t.Errorf("the page: %d", w.Code)
	}
	if w := h.ask("POST", "/api/logout", "", append([]string{"Cookie", cookie}, fromPage...)...); w.Code != 204 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("log out: %d", w.Code)
	}
	if w := h.ask("GET", "/api/account", "", "Cookie", cookie); w.Code != 401 {
		t.Errorf("after logging out: %d", w.Code)
	}
	log := h.log.String()
	if !strings.Contains(log, "logged in") || !strings.Contains(log, "logged out") || strings.Contains(log, testPassword) || strings.Contains(log, cookie) {
		t.Errorf("log: %s", log)
	}
}

func TestCookieIsSecureUnderTLS(t *testing.T) {
	h := newHouse(t)
	r := httptest.NewRequest("POST", "/", nil)
	r.TLS = &tls.ConnectionState{}
	w := httptest.NewRecorder()
	h.s.setCookie(w, r, "x")
	if !w.Result().Cookies()[0].Secure {
		t.Error("not secure")
	}
}

// A login cannot be used by other pages, wherever they are, for what changes something.
func TestCookieNeedsOurOwnPage(t *testing.T) {
	h := newHouse(t)
	cookie, _ := h.login("anna", testPassword)
	for _, row := range []struct {
		name   string
		header []string
		want   int
	}{
		{"our page", []string{"Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin"}, 404},
		{"our page in an old browser", []string{"Origin", "http://localhost:8080"}, 404},
		{"our page, by Sec-Fetch-Site alone", []string{"Sec-Fetch-Site", "same-origin"}, 404},
		{"nothing said", nil, 403},
		{"typed in", []string{"Sec-Fetch-Site", "none"}, 403},
		{"another port of this host", []string{"Origin", "http://localhost:9000", "Sec-Fetch-Site", "same-site"}, 403},
		{"another site", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"no origin of another site", []string{"Origin", "null"}, 403},
	} {
		t.Run(row.name, func(t *testing.T) {
			if w := h.ask("POST", "/api/reload", "", append([]string{"Cookie", cookie}, row.header...)...); w.Code != row.want {
				t.Errorf("status %d, want %d", w.Code, row.want)
			}
		})
	}
	if w := h.ask("POST", "/api/reload", "", "Authorization", "Bearer "+h.role["admin"]); w.Code != 404 {
		t.Errorf("a token needs no page: %d", w.Code)
	}
	upgrade := []string{"Cookie", cookie, "Connection", "Upgrade", "Upgrade", "websocket"}
	if w := h.ask("GET", "/api/live", "", upgrade...); w.Code != 403 {
		t.Errorf("a WebSocket that says nothing of its page: %d", w.Code)
	}
	if w := h.ask("POST", "/api/login", `{"name":"anna","password":"`+testPassword+`"}`, "Content-Type", "text/plain"); w.Code != 415 {
		t.Errorf("a login that a form could send: %d", w.Code)
	}
}

func TestWrongPasswordsLockAndAreCounted(t *testing.T) {
	h := newHouse(t)
	var out refusedJSON
	codes := map[int]int{}
	for range 12 {
		_, w := h.login("anna", "wrong password")
		codes[w.Code]++
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		if w.Code == 429 && (w.Header().Get("Retry-After") == "" || out.RetryAfter < 1) {
			t.Errorf("no word of how long: %s", w.Body)
		}
	}
	if codes[403] != 5 || codes[429] != 7 {
		t.Errorf("answers %v", codes)
	}
	h.login("my secret typed as a name", "x")
	log := h.log.String()
	if n := strings.Count(log, "login refused"); n != 2 || strings.Contains(log, "my secret") || !strings.Contains(log, `"user":"anna"`) {
		t.Errorf("log: %s", log)
	}
}

func TestChangeOwnPassword(t *testing.T) {
	h := newHouse(t)
	cookie, _ := h.login("ben", testPassword)
	change := func(old, fresh string) *httptest.ResponseRecorder {
		body, _ := json.Marshal(passwordsJSON{old, fresh})
		return func() *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/api/account/password", strings.NewReader(string(body)))
			r.Host = "localhost:8080"
			r.Header.Set("Cookie", cookie)
			for i := 0; i < len(fromPage); i += 2 {
				r.Header.Set(fromPage[i], fromPage[i+1])
			}
			w := httptest.NewRecorder()
			h.h.ServeHTTP(w, r)
			return w
		}()
	}
	if w := change("wrong password", "another password"); w.Code != 403 {
		t.Errorf("wrong old one: %d", w.Code)
	}
	if w := change(testPassword, "short"); w.Code != 422 || !strings.Contains(w.Body.String(), "too short") {
		t.Errorf("short new one: %d %s", w.Code, w.Body)
	}
	w := change(testPassword, "another password")
	if w.Code != 200 || len(w.Result().Cookies()) != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := h.ask("GET", "/api/account", "", "Cookie", cookie); w.Code != 401 {
		t.Errorf("the old session: %d", w.Code)
	}
	c := w.Result().Cookies()[0]
	if w := h.ask("GET", "/api/account", "", "Cookie", c.Name+"="+c.Value); w.Code != 200 {
		t.Errorf("the new session: %d", w.Code)
	}
}

func TestLoginPageKnowsWhetherThePasswordIsTheFirst(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	k, err := access.NewKeeper(dir, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	s := testServer(t)
	read := func() (out loginJSON) {
		w := httptest.NewRecorder()
		s.serveLogin(w, httptest.NewRequest("GET", "/api/login", nil))
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := read(); got != (loginJSON{}) {
		t.Errorf("without a login: %+v", got)
	}
	s.cfg.Access = k
	if _, err := k.FirstAdmin(ctx, true); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != (loginJSON{true, true, "sudo cat " + filepath.Join(dir, "initial-password")}) {
		t.Errorf("before the change: %+v", got)
	}
	if err := os.Remove(k.InitialFile()); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != (loginJSON{true, true, ""}) {
		t.Errorf("printed: %+v", got)
	}
}

func TestAccessLogIsBounded(t *testing.T) {
	var out strings.Builder
	a := accessLog{log: zerolog.New(&out), seen: map[refusalKey]*refusalCount{}}
	for i := range 5000 {
		r := httptest.NewRequest("GET", "/x", nil)
		r.RemoteAddr = fmt.Sprintf("10.0.%d.%d:1", i/250, i%250)
		a.add("unknown token", "", r)
	}
	if n := strings.Count(out.String(), "\n"); n > keptRefusals+1 || len(a.seen) > keptRefusals+1 {
		t.Errorf("%d lines, %d kept", n, len(a.seen))
	}
	now := time.Now()
	key := refusalKey{what: "x"}
	a.seen = map[refusalKey]*refusalCount{}
	for i, want := range []int{1, 0, 0, 3} {
		if i == 3 {
			now = now.Add(sayAgain)
		}
		if n, _ := a.count(key, now); n != want {
			t.Errorf("%d: %d, want %d", i, n, want)
		}
	}
}
