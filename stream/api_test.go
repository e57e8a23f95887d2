package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/infer"
	"yfv2d/pipeline"
	"yfv2d/tracker"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is the clock of the golden answers.
var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

var testVersion = VersionInfo{
	Version: "1.2.3", Commit: "0123abc", Go: "go1.24.0", OpenCV: "4.6.0", Engine: "xnnpack", ForwardMs: 2.5,
	TrialMs:      map[string]float64{"opencv-dnn": 6.3, "xnnpack": 2.5, "xnnpack-int8": 2.6},
	EngineChoice: "int8 2.6 ms against float 2.5: float chosen",
	Model: ModelInfo{Name: "builtin", Builtin: true, Classes: 80, DefaultScore: 0.35,
		Note: "AP50 25.3 against 31.1 of the official weights", Better: "yfv2d model fetch yolo-fastestv2"},
	Certificate: &CertificateInfo{SelfSigned: true, Fingerprint: strings.Repeat("AB:", 31) + "CD", NotAfter: time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC)},
}

// liveStats is a camera that runs, every field set.
func liveStats() pipeline.Stats {
	q := func(ms float64) pipeline.Quantiles {
		d := func(f float64) time.Duration { return time.Duration(ms * f * float64(time.Millisecond)) }
		return pipeline.Quantiles{Count: 1000, P50: d(1), P95: d(1.5), P99: d(2), Max: d(3)}
	}
	return pipeline.Stats{
		Source: pipeline.SourceStatus{State: pipeline.Live, Since: noon.Add(-time.Hour)},
		Size:   image.Pt(1280, 720), Input: image.Pt(480, 256),
		CaptureFPS: 29.97, DetectFPS: 10.04, PreviewFPS: 29.96,
		Ledger: pipeline.Ledger{
			Captured: 1000, Previewed: 480, PreviewInFlight: 2, Detected: 330, DetectInFlight: 1,
			PreviewDropped: pipeline.PreviewDrops{CaptureSlot: 3, PreviewSlot: 4, NoViewer: 500, NotDue: 5, EncodeSkipped: 6},
			DetectDropped:  pipeline.DetectDrops{CaptureSlot: 3, DetectSlot: 5, NotDue: 661},
		},
		ToCanvas: q(1.25), ToDetected: q(8.123456), DetectTime: q(6.5),
	}
}

// threeTracks are a cup that is no longer seen and a person and a class without name that are.
func threeTracks() *tracker.Snapshot {
	tr := tracker.New(tracker.Config{})
	cup := infer.Detection{Box: infer.Box{X0: 10, Y0: 20.04, X1: 60, Y1: 90}, Class: 1, Score: 0.5}
	person := infer.Detection{Box: infer.Box{X0: 300, Y0: 100, X1: 420, Y1: 400}, Class: 0, Score: 0.87654}
	odd := infer.Detection{Box: infer.Box{X0: 900, Y0: 100, X1: 1000, Y1: 300}, Class: 79, Score: 0.9}
	at := noon.Add(-500 * time.Millisecond)
	var s *tracker.Snapshot
	for range 5 {
		s = tr.Update([]infer.Detection{odd, person, cup}, at)
		at = at.Add(100 * time.Millisecond)
	}
	return s
}

