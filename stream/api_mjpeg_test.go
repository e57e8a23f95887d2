package stream

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestPictureOptions(t *testing.T) {
	const full = 1366
	size := image.Pt(full, 768)
	for _, row := range []struct {
		name, query string
		want        variant
		fps         float64
		fault       string
	}{
		{"nothing", "", variant{boxed, 4}, 10, ""},
		{"no boxes", "boxes=0", variant{plain, 4}, 10, ""},
		{"boxes", "boxes=1&fps=2.5", variant{boxed, 4}, 2.5, ""},
		{"one pixel", "width=1", variant{boxed, 1}, 10, ""},
		{"a quarter", "width=340", variant{boxed, 1}, 10, ""},
		{"above a quarter", "width=341", variant{boxed, 2}, 10, ""},
		{"a half", "width=682", variant{boxed, 2}, 10, ""},
		{"three quarters", "width=1000", variant{boxed, 3}, 10, ""},
		{"above three quarters", "width=1025", variant{boxed, 4}, 10, ""},
		{"all", "width=1366", variant{boxed, 4}, 10, ""},
		{"more than there is", "width=4000", variant{boxed, 4}, 10, ""},
		{"boxes in words", "boxes=yes", variant{}, 0, "use boxes=1 (default) or boxes=0"},
		{"no width", "width=0", variant{}, 0, "from 1 to 16384"},
		{"negative width", "width=-1", variant{}, 0, "from 1 to 16384"},
		{"width with unit", "width=10px", variant{}, 0, "from 1 to 16384"},
		{"huge width", "width=99999999999999999999", variant{}, 0, "from 1 to 16384"},
		{"no rate", "fps=0", variant{}, 0, "from 1 to 30"},
		{"too fast", "fps=31", variant{}, 0, "from 1 to 30"},
		{"rate is no number", "fps=NaN", variant{}, 0, "from 1 to 30"},
		{"broken", "width=%", variant{}, 0, "want name=value"},
	} {
		t.Run(row.name, func(t *testing.T) {
			opt, err := pictureOptions(row.query)
			if row.fault != "" {
				if err == nil || !strings.Contains(err.Error(), row.fault) {
					t.Errorf("error %v, want one with %q", err, row.fault)
				}
				return
			}
			if got := opt.variant(size); err != nil || got != row.want || opt.fps != row.fps {
				t.Errorf("%+v at %v, %v; want %+v at %v", got, opt.fps, err, row.want, row.fps)
			}
		})
	}
}

// motionServer serves one camera whose frames come by themselves, 30 a second of the real clock.
func motionServer(t *testing.T) (*stage, *httptest.Server) {
	t.Helper()
	s := newStage(t, nil)
	srv, err := New(Config{Listen: []string{"127.0.0.1:0"}, Log: zerolog.Nop(),
		Cameras: []Camera{{Name: "door", Stats: liveStats, Broadcaster: s.b}}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(srv.Handler())
	web.Config.ReadTimeout, web.Config.WriteTimeout = time.Second, time.Second // shorter than the test reads
	web.Config.ConnContext = withConn
	web.Start()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second / 30)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = s.write()
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-ended; web.CloseClientConnections(); web.Close() })
	return s, web
}

func TestMotionOverHTTP(t *testing.T) {
	s, web := motionServer(t)
	resp, err := http.Get(web.URL + "/api/cameras/door/stream.mjpeg?boxes=0&fps=20&width=30")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/x-mixed-replace" {
		t.Fatalf("status %d, %s, %v", resp.StatusCode, kind, err)
	}
	parts := multipart.NewReader(resp.Body, params["boundary"])
	for began := time.Now(); time.Since(began) < 3*time.Second; { // longer than the server's time limits
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p)
		if err != nil || p.Header.Get("Content-Length") != fmt.Sprint(len(data)) || p.Header.Get("X-Capture-Time") == "" {
			t.Fatalf("%d bytes, %v, headers %v", len(data), err, p.Header)
		}
		// 1280 pixels are what the camera's readings say: 30 is below a quarter of them.
		if cfg, _, err := image.DecodeConfig(bytes.NewReader(data)); err != nil || cfg.Width != 16 {
			t.Fatalf("picture %d wide: %v", cfg.Width, err)
		}
	}
	_ = resp.Body.Close()
	waitFor(t, "the viewer to be gone", func() bool { return s.b.motion.stats().viewers == 0 })
}

// Of clients that take nothing none holds up the camera, and none has more than a picture waiting.
func TestMotionStuckClient(t *testing.T) {
	s, web := motionServer(t)
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /api/cameras/door/stream.mjpeg?fps=30 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the viewer", func() bool { return s.b.motion.stats().viewers == 1 })
	before := s.b.motion.stats().encodes
	waitFor(t, "more pictures", func() bool { return s.b.motion.stats().encodes > before+20 })
	_ = conn.Close()
	waitFor(t, "the viewer to be gone", func() bool { return s.b.motion.stats().viewers == 0 })
}

func TestMotionRefuses(t *testing.T) {
	srv := testServer(t)
	for _, row := range []struct {
		name, target string
		status       int
	}{
		{"unknown camera", "/api/cameras/dor/stream.mjpeg", 404},
		{"no live picture", "/api/cameras/yard/stream.mjpeg", 404},
		{"bad rate", "/api/cameras/door/stream.mjpeg?fps=100", 400},
		{"bad width", "/api/cameras/door/stream.mjpeg?width=x", 400},
		{"bad snapshot width", "/api/cameras/door/snapshot.jpg?width=x", 400},
		{"no frame", "/api/cameras/door/stream.mjpeg", 503},
	} {
		t.Run(row.name, func(t *testing.T) {
			if w := do(srv.Handler(), "GET", row.target); w.Code != row.status || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
	if n := srv.motionViewers.Load(); n != 0 {
		t.Errorf("%d viewers are left", n)
	}
	srv.motionViewers.Store(maxMotionViewers)
	if w := do(srv.Handler(), "GET", "/api/cameras/door/stream.mjpeg"); w.Code != 503 || !strings.Contains(w.Body.String(), "64 viewers") {
		t.Errorf("one too many: %d %s", w.Code, w.Body)
	}
}

// FuzzPictureOptions: whatever is asked for gives a variant that can be made, or one line that says what is wrong.
func FuzzPictureOptions(f *testing.F) {
	for _, s := range []string{"", "boxes=0&width=320&fps=5", "width=1e3", "fps=Inf", "fps=0x1p2", "a;b", "width=%31"} {
		f.Add(s, 640, 480)
	}
	f.Fuzz(func(t *testing.T, query string, w, h int) {
		size := image.Pt(2+w&4095&^1, 2+h&4095&^1)
		opt, err := pictureOptions(query)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		v := opt.variant(size)
		if got := v.scaled(size); got.X < 2 || got.Y < 2 || got.X%2 != 0 || got.Y%2 != 0 || got.X > size.X || got.Y > size.Y ||
			!(opt.fps >= 1 && opt.fps <= 30) {
			t.Errorf("%q of %v gives %+v, %v", query, size, v, got)
		}
		if got := v.scaled(size); v.quarters < 4 && got.X < opt.width {
			t.Errorf("%q of %v gives %v, narrower than asked for", query, size, got)
		}
	})
}
