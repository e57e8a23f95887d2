package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/access"
)

// Limits of the HTTP server. Nobody has a reason to be slower or to send more; a snapshot takes at most 2 s.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 20 * time.Second
	idleTimeout   = 60 * time.Second
	stopTimeout   = 300 * time.Millisecond // what running requests get to finish in
	maxHeader     = 16 << 10               // bytes
	maxStreams    = 100                    // requests at once of one connection by HTTP/2; RFC 9113 section 6.5.2 wants no less
	maxBody       = 64 << 10               // bytes; a session description is about 5 kB
)

// Config is what a Server is made from.
type Config struct {
	Cameras   []Camera // in the order they are shown, see SetCameras
	Listen    []string // host:port; port 0 picks a free one
	Hosts     []string // further names under which the server is called, e.g. behind a proxy
	AllowOpen bool     // allow addresses that other machines reach, though there is no login
	// TLS has the certificate; nil: plain HTTP. It says nothing of HTTP/2, which the server takes by itself.
	TLS *tls.Config
	// HSTS tells browsers to come by https only. Not for self-signed certificates.
	HSTS bool
	// Certificate is the one in use, for /api/version; nil: none.
	Certificate func() CertificateInfo
	// TrustedProxies may say for whom they ask (X-Forwarded-For, -Proto, -Host, Forwarded).
	TrustedProxies []netip.Prefix
	// BasePath is what all addresses begin with, as "/cameras"; "" for none.
	BasePath    string
	CORSOrigins []string // foreign origins (scheme://host[:port]) whose pages may use the API
	Version     VersionInfo
	Log         zerolog.Logger
	WHEP        *WHEP // may be nil: no live pictures. Run closes it at its end; closing it again does no harm

	// Access says who may come in, and what for; nil: everybody, and for everything. The caller runs it.
	Access *access.Keeper

	// Reload reads the configuration again and says what it did; nil: there is nothing to reload. An error changes
	// nothing and is shown as it is. Called from any goroutine.
	Reload func(context.Context) (Reloaded, error)
	// Setup looks at what cameras could be added and says how; nil: nothing can be told. Called from one goroutine at a
	// time, at most every few seconds.
	Setup func(context.Context) Setup
}

// Server serves the page, the JSON API, WHEP and the metrics.
type Server struct {
	cfg     Config
	cameras atomic.Pointer[cameraSet]
	live    *liveHub
	handler http.Handler
	base    string // as Config.BasePath, without a slash at its end
	ready   chan struct{}
	now     func() time.Time // the clock; tests set it before the first request
	started time.Time

	accessLog     accessLog
	selfTests     selfTests
	setup         setupDesk
	pace          livePace
	motionViewers atomic.Int32 // requests for moving JPEG pictures that are served now

	mu        sync.Mutex // guards listeners
	listeners []net.Listener
}

// New checks the configuration and makes a server; it does not listen yet.
func New(cfg Config) (*Server, error) {
	if len(cfg.Listen) == 0 {
		return nil, errors.New("no address to listen on; give one like 127.0.0.1:8080")
	}
	for _, l := range cfg.Listen {
		if err := checkListen(l, cfg.open()); err != nil {
			return nil, err
		}
	}
	s := &Server{cfg: cfg, live: newLiveHub(), pace: defaultPace, ready: make(chan struct{}), now: time.Now, started: time.Now(),
		accessLog: accessLog{log: cfg.Log, seen: map[refusalKey]*refusalCount{}}}
	s.setup.look = cfg.Setup
	if err := s.SetCameras(cfg.Cameras); err != nil {
		return nil, err
	}
	g, err := newGuard(cfg.Listen, cfg.Hosts, cfg.CORSOrigins, cfg.Log)
	if err != nil {
		return nil, err
	}
	if err := checkProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if s.base, err = checkBase(cfg.BasePath); err != nil {
		return nil, err
	}
	g.front, g.hsts = front{proxies: cfg.TrustedProxies, base: s.base}, cfg.HSTS && cfg.TLS != nil
	table, err := s.routes()
	if err != nil {
		return nil, err
	}
	mux, err := s.router(table)
	if err != nil {
		return nil, err
	}
	s.handler = g.wrap(http.MaxBytesHandler(underBase(s.base, mux), maxBody))
	return s, nil
}

// open says whether other machines may reach the server.
func (c Config) open() bool { return c.AllowOpen || c.Access != nil }

// checkListen refuses an address that cannot be one, and one that other machines reach unless that is allowed.
func checkListen(addr string, allowOpen bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: give host:port, like 127.0.0.1:8080", addr)
	}
	if allowOpen || strings.EqualFold(host, "localhost") {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return openError(addr)
}

func openError(addr string) error {
	return fmt.Errorf("listen address %q: other machines could reach it and no authentication is configured; "+
		"turn it on with auth = \"on\", listen on 127.0.0.1, or allow everybody in with allow_open = true (--allow-open)", addr)
}

// Handler is the whole server as one handler, guards included.
func (s *Server) Handler() http.Handler { return s.handler }

// Ready is closed once the server takes connections.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Addrs are the addresses listened on, in the order of Config.Listen; none before Listen.
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []net.Addr
	for _, l := range s.listeners {
		out = append(out, l.Addr())
	}
	return out
}

// Listen takes all addresses, or none and says why. Run does it by itself; calling it before tells early that a port
// is taken. A server that listens must be run.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listeners != nil {
		return nil
	}
	var got []net.Listener
	for _, addr := range s.cfg.Listen {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err == nil && !s.cfg.open() && !loopback(l.Addr()) { // "localhost" that resolves elsewhere
			_ = l.Close()
			err = openError(addr)
		}
		if err != nil {
			for _, l := range got {
				_ = l.Close()
			}
			return listenError(addr, err)
		}
		got = append(got, l)
	}
	s.listeners = got
	return nil
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen on %s: another program has this port (perhaps yfv2d runs already); choose another with --listen: %w", addr, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen on %s: not permitted; ports below 1024 need rights, choose a higher one with --listen: %w", addr, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen on %s: this machine has no such address: %w", addr, err)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// Run serves until ctx ends and returns nil then. Running requests get a moment (stopTimeout); WHEP and what lasts (live
// messages, moving pictures) are ended first, so that no viewer holds the server up. It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	ctx, endRequests := context.WithCancel(ctx)
	defer endRequests()
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withConn,
		ErrorLog:          stdlog.New(&httpLog{log: s.cfg.Log}, "", 0),
		TLSConfig:         s.cfg.TLS.Clone(), // nil stays nil; Serve adds HTTP/2
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
	}
	ended := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { ended <- s.serve(srv, l) }() // joined below: Shutdown ends every Serve
	}
	close(s.ready)
	running := len(s.listeners)
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		running--
	}
	endRequests()
	s.stop(srv)
	for ; running > 0; running-- {
		<-ended
	}
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

func (s *Server) stop(srv *http.Server) {
	if s.cfg.WHEP != nil {
		if err := s.cfg.WHEP.Close(); err != nil {
			s.cfg.Log.Warn().Err(err).Msg("close live connections")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		_ = srv.Close()
	}
	s.live.close() // net/http does not wait for WebSockets
}
