package stream

import (
	"bytes"
	"context"
	"errors"
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
	"go.uber.org/goleak"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

func (s *stage) watch(boxes bool, quarters int, fps float64) *motionViewer {
	s.t.Helper()
	kind := plain
	if boxes {
		kind = boxed
	}
	v, err := s.b.watchMotion(variant{kind, quarters}, fps)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// picture takes the picture that a viewer has now.
func picture(t *testing.T, v *motionViewer) image.Config {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangLimit)
	defer cancel()
	p, err := v.next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, jpeg, _ := bytes.Cut(p.part, []byte("\r\n\r\n"))
	cfg, _, err := image.DecodeConfig(bytes.NewReader(jpeg))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// settle writes a frame and waits until what it is due for has been encoded.
func (s *stage) settle(encodes uint64) {
	s.t.Helper()
	if err := s.write(); err != nil && !errors.Is(err, pipeline.ErrNotDue) {
		s.t.Fatal(err)
	}
	waitFor(s.t, fmt.Sprintf("%d encodes", encodes), func() bool { return s.b.motion.stats().encodes >= encodes })
}

func TestMotionEncodesOnceForAll(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	drawn := 0
	s := newStage(t, func(c *BroadcasterConfig) {
		c.Draw = func(*pipeline.Frame, []tracker.Track) error { drawn++; return nil }
	})
	s.writes(3)
	if s.b.Wants() != 0 {
		t.Errorf("wants %b of nobody", s.b.Wants())
	}
	var viewers []*motionViewer
	for range 5 {
		viewers = append(viewers, s.watch(false, 4, 30))
	}
	if s.b.Wants() != pipeline.WantMotion {
		t.Errorf("wants %b", s.b.Wants())
	}
	for n := range uint64(10) {
		s.settle(n + 1)
		for _, v := range viewers {
			if c := picture(t, v); c.Width != 64 || c.Height != 48 {
				t.Errorf("picture of %dx%d", c.Width, c.Height)
			}
		}
	}
	if st := s.b.motion.stats(); st.encodes != 10 || st.viewers != 5 || st.variants != 1 || st.missed != 0 || drawn != 0 {
		t.Errorf("10 frames for 5 viewers: %+v, %d times boxes were drawn", st, drawn)
	}
	withBoxes, small := s.watch(true, 4, 30), s.watch(true, 2, 30)
	s.settle(13)
	if c := picture(t, small); c.Width != 32 || c.Height != 24 || drawn != 1 {
		t.Errorf("small picture of %dx%d, boxes drawn %d times", c.Width, c.Height, drawn)
	}
	for _, v := range append(viewers, withBoxes, small) {
		v.leave()
		v.leave()
	}
	if st := s.b.motion.stats(); st.variants != 0 || s.b.Wants() != 0 {
		t.Errorf("after the last: %+v, wants %b", st, s.b.Wants())
	}
	if st := s.b.Stats(); st.EncoderRunning {
		t.Error("an encoder runs")
	}
}

// Each viewer gets pictures at its own rate; frames that nobody is due for are not prepared.
func TestMotionRates(t *testing.T) {
	s := newStage(t, nil)
	slow, quick := s.watch(false, 4, 5), s.watch(false, 4, 10)
	notDue, got := 0, [2]int{}
	for range 60 { // two seconds
		before := s.b.motion.stats().encodes
		switch err := s.write(); {
		case errors.Is(err, pipeline.ErrNotDue):
			notDue++
			continue
		case err != nil:
			t.Fatal(err)
		}
		waitFor(t, "the encode", func() bool { return s.b.motion.stats().encodes > before })
		for i, v := range []*motionViewer{slow, quick} {
			select {
			case <-v.newest:
				got[i]++
			default:
			}
		}
	}
	// A schedule takes a few frames to learn the camera's rate.
	if got[0] < 10 || got[0] > 12 || got[1] < 20 || got[1] > 22 || notDue < 36 || notDue > 40 {
		t.Errorf("pictures %v, %d frames not due; want about 10, 20 and 40", got, notDue)
	}
	quick.leave()
	before := s.b.motion.stats().encodes
	for range 60 {
		if err := s.write(); err != nil && !errors.Is(err, pipeline.ErrNotDue) {
			t.Fatal(err)
		}
		waitFor(t, "rest", func() bool { return len(slow.v.free) == 1 })
	}
	if n := s.b.motion.stats().encodes - before; n < 10 || n > 12 {
		t.Errorf("%d encodes in two seconds for a viewer of 5 a second", n)
	}
	slow.leave()
}

// An encoder or a snapshot that wants the frame gets it, due for moving pictures or not.
func TestMotionBesideOthers(t *testing.T) {
	s := newStage(t, nil)
	m, v := s.watch(false, 4, 1), s.join()
	s.writes(30)
	if got := take(v); len(got) < 9 || s.b.Stats().Encodes != 30 {
		t.Errorf("the viewer got %d units, %d encodes of 30 frames", len(got), s.b.Stats().Encodes)
	}
	m.leave()
}

func TestMotionSlowViewerMissesPictures(t *testing.T) {
	s := newStage(t, nil)
	v := s.watch(false, 4, 30)
	for n := range uint64(10) {
		s.settle(n + 1)
	}
	if st := s.b.motion.stats(); len(v.newest) != 1 || st.missed != 9 {
		t.Errorf("%d pictures wait, %d missed; want 1 and 9", len(v.newest), st.missed)
	}
	p := <-v.newest
	if want := start.Add(10 * time.Second / 30); !p.at.Equal(want) {
		t.Errorf("the picture that waits is of %v, want the newest, %v", p.at, want)
	}
}

func TestMotionEndsWithTheCamera(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := newStage(t, nil)
	v := s.watch(true, 1, 10)
	s.settle(1)
	picture(t, v)
	if err := s.b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.next(context.Background()); !errors.Is(err, io.EOF) {
		t.Errorf("gave %v", err)
	}
	v.leave()
	if _, err := s.b.watchMotion(variant{plain, 4}, 10); !errors.Is(err, ErrBroadcasterClosed) {
		t.Errorf("joined with %v", err)
	}
}

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

func TestSnapshotWidth(t *testing.T) {
	s := newStage(t, nil)
	for _, row := range []struct {
		name   string
		format pipeline.Format
		size   image.Point
		width  int
		want   image.Point
	}{
		{"full", pipeline.I420, image.Pt(64, 48), 0, image.Pt(64, 48)},
		{"half", pipeline.I420, image.Pt(64, 48), 20, image.Pt(32, 24)},
		{"three quarters", pipeline.I420, image.Pt(64, 48), 33, image.Pt(48, 36)},
		{"a still of odd sides", pipeline.BGR, image.Pt(65, 49), 10, image.Pt(16, 12)},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := s.f.Prepare(row.format, row.size); err != nil {
				t.Fatal(err)
			}
			pix := s.f.Pix()
			for i := range pix {
				pix[i] = 128
			}
			done := make(chan struct{})
			var jpeg []byte
			var err error
			go func() {
				defer close(done)
				jpeg, _, err = s.b.snapshot(context.Background(), pictureOption{width: row.width})
			}()
			waitFor(t, "the asker", func() bool { return s.b.Wants() != 0 })
			s.writes(1)
			<-done
			if err != nil {
				t.Fatal(err)
			}
			if cfg, _, err := image.DecodeConfig(bytes.NewReader(jpeg)); err != nil || image.Pt(cfg.Width, cfg.Height) != row.want {
				t.Errorf("%dx%d: %v", cfg.Width, cfg.Height, err)
			}
			if g := grey(t, jpeg); g < 124 || g > 132 {
				t.Errorf("grey of %d", g)
			}
		})
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
