package stream

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"
)

const (
	// closeTimeout is what the closing words of a WebSocket may take. It is less than stopTimeout.
	closeTimeout = 200 * time.Millisecond
	// maxPing is the bytes of a message from a page.
	maxPing = 1 << 10
	// A page measures its clock's offset with a few pings at the beginning and then one every few seconds.
	pingsPerSecond = 10
	pingBurst      = 20
)

var (
	errFlood = errors.New("too many messages")
	errSlow  = errors.New("nothing was taken for too long")
)

// serveLive is the WebSocket that carries live messages. That it comes from our own page, or from one that is allowed,
// the guard has seen to.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		writeError(w, http.StatusUpgradeRequired, "this address speaks WebSocket; for scripts the same messages are at /api/events")
		return
	}
	sub := s.subscribe(w, r)
	if sub == nil {
		return
	}
	defer s.live.leave(sub)
	taken := &hijack{ResponseWriter: w}
	l := &liveSocket{sub: sub, pace: s.pace, pings: rate.NewLimiter(pingsPerSecond, pingBurst)}
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	l.end = end
	conn, err := websocket.Accept(taken, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // of the origin: see above
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     func(context.Context, []byte) bool { return l.allow() },
	})
	if err != nil {
		return // it has answered
	}
	l.conn, l.tcp = conn, taken.conn
	l.run(ctx)
}

// hijack remembers the connection that a handler took over.
type hijack struct {
	http.ResponseWriter
	conn net.Conn
}

func (h *hijack) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.conn = conn
	return conn, rw, err
}

// liveSocket is one WebSocket at work: its request's goroutine writes, one reads, one asks for signs of life.
type liveSocket struct {
	sub   *liveSubscriber
	conn  *websocket.Conn
	tcp   net.Conn
	pace  livePace
	pings *rate.Limiter
	end   context.CancelCauseFunc
}

// run serves until the client goes or ctx ends, and joins what it started.
func (l *liveSocket) run(ctx context.Context) {
	limitUnsent(l.tcp)
	l.conn.SetReadLimit(maxPing)
	// Whatever ends ctx, a deadline on the connection unblocks all three; a canceled read or write would cut the
	// connection without a closing word.
	stop := context.AfterFunc(ctx, func() { _ = l.tcp.SetDeadline(time.Now().Add(closeTimeout)) })
	defer stop()
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		l.end(l.read())
	}()
	go func() {
		defer wg.Done()
		l.end(l.keepAlive(ctx))
	}()
	l.end(l.write(ctx))
	code, reason := closing(context.Cause(ctx))
	_ = l.conn.Close(code, reason) // the other end may have gone
	wg.Wait()
}

// closing is what the other end is told.
func closing(cause error) (websocket.StatusCode, string) {
	switch {
	case errors.Is(cause, errFlood), errors.Is(cause, errSlow), errors.Is(cause, errNoPing), errors.Is(cause, errRevoked):
		return websocket.StatusPolicyViolation, cause.Error()
	case errors.Is(cause, context.Canceled):
		return websocket.StatusGoingAway, errHubClosed.Error()
	}
	return websocket.StatusNormalClosure, ""
}

// write sends messages until ctx ends or one is not taken in time.
func (l *liveSocket) write(ctx context.Context) error {
	for {
		m, err := l.sub.take(ctx)
		if err != nil {
			return err
		}
		if err := l.send(m.json()); err != nil {
			return err
		}
	}
}

func (l *liveSocket) send(text []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.pace.take)
	defer cancel()
	return l.conn.Write(ctx, websocket.MessageText, text)
}

// read answers pings until the client goes or misbehaves.
func (l *liveSocket) read() error {
	for {
		kind, text, err := l.conn.Read(context.Background())
		if err != nil {
			return err
		}
		if !l.allow() {
			return errFlood
		}
		id, err := parsePing(text)
		if err != nil || kind != websocket.MessageText {
			return errNoPing
		}
		l.sub.put(liveMessage{kind: livePong, id: id})
	}
}

// allow says whether the client may send one more message now.
func (l *liveSocket) allow() bool {
	if l.pings.Allow() {
		return true
	}
	l.end(errFlood)
	return false
}

// keepAlive ends when the client shows no sign of life: it takes nothing, or is gone without a word.
func (l *liveSocket) keepAlive(ctx context.Context) error {
	tick := time.NewTicker(l.pace.ping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		ping, cancel := context.WithTimeout(ctx, l.pace.take)
		err := l.conn.Ping(ping)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return errSlow
		}
		if err != nil {
			return err
		}
	}
}
