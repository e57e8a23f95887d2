package rtsp_test

import (
	"bufio"
	"context"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"yfv2d/capture/live"
	"yfv2d/capture/rtsp"
)

// gstreamer starts an RTSP server that has nothing in common with ours, and gives its address.
func gstreamer(t *testing.T, mp4 string) string {
	t.Helper()
	const python = "/usr/bin/python3" // what Debian's packages are for
	probe := exec.Command(python, "-c", `import gi; gi.require_version("GstRtspServer", "1.0")`)
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("no GStreamer server: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi (%s)", lastLine(out, err))
	}
	cmd := exec.Command(python, "testdata/server.py", "admin", "p@ss:w", mp4, "rtsptest/testdata/pattern.h265", "rtsptest/testdata/pattern.mjpeg")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("GStreamer's server: %v", err)
		}
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("GStreamer's server tells no port: %v", err)
	}
	return "rtsp://admin:p@ss:w@127.0.0.1:" + strings.TrimSpace(port)
}

func lastLine(out []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}

// TestGStreamer: another implementation of RTSP and RTP than the one that our own tests serve by.
func TestGStreamer(t *testing.T) {
	t.Parallel()
	digest, basic := gstreamer(t, demoFile), gstreamer(t, "basic:"+demoFile)
	demo, drawn := demo(t), pattern(t, "192x144", 30)
	rows := []struct {
		name, url string
		transport rtsp.Transport
		want      [][]byte
	}{
		{"H.264, TCP, Digest", digest + "/h264", rtsp.TCP, demo},
		{"H.264, UDP, Digest", digest + "/h264", rtsp.UDP, demo},
		{"H.264, TCP, Basic", basic + "/h264", rtsp.TCP, demo},
		{"H.265, TCP", digest + "/h265", rtsp.TCP, drawn},
		{"H.265, UDP", digest + "/h265", rtsp.UDP, drawn},
		{"MJPEG, TCP", digest + "/mjpeg", rtsp.TCP, drawn},
		{"MJPEG, UDP", digest + "/mjpeg", rtsp.UDP, drawn},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			cfg := parse(t, r.url)
			cfg.Transport = r.transport
			src := open(t, cfg)
			worst, last := 99.0, -1
			var shots []shot
			for len(shots) < 40 {
				s, err := read(t, src)
				if err != nil {
					break // the file's end
				}
				shots = append(shots, s)
			}
			for i, s := range shots {
				at := int(s.counter)
				if s.counter == math.MaxUint32 {
					at = nearest(s.pix, r.want)
				}
				if at >= len(r.want) || at <= last {
					t.Fatalf("picture %d shows counter %d after %d", i, at, last)
				}
				worst, last = min(worst, psnr(s.pix, r.want[at])), at
			}
			t.Logf("worst PSNR of %d pictures: %.1f dB", len(shots), worst)
			if worst < 30 || len(shots) < 2 {
				t.Errorf("%d pictures, PSNR of %.1f dB", len(shots), worst)
			}
		})
	}
	t.Run("the file's end", func(t *testing.T) {
		src := open(t, parse(t, digest+"/mjpeg"))
		var err error
		for err == nil {
			_, err = read(t, src)
		}
		if !strings.HasSuffix(err.Error(), "/mjpeg: the camera ended the stream (RTCP BYE)") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("refusals", func(t *testing.T) {
		for path, says := range map[string]string{"/none": "no such stream (404)", "/h264": "wrong user name or password (401)"} {
			url := digest + path
			if path == "/h264" {
				url = strings.Replace(url, "p@ss:w", "guessed", 1)
			}
			_, err := rtsp.Open(context.Background(), parse(t, url), live.Options{})
			refusal(t, err, says)
		}
	})
}
