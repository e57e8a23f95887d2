package stream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

// testTLS is a server's configuration and one of a client who trusts it, for example.com and 127.0.0.1.
func testTLS(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	roots := x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: borrowed.TLS.Certificates}, &tls.Config{RootCAs: roots}
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func TestTLS(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	serverTLS, clientTLS := testTLS(t)
	var log lines
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, TLS: serverTLS, HSTS: true, Log: zerolog.New(&log),
		Certificate: func() CertificateInfo { return CertificateInfo{Fingerprint: "AB:CD"} }})
	if err != nil {
		t.Fatal(err)
	}
	stop := runServer(t, s)
	addr, url := s.Addrs()[0].String(), s.URLs()[0]
	if url != "https://"+addr+"/" {
		t.Errorf("URL is %s", url)
	}
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(version, func(t *testing.T) {
			tr := &http.Transport{TLSClientConfig: clientTLS.Clone(), ForceAttemptHTTP2: version == "HTTP/2.0"}
			client := &http.Client{Transport: tr}
			defer client.CloseIdleConnections()
			res, err := client.Get(url + "api/version")
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if res.Proto != version || res.StatusCode != 200 || !strings.Contains(string(body), `"sha256":"AB:CD"`) {
				t.Errorf("%s %d: %s", res.Proto, res.StatusCode, body)
			}
			if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=2592000" {
				t.Errorf("HSTS is %q", got)
			}
			// What lasts outlives the server's limits, on a connection that other requests share.
			ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"api/events", nil)
			events, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(events.Body).ReadString('\n')
			if err != nil || events.StatusCode != 200 || line == "" {
				t.Errorf("events: %d %q %v", events.StatusCode, line, err)
			}
			cancel()
			_ = events.Body.Close()
		})
	}
	t.Run("WebSocket", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS.Clone()}}
		defer client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, "wss://"+addr+"/api/live", &websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {"https://" + addr}}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if _, text, err := conn.Read(ctx); err != nil || !strings.Contains(string(text), "hello") {
			t.Errorf("%s %v", text, err)
		}
	})
	t.Run("old TLS", func(t *testing.T) {
		old := clientTLS.Clone()
		old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		if conn, err := tls.Dial("tcp", addr, old); err == nil {
			_ = conn.Close()
			t.Error("TLS 1.1 is taken")
		}
	})
	t.Run("failed handshakes are counted", func(t *testing.T) {
		for range 30 {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte("\x00\x01garbage of no protocol"))
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
		if n := log.count("TLS handshake"); n > 2 { // of old TLS, too; each line names it twice at most
			t.Errorf("%d mentions in the log", n)
		}
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestPlainHTTPOnTheTLSPort(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	serverTLS, _ := testTLS(t)
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, TLS: serverTLS, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	stop := runServer(t, s)
	addr := s.Addrs()[0].String()
	for _, tt := range []struct{ name, request, want string }{
		{"a page", "GET / HTTP/1.1\r\nHost: cam.lan:8080\r\n\r\n", "307 https://cam.lan:8080/"},
		{"path and query", "GET /a%2Fb/c?x=1&y=%20 HTTP/1.1\r\nHost: cam.lan\r\n\r\n", "307 https://cam.lan/a%2Fb/c?x=1&y=%20"},
		{"HEAD", "HEAD /x HTTP/1.0\r\nHost: 10.0.0.9:1\r\n\r\n", "307 https://10.0.0.9:1/x"},
		{"another host in the path", "GET //evil.example/ HTTP/1.1\r\nHost: cam.lan\r\n\r\n", "307 https://cam.lan/evil.example/"},
		{"what changes something", "POST /api/reload HTTP/1.1\r\nHost: cam.lan\r\nContent-Length: 0\r\n\r\n", "400"},
		{"a WebSocket", "GET /api/live HTTP/1.1\r\nHost: cam.lan\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "400"},
		{"no host", "GET / HTTP/1.0\r\n\r\n", "400"},
		{"a bad host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
		{"no HTTP", "HELP\r\n\r\n", "400"},
		{"endless header", "GET / HTTP/1.1\r\nHost: cam.lan\r\nX: " + strings.Repeat("a", 2*maxPlain), "400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(hangLimit))
			if _, err := io.WriteString(conn, tt.request[:1]); err != nil { // byte by byte is a request, too
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, tt.request[1:]) // it may have had enough
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				if tt.name == "endless header" { // closed with unread bytes: the answer may be lost
					return
				}
				t.Fatal(err)
			}
			defer res.Body.Close()
			got := strings.TrimSpace(strings.Split(res.Status, " ")[0] + " " + res.Header.Get("Location"))
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("silence is bounded", func(t *testing.T) {
		for _, first := range []string{"", "G", "\x16\x03\x01"} {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, first)
			_ = conn.SetReadDeadline(time.Now().Add(headerTimeout + hangLimit))
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Errorf("after %q: %v", first, err)
			}
		}
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// FuzzPlainHTTP: whatever comes, the answer is one of HTTP and leads to the same host by https, or nowhere.
func FuzzPlainHTTP(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Fuzz(func(t *testing.T, request []byte) {
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(turnAway(bytes.NewReader(request)))), nil)
		if err != nil {
			t.Fatal(err)
		}
		switch res.StatusCode {
		case http.StatusBadRequest:
		case http.StatusTemporaryRedirect:
			u, err := res.Location()
			if err != nil || u.Scheme != "https" || u.User != nil {
				t.Fatalf("leads to %v, %v", u, err)
			}
			if _, ok := hostName(u.Host); !ok {
				t.Fatalf("leads to the host %q", u.Host)
			}
			if len(res.Header) != 4 {
				t.Fatalf("header %v", res.Header)
			}
		default:
			t.Fatalf("status %d", res.StatusCode)
		}
	})
}
