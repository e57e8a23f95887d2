package capture

import (
	"context"
	"image"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	good := []string{"file:clip.mp4", "clip.mp4", "/a/b c/clip.mp4", "file:///a/clip.mp4", "file:*.jpg", "pictures/", "FILE:x.mp4",
		"test:", "test:?", "test:?size=64x48", "test:?size=640x480&fps=29.97&objects=0&frames=10", "TEST:?fps=5", "test:?truth=1", "test:?truth=0", "test:?grain=8", "x[1]?.png",
		"rtsp://cam", "RTSP://u:p@10.0.0.2:554/live?x=1", "rtsps://cam/1", "http://cam/video", "https://u:p@cam/still.jpg#fps=2", "v4l2:/dev/video0", "v4l2:1?size=640x480",
		"exec:camera --now", "exec:?format=i420&size=64x48&fps=5 camera 'a b'", "libcamera:", "libcamera:?camera=1&size=640x480&rotation=180"}
	for _, spec := range good {
		if err := Check(spec); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
	bad := []struct{ name, spec, says string }{
		{"empty", "", "the source is empty"},
		{"no path", "file:", "the path is empty"},
		{"only slashes", "file://", "the path is empty"},
		{"unknown kind", "gopher://host/x", `unknown kind "gopher:"`},
		{"rtsp without a host", "rtsp://u:secret@", "want rtsp://USER:PASSWORD@HOST"},
		{"http without a host", "HTTP://u:secret@/x", "want http://USER:PASSWORD@HOST"},
		{"v4l2 without a camera", "v4l2:", "no camera is named"},
		{"v4l2 with an unknown format", "v4l2:0?format=h264", "yuyv"},
		{"unknown kind says what there is", "rtspx://u:secret@host/x", "file:PATH"},
		{"line break", "file:a\nb", "line breaks"},
		{"zero byte", "file:a\x00b", "NUL"},
		{"pattern", "file:img[.png", "malformed"},
		{"no question mark", "test:size=64x48", "want test:?size"},
		{"unknown parameter", "test:?colour=red", `unknown parameter "colour"`},
		{"twice", "test:?fps=1&fps=2", "fps is given 2 times"},
		{"size in words", "test:?size=big", "want WIDTHxHEIGHT"},
		{"size with rest", "test:?size=64x48x2", "want WIDTHxHEIGHT"},
		{"odd size", "test:?size=65x48", "even sides"},
		{"too small", "test:?size=16x48", "even sides from 32"},
		{"too large", "test:?size=100000x48", "to 8192"},
		{"negative", "test:?size=-64x48", "even sides"},
		{"no rate", "test:?fps=0", "from 0.1 to 1000"},
		{"rate is no number", "test:?fps=NaN", "from 0.1 to 1000"},
		{"objects", "test:?objects=9", "from 0 to 8"},
		{"frames", "test:?frames=-1", "whole number"},
		{"truth", "test:?truth=yes", "want 1"},
		{"grain", "test:?grain=33", "from 0 to 32"},
		{"truth of a camera", "v4l2:0?truth=1", "truth"},
	}
	for _, r := range bad {
		t.Run(r.name, func(t *testing.T) {
			err := Check(r.spec)
			if err == nil || !strings.Contains(err.Error(), r.says) {
				t.Fatalf("%q: %v, want %q", r.spec, err, r.says)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
			if _, e := Open(context.Background(), r.spec, Options{}); e == nil || e.Error() != err.Error() {
				t.Errorf("Open says %v, Check %v", e, err)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	rows := []struct{ name, in, want string }{
		{"nothing to hide", "file:clip.mp4", "file:clip.mp4"},
		{"path with an at sign", "file:me@home.mp4", "file:me@home.mp4"},
		{"user and password", "rtsp://admin:hunter2@10.0.0.2:554/live", "rtsp://10.0.0.2:554/live"},
		{"at sign in the password", "rtsp://admin:hun@ter2@cam/live", "rtsp://cam/live"},
		{"slash in the password", "rtsp://admin:hun/ter2@cam/live", "rtsp://cam/live"},
		{"space in the password", "rtsp://admin:hun ter2@cam/live", "rtsp://cam/live"},
		{"user alone", "http://token@cam/x", "http://cam/x"},
		{"parameters", "http://cam/s.cgi?user=admin&pwd=hunter2&res=1", "http://cam/s.cgi?user=***&pwd=***&res=1"},
		{"parameters in capitals", "http://cam/?Token=hunter2#x", "http://cam/?Token=***#x"},
		{"a recorder's path", "rtsp://10.0.0.2/user=admin_password=hunter2_channel=1_stream=0.sdp", "rtsp://10.0.0.2/user=***_password=***_channel=1_stream=0.sdp"},
		{"in a sentence", `open "rtsp://a:hunter2@cam/x": refused (rtsp://a:hunter2@cam/y)`, `open "rtsp://cam/x": refused (rtsp://cam/y)`},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if got := Redact(r.in); got != r.want {
				t.Errorf("Redact(%q) = %q, want %q", r.in, got, r.want)
			}
		})
	}
}

func TestOpenRelative(t *testing.T) {
	dir := folder(t)
	src, err := Open(context.Background(), "file:img2.jpg", Options{Dir: dir, Speed: Max})
	if err != nil {
		t.Fatal(err)
	}
	_ = src.Close()
	if _, err := Open(context.Background(), "file:img3.jpg", Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v does not tell where it looked", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Open(ctx, "file:img2.jpg", Options{Dir: dir}); err == nil {
		t.Error("opened with an ended ctx")
	}
}

func TestParseSpeed(t *testing.T) {
	for s, want := range map[string]Speed{"realtime": Realtime, "max": Max} {
		if got, err := ParseSpeed(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	if _, err := ParseSpeed("fast"); err == nil || !strings.Contains(err.Error(), "realtime or max") {
		t.Errorf("fast: %v", err)
	}
}

func FuzzSpec(f *testing.F) {
	for _, s := range []string{"", "file:a", "test:?size=64x48&fps=1", "rtsp://u:p@h/x?pwd=1", "test:?%zz", "a@b://c@d", "[", "file:[a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parse(s)
		if err == nil && p.kind == kindTest {
			c := p.pattern
			if c.size.X%2 != 0 || c.size.Y%2 != 0 || !c.size.In(image.Rect(32, 32, 8193, 8193)) || !(c.fps > 0) {
				t.Errorf("%q gives %+v", s, c)
			}
		}
		if once := Redact(s); Redact(once) != once {
			t.Errorf("Redact is not stable on %q: %q, %q", s, once, Redact(once))
		}
	})
}
