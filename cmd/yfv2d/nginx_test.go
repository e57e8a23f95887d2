package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"yfv2d/certificate"
	"yfv2d/scripts/viewer"
)

// blockOf is what a document shows behind <!-- name -->.
func blockOf(t *testing.T, path, name string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)<!-- " + regexp.QuoteMeta(name) + " -->\n```[a-z]+\n(.*?)```").FindStringSubmatch(string(text))
	if found == nil {
		t.Fatalf("%s shows no %s", path, name)
	}
	return found[1]
}

// changed is text with one thing in place of another that must be there.
func changed(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("no %q in\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// startNginx runs Debian's nginx with what the document shows, in front of a daemon at backend, and gives its address.
func startNginx(t *testing.T, backend string) (addr, fingerprint string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatal("no nginx: make test installs it")
		}
	}
	dir := t.TempDir()
	pair := filepath.Join(dir, "pair.pem")
	cert, _, err := certificate.SelfSigned(pair)
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = free.Addr().String()
	_ = free.Close()
	block := changed(t, blockOf(t, "../../docs/reverse-proxy.md", "nginx.conf"),
		"listen 443 ssl", "listen "+addr+" ssl",
		"/etc/letsencrypt/live/cams.example.org/fullchain.pem", pair, "/etc/letsencrypt/live/cams.example.org/privkey.pem", pair,
		"http://127.0.0.1:8080", "http://"+backend)
	var temp strings.Builder
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "%s_temp_path %s/%s;\n", what, dir, what)
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := "daemon off;\nmaster_process off;\npid " + dir + "/pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n" + temp.String() + block + "}\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said heard
	cmd := exec.Command(path, "-p", dir, "-e", "stderr", "-c", conf)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", said.String())
		}
	})
	waitUntil(t, "nginx listens", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return addr, cert.Info().Fingerprint
}

// behind is a client that reaches every name at addr, from an address of its own on this machine.
func behind(t *testing.T, addr, from, fingerprint string, http2 bool) *http.Client {
	t.Helper()
	c := pinned(t, fingerprint)
	tr := c.Transport.(*http.Transport)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, addr)
	}
	if !http2 {
		tr.ForceAttemptHTTP2, tr.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	return c
}

func TestBehindNginx(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // when nginx has ended, too
	text := changed(t, blockOf(t, "../../docs/reverse-proxy.md", "config.toml"), "127.0.0.1:8080", "127.0.0.1:0")
	state := t.TempDir()
	t.Setenv("STATE_DIRECTORY", state)
	token := runToken(t)
	var log heard
	s := serveFile(t, writeConfig(t, text+"\n[webrtc]\nport = 0\n[log]\nformat = \"json\"\n"+pattern("a", "")), &log)
	addr, fingerprint := startNginx(t, s.d.server.Addrs()[0].String())
	const from = "127.0.0.9"
	client := behind(t, addr, from, fingerprint, true)
	_, port, _ := net.SplitHostPort(addr)
	base := "https://cams.example.org:" + port + "/cameras/"
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	get := func(url string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	checkLogin(t, client, base, filepath.Join(state, "initial-password"))
	plain := client.Transport
	client.Transport = withToken{plain, token}

	for _, url := range []string{base, strings.TrimSuffix(base, "/")} {
		res := get(url)
		page, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || !strings.Contains(string(page), "<!doctype html>") || res.Request.URL.String() != base {
			t.Errorf("page: %d at %s", res.StatusCode, res.Request.URL)
		}
	}
	res := get(base + "api/events")
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	_ = res.Body.Close()
	if err != nil || res.StatusCode != 200 || line == "" {
		t.Errorf("events: %d %q %v", res.StatusCode, line, err)
	}
	waitUntil(t, "a picture is there", func() bool { return s.camera("a").stats().Ledger.Captured > 3 })
	res = get(base + "api/cameras/a/stream.mjpeg?width=160")
	part := make([]byte, 2048)
	_, err = io.ReadFull(res.Body, part)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != 200 {
		t.Errorf("moving JPEGs: %d %v", res.StatusCode, err)
	}

	socket := behind(t, addr, from, fingerprint, false)
	conn, _, err := websocket.Dial(ctx, "wss://cams.example.org:"+port+"/cameras/api/live",
		&websocket.DialOptions{HTTPClient: socket, HTTPHeader: http.Header{"Origin": {"https://cams.example.org:" + port}, "Authorization": {"Bearer " + token}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || !strings.Contains(string(message), "hello") {
		t.Errorf("live messages: %s %v", message, err)
	}
	_ = conn.CloseNow()

	v, err := viewer.WatchBy(ctx, client, base+"api/cameras/a/whep")
	if err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "pictures come", func() bool { return v.Counts().Frames > 20 })
	if err := v.Leave(ctx); err != nil { // by the Location, which has the prefix
		t.Error(err)
	}
	s.waitUnwatched("a")

	// A page of another site is refused, and the log tells who asked: not the proxy, and not who the client says it is.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"api/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("X-Forwarded-For", "192.0.2.66")
	req.Header.Set("X-Forwarded-Host", "evil.example")
	req.Header.Set("Forwarded", "for=192.0.2.66;host=evil.example")
	res, err = client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden || !strings.Contains(log.String(), `"remote":"`+from+`"`) || strings.Contains(log.String(), "192.0.2.66") {
		t.Errorf("%d, log %s", res.StatusCode, log.String())
	}
	plain.(*http.Transport).CloseIdleConnections()
	socket.CloseIdleConnections()
	s.stop()
}

// withToken sends a token with each request.
type withToken struct {
	http.RoundTripper
	token string
}

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.token)
	return w.RoundTripper.RoundTrip(r)
}

func runToken(t *testing.T) string {
	t.Helper()
	code, token, stderr := runCLI(t, "token", "add", "test", "--role", "admin")
	if code != exitOK {
		t.Fatal(stderr)
	}
	return strings.TrimSpace(token)
}

// checkLogin is sent to the login page behind the prefix, logs in there, and gets a cookie for https and the prefix alone.
func checkLogin(t *testing.T, client *http.Client, base, passwordFile string) {
	t.Helper()
	res, err := client.Get(base)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Request.URL.String() != base+"login" {
		t.Errorf("without a login: %d at %s", res.StatusCode, res.Request.URL)
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, base+"api/login", strings.NewReader(fmt.Sprintf(`{"name":"admin","password":%q}`, strings.TrimSpace(string(password)))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", strings.TrimSuffix(base, "/cameras/"))
	res, err = client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	cookies := res.Cookies()
	if res.StatusCode != http.StatusOK || len(cookies) != 1 || !cookies[0].Secure || cookies[0].Path != "/cameras/" {
		t.Errorf("login: %d %v", res.StatusCode, cookies)
	}
}
