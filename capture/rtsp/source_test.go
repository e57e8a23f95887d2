package rtsp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yfv2d/capture"
	"yfv2d/capture/capturetest"
	"yfv2d/capture/live"
	"yfv2d/capture/rtsp"
	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for what should come soon. It is no measure of speed.
const patience = time.Minute

func parse(t testing.TB, url string) rtsp.Config {
	t.Helper()
	cfg, err := rtsp.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t testing.TB, cfg rtsp.Config) pipeline.Source {
	t.Helper()
	src, err := rtsp.Open(context.Background(), cfg, live.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		counts := src.(pipeline.UnitCounter).UnitCounts()
		if counts.Units < counts.DecodeError+counts.NotDecoded {
			t.Errorf("ledger %+v", counts)
		}
	})
	return src
}

// shot is a frame's picture, stamp and time.
type shot struct {
	counter uint32
	at      time.Time // of capture
	read    time.Time
	size    string
	pix     []byte
}

// read reads one frame. ok is false if it shows no stamp.
func read(t testing.TB, src pipeline.Source) (shot, error) {
	t.Helper()
	f := pipeline.NewFrame()
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := src.Read(ctx, f); err != nil {
		return shot{}, err
	}
	if late := time.Since(f.At); late < 0 || late > patience {
		t.Errorf("a frame is dated %v ago", late)
	}
	n, _, ok := capture.ReadStamp(f)
	if !ok {
		n = math.MaxUint32
	}
	return shot{n, f.At, time.Now(), fmt.Sprintf("%dx%d", f.Size().X, f.Size().Y), bytes.Clone(f.Pix())}, nil
}

