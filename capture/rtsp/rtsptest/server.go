// Package rtsptest is an RTSP camera for tests: a real server that plays a clip for ever, as a camera does whether or not
// anybody watches, and that breaks on demand.
package rtsptest

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

// Auth is how a camera asks for its password.
type Auth uint8

const (
	Digest Auth = iota
	Basic
)

// Config describes a camera. Only Clip is needed.
type Config struct {
	Clip Clip
	// Also are clips that the camera announces as further formats of its video track, for Switch.
	Also []Clip
	// Listen is the address to listen at; "127.0.0.1:0" if empty. UDP is served at 127.0.0.1 only.
	Listen string
	// Path of the stream, without leading slash; "stream" if empty, and "/" for none at all. Any other gets 404.
	Path string
	// User and Password: empty means that anybody may watch.
	User, Password string
	Auth           Auth
	UDP            bool // serve UDP too; else a client that asks for it gets 461
	TLS            *tls.Config
	// OutOfBand leaves the parameter sets to the SDP.
	OutOfBand bool
	// Rewrite may change each answer before it goes out: its status, headers and SDP.
	Rewrite func(*base.Response)
	// NTP is the camera's own clock, for sender reports; nil: the true time.
	NTP func() time.Time
	// ReportEvery is the time between sender reports; 0: 1 s; negative: none.
	ReportEvery time.Duration
}

// Server is such a camera. All its methods are safe from any goroutine.
type Server struct {
	t    testing.TB
	cfg  Config
	addr string
	udp  [2]string // addresses of RTP and RTCP

	mu       sync.Mutex
	password string                  // guarded by mu
	srv      *gortsplib.Server       // guarded by mu; nil while down
	stream   *gortsplib.ServerStream // guarded by mu; of srv
	tracks   []*track                // guarded by mu; of stream
	conns    map[*conn]struct{}      // guarded by mu
	requests map[base.Method]int     // guarded by mu
	sessions int                     // guarded by mu; at present
	frozen   chan struct{}           // guarded by mu; nil, or closed by Thaw
	fault    packetFault             // guarded by mu; of RTP packets
	pictures uint64                  // guarded by mu; pictures so far

	orders chan func(*player) // for the player, which runs them between two pictures
	stop   chan struct{}
	played sync.WaitGroup
	once   sync.Once
}

// Start starts a camera; the test's end closes it.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = "stream"
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.ReportEvery == 0 {
		cfg.ReportEvery = time.Second
	}
	s := &Server{t: t, cfg: cfg, addr: cfg.Listen, password: cfg.Password, conns: map[*conn]struct{}{},
		requests: map[base.Method]int{}, orders: make(chan func(*player)), stop: make(chan struct{})}
	if err := s.up(); err != nil {
		t.Fatalf("start an RTSP server: %v", err)
	}
	p, err := newPlayer(s)
	if err != nil {
		t.Fatalf("play a clip: %v", err)
	}
	s.played.Add(1)
	go p.run()
	t.Cleanup(s.Close)
	return s
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return s.addr }

// URL is the stream's address, with user name and password, if it has them, as they were when the server started.
func (s *Server) URL() string {
	u := url.URL{Scheme: "rtsp", Host: s.addr, Path: "/" + strings.TrimPrefix(s.cfg.Path, "/")}
	if s.cfg.TLS != nil {
		u.Scheme = "rtsps"
	}
	if s.cfg.User != "" {
		u.User = url.UserPassword(s.cfg.User, s.cfg.Password)
	}
	return u.String()
}

// Requests is how many requests of a method came in.
func (s *Server) Requests(m base.Method) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[m]
}

// Sessions is how many sessions there are at present.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

// Conns is how many connections there are at present.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Pictures is how many pictures the camera has sent so far, to however many readers.
func (s *Server) Pictures() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pictures
}

// Close ends the camera.
func (s *Server) Close() {
	s.once.Do(func() {
		s.Thaw()
		close(s.stop)
		s.played.Wait()
		s.down()
	})
}