// testServer has a camera that is live with boxes and stills, one that is down, and one that has not begun.
func testServer(t testing.TB) *Server {
	t.Helper()
	snap := threeTracks()
	broadcaster := NewBroadcaster(BroadcasterConfig{Name: "door", FPS: 30})
	t.Cleanup(func() {
		if err := broadcaster.Close(); err != nil {
			t.Error(err)
		}
	})
	classes := []string{"person", "cup"}
	s, err := New(Config{
		Cameras: []Camera{
			{Name: "door", Source: "rtsp://cam/1", Classes: classes, Stats: liveStats, Broadcaster: broadcaster,
				Tracks: func() *tracker.Snapshot { return snap }},
			{Name: "yard", Source: "file:yard.mp4", Classes: classes, Stats: func() pipeline.Stats {
				return pipeline.Stats{Source: pipeline.SourceStatus{State: pipeline.Retrying, Reason: "open file: no such file",
					Since: noon.Add(-1500 * time.Millisecond), NextTry: noon.Add(2 * time.Second)}}
			}, Tracks: func() *tracker.Snapshot { return nil }},
			{Name: "new_1", Source: "test:", Stats: func() pipeline.Stats { return pipeline.Stats{} }},
		},
		Listen: []string{"127.0.0.1:0"}, Version: testVersion, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return noon }
	s.started = noon.Add(-90 * time.Second)
	return s
}

func do(h http.Handler, method, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:8080"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGoldenAnswers(t *testing.T) {
	h := testServer(t).Handler()
	for _, row := range []struct {
		name, method, target string
		status               int
	}{
		{"cameras", "GET", "/api/cameras", http.StatusOK},
		{"camera_live", "GET", "/api/cameras/door", http.StatusOK},
		{"camera_down", "GET", "/api/cameras/yard", http.StatusOK},
		{"camera_new", "GET", "/api/cameras/new_1", http.StatusOK},
		{"camera_unknown", "GET", "/api/cameras/dor", http.StatusNotFound},
		{"version", "GET", "/api/version", http.StatusOK},
		{"healthz", "GET", "/healthz", http.StatusOK},
		{"not_found", "GET", "/api/nothing", http.StatusNotFound},
		{"method", "POST", "/api/cameras", http.StatusMethodNotAllowed},
		{"snapshot_boxes", "GET", "/api/cameras/door/snapshot.jpg?boxes=yes", http.StatusBadRequest},
		{"snapshot_none", "GET", "/api/cameras/yard/snapshot.jpg", http.StatusNotFound},
		{"whep_none", "POST", "/api/cameras/door/whep", http.StatusNotFound},
		{"whep_unknown", "POST", "/api/cameras/dor/whep", http.StatusNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := do(h, row.method, row.target)
			if w.Code != row.status {
				t.Errorf("status %d, want %d", w.Code, row.status)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("cache control %q", got)
			}
			golden(t, row.name+".json", w.Body.Bytes())
		})
	}
}

// carAndWalker are an object that stands and one that moves, as a tracker would tell them.
func carAndWalker() []tracker.Track {
	return []tracker.Track{
		{ID: 3, Detection: infer.Detection{Box: infer.Box{X0: 640, Y0: 200, X1: 1010, Y1: 420.5}, Class: 1, Score: 0.71},
			State: tracker.Confirmed, BestScore: 0.8, Detections: 1350, FirstSeen: noon.Add(-140 * time.Second),
			LastSeen: noon.Add(-400 * time.Millisecond), Age: 140 * time.Second, Unseen: 400 * time.Millisecond,
			VX: -0.01, VY: 0.2, StationarySince: noon.Add(-135 * time.Second), Predicted: true},
		{ID: 7, Detection: infer.Detection{Box: infer.Box{X0: 300.04, Y0: 100, X1: 420, Y1: 400}, Class: 0, Score: 0.87654},
			State: tracker.Confirmed, BestScore: 0.93, Detections: 124, FirstSeen: noon.Add(-12500 * time.Millisecond),
			LastSeen: noon.Add(-100 * time.Millisecond), Age: 12500 * time.Millisecond, Unseen: 100 * time.Millisecond, VX: -60, VY: 25},
	}
}

// TestGoldenPreview has what only a camera with viewers shows, and all that is told of objects.
func TestGoldenPreview(t *testing.T) {
	c := Camera{Name: "door", Source: "test:", Classes: []string{"person", "car"}}
	q := pipeline.Quantiles{Count: 9, P50: 21 * time.Millisecond, P95: 30 * time.Millisecond, P99: 31 * time.Millisecond, Max: 40 * time.Millisecond}
	got, err := json.Marshal(c.describe(liveStats(), BroadcasterStats{
		Viewers: 2, Encodes: 480, Keys: 5, EncoderRunning: true, Encoder: "openh264 2.3.1", Size: image.Pt(1280, 720),
		BitrateBPS: 1_500_000, ToEncoded: q, ToSent: q, Relay: RelayStats{Possible: true},
		Renditions: []RenditionStats{
			{Name: "annotated", Codec: pipeline.VP8, Viewers: 1, Encoder: "libvpx v1.12.0", Size: image.Pt(1280, 720), BitrateBPS: 1_500_000, Encodes: 480, Keys: 5},
			{Name: "clean", Codec: pipeline.H264, Viewers: 1, Relay: true, Size: image.Pt(1280, 720), BitrateBPS: 3_210_000, Keys: 7},
		},
	}, carAndWalker()))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "camera_watched.json", got)
}

// golden compares an answer, indented, with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var buf bytes.Buffer
	if err := json.Indent(&buf, bytes.TrimSpace(got), "", "  "); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, got)
	}
	buf.WriteByte('\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no golden file: run with -update and look at the difference: %v", err)
	}
	if !bytes.Equal(want, buf.Bytes()) {
		t.Errorf("%s differs; got\n%s", path, buf.Bytes())
	}
}

