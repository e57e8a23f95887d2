package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/capture"
	"yfv2d/infer"
	"yfv2d/infer/model"
	"yfv2d/pipeline"
	"yfv2d/stream"
)

// manager is a service manager's notify socket.
type manager struct {
	path string
	mu   sync.Mutex
	got  []string // guarded by mu; lines of all messages, in order
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{path: filepath.Join(t.TempDir(), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.got = append(m.got, strings.Split(string(buf[:n]), "\n")...)
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return m
}

// count is how many lines begin so.
func (m *manager) count(prefix string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, line := range m.got {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func (m *manager) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.got, "\n")
}

// TestServiceManagerIsTold runs the program as a service with a camera that works and one that cannot be opened.
func TestServiceManagerIsTold(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "1500000")
	cfg := testConfig(t, "127.0.0.1:0", pattern("good", "")+"[[camera]]\nname = \"bad\"\nsource = \"v4l2:/dev/video-none\"\n")
	p := startProgram(t, "run", "-c", cfg.Path)
	waitUntil(t, "it is ready", func() bool { return m.count("READY=1") == 1 })
	waitUntil(t, "it feeds the watchdog, a camera down or not", func() bool { return m.count("WATCHDOG=1") > 3 })
	waitUntil(t, "its status tells which camera is down", func() bool {
		return strings.Contains(m.String(), "STATUS=1 of 2 cameras live") && strings.Contains(m.String(), "bad retrying")
	})
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "a reload is told with its time", func() bool {
		return m.count("RELOADING=1") == 1 && m.count("MONOTONIC_USEC=") == 1 && m.count("READY=1") == 2
	})
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.code(t); code != exitOK {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
	waitUntil(t, "it says that it stops", func() bool { return m.count("STOPPING=1") == 1 })
}

// TestBadModelIsABadConfiguration: no restart mends it.
func TestBadModelIsABadConfiguration(t *testing.T) {
	cfg := testConfig(t, "127.0.0.1:0", pattern("a", ""))
	cfg.Model = filepath.Join(t.TempDir(), "none.onnx")
	_, err := newDaemon(cfg, nil, zerolog.Nop())
	if code := exitCode(err); code != exitConfig {
		t.Errorf("exit code %d, want %d (%v)", code, exitConfig, err)
	}
}

// stuckDetector answers until it is stuck, and then when it is let go.
type stuckDetector struct {
	stuck *atomic.Bool
	free  chan struct{}
}

func (d stuckDetector) Detect(*infer.Canvas) ([]infer.Detection, error) {
	if d.stuck.Load() {
		<-d.free
	}
	return nil, nil
}

func (stuckDetector) Close() error { return nil }

// TestWedgedInferenceStopsTheFeeding blocks the detector of a running camera.
func TestWedgedInferenceStopsTheFeeding(t *testing.T) {
	var stuck atomic.Bool
	free := make(chan struct{})
	cfg := testConfig(t, "127.0.0.1:0", pattern("a", ""))
	m, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	workers, err := infer.NewWorkers(1, func() (infer.Detector, error) { return stuckDetector{&stuck, free}, nil })
	if err != nil {
		t.Fatal(err)
	}
	cam, err := newCamera(settingsOf(cfg, &cfg.Cameras[0], m), m, workers, stream.Encoders{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{cameras: []*camera{cam}}
	f.start(context.Background())
	defer func() {
		f.halt()
		if err := errors.Join(f.close(), workers.Close()); err != nil {
			t.Error(err)
		}
	}()
	defer close(free)

	var log bytes.Buffer
	fed := 0
	n := &notifier{cameras: f.stats, viewers: f.viewers, log: zerolog.New(&log), watchdog: time.Second, tell: func(s string) {
		if strings.HasPrefix(s, "WATCHDOG=1") {
			fed++
		}
	}}
	now := time.Now()
	waitUntil(t, "it detects", func() bool { return cam.stats().Ledger.Detected > 3 })
	n.look(now)
	stuck.Store(true)
	lost := func() uint64 { return cam.stats().Ledger.DetectDropped.DetectSlot }
	before := lost()
	waitUntil(t, "canvases are lost before the detector", func() bool { return lost() > before+3 })
	n.look(now.Add(time.Second))
	before = lost()
	waitUntil(t, "more are lost", func() bool { return lost() > before+3 })
	n.look(now.Add(2 * time.Second))
	if fed != 3 {
		t.Fatalf("fed %d times of 3: a stage may be slow for a while", fed)
	}
	n.look(now.Add(wedgedAfter + 3*time.Second))
	if fed != 3 {
		t.Error("fed although the inference stage hangs")
	}
	if text := log.String(); !strings.Contains(text, "inference stage") || strings.Count(text, "\n") != 1 {
		t.Errorf("the log says %q, want one line about the inference stage", text)
	}
}

// TestHealth steps through readings of one camera.
func TestHealth(t *testing.T) {
	live := func(change func(*pipeline.Ledger)) func(time.Duration, *pipeline.Stats) {
		return func(_ time.Duration, st *pipeline.Stats) {
			st.Source.State = pipeline.Live
			change(&st.Ledger)
		}
	}
	status := func(s pipeline.SourceStatus) func(time.Duration, *pipeline.Stats) {
		return func(_ time.Duration, st *pipeline.Stats) { st.Source = s }
	}
	start := time.Now()
	works := func(l *pipeline.Ledger) { l.Captured += 150; l.Detected += 50; l.Previewed += 150 }
	for _, tt := range []struct {
		name string
		step func(time.Duration, *pipeline.Stats) // changes the reading, every 5 s
		want string                               // part of the fault after three minutes, empty for none
	}{
		{"works", live(works), ""},
		{"works, slower than asked", live(func(l *pipeline.Ledger) {
			works(l)
			l.DetectDropped.DetectSlot += 20
			l.PreviewDropped.PreviewSlot += 9
		}), ""},
		{"nobody watches", live(func(l *pipeline.Ledger) { l.Captured += 150; l.Detected += 50; l.PreviewDropped.NoViewer += 150 }), ""},
		{"letterbox hangs", live(func(l *pipeline.Ledger) {
			l.Captured += 150
			l.DetectDropped.CaptureSlot += 150
			l.PreviewDropped.CaptureSlot += 150
		}), "letterbox"},
		{"inference hangs", live(func(l *pipeline.Ledger) { l.Captured += 150; l.Previewed += 150; l.DetectDropped.DetectSlot += 50 }), "inference"},
		{"inference hangs, one detection in 20 s", func(at time.Duration, st *pipeline.Stats) {
			live(func(l *pipeline.Ledger) {
				l.Captured++
				l.Previewed++
				if at%(20*time.Second) == 0 {
					l.DetectDropped.DetectSlot++
				}
			})(at, st)
		}, "inference"},
		{"encoder hangs", live(func(l *pipeline.Ledger) { l.Captured += 150; l.Detected += 50; l.PreviewDropped.PreviewSlot += 150 }), "live picture"},
		{"encoder fails", live(func(l *pipeline.Ledger) { l.Captured += 150; l.Detected += 50; l.PreviewDropped.Failed += 150 }), ""},
		{"calls itself live and is silent", live(func(*pipeline.Ledger) {}), "gives no frame"},
		{"a picture in 50 s", func(at time.Duration, st *pipeline.Stats) {
			live(func(l *pipeline.Ledger) {
				if at%(50*time.Second) == 0 {
					works(l)
				}
			})(at, st)
		}, ""},
		{"retrying, honestly", func(at time.Duration, st *pipeline.Stats) {
			st.Source = pipeline.SourceStatus{State: pipeline.Retrying, Since: start, NextTry: start.Add(at + 10*time.Second)}
		}, ""},
		{"retrying that never tries", status(pipeline.SourceStatus{State: pipeline.Retrying, Since: start, NextTry: start.Add(time.Second)}), "should have been tried"},
		{"connecting for ever", status(pipeline.SourceStatus{State: pipeline.Connecting, Since: start}), "connecting"},
		{"stalled for ever", status(pipeline.SourceStatus{State: pipeline.Stalled, Since: start}), "stalled"},
		{"ended", status(pipeline.SourceStatus{State: pipeline.Ended, Since: start}), ""},
		{"failed", status(pipeline.SourceStatus{State: pipeline.Failed, Since: start}), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h health
			var st pipeline.Stats
			var err error
			for at := time.Duration(0); at <= 3*time.Minute; at += 5 * time.Second {
				tt.step(at, &st)
				err = h.judge(start.Add(at), map[string]pipeline.Stats{"cam": st})
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("judged %v, want %q", err, tt.want)
			}
			if err := h.judge(start, nil); err != nil || len(h.cameras) != 0 {
				t.Errorf("a camera that was taken out is still judged: %v", err)
			}
		})
	}
}

// TestStatusKeepsSecrets: a reason with a password is redacted where it is made, and the status names states only.
func TestStatusKeepsSecrets(t *testing.T) {
	st := map[string]pipeline.Stats{
		"gate": {Source: pipeline.SourceStatus{State: pipeline.Retrying, Reason: capture.Redact("rtsp://admin:hunter2@h/x: refused")}},
		"yard": {Source: pipeline.SourceStatus{State: pipeline.Live}, DetectFPS: 9.7},
	}
	line := statusLine(st, 2, nil)
	if line != "1 of 2 cameras live, 10 detections/s, 2 viewers; gate retrying" {
		t.Errorf("status %q", line)
	}
	if line := statusLine(nil, 0, nil); line != "no camera configured" {
		t.Errorf("status %q", line)
	}
	if line := statusLine(st, 0, errors.New("a\nb "+strings.Repeat("x", 400))); strings.Contains(line, "\n") || len(line) > 210 {
		t.Errorf("status %q", line)
	}
}
