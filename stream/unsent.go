package stream

import (
	"context"
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnsent is how many bytes the kernel may hold that it has not sent yet. Without a limit it holds megabytes for a slow
// client: seconds of what is meant to be live.
const maxUnsent = 16 << 10

// limitUnsent bounds what waits in the kernel for a client. What is on its way is not bounded, so speed does not suffer.
func limitUnsent(conn net.Conn) {
	for { // below TLS
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = outer.NetConn()
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent) // a help, no need
	})
}

type connKey struct{}

// withConn puts a request's connection into its context, for connOf.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// connOf is the connection that r came in by; nil if the server does not tell.
func connOf(r *http.Request) net.Conn {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	return conn
}
