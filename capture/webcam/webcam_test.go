package webcam_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yfv2d/capture"
	"yfv2d/capture/capturetest"
	"yfv2d/capture/live"
	"yfv2d/capture/webcam"
	"yfv2d/capture/webcam/webcamtest"
	"yfv2d/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for what should come soon. It is no measure of speed.
const patience = 30 * time.Second

func parse(t testing.TB, spec string) webcam.Config {
	t.Helper()
	cfg, err := webcam.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func tryOpen(spec string, opt live.Options) (pipeline.Source, error) {
	cfg, err := webcam.Parse(spec)
	if err != nil {
		return nil, err
	}
	return webcam.Open(context.Background(), cfg, opt)
}

func open(t testing.TB, spec string) pipeline.Source {
	t.Helper()
	src, err := tryOpen(spec, live.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSource(t, src) })
	return src
}

func closeSource(t testing.TB, src pipeline.Source) {
	t.Helper()
	if err := src.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	c := src.(pipeline.UnitCounter).UnitCounts()
	if c.Units < c.DecodeError+c.NotDecoded {
		t.Errorf("ledger %+v", c)
	}
}

// shot is a frame's stamp, time and picture.
type shot struct {
	counter uint32
	at      time.Time
	size    image.Point
	pix     []byte
}

// read reads one frame; its counter is MaxUint32 if it shows no stamp.
func read(t testing.TB, src pipeline.Source) (shot, error) {
	t.Helper()
	f := pipeline.NewFrame()
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := src.Read(ctx, f); err != nil {
		return shot{}, err
	}
	if f.At.After(time.Now()) {
		t.Errorf("a frame is dated %v into the future", time.Until(f.At))
	}
	n, _, ok := capture.ReadStamp(f)
	if !ok {
		n = math.MaxUint32
	}
	return shot{n, f.At, f.Size(), bytes.Clone(f.Pix())}, nil
}

