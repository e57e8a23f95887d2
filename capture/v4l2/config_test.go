package v4l2

import (
	"image"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		want       Config
	}{
		{"path", "v4l2:/dev/video0", Config{Device: "/dev/video0"}},
		{"number", "v4l2:0", Config{Device: "/dev/video0"}},
		{"number with parameters", "v4l2:12?fps=15", Config{Device: "/dev/video12", FPS: 15}},
		{"slashes", "v4l2:///dev/video1", Config{Device: "/dev/video1"}},
		{"empty query", "v4l2:/dev/video0?", Config{Device: "/dev/video0"}},
		{"all", "v4l2:/dev/video0?size=640x480&fps=30&format=yuyv",
			Config{Device: "/dev/video0", Size: image.Pt(640, 480), FPS: 30, Format: YUYV}},
		{"stable name", "v4l2:/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_9A3F-video-index0?format=mjpeg",
			Config{Device: "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920_9A3F-video-index0", Format: MJPEG}},
		{"stable name with a colon", "v4l2:/dev/v4l/by-path/pci-0000:00:14.0-usb-0:3:1.0-video-index0?format=nv12",
			Config{Device: "/dev/v4l/by-path/pci-0000:00:14.0-usb-0:3:1.0-video-index0", Format: NV12}},
		{"auto", "v4l2:0?format=auto&fps=7.5", Config{Device: "/dev/video0", FPS: 7.5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.spec)
			if err != nil || got != c.want {
				t.Fatalf("%+v, %v, want %+v", got, err, c.want)
			}
			if again, err := Parse(got.String()); err != nil || again != got {
				t.Errorf("%s is read as %+v, %v", got, again, err)
			}
		})
	}
}

func TestParseRefusals(t *testing.T) {
	for _, c := range []struct{ name, spec, says string }{
		{"nothing", "v4l2:", "no camera is named; write v4l2:/dev/video0?size="},
		{"only parameters", "v4l2:?fps=30", "no camera is named"},
		{"another kind", "file:/dev/video0", "want v4l2:"},
		{"relative", "v4l2:video0", "want a path such as /dev/video0, or its number"},
		{"negative", "v4l2:-1", "or its number"},
		{"large number", "v4l2:1234", "or its number"},
		{"line break", "v4l2:/dev/video0\n", "line breaks"},
		{"size without height", "v4l2:0?size=640", "want WIDTHxHEIGHT"},
		{"size with more", "v4l2:0?size=640x480x3", "want WIDTHxHEIGHT"},
		{"small size", "v4l2:0?size=8x8", "from 16 to 8192"},
		{"large size", "v4l2:0?size=640x10000", "from 16 to 8192"},
		{"fps", "v4l2:0?fps=fast", "number from 1 to 1000"},
		{"fps of zero", "v4l2:0?fps=0", "number from 1 to 1000"},
		{"fps that is no number", "v4l2:0?fps=NaN", "number from 1 to 1000"},
		{"format", "v4l2:0?format=h264", "want yuyv, mjpeg, nv12 or auto"},
		{"unknown", "v4l2:0?sise=640x480", `unknown parameter "sise": want size, fps or format`},
		{"twice", "v4l2:0?fps=30&fps=15", "fps is given 2 times"},
		{"malformed", "v4l2:0?fps=%zz", "name=value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.spec)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, c.says)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"v4l2:0", "v4l2:/dev/video0?size=640x480&fps=30&format=yuyv", "v4l2:", "v4l2:/dev/../x?fps=1e9", "v4l2:0?%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cfg, err := Parse(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("%q: error of more than one line: %q", s, err)
			}
			return
		}
		again, err := Parse(cfg.String())
		if err != nil || again.Device != cfg.Device || again.Size != cfg.Size || again.Format != cfg.Format {
			t.Errorf("%q is %+v, whose %q is %+v, %v", s, cfg, cfg.String(), again, err)
		}
	})
}
