package stream

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// reached is a handler that says so; the guard's tests ask whether a request got there.
var reached = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func testGuard(t *testing.T, listen, hosts, origins []string) http.Handler {
	t.Helper()
	g, err := newGuard(listen, hosts, origins, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return g.wrap(reached)
}

// ask sends a request as it would come in on the local address.
func ask(h http.Handler, local, method, host string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, "/api/cameras", nil)
	r.Host = host
	for k, v := range header {
		r.Header[k] = v
	}
	if local != "" {
		addr, err := net.ResolveTCPAddr("tcp", local)
		if err != nil {
			panic(err)
		}
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(addr)))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestHostMustBeOurs(t *testing.T) {
	h := testGuard(t, []string{"127.0.0.1:8080", "[::1]:8080", "0.0.0.0:9000", "192.0.2.7:80"},
		[]string{"Camera.Example.org", "proxy.example:8443", "2001:db8::7", "[2001:db8::8]:80"}, nil)
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	short, _, _ := strings.Cut(own, ".")
	for _, row := range []struct {
		name, local, host string
		want              int
	}{
		{"listener's address", "", "127.0.0.1:8080", http.StatusTeapot},
		{"listener's address, port of a tunnel", "", "127.0.0.1:9999", http.StatusTeapot},
		{"listener's address without port", "", "192.0.2.7", http.StatusTeapot},
		{"listener's IPv6 address", "", "[::1]:8080", http.StatusTeapot},
		{"listener's IPv6 address in long form", "", "[0:0:0:0:0:0:0:1]:8080", http.StatusTeapot},
		{"IPv4 in IPv6 form", "", "[::ffff:127.0.0.1]:8080", http.StatusTeapot},
		{"localhost", "", "localhost:8080", http.StatusTeapot},
		{"localhost in capitals", "", "LOCALHOST:8080", http.StatusTeapot},
		{"localhost with last dot", "", "localhost.:8080", http.StatusTeapot},
		{"hostname", "", own + ":8080", http.StatusTeapot},
		{"hostname.local", "", short + ".local:8080", http.StatusTeapot},
		{"configured name", "", "camera.example.org", http.StatusTeapot},
		{"configured name, other case and port", "", "CAMERA.example.ORG:1", http.StatusTeapot},
		{"name configured with port", "", "proxy.example:8443", http.StatusTeapot},
		{"configured IPv6 address", "", "[2001:db8::7]", http.StatusTeapot},
		{"configured IPv6 address with brackets", "", "[2001:db8::8]", http.StatusTeapot},
		{"address of the connection on a wildcard", "192.168.1.5:9000", "192.168.1.5:9000", http.StatusTeapot},
		{"IPv6 address of the connection with zone", "[fe80::1%1]:9000", "[fe80::1]:9000", http.StatusTeapot},

		{"rebinding name", "127.0.0.1:8080", "evil.example:8080", http.StatusMisdirectedRequest},
		{"rebinding name that begins with ours", "127.0.0.1:8080", "localhost.evil.example:8080", http.StatusMisdirectedRequest},
		{"rebinding name that begins with our address", "127.0.0.1:8080", "127.0.0.1.evil.example:8080", http.StatusMisdirectedRequest},
		{"rebinding name that ends with ours", "127.0.0.1:8080", "evil-localhost:8080", http.StatusMisdirectedRequest},
		{"below a configured name", "127.0.0.1:8080", "x.camera.example.org", http.StatusMisdirectedRequest},
		{"address of another interface", "192.168.1.5:9000", "192.168.1.6:9000", http.StatusMisdirectedRequest},
		{"wildcard address", "127.0.0.1:9000", "0.0.0.0:9000", http.StatusMisdirectedRequest},
		{"no host", "127.0.0.1:8080", "", http.StatusMisdirectedRequest},
		{"port only", "127.0.0.1:8080", ":8080", http.StatusMisdirectedRequest},
		{"user part", "127.0.0.1:8080", "evil.example@localhost:8080", http.StatusMisdirectedRequest},
		{"path in it", "127.0.0.1:8080", "localhost/evil", http.StatusMisdirectedRequest},
		{"two ports", "127.0.0.1:8080", "localhost:8080:80", http.StatusMisdirectedRequest},
		{"port of letters", "127.0.0.1:8080", "localhost:http", http.StatusMisdirectedRequest},
		{"IPv6 address without brackets", "[::1]:8080", "::1", http.StatusMisdirectedRequest},
		{"bracket left open", "[::1]:8080", "[::1", http.StatusMisdirectedRequest},
		{"name in brackets", "127.0.0.1:8080", "[localhost]:8080", http.StatusMisdirectedRequest},
		{"text after bracket", "[::1]:8080", "[::1]evil", http.StatusMisdirectedRequest},
		{"Turkish i", "127.0.0.1:8080", "localhost\u0131", http.StatusMisdirectedRequest},
		{"Kelvin sign folds to k", "127.0.0.1:8080", "\u212a", http.StatusMisdirectedRequest},
		{"too long", "127.0.0.1:8080", strings.Repeat("a", 300), http.StatusMisdirectedRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "DELETE"} {
				if got := ask(h, row.local, method, row.host, nil).StatusCode; got != row.want {
					t.Errorf("%s with host %q: %d, want %d", method, row.host, got, row.want)
				}
			}
		})
	}
}

