package v4l2

import (
	"errors"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"yfv2d/capture/live"
	"yfv2d/yuv"
)

func discrete(f Format, w, h int, fps ...float64) Mode {
	return Mode{Format: f, Size: image.Pt(w, h), FPS: fps}
}

// usb2 is what a common USB 2 camera offers.
var usb2 = []Mode{
	discrete(YUYV, 1280, 720, 10, 5), discrete(YUYV, 640, 480, 30, 15), discrete(YUYV, 320, 240, 30),
	discrete(MJPEG, 1920, 1080, 30, 15), discrete(MJPEG, 1280, 720, 60, 30), discrete(MJPEG, 640, 480, 30),
}

func TestChoose(t *testing.T) {
	rows := []struct {
		name  string
		modes []Mode
		cfg   Config
		want  wish
	}{
		{"raw where it is fast enough", usb2, Config{}, wish{YUYV, image.Pt(640, 480), 30}},
		{"coded where raw is slow", usb2, Config{Size: image.Pt(1280, 720)}, wish{MJPEG, image.Pt(1280, 720), 30}},
		{"raw where slow is asked", usb2, Config{Size: image.Pt(1280, 720), FPS: 10}, wish{YUYV, image.Pt(1280, 720), 10}},
		{"above 30", usb2, Config{Size: image.Pt(1280, 720), FPS: 60}, wish{MJPEG, image.Pt(1280, 720), 60}},
		{"only coded", usb2, Config{Size: image.Pt(1920, 1080)}, wish{MJPEG, image.Pt(1920, 1080), 30}},
		{"a format", usb2, Config{Format: MJPEG}, wish{MJPEG, image.Pt(640, 480), 30}},
		{"a slow format", usb2, Config{Size: image.Pt(1280, 720), Format: YUYV}, wish{YUYV, image.Pt(1280, 720), 10}},
		{"29.97 is 30", []Mode{discrete(NV12, 640, 480, 30000./1001)}, Config{FPS: 30}, wish{NV12, image.Pt(640, 480), 30000. / 1001}},
		{"another size near the usual", []Mode{discrete(YUYV, 1920, 1080, 30), discrete(YUYV, 640, 360, 30)}, Config{},
			wish{YUYV, image.Pt(640, 360), 30}},
		{"only fast", []Mode{discrete(YUYV, 640, 480, 120, 60)}, Config{}, wish{YUYV, image.Pt(640, 480), 60}},
		{"rates unknown", []Mode{discrete(YUYV, 640, 480)}, Config{FPS: 25}, wish{YUYV, image.Pt(640, 480), 25}},
		{"sizes in steps", []Mode{{Format: NV12, Size: image.Pt(32, 32), Max: image.Pt(1920, 1080), FPS: []float64{60, 1}, AnyFPS: true}},
			Config{Size: image.Pt(800, 600)}, wish{NV12, image.Pt(800, 600), 30}},
		{"rates in steps", []Mode{{Format: NV12, Size: image.Pt(32, 32), Max: image.Pt(1920, 1080), FPS: []float64{60, 1}, AnyFPS: true}},
			Config{FPS: 12.5}, wish{NV12, image.Pt(640, 480), 12.5}},
	}
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			if got, err := choose(c.modes, c.cfg); err != nil || got != c.want {
				t.Errorf("%v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestChooseRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		modes []Mode
		cfg   Config
		says  string
	}{
		{"too fast", []Mode{discrete(YUYV, 640, 480, 30, 15), discrete(MJPEG, 1920, 1080, 30)},
			Config{Size: image.Pt(1920, 1080), FPS: 60, Format: YUYV},
			"asked 1920x1080 at 60 a second in yuyv, the camera offers yuyv 640x480 (30, 15); mjpeg 1920x1080 (30)"},
		{"size", usb2, Config{Size: image.Pt(800, 600)}, "asked 800x600, the camera offers yuyv 1280x720 (10, 5), 640x480 (30, 15), 320x240 (30); mjpeg"},
		{"format", usb2, Config{Format: NV12}, "asked in nv12, the camera offers"},
		{"rate", usb2, Config{FPS: 29}, "asked at 29 a second, the camera offers"},
		{"steps", []Mode{{Format: NV12, Size: image.Pt(32, 32), Max: image.Pt(1920, 1080), FPS: []float64{60, 0.5}, AnyFPS: true}},
			Config{FPS: 100}, "nv12 32x32 to 1920x1080 (60 down to 0.5)"},
		{"nothing", nil, Config{}, "offers neither yuyv, mjpeg nor nv12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := choose(c.modes, c.cfg); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one with %q", err, c.says)
			}
		})
	}
}

