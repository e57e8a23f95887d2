package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// way lies between a browser and a daemon, and keeps some of it from passing, as networks do.
type way struct {
	url     string
	noRTC   atomic.Bool // no answer to who wants to connect by WebRTC
	noMJPEG atomic.Bool
	noLive  atomic.Bool  // no WebSocket
	noPatch atomic.Bool  // no answer to candidates and restarts but 404
	posts   atomic.Int64 // of those who wanted to connect
	patches atomic.Int64 // of restarts and candidates that passed
}

func wayTo(t *testing.T, s *served) *way {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	w, end := &way{}, make(chan struct{})
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1 // streams pass as they come
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/whep") {
			w.posts.Add(1)
		}
		switch {
		case r.Method == http.MethodPatch && w.noPatch.Load():
			http.Error(rw, "no such viewer", http.StatusNotFound)
			return
		case r.Method == http.MethodPatch:
			w.patches.Add(1)
		}
		switch {
		case w.noRTC.Load() && strings.HasSuffix(r.URL.Path, "/whep"):
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client goes
			select {
			case <-r.Context().Done():
			case <-end:
			}
		case w.noMJPEG.Load() && strings.HasSuffix(r.URL.Path, "/stream.mjpeg"),
			w.noLive.Load() && r.URL.Path == "/api/live":
			http.Error(rw, "not through here", http.StatusBadGateway)
		default:
			proxy.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(func() {
		close(end)
		server.CloseClientConnections()
		server.Close()
	})
	w.url = server.URL + "/"
	return w
}