func TestChangesNeedOwnOrigin(t *testing.T) {
	h := testGuard(t, []string{"127.0.0.1:8080"}, []string{"camera.example.org"}, nil)
	get, post, del, opt := "GET", "POST", "DELETE", "OPTIONS"
	head := func(kv ...string) http.Header {
		out := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			out.Add(kv[i], kv[i+1])
		}
		return out
	}
	for _, row := range []struct {
		name, method, host string
		header             http.Header
		want               int
	}{
		{"post without origin", post, "localhost:8080", nil, http.StatusTeapot},
		{"post of the own page", post, "localhost:8080", head("Origin", "http://localhost:8080"), http.StatusTeapot},
		{"post of the own page by address", post, "127.0.0.1:8080", head("Origin", "http://127.0.0.1:8080"), http.StatusTeapot},
		{"delete of the own page", del, "localhost:8080", head("Origin", "http://localhost:8080"), http.StatusTeapot},
		{"same origin under a foreign name", post, "evil.example:8080", head("Origin", "http://evil.example:8080"), http.StatusMisdirectedRequest},
		{"behind a TLS proxy", post, "camera.example.org", head("Origin", "https://camera.example.org"), http.StatusTeapot},
		{"default port written out", post, "localhost:80", head("Origin", "http://localhost"), http.StatusTeapot},
		{"name in other case", post, "LocalHost:8080", head("Origin", "http://localhost:8080"), http.StatusTeapot},
		{"read by another page", get, "localhost:8080", head("Origin", "http://evil.example"), http.StatusTeapot},
		{"own page says so", post, "localhost:8080", head("Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-origin"), http.StatusTeapot},
		{"typed by hand", post, "localhost:8080", head("Sec-Fetch-Site", "none"), http.StatusTeapot},

		{"post of another page", post, "localhost:8080", head("Origin", "http://evil.example"), http.StatusForbidden},
		{"delete of another page", del, "localhost:8080", head("Origin", "http://evil.example"), http.StatusForbidden},
		{"patch of another page", "PATCH", "localhost:8080", head("Origin", "http://evil.example"), http.StatusForbidden},
		{"put of another page", "PUT", "localhost:8080", head("Origin", "http://evil.example"), http.StatusForbidden},
		{"unknown method of another page", "FROB", "localhost:8080", head("Origin", "http://evil.example"), http.StatusForbidden},
		{"trace of another page", "TRACE", "localhost:8080", head("Origin", "http://evil.example"), http.StatusForbidden},
		{"other port of the same machine", post, "localhost:8080", head("Origin", "http://localhost:3000"), http.StatusForbidden},
		{"other name of the same machine", post, "localhost:8080", head("Origin", "http://127.0.0.1:8080"), http.StatusForbidden},
		{"opaque origin", post, "localhost:8080", head("Origin", "null"), http.StatusForbidden},
		{"empty origin", post, "localhost:8080", head("Origin", ""), http.StatusForbidden},
		{"extension", post, "localhost:8080", head("Origin", "chrome-extension://localhost:8080"), http.StatusForbidden},
		{"origin with path", post, "localhost:8080", head("Origin", "http://localhost:8080/x"), http.StatusForbidden},
		{"origin with user", post, "localhost:8080", head("Origin", "http://a@localhost:8080"), http.StatusForbidden},
		{"two origins", post, "localhost:8080", head("Origin", "http://localhost:8080", "Origin", "http://evil.example"), http.StatusForbidden},
		{"no origin but cross-site", post, "localhost:8080", head("Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		{"same site is not same origin", post, "localhost:8080", head("Origin", "http://localhost:8080", "Sec-Fetch-Site", "same-site"), http.StatusForbidden},
		{"preflight", opt, "localhost:8080", head("Origin", "http://evil.example", "Access-Control-Request-Method", "POST"), http.StatusForbidden},
		{"options alone", opt, "localhost:8080", head("Origin", "http://evil.example"), http.StatusTeapot},
		{"WebSocket of another page", get, "localhost:8080", head("Connection", "Upgrade", "Upgrade", "websocket", "Origin", "http://evil.example"), http.StatusForbidden},
		{"WebSocket of the own page", get, "localhost:8080", head("Connection", "Upgrade", "Upgrade", "websocket", "Origin", "http://localhost:8080"), http.StatusTeapot},
		{"WebSocket without origin", get, "localhost:8080", head("Connection", "Upgrade", "Upgrade", "websocket"), http.StatusTeapot},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp := ask(h, "", row.method, row.host, row.header)
			if resp.StatusCode != row.want {
				t.Errorf("%s: %d, want %d", row.method, resp.StatusCode, row.want)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("header %s without configured origins", name)
				}
			}
		})
	}
}

