package child_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yfv2d/capture"
	"yfv2d/capture/capturetest"
	"yfv2d/capture/child"
	"yfv2d/capture/child/childtest"
	"yfv2d/capture/live"
	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/pipeline"
)

func TestMain(m *testing.M) {
	childtest.Main()
	goleak.VerifyTestMain(m)
}

// patience is for what should come soon. It is no measure of speed.
const patience = 30 * time.Second

func tryOpen(spec string, opt live.Options) (pipeline.Source, error) {
	cfg, err := child.Parse(spec)
	if err != nil {
		return nil, err
	}
	return child.Open(context.Background(), cfg, opt)
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

// closeSource closes a source, which must not take long.
func closeSource(t testing.TB, src pipeline.Source) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- src.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("close: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Close hangs")
	}
	if u, ok := src.(pipeline.UnitCounter); ok {
		if c := u.UnitCounts(); c.Units < c.DecodeError+c.NotDecoded {
			t.Errorf("ledger %+v", c)
		}
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

func readUntilError(t testing.TB, src pipeline.Source) error {
	t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); {
		if _, err := read(t, src); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	t.Fatal("no error came")
	return nil
}

// drawn are the frames of the test pattern.
func drawn(t testing.TB, size string, frames int) (list [][]byte) {
	t.Helper()
	src, err := capture.Open(context.Background(), fmt.Sprintf("test:?fps=15&objects=0&size=%s&frames=%d", size, frames), capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	f := pipeline.NewFrame()
	defer f.Close()
	for src.Read(context.Background(), f) == nil {
		list = append(list, bytes.Clone(f.Pix()))
	}
	return list
}

const quick = 20 * time.Millisecond

// pixels is a clip of raw pictures.
func pixels(t testing.TB, size string, format string) childtest.Clip {
	c := childtest.Clip{Format: format, Interval: quick}
	var w, h int
	_, _ = fmt.Sscanf(size, "%dx%d", &w, &h)
	for _, p := range drawn(t, size, 15) {
		if format == "nv12" {
			u, v := p[w*h:w*h*5/4], p[w*h*5/4:]
			n := append([]byte(nil), p[:w*h]...)
			for i := range u {
				n = append(n, u[i], v[i])
			}
			p = n
		}
		c.Units = append(c.Units, childtest.Unit{Key: true, Data: p})
	}
	return c
}

// coded is a clip of access units.
func coded(c rtsptest.Clip, format string) childtest.Clip {
	out := childtest.Clip{Format: format, Codec: string(c.Codec), Interval: quick}
	for _, u := range c.Units {
		out.Units = append(out.Units, childtest.Unit{Key: u.Key, Data: u.Data})
	}
	return out
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

// clips are all kinds, of 192x144, with their options.
func clips(t testing.TB) map[string]childtest.Clip {
	h264, h265 := rtsptest.PatternH264().First(2*time.Second), rtsptest.PatternH265()
	return map[string]childtest.Clip{
		"?format=i420&size=192x144": pixels(t, "192x144", "i420"),
		"?format=nv12&size=192x144": pixels(t, "192x144", "nv12"),
		"?format=mjpeg":             coded(rtsptest.PatternMJPEG(), "mjpeg"),
		"?format=mpegts":            coded(h264, "mpegts"),
		"?format=h264":              coded(h264, "h264"),
		"?format=h265":              coded(h265, "h265"),
		"?format=auto&fps=50":       coded(rtsptest.PatternMJPEG(), "mjpeg"),
		"?fps=50":                   coded(h264, "mpegts"),
		"?format=auto":              coded(h265, "mpegts"),
		"":                          coded(h264, "h264"),
		"?":                         coded(h265, "h265"),
	}
}

func TestStreams(t *testing.T) {
	frames := drawn(t, "192x144", 30)
	for options, clip := range clips(t) {
		t.Run(options+" "+clip.Format+" "+clip.Codec, func(t *testing.T) {
			t.Parallel()
			src := open(t, "exec:"+options+" "+childtest.New(t, clip).Command())
			var last shot
			for i := range 40 {
				s := mustRead(t, src)
				if int(s.counter) >= len(frames) {
					t.Fatalf("frame %d shows no stamp", i)
				}
				if db := psnr(s.pix, frames[s.counter]); db < 30 {
					t.Errorf("frame %d, stamp %d: %.1f dB", i, s.counter, db)
				}
				if i > 0 && !s.at.After(last.at) {
					t.Errorf("frame %d is of %v, the one before of %v", i, s.at, last.at)
				}
				last = s
			}
			if u, ok := src.(pipeline.UnitCounter); ok {
				if c := u.UnitCounts(); c.DecodeError > 0 {
					t.Errorf("decode errors: %+v", c)
				}
			}
			if p := src.(pipeline.Pulser).Pulse(); p.Interval <= 0 || time.Since(p.Data) > patience {
				t.Errorf("pulse %+v", p)
			}
		})
	}
}

// children are this process's children, also those that have ended and were not waited for.
func children(t testing.TB) (list []int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		for _, f := range strings.Fields(string(b)) {
			n, _ := strconv.Atoi(f)
			list = append(list, n)
		}
	}
	return list
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestContract(t *testing.T) {
	broken := func(name, spec, says string) capturetest.Broken {
		return capturetest.Broken{Name: name, Says: says, Open: func(testing.TB) (pipeline.Source, error) { return tryOpen(spec, live.Options{}) }}
	}
	noProgram := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(noProgram, []byte("no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	notAllowed := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notAllowed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := []capturetest.Broken{
		broken("no program", "exec:no-such-program -x", "exec: no-such-program: there is no such program"),
		broken("no such path", "exec:/no/such/program", "exec: program: there is no such program"),
		broken("not executable", "exec:"+notAllowed, "exec: text: it may not be run"),
		broken("no program in it", "exec:"+noProgram, "exec: program: cannot be started: exec format error"),
		broken("fails", "exec:sh -c 'echo one >&2; echo \"rtsp://u:hunter2@cam/ failed\" >&2; exit 7'", "exec: sh: exited with 7: rtsp://cam/ failed"),
		broken("ends", "exec:true", "exec: true: ended, as a camera should not (exit status 0)"),
		broken("raw, ends", "exec:?format=i420&size=64x48 head -c 3000 /dev/zero", "exec: head: ended"),
		broken("killed", "exec:sh -c 'kill -9 $$'", "exec: sh: was killed by SIGKILL"),
		broken("text", "exec:sh -c 'echo this is no picture; exec sleep 100'", `exec: sh: it writes text, "this is no picture": want MJPEG`),
		broken("noise", "exec:cat /bin/true", "exec: cat: it writes what begins with 7f 45 4c 46"),
		broken("endless text as MJPEG", "exec:?format=mjpeg yes", "exec: yes: no JPEG picture in 8 MiB of data"),
		broken("malformed", "exec:?format=i420 x", "size"),
	}
	before := len(children(t))
	for options, clip := range clips(t) {
		if !strings.Contains(options, "format=") || strings.Contains(options, "auto") {
			continue // those differ in how they begin only
		}
		t.Run(clip.Format, func(t *testing.T) {
			spec := "exec:" + options + " " + pour(t, "", written(t, clip))
			capturetest.Run(t, capturetest.Contract{Format: pipeline.I420, Sizes: []image.Point{{X: 192, Y: 144}}, Broken: bad, Open: opener(spec)})
			bad = nil // once is enough
		})
	}
	if n := len(children(t)); n != before {
		t.Errorf("%d children, %d before", n, before)
	}
}

func opener(spec string) func(t testing.TB) pipeline.Source {
	return func(t testing.TB) pipeline.Source {
		src, err := tryOpen(spec, live.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
}

// written is a clip as a program writes it.
func written(t testing.TB, c childtest.Clip) []byte {
	t.Helper()
	b, err := c.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pour is a command that writes a file over and over: it starts sooner than a test's binary. With a path, it is a script there.
func pour(t testing.TB, path string, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	loop := fmt.Sprintf(`while /bin/cat "%s"; do /bin/sleep 0.02; done`, name)
	if path != "" {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+loop+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return "/bin/sh -c '" + loop + "'"
}

func TestContractOfTheCamera(t *testing.T) {
	dir := t.TempDir()
	clip := pixels(t, "192x144", "i420")
	cam := childtest.Camera{Width: 192, Height: 144, Stride: 256}
	var data []byte
	for _, u := range clip.Units {
		data = append(data, cam.Pad(u.Data)...)
	}
	pour(t, filepath.Join(dir, "rpicam-vid"), data)
	t.Setenv("PATH", dir)
	broken := []capturetest.Broken{{Name: "not installed", Says: "libcamera: rpicam-vid is not installed: apt install rpicam-apps", Open: func(t testing.TB) (pipeline.Source, error) {
		_ = os.Setenv("PATH", t.TempDir())
		defer os.Setenv("PATH", dir)
		src, err := tryOpen("libcamera:", live.Options{})
		var refused *live.Refused
		if !errors.As(err, &refused) {
			t.Errorf("%v is not refused", err)
		}
		return src, err
	}}}
	capturetest.Run(t, capturetest.Contract{Format: pipeline.I420, Sizes: []image.Point{{X: 192, Y: 144}}, Broken: broken,
		Open: opener("libcamera:?size=192x144&fps=50&stride=256")})
}

// A program that is slow to begin is not taken for one that hangs.
func TestSlowToBegin(t *testing.T) {
	for _, spec := range []string{"exec:sleep 60", "exec:?format=i420&size=64x48 sleep 60"} {
		src := open(t, spec)
		p := src.(pipeline.Pulser).Pulse()
		if late := time.Until(p.Data); late < 5*time.Second || late > live.DefaultOpenTimeout {
			t.Errorf("%s: heard of in %v, want 7 s less what has passed", spec, late)
		}
	}
}