func mustRead(t testing.TB, src pipeline.Source) shot {
	t.Helper()
	s, err := read(t, src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drawn are the frames of the test pattern.
func drawn(t testing.TB, size string, frames string) (list []shot) {
	t.Helper()
	src, err := capture.Open(context.Background(), "test:?fps=15&size="+size+"&frames="+frames, capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for src.Read(context.Background(), f) == nil {
		list = append(list, shot{uint32(len(list)), f.At, f.Size(), bytes.Clone(f.Pix())})
	}
	return list
}

// encoded are the same as JPEG files of full range.
func encoded(t testing.TB, list []shot) (files [][]byte) {
	t.Helper()
	for _, s := range list {
		n := s.size.X * s.size.Y
		m := image.NewYCbCr(image.Rectangle{Max: s.size}, image.YCbCrSubsampleRatio420)
		for i, v := range s.pix[:n] {
			m.Y[i] = full(v, 16, 219)
		}
		for i, v := range s.pix[n : n+n/4] {
			m.Cb[i] = full(v, 128, 224)
		}
		for i, v := range s.pix[n+n/4:] {
			m.Cr[i] = full(v, 128, 224)
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 92}); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

// full makes full range of limited: around zero, span wide. Chroma's zero stays where it is.
func full(v byte, zero, span float64) byte {
	base := 0.0
	if zero == 128 {
		base = 128
	}
	return byte(math.Round(min(255, max(0, base+(float64(v)-zero)*255/span))))
}

func files(t testing.TB, size string) [][]byte { return encoded(t, drawn(t, size, "15")) }

func psnr(a, b []byte) float64 {
	if len(a) != len(b) {
		return 0
	}
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	if sum == 0 {
		return 99
	}
	return 10 * math.Log10(255*255*float64(len(a))/sum)
}

func TestStreams(t *testing.T) {
	frames := drawn(t, "192x144", "15")
	pics := encoded(t, frames)
	noEnd := make([][]byte, len(pics))
	for i, p := range pics {
		noEnd[i] = p[:len(p)-2]
	}
	rows := []struct {
		name string
		cam  webcamtest.Config
	}{
		{"plain", webcamtest.Config{}},
		{"no lengths", webcamtest.Config{Length: webcamtest.None}},
		{"lengths too small", webcamtest.Config{Length: webcamtest.TooSmall}},
		{"lengths too large", webcamtest.Config{Length: webcamtest.TooLarge}},
		{"quoted boundary", webcamtest.Config{ContentType: `multipart/x-mixed-replace;boundary="frame"`}},
		{"boundary with dashes", webcamtest.Config{ContentType: `multipart/x-mixed-replace; boundary=--frame`}},
		{"boundary with spaces", webcamtest.Config{ContentType: "multipart/x-mixed-replace; boundary=--my cam--", Delimiter: "----my cam--"}},
		{"another boundary than told", webcamtest.Config{Delimiter: "--other"}},
		{"no boundary", webcamtest.Config{ContentType: "multipart/x-mixed-replace"}},
		{"no type", webcamtest.Config{ContentType: "none"}},
		{"octets", webcamtest.Config{ContentType: "application/octet-stream"}},
		{"motion JPEG", webcamtest.Config{ContentType: "video/x-motion-jpeg"}},
		{"no end markers", webcamtest.Config{Pictures: noEnd}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if r.cam.Pictures == nil {
				r.cam.Pictures = pics
			}
			r.cam.Interval = 20 * time.Millisecond
			cam := webcamtest.Start(t, r.cam)
			src := open(t, cam.URL("/stream"))
			var last shot
			for i := range 20 {
				s := mustRead(t, src)
				if int(s.counter) >= len(frames) {
					t.Fatalf("frame %d shows no stamp", i)
				}
				if db := psnr(s.pix, frames[s.counter].pix); db < 30 {
					t.Errorf("frame %d, stamp %d: %.1f dB", i, s.counter, db)
				}
				if i > 0 && !s.at.After(last.at) {
					t.Errorf("frame %d is of %v, the one before of %v", i, s.at, last.at)
				}
				last = s
			}
			if c := src.(pipeline.UnitCounter).UnitCounts(); c.DecodeError > 0 {
				t.Errorf("decode errors: %+v", c)
			}
		})
	}
}

func TestStillPictures(t *testing.T) {
	t.Parallel()
	frames := drawn(t, "192x144", "5")
	cam := webcamtest.Start(t, webcamtest.Config{Pictures: encoded(t, frames)[:1], User: "u", Password: "p"})
	src := open(t, cam.URL("/picture#fps=50"))
	for i := range 5 {
		s := mustRead(t, src)
		if s.counter != 0 || psnr(s.pix, frames[0].pix) < 30 {
			t.Errorf("picture %d: stamp %d, %.1f dB", i, s.counter, psnr(s.pix, frames[0].pix))
		}
	}
	if n := cam.Conns(); n != 1 {
		t.Errorf("%d connections, want one that is kept", n)
	}
	if p := src.(pipeline.Pulser).Pulse(); p.Interval != 20*time.Millisecond {
		t.Errorf("interval %v", p.Interval)
	}
	asked := cam.Requests()
	for i, r := range asked[1:] {
		if r.Authorization == "" {
			t.Errorf("question %d came without the nonce that was good before", i+2)
		}
	}
	if one := parse(t, cam.URL("/picture")); one.FPS != 0 {
		t.Errorf("fps %v", one.FPS)
	}
}

func TestPasswords(t *testing.T) {
	pics := files(t, "192x144")
	for name, auth := range map[string]webcamtest.Auth{"MD5": webcamtest.DigestMD5, "SHA-256": webcamtest.DigestSHA256, "MD5-sess": webcamtest.DigestSession,
		"RFC 2069": webcamtest.DigestOld, "several": webcamtest.DigestBoth, "Basic": webcamtest.Basic} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cam := webcamtest.Start(t, webcamtest.Config{Pictures: pics, User: `ad"min`, Password: "p@ss:w/o#r?d%&", Auth: auth})
			mustRead(t, open(t, cam.URL("/stream?x=1&y=%20")))
			src := open(t, cam.URL("/picture?x=1#fps=50"))
			for range 4 {
				mustRead(t, src)
			}
			first := cam.Requests()[0]
			if first.Authorization != "" {
				t.Error("the password was sent unasked")
			}
			raw := `http://ad"min:p@ss:w/o#r?d%&@` + cam.Addr() + "/stream"
			mustRead(t, open(t, raw))
			_, err := tryOpen(strings.Replace(raw, "p@ss", "pass", 1), live.Options{})
			var refused *live.Refused
			if !errors.As(err, &refused) || err.Error() != "http://"+cam.Addr()+"/stream: wrong user name or password (401)" {
				t.Errorf("wrong password: %v", err)
			}
			_, err = tryOpen("http://"+cam.Addr()+"/stream", live.Options{})
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), "wants a user name and a password (401)") {
				t.Errorf("no password: %v", err)
			}
		})
	}
	t.Run("nonces that serve once", func(t *testing.T) {
		cam := webcamtest.Start(t, webcamtest.Config{Pictures: pics, User: "u", Password: "p", OneNonce: true})
		src := open(t, cam.URL("/picture#fps=50"))
		for range 4 {
			mustRead(t, src)
		}
	})
	t.Run("unknown kind", func(t *testing.T) {
		cam := webcamtest.Start(t, webcamtest.Config{Pictures: pics, User: "u", Password: "p", Auth: webcamtest.Bearer})
		_, err := tryOpen(cam.URL("/stream"), live.Options{})
		var refused *live.Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "Digest and Basic are") {
			t.Errorf("%v", err)
		}
	})
}