func TestConfiguredOrigins(t *testing.T) {
	h := testGuard(t, []string{"127.0.0.1:8080"}, nil, []string{"https://Home.example.org", "http://192.0.2.1:3000"})
	for _, row := range []struct {
		name, method, origin string
		want                 int
		allowed              bool
	}{
		{"read", "GET", "https://home.example.org", http.StatusTeapot, true},
		{"post", "POST", "https://home.example.org", http.StatusTeapot, true},
		{"post with port", "POST", "http://192.0.2.1:3000", http.StatusTeapot, true},
		{"preflight", "OPTIONS", "https://home.example.org", http.StatusNoContent, true},
		{"other scheme", "POST", "http://home.example.org", http.StatusForbidden, false},
		{"other port", "POST", "http://192.0.2.1:3001", http.StatusForbidden, false},
		{"below", "POST", "https://x.home.example.org", http.StatusForbidden, false},
		{"stranger reads", "GET", "https://evil.example", http.StatusTeapot, false},
		{"stranger's preflight", "OPTIONS", "https://evil.example", http.StatusForbidden, false},
		{"null", "GET", "null", http.StatusTeapot, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			header := http.Header{"Origin": {row.origin}, "Sec-Fetch-Site": {"cross-site"}}
			if row.method == "OPTIONS" {
				header.Set("Access-Control-Request-Method", "POST")
				header.Set("Access-Control-Request-Private-Network", "true")
			}
			resp := ask(h, "", row.method, "127.0.0.1:8080", header)
			if resp.StatusCode != row.want {
				t.Errorf("status %d, want %d", resp.StatusCode, row.want)
			}
			want := ""
			if row.allowed {
				want = row.origin
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("Access-Control-Allow-Origin %q, want %q", got, want)
			}
			if resp.Header.Get("Vary") != "Origin" {
				t.Errorf("Vary %q", resp.Header.Get("Vary"))
			}
			if resp.StatusCode == http.StatusNoContent && !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "DELETE") {
				t.Error("preflight names no methods")
			}
		})
	}
}

