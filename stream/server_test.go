package stream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"yfv2d/pipeline"
)

// hangLimit tells a hang from slowness; no test passes by being fast.
const hangLimit = 10 * time.Second

func TestListenAddresses(t *testing.T) {
	const open = "other machines could reach it and no authentication is configured"
	for _, row := range []struct {
		name, addr string
		allowOpen  bool
		want       string
	}{
		{"loopback", "127.0.0.1:8080", false, ""},
		{"other loopback", "127.8.8.8:8080", false, ""},
		{"IPv6 loopback", "[::1]:8080", false, ""},
		{"localhost", "localhost:8080", false, ""},
		{"IPv4 loopback in IPv6", "[::ffff:127.0.0.1]:8080", false, ""},
		{"wildcard", "0.0.0.0:8080", false, open},
		{"wildcard without host", ":8080", false, open},
		{"IPv6 wildcard", "[::]:8080", false, open},
		{"address of the network", "192.168.1.5:8080", false, open},
		{"name", "camera.example.org:8080", false, open},
		{"name that begins like loopback", "127.0.0.1.example.org:8080", false, open},
		{"wildcard, allowed", "0.0.0.0:8080", true, ""},
		{"without port", "127.0.0.1", false, "give host:port"},
		{"IPv6 without brackets", "::1:8080", false, "give host:port"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := New(Config{Listen: []string{row.addr}, AllowOpen: row.allowOpen, Log: zerolog.Nop()})
			if row.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, row.want)
			}
		})
	}
}

func TestBadServerConfiguration(t *testing.T) {
	none := func() pipeline.Stats { return pipeline.Stats{} }
	for _, row := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"no address", Config{}, "no address to listen on"},
		{"camera without name", Config{Cameras: []Camera{{Stats: none}}}, "camera name"},
		{"camera name in capitals", Config{Cameras: []Camera{{Name: "Door", Stats: none}}}, "use 1 to 32 of a-z"},
		{"camera name with slash", Config{Cameras: []Camera{{Name: "a/b", Stats: none}}}, "use 1 to 32 of a-z"},
		{"camera name too long", Config{Cameras: []Camera{{Name: strings.Repeat("a", 33), Stats: none}}}, "use 1 to 32 of a-z"},
		{"camera name with line feed", Config{Cameras: []Camera{{Name: "a\n", Stats: none}}}, "use 1 to 32 of a-z"},
		{"camera name twice", Config{Cameras: []Camera{{Name: "a", Stats: none}, {Name: "a", Stats: none}}}, `"a" is used twice`},
		{"bad host", Config{Hosts: []string{"a b"}}, `hosts: "a b"`},
		{"bad origin", Config{CORSOrigins: []string{"*"}}, `cors_origins: "*"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.name != "no address" {
				row.cfg.Listen = []string{"127.0.0.1:0"}
			}
			_, err := New(row.cfg)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, row.want)
			}
		})
	}
}

// runServer runs s until the returned function is called, which gives Run's error.
func runServer(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("server ended: %v", err)
	case <-time.After(hangLimit):
		cancel()
		t.Fatal("server does not get ready")
	}
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(hangLimit):
			t.Fatal("server does not stop")
			return nil
		}
	}
}

func TestRunServesAllAddressesAndStops(t *testing.T) {
	defer goleak.VerifyNone(t)
	s, err := New(Config{Listen: []string{"127.0.0.1:0", "localhost:0", "127.0.0.2:0"}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	stop := runServer(t, s)
	if n := len(s.Addrs()); n != 3 {
		t.Errorf("%d addresses", n)
	}
	client := &http.Client{Transport: &http.Transport{}}
	for _, u := range s.URLs() {
		resp, err := client.Get(u + "healthz")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", u, resp.StatusCode, body)
		}
	}
	// Idle connections, one that never says anything and one in mid-request must not hold the server up.
	silent, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	half, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	fmt.Fprint(half, "POST /api/cameras HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
	begin := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	t.Logf("stopped in %v", time.Since(begin))
	client.CloseIdleConnections()
	if _, err := net.Dial("tcp", s.Addrs()[0].String()); err == nil {
		t.Error("still listening after Run")
	}
}

func TestStopWhileASnapshotIsWaitedFor(t *testing.T) {
	s := testServer(t)
	stop := runServer(t, s)
	answer := make(chan int, 1)
	go func() {
		resp, err := http.Get("http://" + s.Addrs()[0].String() + "/api/cameras/door/snapshot.jpg")
		if err != nil {
			answer <- 0
			return
		}
		_ = resp.Body.Close()
		answer <- resp.StatusCode
	}()
	for s.cameras.Load().byName["door"].Broadcaster.Wants() == 0 { // the hang guard of the test binary ends this
		time.Sleep(time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if code := <-answer; code != http.StatusServiceUnavailable {
		t.Errorf("the waiting request got %d, want 503", code)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := New(Config{Listen: []string{"127.0.0.1:0", l.Addr().String()}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "another program has this port") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error %v", err)
	}
	if s.Addrs() != nil {
		t.Error("the other address is still held")
	}
}

func TestOpenServerListsItsAddresses(t *testing.T) {
	s, err := New(Config{Listen: []string{"0.0.0.0:0"}, AllowOpen: true, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	stop := runServer(t, s)
	urls := s.URLs()
	if len(urls) == 0 || !strings.HasPrefix(urls[0], "http://127.0.0.1:") {
		t.Errorf("URLs %v: want this machine's first", urls)
	}
	for _, u := range urls {
		resp, err := http.Get(u + "healthz")
		if err != nil {
			t.Logf("%s cannot be reached from here: %v", u, err) // some networks do not let a host reach itself
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", u, resp.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestRebinding speaks to a real server as a browser does whose name for us was rebound to loopback.
func TestRebinding(t *testing.T) {
	s := testServer(t)
	stop := runServer(t, s)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, row := range []struct {
		name, request string
		want          int
	}{
		{"own address", "GET /api/cameras HTTP/1.1\r\nHost: %s\r\n\r\n", 200},
		{"attacker's name", "GET /api/cameras HTTP/1.1\r\nHost: evil.example:8080\r\n\r\n", 421},
		{"attacker's name for the metrics", "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
		{"attacker's name for the page", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
		{"attacker's name in the request line", "GET http://evil.example/api/cameras HTTP/1.1\r\nHost: localhost\r\n\r\n", 421},
		{"forwarded header does not help", "GET /api/cameras HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n\r\n", 421},
		{"two host headers", "GET /api/cameras HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
		{"no host header", "GET /api/cameras HTTP/1.0\r\n\r\n", 421},
		{"header too large", "GET /api/cameras HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", 431},
	} {
		t.Run(row.name, func(t *testing.T) {
			addr := s.Addrs()[0].String()
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(hangLimit))
			if _, err := io.WriteString(conn, strings.Replace(row.request, "%s", addr, 1)); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != row.want {
				t.Errorf("status %d, want %d", resp.StatusCode, row.want)
			}
		})
	}
}