func mustRead(t testing.TB, src pipeline.Source) shot {
	t.Helper()
	s, err := read(t, src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pattern is the test pattern as it was drawn, before any codec.
func pattern(t testing.TB, size string, frames int) [][]byte {
	t.Helper()
	return decoded(t, fmt.Sprintf("test:?fps=15&objects=0&size=%s", size), frames)
}

// decoded are the first frames of a recorded source.
func decoded(t testing.TB, spec string, n int) (frames [][]byte) {
	t.Helper()
	src, err := capture.Open(context.Background(), spec, capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for range n {
		if err := src.Read(context.Background(), f); err != nil {
			t.Fatalf("frame %d of %s: %v", len(frames), spec, err)
		}
		frames = append(frames, bytes.Clone(f.Pix()))
	}
	return frames
}

const demoFile = "../../testdata/videos/demo-640x480.mp4"

// demo is the demo clip as OpenCV decodes it.
func demo(t testing.TB) [][]byte {
	t.Helper()
	return decoded(t, "file:"+demoFile, 300)
}

// psnr leaves out the stamp, which holds the time of drawing.
func psnr(a, b []byte) float64 {
	if len(a) != len(b) {
		return 0
	}
	sum, from := 0.0, len(a)*2/3/8
	for i := from; i < len(a); i++ {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	if sum == 0 {
		return 99
	}
	return 10 * math.Log10(255*255*float64(len(a)-from)/sum)
}

// TestStreams plays each clip by each way, and compares what comes with what was drawn.
func TestStreams(t *testing.T) {
	t.Parallel()
	cert := newCertificate(t)
	h264 := rtsptest.PatternH264().First(2 * time.Second)
	rows := []struct {
		name      string
		cam       rtsptest.Config
		transport rtsp.Transport
	}{
		{"H.264", rtsptest.Config{Clip: h264}, rtsp.TCP},
		{"H.264, Digest", rtsptest.Config{Clip: h264, User: "admin", Password: "p@ss:w/o#r?d%"}, rtsp.TCP},
		{"H.264, Basic", rtsptest.Config{Clip: h264, User: "admin", Password: "secret", Auth: rtsptest.Basic}, rtsp.TCP},
		{"H.264, UDP, Digest", rtsptest.Config{Clip: h264, User: "admin", Password: "secret", UDP: true}, rtsp.UDP},
		{"H.264, auto", rtsptest.Config{Clip: h264, UDP: true}, rtsp.Auto},
		{"H.264, TLS", rtsptest.Config{Clip: h264, TLS: cert.server, User: "admin", Password: "secret"}, rtsp.TCP},
		{"H.264, TLS, UDP", rtsptest.Config{Clip: h264, TLS: cert.server, UDP: true}, rtsp.UDP},
		{"H.264, parameter sets in the SDP", rtsptest.Config{Clip: h264, OutOfBand: true}, rtsp.TCP},
		{"H.265", rtsptest.Config{Clip: rtsptest.PatternH265()}, rtsp.TCP},
		{"H.265, UDP", rtsptest.Config{Clip: rtsptest.PatternH265(), UDP: true}, rtsp.UDP},
		{"H.265, parameter sets in the SDP", rtsptest.Config{Clip: rtsptest.PatternH265(), OutOfBand: true}, rtsp.TCP},
		{"MJPEG", rtsptest.Config{Clip: rtsptest.PatternMJPEG()}, rtsp.TCP},
		{"MJPEG, UDP", rtsptest.Config{Clip: rtsptest.PatternMJPEG(), UDP: true}, rtsp.UDP},
	}
	want := pattern(t, "192x144", 150)
	var all sync.WaitGroup
	defer all.Wait()
	for _, r := range rows {
		atOnce(t, &all, r.name, func(t *testing.T) {
			cam := rtsptest.Start(t, r.cam)
			cfg := parse(t, cam.URL())
			cfg.Transport, cfg.Fingerprint = r.transport, cert.sum
			src := open(t, cfg)
			worst := inOrder(t, collect(t, src, 20), want[:len(r.cam.Clip.Units)], r.cam.Clip.Interval)
			t.Logf("worst PSNR against what was drawn: %.1f dB", worst)
			if worst < 30 {
				t.Errorf("PSNR of %.1f dB", worst)
			}
		})
	}
}

// collect reads frames as fast as they come, to be looked at later: a source leaves out pictures for a slow reader.
func collect(t testing.TB, src pipeline.Source, n int) (shots []shot) {
	t.Helper()
	for range n {
		shots = append(shots, mustRead(t, src))
	}
	return shots
}

// inOrder finds each shot among the pictures of a clip that is played round and round, asserts that they come in order, and
// gives the worst PSNR. A slow machine may leave some out, but the clip begins anew no more often than time allows.
func inOrder(t testing.TB, shots []shot, clip [][]byte, interval time.Duration) float64 {
	t.Helper()
	worst, last, rounds := 99.0, -1, 0
	for i, s := range shots {
		at := int(s.counter)
		if s.counter == math.MaxUint32 {
			at = nearest(s.pix, clip)
		}
		if at >= len(clip) {
			t.Fatalf("picture %d shows counter %d of %d", i, at, len(clip))
		}
		if i > 0 && !s.at.After(shots[i-1].at) {
			t.Errorf("picture %d is of %v before the one before", i, shots[i-1].at.Sub(s.at))
		}
		if at <= last {
			rounds++
		}
		worst, last = min(worst, psnr(s.pix, clip[at])), at
	}
	passed := shots[len(shots)-1].read.Sub(shots[0].read)
	if most := 2 + int(passed/(interval*time.Duration(len(clip)))); rounds > most {
		t.Errorf("the clip began anew %d times in %v, want no more than %d", rounds, passed, most)
	}
	return worst
}

// TestDemoClip compares the demo clip over RTSP with the same file read by OpenCV.
func TestDemoClip(t *testing.T) {
	t.Parallel()
	clip, err := rtsptest.LoadMP4(demoFile)
	if err != nil {
		t.Fatal(err)
	}
	cam := rtsptest.Start(t, rtsptest.Config{Clip: clip})
	shots := collect(t, open(t, parse(t, cam.URL())), 40)
	worst := inOrder(t, shots, demo(t), clip.Interval)
	t.Logf("worst PSNR against the file: %.1f dB", worst)
	if worst < 30 {
		t.Errorf("PSNR of %.1f dB", worst)
	}
}

// nearest finds a picture by a part of its pixels.
func nearest(pix []byte, frames [][]byte) (at int) {
	best := math.MaxInt
	for i, f := range frames {
		sum := 0
		for j := 0; j < len(f); j += 211 {
			d := int(pix[j]) - int(f[j])
			sum += d * d
		}
		if sum < best {
			at, best = i, sum
		}
	}
	return at
}

func TestContract(t *testing.T) {
	cam := rtsptest.Start(t, rtsptest.Config{Clip: rtsptest.PatternH264().First(200 * time.Millisecond), User: "admin", Password: "secret", UDP: true})
	refused := func(change func(string) string) func(testing.TB) (pipeline.Source, error) {
		return func(t testing.TB) (pipeline.Source, error) {
			return rtsp.Open(context.Background(), parse(t, change(cam.URL())), live.Options{})
		}
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	broken := []capturetest.Broken{
		{Name: "wrong password", Open: refused(replace("secret", "guessed")), Says: "/stream: wrong user name or password (401)"},
		{Name: "no password", Open: refused(replace("admin:secret@", "")), Says: "wants a user name and a password (401)"},
		{Name: "no such stream", Open: refused(replace("/stream", "/steam")), Says: "/steam: no such stream (404)"},
		{Name: "nobody there", Open: refused(replace(cam.Addr(), "127.0.0.1:1")), Says: "nothing answers at 127.0.0.1:1"},
	}
	for _, transport := range []rtsp.Transport{rtsp.TCP, rtsp.UDP} {
		t.Run(transport.String(), func(t *testing.T) {
			capturetest.Run(t, capturetest.Contract{
				Open: func(t testing.TB) pipeline.Source {
					t.Helper()
					cfg := parse(t, cam.URL())
					cfg.Transport = transport
					src, err := rtsp.Open(context.Background(), cfg, live.Options{})
					if err != nil {
						t.Fatal(err)
					}
					return src
				},
				Broken: broken,
			})
		})
	}
	for deadline := time.Now().Add(patience); cam.Sessions() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are left over at the camera", cam.Sessions())
		}
	}
}

// refusal asserts that an error is a refusal.
func refusal(t testing.TB, err error, says string) {
	t.Helper()
	var r *live.Refused
	if !errors.As(err, &r) || !strings.Contains(err.Error(), says) {
		t.Errorf("error %v, want a refusal that says %q", err, says)
	}
}