func TestListIsBounded(t *testing.T) {
	var modes []Mode
	for i := range 100 {
		modes = append(modes, discrete(YUYV, 100+i, 100, 30))
	}
	if s := list(modes); !strings.HasSuffix(s, ", and 76 more") {
		t.Errorf("the list ends in %q", s[len(s)-20:])
	}
}

func TestListOfManyRates(t *testing.T) {
	many := discrete(YUYV, 640, 480, 60, 50, 30, 15, 5)
	if s := list([]Mode{many}); s != "yuyv 640x480 (60, 50, 30 ... 5)" {
		t.Error(s)
	}
	if s := many.String(); s != "yuyv 640x480 (60, 50, 30, 15, 5)" {
		t.Error(s)
	}
}

func TestTidy(t *testing.T) {
	got := tidy([]Mode{discrete(MJPEG, 640, 480), discrete(YUYV, 320, 240), discrete(YUYV, 640, 480), discrete(YUYV, 640, 480)})
	if s := list(got); s != "yuyv 640x480, 320x240; mjpeg 640x480" {
		t.Error(s)
	}
}

// TestDeviceLists reads a made-up /sys and /dev: no machine that tests run on has cameras.
func TestDeviceLists(t *testing.T) {
	p := places{sys: t.TempDir(), dev: t.TempDir()}
	if s := p.here(); !strings.Contains(s, "no camera is plugged in") {
		t.Error(s)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []struct{ node, name, index string }{
		{"video10", "Integrated Camera", "0"}, {"video2", "HD Pro Webcam C920", "0"}, {"video3", "HD Pro Webcam C920", "1"},
	} {
		write(filepath.Join(p.sys, "class/video4linux", d.node, "name"), d.name+"\n")
		write(filepath.Join(p.sys, "class/video4linux", d.node, "index"), d.index+"\n")
		write(filepath.Join(p.dev, d.node), "")
	}
	write(filepath.Join(p.sys, "class/video4linux/v4l-subdev0/name"), "sensor\n")
	link := filepath.Join(p.dev, "v4l/by-id/usb-046d_HD_Pro_Webcam_C920-video-index0")
	write(filepath.Join(filepath.Dir(link), "dangling"), "")
	if err := os.Symlink("../../video2", link); err != nil {
		t.Fatal(err)
	}
	found, err := p.nodes()
	if err != nil || len(found) != 3 {
		t.Fatalf("%v, %v", found, err)
	}
	if found[0].Path != filepath.Join(p.dev, "video2") || found[0].Stable() != link || found[2].Stable() != filepath.Join(p.dev, "video10") {
		t.Errorf("%+v", found)
	}
	for _, row := range []struct {
		name, used string
		yes        bool
	}{{"its path", found[0].Path, true}, {"a link to it", link, true}, {"another device", found[2].Path, false}, {"nothing", filepath.Join(p.dev, "video77"), false}} {
		if found[0].isOneOf([]string{row.used}) != row.yes {
			t.Errorf("%s: it is one of those: %v", row.name, !row.yes)
		}
	}
	want := "cameras here: " + link + " (HD Pro Webcam C920), " + filepath.Join(p.dev, "video10") + " (Integrated Camera)"
	if s := p.here(); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}

func TestModeSource(t *testing.T) {
	for _, c := range []struct {
		name string
		mode Mode
		want string
	}{
		{"one size", discrete(MJPEG, 1920, 1080, 60, 30), "v4l2:/dev/video0?size=1920x1080&fps=30&format=mjpeg"},
		{"any size", Mode{Format: NV12, Size: image.Pt(16, 16), Max: image.Pt(1920, 1080)}, "v4l2:/dev/video0?size=640x480&format=nv12"},
		{"no whole rate", discrete(YUYV, 640, 480, 30000./1001), "v4l2:/dev/video0?size=640x480&fps=29.97&format=yuyv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := source("/dev/video0", c.mode)
			if s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
			cfg, err := Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := choose([]Mode{c.mode}, cfg); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDialRefusals(t *testing.T) {
	if _, err := os.Stat("/dev/video99"); err == nil {
		t.Skip("this machine has a /dev/video99")
	}
	for _, c := range []struct {
		name, path, says string
		refused          bool
	}{
		{"absent", "/dev/video99", "/dev/video99 is not there: ", false},
		{"no camera", "/dev/null", "/dev/null is no camera: ", true},
		{"a file", writeTemp(t), "is no camera", true},
		{"a folder", "/dev", "cannot be opened: is a directory", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dial(Config{Device: c.path})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want one with %q", err, c.says)
			}
			var refused *live.Refused
			if errors.As(err, &refused) != c.refused {
				t.Errorf("%v: refused is %v, want %v", err, !c.refused, c.refused)
			}
		})
	}
}

func writeTemp(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "video0")
	if err := os.WriteFile(path, []byte("no camera"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		says string
	}{
		{"permission", unix.EACCES, "/dev/video0 may not be read by this user: add it to the group video"},
		{"unplugged", unix.ENODEV, "the camera was unplugged"},
		{"busy", unix.EBUSY, "another program uses the camera (sudo fuser -v /dev/video0 names it)"},
		{"other", unix.EIO, "cannot be opened: input/output error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := openError("/dev/video0", c.err); !strings.Contains(err.Error(), c.says) || !errors.Is(err, c.err) {
				t.Errorf("%v, want it to say %q", err, c.says)
			}
		})
	}
}

