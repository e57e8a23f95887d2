package stream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

// Two pages with nine cameras each, over plain HTTP and no more than the six connections that a browser opens, and the API
// still answers.
func TestNineCamerasInTwoPages(t *testing.T) {
	st := newLiveStage(t, 9, nil)
	browser := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 6}}
	defer browser.CloseIdleConnections()
	var pages []*page
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, st.url("ws", "/api/live"), &websocket.DialOptions{HTTPClient: browser})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		conn.SetReadLimit(1 << 20)
		p := &page{t, conn}
		if m := p.next("hello"); m.names() != "a,b,c,d,e,f,g,h,i" {
			t.Errorf("hello of %s", m.names())
		}
		pages = append(pages, p)
	}
	const frames = 30
	began := time.Now()
	for n := range frames {
		for i := range 9 {
			st.frame(i, began.Add(time.Duration(n)*time.Second/30))
		}
		if n%10 == 0 {
			resp, err := browser.Get(st.url("http", "/api/cameras"))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		for _, p := range pages { // both get all, in order
			for i := range 9 {
				b := st.cameras[i].Broadcaster
				if m := p.next("frame"); m.Camera != b.cfg.Name || m.RTP != b.rtpTime(began.Add(time.Duration(n)*time.Second/30)) {
					t.Fatalf("frame %d of %s: %+v", n, b.cfg.Name, m)
				}
			}
		}
	}
}

func TestReloadUnderSubscription(t *testing.T) {
	st := newLiveStage(t, 2, nil)
	all, some := st.open(""), st.open("?cameras=b,a")
	all.next("hello")
	some.next("hello")
	set := func(cameras ...Camera) {
		t.Helper()
		if err := st.s.SetCameras(cameras); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c := st.cameras[0], st.cameras[1], st.camera("c")
	st.cameras = append(st.cameras, c)
	set(a, b, c) // one is added
	if m := all.next("hello"); m.names() != "a,b,c" {
		t.Errorf("after one was added: %s", m.names())
	}
	st.frame(2, time.Now())
	if m := all.next("frame"); m.Camera != "c" {
		t.Errorf("%+v", m)
	}
	set(b, c) // one is taken out
	if m := all.next("hello"); m.names() != "b,c" {
		t.Errorf("after one was taken out: %s", m.names())
	}
	if m := some.next("hello"); m.names() != "b" {
		t.Errorf("who asked for a and b: %s", m.names())
	}
	st.frame(0, time.Now())
	newA := st.camera("a")
	set(newA, b, c) // it comes back as another
	all.next("hello")
	if m := some.next("hello"); m.names() != "a,b" {
		t.Errorf("after it came back: %s", m.names())
	}
	st.cameras[0] = newA
	st.frame(0, time.Now())
	if m := some.next("frame"); m.Camera != "a" {
		t.Errorf("%+v", m)
	}
	set(newA, b, c) // nothing changes
	st.frame(1, time.Now())
	if m := some.next("frame"); m.Camera != "b" {
		t.Errorf("%+v", m)
	}
	if a.Broadcaster.feed.listening.Load() {
		t.Error("somebody listens to a camera that is gone")
	}
}

func TestBadPages(t *testing.T) {
	for _, row := range []struct {
		name   string
		do     func(p *page)
		code   websocket.StatusCode
		reason string
	}{
		{"no JSON", func(p *page) { p.say("hello") }, websocket.StatusPolicyViolation, "want {"},
		{"another type", func(p *page) { p.say(`{"type":"frame","id":1}`) }, websocket.StatusPolicyViolation, "want {"},
		{"no id", func(p *page) { p.say(`{"type":"ping"}`) }, websocket.StatusPolicyViolation, "want {"},
		{"id with a fraction", func(p *page) { p.say(`{"type":"ping","id":1.5}`) }, websocket.StatusPolicyViolation, "want {"},
		{"id that no page can read back", func(p *page) { p.say(`{"type":"ping","id":9007199254740992}`) }, websocket.StatusPolicyViolation, "want {"},
		{"binary", func(p *page) {
			_ = p.conn.Write(context.Background(), websocket.MessageBinary, []byte(`{"type":"ping","id":1}`))
		}, websocket.StatusPolicyViolation, "want {"},
		{"too long", func(p *page) { p.say(`{"type":"ping","id":1` + strings.Repeat(" ", maxPing) + "}") }, websocket.StatusMessageTooBig, ""},
		{"flood", func(p *page) {
			for i := range 100 {
				if p.conn.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, `{"type":"ping","id":%d}`, i)) != nil {
					return // it has been closed
				}
			}
		}, websocket.StatusPolicyViolation, "too many messages"},
		{"leaves", func(p *page) { go p.conn.Close(websocket.StatusNormalClosure, "") }, 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			st := newLiveStage(t, 1, nil)
			p, well := st.open(""), st.open("")
			p.next("hello")
			well.next("hello")
			row.do(p)
			code, reason := p.closed()
			if row.code != 0 && (code != row.code || !strings.Contains(reason, row.reason)) {
				t.Errorf("closed with %v %q, want %v %q", code, reason, row.code, row.reason)
			}
			waitFor(t, "it to be gone", func() bool { return st.s.live.count() == 1 })
			st.frame(0, time.Now()) // the other does not notice
			well.next("frame")
			_ = well.conn.CloseNow()
			_ = p.conn.CloseNow()
			if err := st.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPingFramesAreLimitedToo(t *testing.T) {
	st := newLiveStage(t, 1, nil)
	p := st.open("")
	p.next("hello")
	go p.closed()
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	for {
		if err := p.conn.Ping(ctx); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		t.Error("any number of pings is answered")
	}
	waitFor(t, "it to be gone", func() bool { return st.s.live.count() == 0 })
}

func TestForeignPages(t *testing.T) {
	st := newLiveStage(t, 1, func(c *Config) { c.CORSOrigins = []string{"https://home.example.org"} })
	own := "http://" + st.s.Addrs()[0].String()
	for _, row := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"no page", nil, 101},
		{"own page", http.Header{"Origin": {own}, "Sec-Fetch-Site": {"same-origin"}}, 101},
		{"configured origin", http.Header{"Origin": {"https://home.example.org"}, "Sec-Fetch-Site": {"cross-site"}}, 101},
		{"another site", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"another port", http.Header{"Origin": {"http://127.0.0.1:1"}}, 403},
		{"opaque origin", http.Header{"Origin": {"null"}}, 403},
		{"below the configured", http.Header{"Origin": {"https://x.home.example.org"}}, 403},
		{"cross-site without origin", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"another name for us", http.Header{"Host": {"evil.example"}, "Origin": {"http://evil.example"}}, 421},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn, resp, err := st.dialAs(row.header)
			if conn != nil {
				defer conn.CloseNow()
			}
			if resp == nil || resp.StatusCode != row.status {
				t.Errorf("%v, %v; want %d", resp, err, row.status)
			}
		})
	}
}

