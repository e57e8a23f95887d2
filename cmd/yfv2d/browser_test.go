package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/rs/zerolog"

	"yfv2d/cmd/yfv2d/config"
	"yfv2d/infer"
)

// served is a daemon that runs.
type served struct {
	t    *testing.T
	d    *daemon
	url  string
	stop func() // waits for the end and closes all; may be called twice
}

// serve runs the real daemon over a configuration.
func serve(t *testing.T, listen, cameras string) *served {
	t.Helper()
	cfg := testConfig(t, listen, cameras)
	read := func() (*config.Config, error) { return loadConfig(cfg.Path, configHooks()) }
	d, err := newDaemon(cfg, read, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return serveDaemon(t, d)
}

func testConfig(t *testing.T, listen, cameras string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	text := fmt.Sprintf("[server]\nlisten = [%q]\n\n[webrtc]\nport = 0\n\n%s", listen, cameras)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := loadConfig(path, configHooks())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func serveDaemon(t *testing.T, d *daemon) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	select {
	case <-d.server.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("daemon ended: %v", err)
	}
	s := &served{t: t, d: d, url: d.server.URLs()[0]}
	stopped := false
	s.stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			t.Errorf("daemon: %v", err)
		}
		if err := d.close(); err != nil {
			t.Errorf("close daemon: %v", err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

// demo is the clip that the project ships, as a camera.
func demo(t *testing.T) string {
	t.Helper()
	clip, err := filepath.Abs(filepath.Join("..", "..", "testdata", "videos", "demo-640x480.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("[[camera]]\nname = \"demo\"\nsource = %q\nloop = true\n", "file:"+clip)
}

func (s *served) camera(name string) *camera {
	for _, c := range s.d.fleet.list() {
		if c.name == name {
			return c
		}
	}
	s.t.Fatalf("no camera %q", name)
	return nil
}

// waitUnwatched waits until nobody watches and nothing is encoded.
func (s *served) waitUnwatched(name string) {
	s.t.Helper()
	preview := s.camera(name).preview
	waitUntil(s.t, "the encoder has stopped", func() bool {
		st := preview.Stats()
		return st.Viewers == 0 && !st.EncoderRunning && s.d.whep.Viewers(name) == 0
	})
}

// TestBrowser opens the page as a person does, over the demo clip and the model that the binary brings along.
func TestBrowser(t *testing.T) {
	b := openBrowser(t)
	s := serve(t, "127.0.0.1:0", demo(t)+"\n[[camera]]\nname = \"gone\"\nsource = \"file:no/such/clip.mp4\"\n")
	b.open(s.url, "demo")

	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"plays", func(t *testing.T) { b.waitFrames("demo", 60) }},
		{"boxes are where the truth says", func(t *testing.T) { checkDemoBoxes(t, b) }},
		{"no box is seen where none is drawn", func(t *testing.T) { checkNoBoxes(t, s) }},
		{"facts are shown", func(t *testing.T) { checkFacts(t, b, s) }},
		{"the encoder serves one viewer", func(t *testing.T) { checkWatched(t, s) }},
		{"a reload connects again", func(t *testing.T) {
			b.do(chromedp.Reload())
			b.waitPlaying("demo")
			b.waitFrames("demo", 10)
			waitUntil(t, "one viewer is left", func() bool { return s.d.whep.Viewers("demo") == 1 })
		}},
		{"the encoder stops after leaving", func(t *testing.T) { checkUnwatched(t, b, s) }},
		{"a server that comes back is found again", func(t *testing.T) {
			b.open(s.url, "demo")
			listen := s.d.server.Addrs()[0].String()
			s.stop()
			b.waitFor("the page tells that the server is away", `!document.getElementById('offline').hidden`)
			s = serve(t, listen, demo(t))
			b.waitPlaying("demo")
			b.waitFrames("demo", 10)
			b.waitFor("the page tells that the server is back", `document.getElementById('offline').hidden`)
			b.waitFor("the camera that is no more has gone", `!`+cardOf("gone", ""))
			b.leave()
			s.waitUnwatched("demo")
			s.stop()
		}},
	}
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			return // the next steps build upon it
		}
	}
}

