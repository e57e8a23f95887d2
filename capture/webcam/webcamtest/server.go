// Package webcamtest is a camera on HTTP for tests: a real server that shows pictures in a loop, and that breaks on demand.
package webcamtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Length says what the parts of a stream tell of their own length.
type Length uint8

const (
	Right Length = iota
	None
	TooSmall
	TooLarge
)

// Config describes a camera. Only Pictures is needed.
type Config struct {
	Pictures [][]byte      // JPEG files, shown in turns
	Interval time.Duration // between pictures; 0: 1/15 s
	Length   Length
	// ContentType of the stream; empty: multipart/x-mixed-replace with the boundary "frame". Delimiter is what stands before each
	// part; empty: --frame.
	ContentType, Delimiter string
	// User and Password: empty means that anybody may watch.
	User, Password string
	Auth           Auth
	// OneNonce lets each nonce of a digest be used once, and then calls it stale.
	OneNonce bool
	TLS      *tls.Config
}

// Request is what a client asked.
type Request struct {
	Path, Authorization, Referer string
}

// Server is such a camera. /stream is its MJPEG stream and /picture one picture; /page is its HTML page, /redirect?to=ADDRESS
// sends to another address. All methods are safe from any goroutine.
type Server struct {
	t    testing.TB
	addr string

	mu       sync.Mutex
	cfg      Config
	next     int            // picture
	srv      *http.Server   // nil while down
	served   sync.WaitGroup // Serve's goroutine
	conns    map[*conn]struct{}
	requests []Request
	nonces   map[string]int // uses so far
	frozen   chan struct{}  // nil, or closed by Thaw
	halve    bool           // the next picture is half, then Freeze
	garbage  int            // bytes before the next part
}

// Start starts a camera on a free port of 127.0.0.1; the test's end closes it.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Interval == 0 {
		cfg.Interval = time.Second / 15
	}
	if cfg.ContentType == "" {
		cfg.ContentType = "multipart/x-mixed-replace; boundary=frame"
	}
	if cfg.Delimiter == "" {
		cfg.Delimiter = "--frame"
	}
	s := &Server{t: t, cfg: cfg, addr: "127.0.0.1:0", conns: map[*conn]struct{}{}, nonces: map[string]int{}}
	if err := s.up(); err != nil {
		t.Fatalf("start a camera: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// up starts the server, at its old address if it had one.
func (s *Server) up() error {
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = ln.Addr().String()
	ln = listener{ln, s}
	if s.cfg.TLS != nil {
		ln = tls.NewListener(ln, s.cfg.TLS)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/stream", s.guard(s.stream))
	mux.HandleFunc("/picture", s.guard(s.picture))
	mux.HandleFunc("/page", s.guard(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html><body>Camera</body></html>")
	}))
	mux.HandleFunc("/video", s.guard(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "video/mp4") }))
	mux.HandleFunc("/forbidden", s.guard(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	mux.HandleFunc("/busy", s.guard(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	mux.HandleFunc("/redirect", s.note(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusFound)
	}))
	srv := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	s.srv = srv
	s.served.Add(1)
	go func() {
		defer s.served.Done()
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("serve: %v", err)
		}
	}()
	return nil
}

// Addr is the server's host and port.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL is the address of a path, with user name and password, if it has them, as they are now.
func (s *Server) URL(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := url.URL{Scheme: "http", Host: s.addr}
	if s.cfg.TLS != nil {
		u.Scheme = "https"
	}
	if s.cfg.User != "" {
		u.User = url.UserPassword(s.cfg.User, s.cfg.Password)
	}
	return u.String() + path
}

// Requests is what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Conns is how many connections there are at present.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Close ends the camera.
func (s *Server) Close() {
	s.Thaw()
	s.Stop()
}

// note remembers a request.
func (s *Server) note(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, Request{r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Referer")})
		s.mu.Unlock()
		f(w, r)
	}
}

// guard asks for the password.
func (s *Server) guard(f http.HandlerFunc) http.HandlerFunc {
	return s.note(func(w http.ResponseWriter, r *http.Request) {
		if challenges := s.refuse(r); challenges != nil {
			for _, c := range challenges {
				w.Header().Add("WWW-Authenticate", c)
			}
			http.Error(w, "password, please", http.StatusUnauthorized)
			return
		}
		f(w, r)
	})
}

// shot is the present picture, and how the next one is to go wrong.
func (s *Server) shot() (p []byte, halve bool, garbage int, cfg Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.cfg.Pictures[s.next%len(s.cfg.Pictures)]
	s.next++
	halve, garbage = s.halve, s.garbage
	s.halve, s.garbage = false, 0
	return p, halve, garbage, s.cfg
}

// picture gives one picture.
func (s *Server) picture(w http.ResponseWriter, _ *http.Request) {
	p, halve, _, cfg := s.shot()
	w.Header().Set("Content-Type", "image/jpeg")
	if cfg.ContentType == "text/html" {
		w.Header().Set("Content-Type", cfg.ContentType)
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(p)))
	w.Header().Set("ETag", `"always the same"`)
	if halve {
		_, _ = w.Write(p[:len(p)/2])
		_ = http.NewResponseController(w).Flush()
		s.Freeze()
		p = p[len(p)/2:]
	}
	_, _ = w.Write(p)
}

// stream gives pictures until the client leaves, as cameras do: without chunks, and no end.
func (s *Server) stream(w http.ResponseWriter, _ *http.Request) {
	c, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Errorf("hijack: %v", err)
		return
	}
	defer c.Close()
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	head := "HTTP/1.0 200 OK\r\nConnection: close\r\n"
	if cfg.ContentType != "none" {
		head += "Content-Type: " + cfg.ContentType + "\r\n"
	}
	_, _ = io.WriteString(c, head+"\r\n")
	tick := time.NewTicker(cfg.Interval)
	defer tick.Stop()
	ctx, left := context.WithCancel(context.Background())
	go func() { // a client says nothing more; the end of reading is the end of the connection
		defer left()
		_, _ = io.Copy(io.Discard, buf)
	}()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if s.part(c) != nil {
			return
		}
	}
}

// part writes the next picture.
func (s *Server) part(w io.Writer) error {
	p, halve, garbage, cfg := s.shot()
	if garbage > 0 {
		if _, err := w.Write(noise(garbage)); err != nil {
			return err
		}
	}
	head := cfg.Delimiter + "\r\nContent-Type: image/jpeg\r\n"
	switch cfg.Length {
	case Right:
		head += fmt.Sprintf("Content-Length: %d\r\n", len(p))
	case TooSmall:
		head += fmt.Sprintf("Content-Length: %d\r\n", len(p)/3)
	case TooLarge:
		head += fmt.Sprintf("Content-Length: %d\r\n", len(p)*3)
	}
	if _, err := io.WriteString(w, head+"\r\n"); err != nil {
		return err
	}
	if halve {
		if _, err := w.Write(p[:len(p)/2]); err != nil {
			return err
		}
		s.Freeze()
		p = nil // and after a thaw the next picture
	}
	_, err := w.Write(append(p[:len(p):len(p)], "\r\n"...))
	return err
}
