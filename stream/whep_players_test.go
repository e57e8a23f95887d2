package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// python is the system's own, which Debian's packages are for.
const python = "/usr/bin/python3"

// TestIndependentPlayers: implementations of WebRTC that share no code with ours show the picture.
func TestIndependentPlayers(t *testing.T) {
	for _, p := range []struct {
		name, script, needs, pkg string
	}{
		{"aiortc", "testdata/peers/aiortc_peer.py", "import aiortc", "python3-aiortc"},
		{"webrtcbin", "testdata/peers/webrtcbin_peer.py", `import gi, sys
gi.require_version("Gst", "1.0"); gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstWebRTC
Gst.init(None)
need = "webrtcbin", "nicesrc", "openh264dec", "vp8dec"
sys.exit(not all(map(Gst.ElementFactory.find, need)))`,
			"gstreamer1.0-plugins-bad gstreamer1.0-plugins-good gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 python3-gi"},
	} {
		t.Run(p.name, func(t *testing.T) {
			if out, err := exec.Command(python, "-c", p.needs).CombinedOutput(); err != nil {
				t.Fatalf("no %s (make test installs %s): %v %s", p.name, p.pkg, err, lastLine(string(out)))
			}
			for _, codec := range []string{"h264", "vp8"} {
				t.Run(codec, func(t *testing.T) { playWith(t, p.script, codec) })
			}
		})
	}
}

func playWith(t *testing.T, script, codec string) {
	const frames = "45"
	b := newBench(t, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, script, b.http.URL+endpoint, frames, codec)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	var got struct {
		Status, Ended, Frames, Width, Height int
		Grows                                bool
	}
	if err := json.Unmarshal([]byte(lastLine(stdout.String())), &got); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	if got.Status != 201 || got.Ended != 200 || got.Frames < 30 || got.Width != 320 || got.Height != 240 || !got.Grows {
		t.Errorf("%+v", got)
	}
	if n := b.whep.Viewers("door"); n != 0 {
		t.Errorf("%d viewers left", n)
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