// dialAs is dial with a Host header among the others.
func (st *liveStage) dialAs(header http.Header) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	header = header.Clone()
	host := header.Get("Host")
	header.Del("Host")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return websocket.Dial(ctx, st.url("ws", "/api/live"), &websocket.DialOptions{HTTPClient: client, HTTPHeader: header, Host: host})
}

func TestLiveRefuses(t *testing.T) {
	st := newLiveStage(t, 2, nil)
	if _, resp, err := st.dial("?cameras=a,x", nil); err == nil || resp.StatusCode != 404 {
		t.Errorf("unknown camera: %v %v", resp, err)
	}
	if _, resp, err := st.dial("?cameras=", nil); err == nil || resp.StatusCode != 400 {
		t.Errorf("no camera: %v %v", resp, err)
	}
	if w := do(st.s.Handler(), "GET", "/api/events?cameras=x"); w.Code != 404 || !strings.Contains(w.Body.String(), "the cameras are: a, b") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(st.s.Handler(), "GET", "/api/live"); w.Code != http.StatusUpgradeRequired || !strings.Contains(w.Body.String(), "/api/events") {
		t.Errorf("without upgrade: %d %s", w.Code, w.Body)
	}
	if w := do(st.s.Handler(), "POST", "/api/live"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	var subs []*liveSubscriber
	for i := range maxSubscribers {
		if i < maxSubscribersOfAddr+1 {
			i = 0
		}
		sub, err := st.s.live.join(addr(i), nil)
		if (err != nil) != (len(subs) == maxSubscribersOfAddr && i == 0) {
			t.Fatalf("subscriber %d of %v: %v", len(subs), addr(i), err)
		}
		if err == nil {
			subs = append(subs, sub)
		}
	}
	p := st.open("") // the last that fits
	if _, resp, err := st.dial("", nil); err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %v %v", resp, err)
	}
	for _, sub := range subs {
		st.s.live.leave(sub)
	}
	p.next("hello")
	if h := st.s.live; len(h.byAddr) != 1 || h.count() != 1 {
		t.Errorf("%d addresses, %d subscribers are left", len(h.byAddr), h.count())
	}
}

