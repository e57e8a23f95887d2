package stream

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// setupServer is a server whose look at the machine is a test's.
func setupServer(t *testing.T, look func(context.Context) Setup) *Server {
	t.Helper()
	s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Setup: look})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGoldenSetup(t *testing.T) {
	s := setupServer(t, func(context.Context) Setup {
		return Setup{File: "/etc/yfv2d/config.toml", Reload: "sudo systemctl reload yfv2d", Findings: []Finding{
			{Grade: "ok", What: "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920-video-index0 (HD Pro Webcam C920)",
				Config: []string{"[[camera]]", `name = "hd-pro-webcam-c920"`, `source = "v4l2:/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920-video-index0"`}},
			{Grade: "failure", What: "/dev/video2 (Integrated Camera) may not be read by this user",
				Fix: "sudo usermod -aG video yfv2d, then sudo systemctl restart yfv2d"},
		}}
	})
	golden(t, "setup.json", do(s.Handler(), "GET", "/api/setup").Body.Bytes())
}

func TestSetupWithoutAnyoneToLook(t *testing.T) {
	if w := do(testServer(t).Handler(), "GET", "/api/setup"); w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}

// TestSetupLooksOnce: many pages at once cost one look, which goes on if the one who asked first has gone.
func TestSetupLooksOnce(t *testing.T) {
	var looks, running atomic.Int32
	begun, finish := make(chan struct{}), make(chan struct{})
	s := setupServer(t, func(ctx context.Context) Setup {
		looks.Add(1)
		if running.Add(1) > 1 {
			t.Error("two looks at a time")
		}
		defer running.Add(-1)
		if _, limited := ctx.Deadline(); !limited {
			t.Error("a look without a limit")
		}
		close(begun)
		<-finish
		if ctx.Err() != nil {
			t.Error("the look ended with the one who asked for it")
		}
		return Setup{}
	})
	ctx, leave := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	ask := func(ctx context.Context) {
		defer wg.Done()
		r := httptest.NewRequestWithContext(ctx, "GET", "/api/setup", nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		var out struct{ Findings *[]Finding }
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Findings == nil {
			t.Errorf("%s: %v", w.Body, err)
		}
	}
	wg.Add(1)
	go ask(ctx)
	<-begun
	leave()
	wg.Add(8)
	for range 8 {
		go ask(context.Background())
	}
	time.Sleep(10 * time.Millisecond) // they wait, most of them; if none does the test proves less
	close(finish)
	wg.Wait()
	if n := looks.Load(); n != 1 {
		t.Errorf("%d looks, want 1", n)
	}
}
