package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// proxy stands between a browser and the daemon. HTTP and WebSockets pass as they are; of a WHEP session the media goes over
// a relay: the browser is told the relay's address in place of the daemon's, and the daemon is told none of the browser's.
type proxy struct {
	url    string // of the page through the proxy
	path   path
	server *http.Server
	served chan struct{} // closed when the server has ended

	mu     sync.Mutex // guards relays
	relays map[netip.AddrPort]*relay
}

// newProxy serves on a free port of the loopback. The caller closes it.
func newProxy(daemon string, p path) (*proxy, error) {
	target, err := url.Parse(daemon)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	x := &proxy{url: "http://" + l.Addr().String(), path: p, served: make(chan struct{}), relays: map[netip.AddrPort]*relay{}}
	x.server = &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the daemon compares it with the page's origin; it knows 127.0.0.1 at any port
			x.hideBrowser(r.Out)
		},
		ModifyResponse: x.hideDaemon,
		FlushInterval:  -1,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(x.served)
		_ = x.server.Serve(l) // ends by close
	}()
	return x, nil
}

func (x *proxy) close() {
	_ = x.server.Close()
	<-x.served
	for _, r := range x.relays {
		r.close()
	}
}

// packets counts what the relays carried and dropped.
func (x *proxy) packets() (carried, dropped uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.relays {
		carried, dropped = carried+r.carried.Load(), dropped+r.dropped.Load()
	}
	return carried, dropped
}

// describesSession says whether a body of this type tells of ICE candidates.
func describesSession(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (media == "application/sdp" || media == "application/trickle-ice-sdpfrag")
}

func (x *proxy) hideBrowser(r *http.Request) {
	if r.Body == nil || !describesSession(r.Header) {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the daemon sees a short body
	}
	body = eachCandidate(body, func([]string) string { return "" })
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
}

func (x *proxy) hideDaemon(r *http.Response) error {
	if !describesSession(r.Header) {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	_ = r.Body.Close()
	kept := 0
	body = eachCandidate(body, func(f []string) string {
		if kept > 0 {
			return ""
		}
		line, err2 := x.relayed(f)
		if err2 != nil {
			err = errors.Join(err, err2)
		}
		if line != "" {
			kept++
		}
		return line
	})
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

// relayed is a candidate line (RFC 8839 5.1) with a relay's port; empty for candidates other than IPv4 over UDP.
func (x *proxy) relayed(f []string) (string, error) {
	if len(f) < 8 || !strings.EqualFold(f[2], "udp") {
		return "", nil
	}
	addr, err := netip.ParseAddr(f[4])
	if err != nil || !addr.Is4() {
		return "", nil
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil {
		return "", nil
	}
	r, err := x.relayTo(netip.AddrPortFrom(addr, uint16(port)))
	if err != nil {
		return "", err
	}
	f[5] = strconv.Itoa(r.port())
	return strings.Join(f, " "), nil
}

func (x *proxy) relayTo(target netip.AddrPort) (*relay, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.relays[target]; r != nil {
		return r, nil
	}
	r, err := newRelay(target, x.path)
	if err == nil {
		x.relays[target] = r
	}
	return r, err
}

// eachCandidate replaces the candidate lines of an SDP body; an empty line goes.
func eachCandidate(body []byte, replace func(fields []string) string) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(body) {
		text := strings.TrimSpace(string(line))
		if !strings.HasPrefix(text, "a=candidate:") {
			out.Write(line)
			continue
		}
		if text = replace(strings.Fields(text)); text != "" {
			out.WriteString(text + "\r\n")
		}
	}
	return out.Bytes()
}

const lossSpan = 30 // seconds

// loss watches over a bad path.
func loss(ctx context.Context, b *bench) (figures, error) {
	d, c, stop, err := b.daemonAndBrowser(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	x, err := newProxy(d.URL, path{loss: 0.02, delay: 40 * time.Millisecond, seed: 1})
	if err != nil {
		return nil, err
	}
	defer x.close()
	r, err := b.selftest(ctx, c, d, view{base: x.url, id: "loss", seconds: lossSpan, mode: "low_latency"})
	carried, dropped := x.packets()
	if err != nil {
		return nil, fmt.Errorf("%w (%d packets relayed, %d dropped)", err, carried, dropped)
	}
	if carried == 0 {
		return nil, errors.New("the media went around the relay")
	}
	return figures{
		"loss_worst_freeze_s": r.Freezes.WorstS, "loss_freezes": float64(r.Freezes.Count), "loss_frozen_s": r.Freezes.TotalS,
		"loss_p50_ms": r.Latency.P50, "loss_p95_ms": r.Latency.P95, "loss_fps": float64(r.Frames) / r.Seconds,
		"loss_dropped_share": float64(dropped) / float64(carried+dropped), "loss_rtt_ms": r.RTTMS,
	}, nil
}