func TestRemoteAddr(t *testing.T) {
	for _, row := range []struct{ name, remote, want string }{
		{"IPv4", "192.0.2.1:1234", "192.0.2.1"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:1234", "192.0.2.1"},
		{"IPv6 counts by network", "[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::"},
		{"IPv6 with zone", "[fe80::1%eth0]:1", "fe80::"},
		{"none", "@", "invalid IP"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := remoteAddr(&http.Request{RemoteAddr: row.remote}).String(); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}

// stuck opens a WebSocket and never reads from it.
func (st *liveStage) stuck() net.Conn {
	st.t.Helper()
	conn, err := net.Dial("tcp", st.s.Addrs()[0].String())
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	const hello = "GET /api/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := conn.Write([]byte(hello)); err != nil {
		st.t.Fatal(err)
	}
	return conn
}

// A page that takes nothing has a bounded queue, loses frames first, holds nobody up, and is given up in the end.
func TestStuckPage(t *testing.T) {
	for _, row := range []struct {
		name string
		pace livePace
	}{
		{"write in vain", livePace{take: time.Second, ping: time.Hour, heartbeat: time.Hour}},
		{"no sign of life", livePace{take: time.Second, ping: 100 * time.Millisecond, heartbeat: time.Hour}},
	} {
		t.Run(row.name, func(t *testing.T) {
			st := newLiveStage(t, 1, nil)
			st.s.pace = row.pace
			st.stuck()
			waitFor(t, "the page", func() bool { return st.s.live.count() == 1 })
			var stuck *liveSubscriber
			for sub := range st.s.live.subs {
				stuck = sub
			}
			well := st.open("")
			well.next("hello")
			at, dropped := time.Now(), &st.s.live.dropped
			frames, told := 0, 0
			waitFor(t, "the page to be given up", func() bool {
				for range 100 {
					frames++
					st.frame(0, at.Add(time.Duration(frames)*time.Second/30))
					if well.next("frame"); row.pace.ping < time.Hour && frames >= 300 {
						break
					}
				}
				stuck.mu.Lock()
				defer stuck.mu.Unlock()
				told = max(told, len(stuck.list))
				if len(stuck.list) > stuck.limit {
					t.Fatalf("%d messages wait", len(stuck.list))
				}
				return st.s.live.count() == 1
			})
			if row.pace.ping == time.Hour && (told != stuck.limit || dropped[liveFrame].Load() == 0) {
				t.Errorf("at most %d messages waited, %d left out of %d", told, dropped[liveFrame].Load(), frames)
			}
		})
	}
}

func TestServerStopsWithListeners(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("", func(t *testing.T) {
		st := newLiveStage(t, 1, nil)
		st.stuck()
		var pages []*page
		for range 3 {
			p := st.open("")
			p.next("hello")
			pages = append(pages, p)
		}
		waitFor(t, "all", func() bool { return st.s.live.count() == 4 })
		st.detected(0, time.Now())
		if err := st.stop(); err != nil { // runServer limits how long that may take
			t.Error(err)
		}
		for i, p := range pages {
			if code, reason := p.closed(); code != websocket.StatusGoingAway || reason != "the server stops" {
				t.Errorf("page %d: closed with %v %q", i, code, reason)
			}
		}
		if n := st.s.live.count(); n != 0 {
			t.Errorf("%d subscribers are left", n)
		}
		if w := do(st.s.Handler(), "GET", "/api/events"); w.Code != 503 {
			t.Errorf("a stopped server takes subscribers: %d", w.Code)
		}
	})
}
