package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yfv2d/capture/v4l2"
	"yfv2d/pipeline"
)

func TestThrottleFlags(t *testing.T) {
	for _, row := range []struct {
		name, text string
		worst      grade
		says       string
	}{
		{"all is well", "throttled=0x0\n", fine, "never throttled"},
		{"low voltage now and before", "throttled=0x50005", warn, "the supply voltage is too low now"},
		{"was hot once", "80000", warn, "the soft temperature limit was reached since the last start"},
		{"no Raspberry Pi", "", fine, ""},
		{"no number", "throttled=never", fine, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			d := &doctor{show: &out}
			d.throttled(parseFlags(row.text))
			if d.report.Worst != row.worst || !strings.Contains(out.String(), row.says) || (row.says == "") != (out.Len() == 0) {
				t.Errorf("%v: %s", d.report.Worst, out.String())
			}
		})
	}
}

func TestHeat(t *testing.T) {
	for milli, want := range map[int]grade{45000: fine, 72000: warn, 85000: warn} {
		sys := t.TempDir()
		zone := filepath.Join(sys, "class/thermal/thermal_zone0")
		if err := os.MkdirAll(zone, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(zone, "temp"), fmt.Appendf(nil, "%d\n", milli), 0o600); err != nil {
			t.Fatal(err)
		}
		d := &doctor{}
		d.heat(sys)
		if d.report.Worst != want || !strings.Contains(d.report.Findings[0].What, fmt.Sprint(milli/1000)) {
			t.Errorf("%d: %+v", milli, d.report)
		}
	}
}

func TestSourceFindings(t *testing.T) {
	at := time.Unix(1000, 0)
	feed := func(w *watched, codec pipeline.Codec, n, keyEvery int, order ...int) {
		for i := range n {
			k := i
			if len(order) > 0 {
				k = i/len(order)*len(order) + order[i%len(order)]
			}
			w.unit(&pipeline.AccessUnit{Codec: codec, Key: i%keyEvery == 0, At: at.Add(time.Duration(k) * 40 * time.Millisecond)})
		}
	}
	for _, row := range []struct {
		name  string
		feed  func(w *watched)
		grade grade
		says  string
	}{
		{"no units", func(*watched) {}, fine, "640x480, 25.0 a second"},
		{"one key a second", func(w *watched) { feed(w, pipeline.H264, 75, 25) }, fine, "h264, a key picture every 1.0 s"},
		{"one key in 8 s", func(w *watched) { feed(w, pipeline.H265, 401, 200) }, warn, "h265, a key picture every 8.0 s"},
		{"no second key", func(w *watched) { feed(w, pipeline.H264, 75, 1000) }, fine, "no second key picture within 3 s"},
		{"B-frames", func(w *watched) { feed(w, pipeline.H264, 80, 20, 0, 3, 1, 2) }, warn, "h264"},
		{"JPEG", func(w *watched) { feed(w, pipeline.JPEG, 75, 1) }, fine, "25.0 a second, jpeg"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := &watched{}
			row.feed(w)
			f := w.finding("door", 400*time.Millisecond, image.Pt(640, 480), 25)
			if f.Grade != row.grade || !strings.Contains(f.What, row.says) || (f.Fix != "") != (row.grade != fine) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestDoctor runs the command as people do: over a file with a source that works and one that does not, with the port taken.
func TestDoctor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := filepath.Join(t.TempDir(), "config.toml")
	text := fmt.Sprintf("[server]\nlisten = [%q]\n\n%s\n[[camera]]\nname = \"gone\"\nsource = \"file:gone.mp4\"\n", l.Addr(), pattern("good", ""))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := execute(context.Background(), []string{"doctor", "-c", path}, &out, &errs); code != exitFailed || errs.Len() > 0 {
		t.Errorf("exit code %d, standard error %q", code, errs.String())
	}
	for _, want := range []string{"Machine\n", "Engines\n", "2 cameras, model builtin", "good: first picture after", "320x240",
		"FAIL  gone: open source \"file:gone.mp4\"", "address already in use", "1 failure\n", "opencv-dnn"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}

	if err := os.WriteFile(path, []byte("[detect]\nfsp = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if code := execute(context.Background(), []string{"doctor", "--json", "-c", path}, &out, &errs); code != exitConfig {
		t.Errorf("a faulty file: exit code %d", code)
	}
	if err := json.Unmarshal(out.Bytes(), &struct {
		Findings *[]struct{ Area, Grade, What, Fix string }
	}{}); err != nil || !strings.Contains(out.String(), `"worst": "failure"`) || !strings.Contains(out.String(), "did you mean") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestDeviceFindings(t *testing.T) {
	cam := v4l2.Device{Name: "HD Pro Webcam C920", Path: "/dev/video0", ByID: "/dev/v4l/by-id/usb-046d-video-index0"}
	full := cam
	full.Modes = []v4l2.Mode{{Format: v4l2.MJPEG, Size: image.Pt(1280, 720), FPS: []float64{30}, Source: "v4l2:/dev/video0?size=1280x720"}}
	locked, silent := cam, cam
	locked.Err, silent.Err = fmt.Errorf("open: %w", fs.ErrPermission), errors.New("no answer")
	for _, row := range []struct {
		name  string
		dev   v4l2.Device
		grade grade
		says  string
	}{
		{"a camera", full, fine, `source = "v4l2:/dev/v4l/by-id/usb-046d-video-index0"`},
		{"a mode of it", full, fine, `# source = "v4l2:/dev/video0?size=1280x720"   # mjpeg 1280x720 (30)`},
		{"its name", full, fine, `name = "hd-pro-webcam-c920"`},
		{"no permission", locked, fail, "usermod -aG video"},
		{"no answer", silent, warn, "no answer"},
		{"nothing to read", cam, warn, "offers no format"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := deviceFinding(row.dev)
			if all := f.What + f.Fix + strings.Join(f.Config, "\n"); f.Grade != row.grade || !strings.Contains(all, row.says) {
				t.Errorf("%v %s", f.Grade, all)
			}
		})
	}
	if got := cameraName("--- "); got != "usb" {
		t.Errorf("a name without letters becomes %q", got)
	}
	if got := cameraName(strings.Repeat("Ab ", 30)); len(got) > 32 || !strings.HasPrefix(got, "ab-ab") {
		t.Errorf("a long name becomes %q", got)
	}
}

func TestPiCameraLines(t *testing.T) {
	out := "Available cameras\n-----------------\n0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)\n" +
		"    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps]\n1 : ov5647 [2592x1944] (/base)\n"
	if got := piCameraLines(out); len(got) != 2 || !strings.HasPrefix(got[1], "1 : ov5647") {
		t.Errorf("%q", got)
	}
	if got := piCameraLines("No cameras available!\n"); got != nil {
		t.Errorf("%q", got)
	}
}