func TestGoldenLedgerBalances(t *testing.T) {
	if err := liveStats().Ledger.Check(); err != nil {
		t.Error(err)
	}
}

// feed writes frames of the size to the broadcaster, one whenever it wants one, until the test ends.
func feed(t *testing.T, b *Broadcaster, size image.Point) {
	t.Helper()
	f := pipeline.NewFrame()
	if err := f.Prepare(pipeline.I420, size); err != nil {
		t.Fatal(err)
	}
	for i := range f.Pix() {
		f.Pix()[i] = 128
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if b.Wants() == 0 {
				continue
			}
			f.Seq++
			f.At = time.Now()
			if err := b.Write(f, nil); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-ended
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestSnapshot(t *testing.T) {
	s := testServer(t)
	feed(t, s.cameras.Load().byName["door"].Broadcaster, image.Pt(64, 48))
	for _, target := range []string{"", "?boxes=0", "?boxes=1"} {
		t.Run("query "+target, func(t *testing.T) {
			w := do(s.Handler(), "GET", "/api/cameras/door/snapshot.jpg"+target)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/jpeg" {
				t.Fatalf("status %d, %v: %s", w.Code, w.Header(), w.Body)
			}
			at, err := time.Parse(time.RFC3339, w.Header().Get("X-Capture-Time"))
			if err != nil || time.Since(at) > time.Minute {
				t.Errorf("capture time %q: %v", w.Header().Get("X-Capture-Time"), err)
			}
			img, err := jpeg.Decode(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if img.Bounds().Size() != image.Pt(64, 48) {
				t.Errorf("picture of %v", img.Bounds())
			}
		})
	}
}

func TestSnapshotOfCameraWithoutFrames(t *testing.T) {
	w := do(testServer(t).Handler(), "GET", "/api/cameras/door/snapshot.jpg")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	if !strings.Contains(w.Body.String(), "gave no frame within 2s") {
		t.Errorf("answer %s", w.Body)
	}
}

func TestAnswerToHead(t *testing.T) {
	srv := httptest.NewServer(testServer(t).Handler())
	defer srv.Close()
	for _, path := range []string{"/", "/api/cameras", "/api/version", "/healthz", "/metrics", "/page.css"} {
		resp, err := http.Head(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || len(body) != 0 {
			t.Errorf("HEAD %s: %d and %d bytes", path, resp.StatusCode, len(body))
		}
	}
}

func TestNumbersThatJSONLacks(t *testing.T) {
	st := liveStats()
	nan := 0.0
	st.CaptureFPS = nan / nan
	st.DetectFPS = 1 / nan
	c := Camera{Name: "a"}
	odd := []tracker.Track{{VX: float32(nan / nan), VY: float32(1 / nan)}}
	got, err := json.Marshal(c.describe(st, BroadcasterStats{}, odd))
	if err != nil || !strings.Contains(string(got), `"fps":{"capture":0,"detect":0,"preview":30}`) ||
		!strings.Contains(string(got), `"vx":0,"vy":0,"speed":0,"stationary":false,"stationary_since":null`) {
		t.Errorf("%v %s", err, got)
	}
}

// FuzzPaths sends any method and path to the whole server: it must answer in one of the API's ways.
func FuzzPaths(f *testing.F) {
	for _, p := range []string{"/", "/api/cameras", "/api/cameras/door", "/api/cameras/../x", "/api/cameras/%2e%2e/whep",
		"/api/cameras/door/snapshot.jpg?boxes=2", "/api/cameras/door/whep/00", "/metrics", "//x", "/web/index.html", "/%00", "/app.js?x"} {
		f.Add("GET", p)
		f.Add("POST", p)
	}
	s := testServer(f)
	s.cameras.Load().list[0].Broadcaster = nil // no waiting for frames that do not come
	h := s.Handler()
	f.Fuzz(func(t *testing.T, method, target string) {
		r, err := http.NewRequest(method, "http://localhost:8080"+target, http.NoBody)
		if err != nil || !strings.HasPrefix(target, "/") || r.URL.Host != "localhost:8080" {
			t.Skip()
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s %q: %d %s", method, target, w.Code, w.Body)
		}
		if w.Code >= 400 {
			var e errorJSON
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == "" {
				t.Fatalf("%s %q: %d %s", method, target, w.Code, w.Body)
			}
		}
		if to := w.Header().Get("Location"); strings.HasPrefix(to, "//") || strings.Contains(to, "://") {
			t.Fatalf("%s %q leads to %q", method, target, to)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s %q: no security headers", method, target)
		}
	})
}