// checkDemoBoxes looks for the two people's boxes in the pixels that the browser shows.
func checkDemoBoxes(t *testing.T, b *browser) {
	truth := readDemoTruth(t, filepath.Join("..", "..", "testdata", "videos", "demo-640x480.jsonl"))
	found := make([]bool, len(truth[0].Boxes))
	var iou float32
	for try := 0; try < 300 && !all(found); try++ {
		img := b.picture("demo")
		if img.Bounds().Size() != image.Pt(640, 480) {
			t.Fatalf("picture of %v", img.Bounds())
		}
		for i := range found {
			want := meanBox(truth, i)
			if box, ok := drawnBox(img, want); ok && box.IoU(want) >= 0.5 {
				found[i], iou = true, box.IoU(want)
				t.Logf("person %d: drawn %v, true about %v, IoU %.2f, picture %d", i, box, want, iou, try)
			}
		}
	}
	if !all(found) {
		t.Errorf("no box drawn around people %v", found)
	}
}

// checkNoBoxes holds the eye of checkDemoBoxes to a picture without boxes.
func checkNoBoxes(t *testing.T, s *served) {
	ctx, cancel := context.WithTimeout(context.Background(), browserLimit)
	defer cancel()
	still, _, err := s.camera("demo").preview.Snapshot(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	img, err := jpeg.Decode(bytes.NewReader(still))
	if err != nil {
		t.Fatal(err)
	}
	truth := readDemoTruth(t, filepath.Join("..", "..", "testdata", "videos", "demo-640x480.jsonl"))
	for i := range truth[0].Boxes {
		if box, ok := drawnBox(nrgba(img), meanBox(truth, i)); ok {
			t.Errorf("a box %v around person %d of a picture without boxes", box, i)
		}
	}
}

// meanBox is the middle of where an object of the clip is: both people move little.
func meanBox(truth []demoTruth, i int) infer.Box {
	var m infer.Box
	for _, line := range truth {
		b := line.Boxes[i].Box
		m.X0, m.Y0, m.X1, m.Y1 = m.X0+b[0], m.Y0+b[1], m.X1+b[2], m.Y1+b[3]
	}
	n := float32(len(truth))
	return infer.Box{X0: m.X0 / n, Y0: m.Y0 / n, X1: m.X1 / n, Y1: m.Y1 / n}
}

func all(found []bool) bool {
	for _, f := range found {
		if !f {
			return false
		}
	}
	return true
}

func checkFacts(t *testing.T, b *browser, s *served) {
	for _, row := range []struct{ camera, selector, want string }{
		{"demo", "h2", `^demo$`},
		{"demo", ".state-text", `^Live$`},
		{"demo", ".source", `demo-640x480\.mp4$`},
		{"demo", "[data-fact=size]", `^640 × 480$`},
		{"demo", "[data-fact=fps]", `^\d+\.\d /s$`},
		{"demo", "[data-fact=detect]", `^\d+\.\d ms, \d+/s$`},
		{"demo", "[data-fact=latency]", `^(≈ )?\d+ ms$`},
		{"demo", "[data-fact=drops]", `^\d`},
		{"demo", "[data-fact=viewers]", `^1$`},
		{"demo", ".objects", `#\d+person0\.\d\dseen for [\d:]+( s)? · (stands for [\d:]+( s)?|\d+ px/s)`},
		{"gone", ".state-text", `^Down$`},
		{"gone", ".veil-title", `^Camera is down$`},
		{"gone", ".veil-text", `(?i)no such file|does not exist.*(Next try in \d+ s|Trying again now)`},
	} {
		want := regexp.MustCompile(row.want)
		waitUntil(t, fmt.Sprintf("%s %s is like %s", row.camera, row.selector, row.want), func() bool {
			return want.MatchString(b.text(row.camera, row.selector))
		})
	}
	var foot string
	b.eval(`document.getElementById('foot').innerText`, &foot)
	for _, want := range []string{"yfv2d " + currentVersion().Version, s.d.model.Name, modelNotes(s.d.model).Better} {
		if !strings.Contains(foot, want) {
			t.Errorf("the page's foot lacks %q: %s", want, foot)
		}
	}
}

func checkWatched(t *testing.T, s *served) {
	st := s.camera("demo").preview.Stats()
	if st.Viewers != 1 || !st.EncoderRunning || st.Encodes == 0 || st.ToSent.Count == 0 {
		t.Errorf("one viewer, but %+v", st)
	}
}

// checkUnwatched leaves the page and sees that frames come on but none is encoded.
func checkUnwatched(t *testing.T, b *browser, s *served) {
	b.leave()
	s.waitUnwatched("demo")
	cam := s.camera("demo")
	encodes, captured := cam.preview.Stats().Encodes, cam.pipe.Stats().Ledger.Captured
	waitUntil(t, "more frames have come", func() bool { return cam.pipe.Stats().Ledger.Captured >= captured+20 })
	if st := cam.preview.Stats(); st.Encodes != encodes || st.EncoderRunning {
		t.Errorf("nobody watches, but %d frames were encoded", st.Encodes-encodes)
	}
}
