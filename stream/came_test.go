package stream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func prefixes(t testing.TB, s ...string) (out []netip.Prefix) {
	t.Helper()
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestHowARequestCame(t *testing.T) {
	f := front{proxies: prefixes(t, "10.0.0.0/8", "127.0.0.1/32", "fd00::/8")}
	for _, tt := range []struct {
		name, peer string
		header     []string // name, value, ...
		addr       string
		secure     bool
		host       string
	}{
		{"a stranger", "203.0.113.7:5", nil, "203.0.113.7", false, "h"},
		{"a stranger who pretends", "203.0.113.7:5", []string{"X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil", "Forwarded", "for=1.2.3.4;proto=https"}, "203.0.113.7", false, "h"},
		{"a proxy that says nothing", "127.0.0.1:5", nil, "127.0.0.1", false, "h"},
		{"a proxy", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "cams.example.org"}, "203.0.113.7", true, "cams.example.org"},
		{"a proxy without TLS", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "http"}, "203.0.113.7", false, "h"},
		{"a WebSocket", "127.0.0.1:5", []string{"X-Forwarded-Proto", "wss"}, "127.0.0.1", true, "h"},
		{"what the client wrote stays before", "127.0.0.1:5", []string{"X-Forwarded-For", "1.2.3.4, 203.0.113.7"}, "203.0.113.7", false, "h"},
		{"two proxies", "127.0.0.1:5", []string{"X-Forwarded-For", "1.2.3.4, 203.0.113.7, 10.1.1.1"}, "203.0.113.7", false, "h"},
		{"two headers", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.7", "X-Forwarded-For", "10.1.1.1"}, "203.0.113.7", false, "h"},
		{"proxies only", "127.0.0.1:5", []string{"X-Forwarded-For", "10.2.2.2, 10.1.1.1"}, "10.2.2.2", false, "h"},
		{"no address", "127.0.0.1:5", []string{"X-Forwarded-For", "1.2.3.4, unknown, 10.1.1.1"}, "10.1.1.1", false, "h"},
		{"empty", "127.0.0.1:5", []string{"X-Forwarded-For", ""}, "127.0.0.1", false, "h"},
		{"with a port", "127.0.0.1:5", []string{"X-Forwarded-For", "203.0.113.7:1234"}, "203.0.113.7", false, "h"},
		{"IPv6", "[fd00::1]:5", []string{"X-Forwarded-For", "2001:db8::1"}, "2001:db8::1", false, "h"},
		{"IPv6 in brackets with a port", "[fd00::1]:5", []string{"X-Forwarded-For", "[2001:db8::1]:99"}, "2001:db8::1", false, "h"},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:5", []string{"X-Forwarded-For", "::ffff:203.0.113.7"}, "203.0.113.7", false, "h"},
		{"the last of several protocols", "127.0.0.1:5", []string{"X-Forwarded-Proto", "https, http"}, "127.0.0.1", false, "h"},
		{"a host that is none", "127.0.0.1:5", []string{"X-Forwarded-Host", "a b/c"}, "127.0.0.1", false, "h"},
		{"Forwarded", "127.0.0.1:5", []string{"Forwarded", `For="[2001:db8::1]:47", for=203.0.113.7;proto=https;host="cams.example.org:444";by=x`}, "203.0.113.7", true, "cams.example.org:444"},
		{"Forwarded through two", "127.0.0.1:5", []string{"Forwarded", `for=203.0.113.7;proto=https`, "Forwarded", `for=10.1.1.1;proto=http`}, "203.0.113.7", false, "h"},
		{"Forwarded, hidden", "127.0.0.1:5", []string{"Forwarded", "for=_hidden;proto=https"}, "127.0.0.1", true, "h"},
		{"Forwarded, malformed", "127.0.0.1:5", []string{"Forwarded", `for="203.0.113.7`}, "127.0.0.1", false, "h"},
		{"the other goes first", "127.0.0.1:5", []string{"Forwarded", "for=1.2.3.4;proto=http", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https"}, "203.0.113.7", true, "h"},
		{"very long", "127.0.0.1:5", []string{"X-Forwarded-For", strings.Repeat("10.1.1.1,", 10000) + "10.1.1.1"}, "10.1.1.1", false, "h"},
		{"no peer address", "@", []string{"X-Forwarded-For", "203.0.113.7"}, "invalid IP", false, "h"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://h/", nil)
			r.RemoteAddr = tt.peer
			for i := 0; i < len(tt.header); i += 2 {
				r.Header.Add(tt.header[i], tt.header[i+1])
			}
			r = withCame(r, f.read(r))
			if got := clientAddr(r).String(); got != tt.addr {
				t.Errorf("client is %s, want %s", got, tt.addr)
			}
			if secure(r) != tt.secure {
				t.Errorf("secure is %t", secure(r))
			}
			if hostOf(r) != tt.host {
				t.Errorf("host is %s, want %s", hostOf(r), tt.host)
			}
		})
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add("1.2.3.4, 10.0.0.1", "for=1.2.3.4;proto=https", "https", "h")
	f.Add(",,,", `for="[::1]:4\"7";;,`, "", "[::1]")
	fr := front{proxies: prefixes(f, "10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, xff, forwarded, proto, host string) {
		r := &http.Request{RemoteAddr: "10.0.0.1:1", Host: "h", Header: http.Header{
			"X-Forwarded-For": {xff}, "Forwarded": {forwarded}, "X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host},
		}}
		c := fr.read(r)
		if !c.addr.IsValid() {
			t.Error("the client has no address though the proxy has one")
		}
		if _, ok := hostName(c.host); !ok {
			t.Errorf("host %q is none", c.host)
		}
		stranger := *r
		stranger.RemoteAddr = "192.0.2.1:1"
		if c := fr.read(&stranger); c.addr.String() != "192.0.2.1" || c.secure || c.host != "h" {
			t.Errorf("a stranger is believed: %+v", c)
		}
	})
}

func TestBasePaths(t *testing.T) {
	for _, tt := range []struct{ base, want string }{
		{"", ""}, {"/", ""}, {"/cameras", "/cameras"}, {"/cameras/", "/cameras"}, {"/a/b", "/a/b"},
		{"cameras", "!"}, {"//x", "!"}, {"/a//b", "!"}, {"/a/../b", "!"}, {"/a?b", "!"}, {"/a#b", "!"}, {"/a%20b", "!"}, {"/{a}", "!"}, {"http://h/a", "!"},
	} {
		got, err := checkBase(tt.base)
		if err != nil {
			got = "!"
		}
		if got != tt.want {
			t.Errorf("%q is %q, want %q", tt.base, got, tt.want)
		}
	}
}

func TestUnderABasePath(t *testing.T) {
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, BasePath: "/cams/", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for _, tt := range []struct {
		path     string
		code     int
		location string
		body     string
	}{
		{"/", 307, "/cams/", ""}, {"/cams", 307, "/cams/", ""}, {"/cams?x=1", 307, "/cams/?x=1", ""},
		{"/cams/", 200, "", "<!doctype html>"}, {"/cams/page.css", 200, "", ""}, {"/cams/api/cameras", 200, "", "cameras"}, {"/cams/healthz", 200, "", "ok"},
		{"/cams/nothing", 404, "", "/cams/api/cameras"}, {"/api/cameras", 404, "", "begins with /cams/"}, {"/camsx", 404, "", "begins with /cams/"},
		{"/page.css", 404, "", ""}, {"//evil.example/", 404, "", ""},
	} {
		res, err := client.Get(srv.URL + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tt.code || res.Header.Get("Location") != tt.location || !strings.Contains(strings.ToLower(string(body)), tt.body) {
			t.Errorf("%s: %d to %q: %s", tt.path, res.StatusCode, res.Header.Get("Location"), cut(string(body)))
		}
	}
}

func TestTrustEverybody(t *testing.T) {
	for _, all := range []string{"0.0.0.0/0", "::/0"} {
		_, err := New(Config{Listen: []string{"127.0.0.1:0"}, TrustedProxies: prefixes(t, all), Log: zerolog.Nop()})
		if err == nil {
			t.Errorf("%s is taken", all)
		}
	}
}