// up starts the server and its stream, on the address it had before if it had one.
func (s *Server) up() error {
	srv := &gortsplib.Server{Handler: handler{s}, RTSPAddress: s.addr, Listen: s.listen, TLSConfig: s.cfg.TLS,
		AuthMethods: []auth.VerifyMethod{auth.VerifyMethodDigestMD5}, DisableRTCPSenderReports: true}
	if s.cfg.Auth == Basic {
		srv.AuthMethods = []auth.VerifyMethod{auth.VerifyMethodBasic}
	}
	err := s.startServer(srv)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.srv = srv
	return s.announce(append([]Clip{s.cfg.Clip}, s.cfg.Also...))
}

// startServer starts srv. UDP needs a pair of ports, the first even.
func (s *Server) startServer(srv *gortsplib.Server) error {
	if !s.cfg.UDP {
		return srv.Start()
	}
	if s.udp[0] != "" {
		srv.UDPRTPAddress, srv.UDPRTCPAddress = s.udp[0], s.udp[1]
		if srv.Start() == nil {
			return nil
		} // somebody took the ports meanwhile: others will do
	}
	var err error
	for range 100 {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		s.udp = [2]string{fmt.Sprintf("127.0.0.1:%d", port&^1), fmt.Sprintf("127.0.0.1:%d", port|1)}
		srv.UDPRTPAddress, srv.UDPRTCPAddress = s.udp[0], s.udp[1]
		if err = srv.Start(); err == nil {
			return nil
		}
	}
	return err
}

func freePort() (int, error) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port, nil
}

// announce replaces the stream by one of the clips' formats. The caller holds mu.
func (s *Server) announce(clips []Clip) error {
	desc, tracks, err := describe(clips)
	if err != nil {
		return err
	}
	stream := &gortsplib.ServerStream{Server: s.srv, Desc: desc}
	if err := stream.Initialize(); err != nil {
		return err
	}
	s.stream, s.tracks = stream, tracks
	return nil
}

// down ends the server with all its connections.
func (s *Server) down() {
	s.mu.Lock()
	srv, stream := s.srv, s.stream
	s.srv, s.stream, s.tracks = nil, nil, nil
	s.mu.Unlock()
	if srv == nil {
		return
	}
	stream.Close()
	srv.Close()
}

// handler answers requests.
type handler struct{ s *Server }

func (h handler) OnRequest(_ *gortsplib.ServerConn, req *base.Request) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.requests[req.Method]++
}

func (h handler) OnResponse(_ *gortsplib.ServerConn, res *base.Response) {
	if h.s.cfg.Rewrite != nil {
		h.s.cfg.Rewrite(res)
	}
}

func (h handler) OnSessionOpen(*gortsplib.ServerHandlerOnSessionOpenCtx) { h.count(1) }

func (h handler) OnSessionClose(*gortsplib.ServerHandlerOnSessionCloseCtx) { h.count(-1) }

func (h handler) count(n int) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	h.s.sessions += n
}

// OnStreamWriteError keeps the library from logging: a reader that does not keep up loses packets.
func (h handler) OnStreamWriteError(*gortsplib.ServerHandlerOnStreamWriteErrorCtx) {}

func (h handler) OnPacketsLost(*gortsplib.ServerHandlerOnPacketsLostCtx) {}

func (h handler) OnDecodeError(*gortsplib.ServerHandlerOnDecodeErrorCtx) {}

func (h handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return h.grant(ctx.Conn, ctx.Request, ctx.Path)
}

func (h handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if ctx.Transport == gortsplib.TransportUDP && !h.s.cfg.UDP {
		return &base.Response{StatusCode: base.StatusUnsupportedTransport}, nil, nil
	}
	return h.grant(ctx.Conn, ctx.Request, ctx.Path)
}

func (h handler) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// grant gives the stream to whom it may be shown.
func (h handler) grant(conn *gortsplib.ServerConn, req *base.Request, path string) (*base.Response, *gortsplib.ServerStream, error) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	switch {
	case h.s.cfg.User != "" && !conn.VerifyCredentials(req, h.s.cfg.User, h.s.password):
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	case strings.Trim(path, "/") != strings.Trim(h.s.cfg.Path, "/") || h.s.stream == nil:
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, h.s.stream, nil
}
