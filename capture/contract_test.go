package capture

import (
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"yfv2d/capture/capturetest"
	"yfv2d/pipeline"
)

func mustOpen(spec string, opt Options) func(t testing.TB) pipeline.Source {
	return func(t testing.TB) pipeline.Source {
		t.Helper()
		src, err := Open(context.Background(), spec, opt)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
}

func broken(name, spec, says string) capturetest.Broken {
	return capturetest.Broken{Name: name, Says: says, Open: func(testing.TB) (pipeline.Source, error) {
		return Open(context.Background(), spec, Options{Speed: Max})
	}}
}

// writeFile writes a file in dir and gives its path.
func writeFile(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// testPicture is a picture whose pixels tell its number and where they are.
func testPicture(n, w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(x), uint8(y), uint8(n), 255})
		}
	}
	return m
}

// folder makes a folder with the pictures img1.png (20x10), img2.jpg (30x20) and img10.png (30x20).
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range []struct {
		name string
		size image.Point
	}{{"img1.png", image.Pt(20, 10)}, {"img2.jpg", image.Pt(30, 20)}, {"img10.png", image.Pt(30, 20)}} {
		file, err := os.Create(filepath.Join(dir, p.name))
		if err != nil {
			t.Fatal(err)
		}
		m := testPicture(1, p.size.X, p.size.Y)
		if filepath.Ext(p.name) == ".png" {
			err = png.Encode(file, m)
		} else {
			err = jpeg.Encode(file, m, nil)
		}
		if e := file.Close(); err == nil {
			err = e
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestContract(t *testing.T) {
	dir, tmp := folder(t), t.TempDir()
	clip, err := os.ReadFile("testdata/clip.mp4")
	if err != nil {
		t.Fatal(err)
	}
	videos := []capturetest.Broken{
		broken("missing", "file:testdata/none.mp4", "none.mp4 does not exist"),
		broken("empty", "file:"+writeFile(t, tmp, "empty.mp4", nil), "empty.mp4 is empty"),
		broken("text", "file:"+writeFile(t, tmp, "text.mp4", []byte("no video at all\n")), "text.mp4 is no video"),
		broken("cut short", "file:"+writeFile(t, tmp, "cut.mp4", clip[:300]), "cut.mp4 is no video"),
		broken("no picture in it", "file:"+writeFile(t, tmp, "holes.mp4", withoutPictures(clip)), "holes.mp4"),
		broken("device", "file:/dev/zero", "/dev/zero is a device"),
	}
	pictures := []capturetest.Broken{
		broken("missing", "file:testdata/none.png", "none.png does not exist"),
		broken("empty folder", "file:"+t.TempDir(), "holds no picture"),
		broken("glob without match", "file:"+filepath.Join(tmp, "*.webp"), "matches no file"),
		broken("empty", "file:"+writeFile(t, tmp, "empty.png", nil), "empty.png: the file is empty"),
		broken("text", "file:"+writeFile(t, tmp, "text.jpg", []byte("no picture at all\n")), "text.jpg: it is no JPEG"),
	}
	two := []image.Point{{X: 20, Y: 10}, {X: 30, Y: 20}}
	once := Options{Speed: Max}
	rows := []struct {
		name string
		c    capturetest.Contract
	}{
		{"video", capturetest.Contract{Open: mustOpen("file:testdata/clip.mp4", once), Frames: 10, Broken: videos}},
		{"video, odd sides", capturetest.Contract{Open: mustOpen("testdata/odd.avi", once), Frames: 5,
			Sizes: []image.Point{{X: 64, Y: 48}}}},
		{"video, paced", capturetest.Contract{Open: mustOpen("file:testdata/clip.mp4", Options{}), Frames: 10}},
		{"video, looped", capturetest.Contract{Open: mustOpen("file:testdata/clip.mp4", Options{Loop: true, Speed: Max})}},
		{"video, paced and looped", capturetest.Contract{Open: mustOpen("file:testdata/clip.mp4", Options{Loop: true})}},
		{"folder", capturetest.Contract{Open: mustOpen("file:"+dir, once), Frames: 3, Format: pipeline.BGR, Sizes: two,
			Broken: pictures}},
		{"glob", capturetest.Contract{Open: mustOpen("file:"+dir+"/img*.png", once), Frames: 2, Format: pipeline.BGR, Sizes: two}},
		{"picture", capturetest.Contract{Open: mustOpen("file:"+dir+"/img2.jpg", once), Frames: 1, Format: pipeline.BGR}},
		{"picture, paced and looped", capturetest.Contract{Format: pipeline.BGR,
			Open: mustOpen("file:"+dir+"/img2.jpg", Options{Loop: true, Clock: newFakeClock()})}},
		{"test pattern", capturetest.Contract{Open: mustOpen("test:?size=320x240&frames=12", once), Frames: 12}},
		{"test pattern in real time", capturetest.Contract{Open: mustOpen("test:?size=64x48&fps=100", Options{})}},
		{"reopening", capturetest.Contract{Frames: 10, Open: func(testing.TB) pipeline.Source {
			return NewReopening(opener("file:testdata/clip.mp4", once), ReopeningOptions{})
		}}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) { capturetest.Run(t, r.c) })
	}
}

func opener(spec string, opt Options) Opener {
	return func(ctx context.Context) (pipeline.Source, error) { return Open(ctx, spec, opt) }
}

// withoutPictures is a clip whose coded pictures are zeros.
func withoutPictures(clip []byte) []byte {
	out := append([]byte(nil), clip...)
	for i := range out {
		if i+4 < len(out) && string(out[i:i+4]) == "mdat" {
			for j := i + 4; j < len(out) && string(out[j:min(j+8, len(out))]) != "moov"; j++ {
				if j+8 <= len(out) && string(out[j+4:j+8]) == "moov" {
					break
				}
				out[j] = 0
			}
			break
		}
	}
	return out
}

// fakeClock is a clock that stands still but for WaitUntil, which goes there at once.
type fakeClock struct {
	now   time.Time
	waits []time.Duration
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Unix(1000, 0)} }

func (c *fakeClock) Now() time.Time { return c.now }

func (c *fakeClock) WaitUntil(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.waits = append(c.waits, t.Sub(c.now))
	if t.After(c.now) {
		c.now = t
	}
	return nil
}
