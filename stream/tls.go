package stream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/zerolog"
)

// hstsMaxAge is for how many seconds browsers come by https only, a month: renewed at each visit, and not for ever if
// somebody goes back to plain HTTP. Not sent for self-signed certificates: there browsers offer no way round a warning then.
const hstsMaxAge = "2592000"

// maxPlain bounds what is read of a plain request that came to the port of TLS, bytes.
const maxPlain = 8 << 10

// listenPlain gives connections whose first byte decides: TLS goes on, plain HTTP is sent to https. It is what somebody gets
// who types an address without a scheme.
type listenPlain struct{ net.Listener }

func (l listenPlain) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &firstByte{Conn: c}, nil // it is read later, on the connection's own goroutine and within its time limit
}

// firstByte is a connection of which nothing was read yet. net/http sets its deadlines (headerTimeout) before the handshake.
type firstByte struct {
	net.Conn
	known bool // read by one goroutine only, as every connection of net/http
}

// NetConn is the connection below.
func (c *firstByte) NetConn() net.Conn { return c.Conn }

var errPlain = errors.New("plain HTTP on the port of https")

func (c *firstByte) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.known || n == 0 {
		return n, err
	}
	c.known = true
	if p[0] < 'A' || p[0] > 'Z' { // a method begins so, a record of TLS does not
		return n, err
	}
	answer := turnAway(io.MultiReader(bytes.NewReader(p[:n]), c.Conn))
	_, _ = c.Conn.Write(answer) // the client may have gone
	return 0, errPlain
}

// turnAway is the answer to a plain request: where it is to go. Only what changes nothing is sent on. The redirect is a
// temporary one: a browser that kept it would look for https when TLS is long off again.
func turnAway(request io.Reader) []byte {
	const head = "Connection: close\r\nCache-Control: no-store\r\nContent-Type: text/plain; charset=utf-8\r\n"
	refuse := func(why string) []byte {
		return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\n%sContent-Length: %d\r\n\r\n%s\n", head, len(why)+1, why)
	}
	r, err := http.ReadRequest(bufio.NewReader(io.LimitReader(request, maxPlain)))
	if err != nil {
		return refuse("this port speaks https")
	}
	if _, ok := hostName(r.Host); !ok || changes(r) || r.Method == http.MethodOptions {
		return refuse("this port speaks https; what was sent came over the network readable")
	}
	to := url.URL{Scheme: "https", Host: r.Host, Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: r.URL.RawQuery}
	if r.URL.RawPath != "" {
		to.RawPath = "/" + strings.TrimLeft(r.URL.RawPath, "/")
	}
	where := to.String()
	if strings.ContainsFunc(where, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return refuse("this port speaks https")
	}
	return fmt.Appendf(nil, "HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\n%sContent-Length: 0\r\n\r\n", where, head)
}

// serve answers on one listener until the server is shut down.
func (s *Server) serve(srv *http.Server, l net.Listener) error {
	if s.cfg.TLS == nil {
		return srv.Serve(l)
	}
	return srv.ServeTLS(listenPlain{l}, "", "") // the configuration has the certificate
}

// httpLog takes what net/http has to say (handler panics, odd connections) into the log. Handshakes that fail are what every
// port sees that strangers reach: they are counted.
type httpLog struct {
	log        zerolog.Logger
	handshakes minutely
}

func (h *httpLog) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	if !strings.HasPrefix(text, "http: TLS handshake error") { // net/http gives its reasons as text only
		h.log.Warn().Str("http", text).Msg("HTTP server")
		return len(p), nil
	}
	if n, due := h.handshakes.count(); due {
		h.log.Info().Str("http", cut(text)).Int("failed", n).Msg("TLS handshake failed")
	}
	return len(p), nil
}
