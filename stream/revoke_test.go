package stream_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"

	"yfv2d/access"
	"yfv2d/pipeline"
	"yfv2d/stream"
)

// carrier sends every request with a token, if it has one.
type carrier struct {
	token string
	next  http.RoundTripper
}

func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.next.RoundTrip(r)
}

// guarded is a whole server with a login, over a real camera.
type guarded struct {
	*bench
	store   *access.Store
	carrier *carrier
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{bench: newBench(t, nil), store: access.OpenStore(t.TempDir())}
	g.http.Close() // the bench's own, which asks nobody
	keeper, err := access.NewKeeper(g.dir(t), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); keeper.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	server, err := stream.New(stream.Config{
		Listen: []string{"127.0.0.1:0"}, Log: zerolog.Nop(), WHEP: g.whep, Access: keeper,
		Cameras: []stream.Camera{{Name: "door", Source: "test:", Broadcaster: g.cam.b, Stats: func() pipeline.Stats {
			return pipeline.Stats{Source: pipeline.SourceStatus{State: pipeline.Live}}
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.http = httptest.NewServer(server.Handler())
	g.carrier = &carrier{next: g.http.Client().Transport}
	g.http.Client().Transport = g.carrier
	return g
}

func (g *guarded) dir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	g.store = access.OpenStore(dir)
	if err := g.store.AddUser(context.Background(), "anna", access.Admin, "correct horse"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (g *guarded) token(name string, role access.Role) string {
	g.t.Helper()
	token, err := g.store.AddToken(context.Background(), name, role, time.Time{})
	if err != nil {
		g.t.Fatal(err)
	}
	waitFor(g.t, "the daemon to know the token", func() bool {
		g.carrier.token = token
		code, _, _ := g.do(http.MethodGet, "/api/cameras", "", "")
		return code == http.StatusOK
	})
	return token
}

// revokeLimit is what is promised: whoever watches has lost the picture by then.
const revokeLimit = 5 * time.Second

// Whoever watches, in whatever way, loses the picture when the token is revoked, and others do not.
func TestViewersLeaveWhenRevoked(t *testing.T) {
	g := newGuarded(t)
	other := g.token("other", access.Viewer)
	stays := newPeer(g.bench)
	stays.watch()
	stays.next()
	token := g.token("guest", access.Viewer)

	p := newPeer(g.bench)
	p.watch()
	p.next()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	open := func(path string) io.Reader {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.http.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := g.http.Client().Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v %v", path, res, err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return bufio.NewReader(res.Body)
	}
	events, motion := open("/api/events"), open("/api/cameras/door/stream.mjpeg")
	conn, _, err := websocket.Dial(ctx, strings.Replace(g.http.URL, "http", "ws", 1)+"/api/live", &websocket.DialOptions{HTTPClient: g.http.Client()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 20)

	type end struct {
		name string
		at   time.Time
	}
	ends := make(chan end, 4)
	until := func(name string, read func() error) {
		go func() {
			for read() == nil {
			}
			ends <- end{name, time.Now()}
		}()
	}
	buf1, buf2 := make([]byte, 1<<16), make([]byte, 1<<16)
	until("events", func() error { _, err := events.Read(buf1); return err })
	until("moving JPEGs", func() error { _, err := motion.Read(buf2); return err })
	until("WebSocket", func() error { _, _, err := conn.Read(ctx); return err })
	go func() { // the end of packets is what counts; the other side notices the end of the connection when it likes
		last := time.Now()
		for {
			select {
			case <-p.packets:
				last = time.Now()
			case <-time.After(2 * time.Second):
				ends <- end{"WebRTC", last}
				return
			}
		}
	}()

	if err := g.store.RevokeToken(ctx, "guest"); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	for range 4 {
		select {
		case e := <-ends:
			took := e.at.Sub(revoked)
			t.Logf("%s ended after %v", e.name, took.Round(time.Millisecond))
			if took > revokeLimit {
				t.Errorf("%s went on for %v", e.name, took)
			}
		case <-time.After(time.Minute):
			t.Fatal("something goes on")
		}
	}
	waitFor(t, "the place to be free", func() bool { return g.whep.Viewers("door") == 1 })
	if code, header, _ := g.do(http.MethodDelete, p.location, "", ""); code != http.StatusUnauthorized || header.Get("WWW-Authenticate") == "" {
		t.Errorf("the session's address with the revoked token: %d", code)
	}
	for len(stays.packets) > 0 {
		<-stays.packets
	}
	stays.next()
	g.carrier.token = ""
	if code, _, _ := g.do(http.MethodPost, endpoint, "application/sdp", "v=0"); code != http.StatusUnauthorized {
		t.Errorf("an offer without a token: %d", code)
	}
	if code, _, _ := g.do(http.MethodPatch, stays.location, "application/trickle-ice-sdpfrag", ""); code != http.StatusUnauthorized {
		t.Errorf("a PATCH without a token: %d", code)
	}
	g.carrier.token = other
	stays.leave()
	_ = token
}