func TestColors(t *testing.T) {
	for _, c := range []struct {
		name   string
		f      pixFormat
		full   bool
		matrix yuv.Matrix
	}{
		{"unknown", pixFormat{}, false, yuv.BT601},
		{"a web camera's", pixFormat{ColorSpace: 8}, false, yuv.BT601},
		{"JPEG's", pixFormat{ColorSpace: colorSpaceJPEG}, true, yuv.BT601},
		{"JPEG's, limited", pixFormat{ColorSpace: colorSpaceJPEG, Quantization: quantizationLimited}, false, yuv.BT601},
		{"full", pixFormat{ColorSpace: 8, Quantization: quantizationFull}, true, yuv.BT601},
		{"HD", pixFormat{ColorSpace: colorSpaceREC709}, false, yuv.BT709},
		{"HD coded as SD", pixFormat{ColorSpace: colorSpaceREC709, YCbCrEnc: 1}, false, yuv.BT601},
		{"SD coded as HD", pixFormat{ColorSpace: 8, YCbCrEnc: encoding709}, false, yuv.BT709},
		{"UHD", pixFormat{ColorSpace: colorSpaceBT2020}, false, yuv.BT2020},
	} {
		t.Run(c.name, func(t *testing.T) {
			if full, matrix := c.f.colors(); full != c.full || matrix != c.matrix {
				t.Errorf("%v %v, want %v %v", full, matrix, c.full, c.matrix)
			}
		})
	}
}

func TestTaken(t *testing.T) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	stamp := float64(ts.Nano()) / 1e6
	for _, c := range []struct {
		name     string
		stamp    float64
		min, max time.Duration // before now
	}{
		{"plausible", stamp - 40, 35 * time.Millisecond, 45 * time.Millisecond},
		{"none", 0, 0, 0},
		{"of the wall clock", float64(now.UnixMilli()), 0, 0},
		{"in the future", stamp + 5000, 0, 0},
		{"old", stamp - 5000, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if age := now.Sub(taken(now, c.stamp)); age < c.min || age > c.max {
				t.Errorf("%v old, want %v to %v", age, c.min, c.max)
			}
		})
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"camera\x00rest", "camera"}, {" full ", "full"}, {"a\xffb", "a?b"}, {"", ""}} {
		if got := text([]byte(c.in)); got != c.want {
			t.Errorf("%q is %q, want %q", c.in, got, c.want)
		}
	}
}
