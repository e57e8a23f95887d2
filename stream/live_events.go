package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// serveEvents sends live messages as server-sent events, for scripts. Pages use the WebSocket: browsers open at most six
// connections to a server.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	sub := s.subscribe(w, r)
	if sub == nil {
		return
	}
	defer s.live.leave(sub)
	out := newLasting(w, r, s.pace.take)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold messages back
	if r.Method == http.MethodHead {
		return
	}
	for {
		m, err := sub.takeWithin(r.Context(), s.pace.heartbeat)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			err = out.send([]byte(":\n\n"))
		case err == nil:
			err = out.send(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", m.kind, m.json()))
		}
		if err != nil {
			return
		}
	}
}

// takeWithin is take with a time limit, whose error is context.DeadlineExceeded.
func (q *liveQueue) takeWithin(ctx context.Context, limit time.Duration) (liveMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return q.take(ctx)
}

// lasting is an answer that lasts longer than the server's time limits.
type lasting struct {
	w     io.Writer
	ctrl  *http.ResponseController
	limit time.Duration // for the client to take maxSend bytes
}

// newLasting lifts the server's limits on r's connection. Without that the read limit would end the request's context.
func newLasting(w http.ResponseWriter, r *http.Request, limit time.Duration) *lasting {
	l := &lasting{w: w, ctrl: http.NewResponseController(w), limit: limit}
	_ = l.ctrl.SetReadDeadline(time.Time{}) // not every ResponseWriter has deadlines, e.g. in tests
	limitUnsent(connOf(r))
	return l
}

// maxSend is the bytes that a client must take within the limit.
const maxSend = 16 << 10

// send writes data and flushes it. It fails if the client takes too little of it for too long.
func (l *lasting) send(data []byte) error {
	for len(data) > 0 {
		n := min(len(data), maxSend)
		_ = l.ctrl.SetWriteDeadline(time.Now().Add(l.limit))
		if _, err := l.w.Write(data[:n]); err != nil {
			return err
		}
		if err := l.ctrl.Flush(); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