func TestContract(t *testing.T) {
	pics := files(t, "192x144")
	start := func(cfg webcamtest.Config) *webcamtest.Server {
		cfg.Interval = 5 * time.Millisecond
		if cfg.Pictures == nil {
			cfg.Pictures = pics
		}
		return webcamtest.Start(t, cfg)
	}
	cam, other := start(webcamtest.Config{User: "u", Password: "secret"}), start(webcamtest.Config{})
	broken := func(name, spec, says string) capturetest.Broken {
		return capturetest.Broken{Name: name, Says: says, Open: func(testing.TB) (pipeline.Source, error) {
			src, err := tryOpen(spec, live.Options{OpenTimeout: 2 * time.Second})
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error holds the password: %v", err)
			}
			return src, err
		}}
	}
	bad := []capturetest.Broken{
		broken("page", cam.URL("/page"), cam.Addr()+"/page: the answer is text/html: is this the camera's page and not its stream?"),
		broken("video", other.URL("/video"), `the answer is "video/mp4"`),
		broken("none", other.URL("/nothing"), "no such picture or stream (404)"),
		broken("forbidden", other.URL("/forbidden"), "this user may not see the picture (403)"),
		broken("busy", other.URL("/busy"), "the camera is busy (503)"),
		broken("password", strings.Replace(cam.URL("/stream"), "secret", "wrong", 1), "wrong user name or password (401)"),
		broken("nobody", "http://u:secret@127.0.0.1:1/stream", "http://127.0.0.1:1/stream: nothing answers at 127.0.0.1:1"),
		broken("no name", "http://u:secret@no-such-host.invalid/stream", "no-such-host.invalid"),
		broken("not TLS", "https://"+other.Addr()+"/stream", "does not speak TLS"),
		broken("malformed", "http://u:secret@host:99999/stream", `port "99999"`),
		broken("round and round", other.URL("/redirect?to=/redirect%3Fto%3D/redirect"), "redirect"),
	}
	open := func(spec string) func(t testing.TB) pipeline.Source {
		return func(t testing.TB) pipeline.Source {
			src, err := tryOpen(spec, live.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return src
		}
	}
	sizes := []image.Point{{X: 192, Y: 144}}
	t.Run("MJPEG", func(t *testing.T) {
		capturetest.Run(t, capturetest.Contract{Open: open(cam.URL("/stream")), Format: pipeline.I420, Sizes: sizes, Broken: bad})
	})
	t.Run("JPEG", func(t *testing.T) {
		capturetest.Run(t, capturetest.Contract{Open: open(cam.URL("/picture#fps=60")), Format: pipeline.I420, Sizes: sizes})
	})
}