func TestEveryAnswerIsSecured(t *testing.T) {
	h := testGuard(t, []string{"127.0.0.1:8080"}, nil, nil)
	for _, host := range []string{"localhost:8080", "evil.example"} {
		resp := ask(h, "", "GET", host, nil)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": contentSecurityPolicy,
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("host %s: %s is %q, want %q", host, name, got, want)
			}
		}
	}
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "script-src 'self'"} {
		if !strings.Contains(contentSecurityPolicy, want) {
			t.Errorf("policy lacks %s", want)
		}
	}
	if strings.Contains(contentSecurityPolicy, "unsafe") {
		t.Error("policy allows something unsafe")
	}
}

func TestBadGuardConfiguration(t *testing.T) {
	for _, row := range []struct {
		name           string
		hosts, origins []string
		want           string
	}{
		{"host with scheme", []string{"http://x"}, nil, `hosts: "http://x" is not a host name`},
		{"empty host", []string{""}, nil, `hosts: "" is not`},
		{"wildcard host", []string{"*.example"}, nil, `hosts: "*.example"`},
		{"wildcard address", []string{"0.0.0.0"}, nil, `hosts: "0.0.0.0"`},
		{"star origin", nil, []string{"*"}, `cors_origins: "*" is not an origin`},
		{"origin without scheme", nil, []string{"example.org"}, `cors_origins: "example.org"`},
		{"origin with path", nil, []string{"https://example.org/"}, `cors_origins: "https://example.org/"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := newGuard([]string{"127.0.0.1:1"}, row.hosts, row.origins, zerolog.Nop())
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	var log strings.Builder
	g, err := newGuard([]string{"127.0.0.1:8080"}, nil, nil, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	h := g.wrap(reached)
	for range 50 {
		ask(h, "", "GET", strings.Repeat("evil", 500), nil)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines, want 1:\n%s", n, log.String())
	}
	if len(log.String()) > 400 {
		t.Errorf("a stranger's text fills the log: %d bytes", len(log.String()))
	}
}

// FuzzGuard looks for a Host that passes though it is not one of ours, and an Origin that passes though it is foreign.
func FuzzGuard(f *testing.F) {
	for _, s := range [][3]string{
		{"localhost:8080", "http://localhost:8080", "POST"}, {"[::1]:8080", "http://[::1]:8080", "GET"},
		{"127.0.0.1", "null", "DELETE"}, {"evil.example", "http://evil.example", "GET"}, {"[::ffff:127.0.0.1%lo]:80", "https://a:443", "PUT"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	g, err := newGuard([]string{"127.0.0.1:8080"}, nil, nil, zerolog.Nop())
	if err != nil {
		f.Fatal(err)
	}
	h := g.wrap(reached)
	f.Fuzz(func(t *testing.T, host, origin, method string) {
		r := &http.Request{Method: method, Host: host, Header: http.Header{"Origin": {origin}}}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		name, ok := hostName(host)
		if ok {
			again, ok2 := hostName(bracketed(name))
			if !ok2 || again != name {
				t.Fatalf("hostName(%q) = %q, and of that %q", host, name, again)
			}
		}
		if w.Code == http.StatusMisdirectedRequest {
			return
		}
		if !g.names[name] {
			t.Fatalf("host %q passed as %q", host, name)
		}
		if w.Code == http.StatusTeapot && changes(r) {
			lower := strings.ToLower(host)
			own := map[string]bool{"http://" + lower: true, "https://" + lower: true,
				"http://" + strings.TrimSuffix(lower, ":80"): true, "https://" + strings.TrimSuffix(lower, ":443"): true}
			normal, _, ok := parseOrigin(origin)
			if !ok || !own[normal] {
				t.Fatalf("%s to %q passed from %q", method, host, origin)
			}
		}
	})
}

func bracketed(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}
