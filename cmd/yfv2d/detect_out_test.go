package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// touch makes empty files below dir and gives their paths.
func touch(t *testing.T, dir string, names ...string) []string {
	t.Helper()
	var paths []string
	for _, n := range names {
		p := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

func TestOutputNames(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      string // below the test's folder; it holds in/ with the inputs, and old/
		inputs []string
		want   []string // base names; pictures unless the input ends in .mp4 or is a source
	}{
		{"a file for one picture", "new/x.png", []string{"in/a.jpg"}, []string{"x.png"}},
		{"a file for one video", "x.mp4", []string{"in/v.mp4"}, []string{"x.mp4"}},
		{"a folder that exists", "old", []string{"in/a.jpg"}, []string{"a.jpg"}},
		{"a new folder", "new", []string{"in/a.jpg", "in/v.mp4"}, []string{"a.jpg", "v.mp4"}},
		{"a new folder with a dot", "run.1/", []string{"in/a.jpg"}, []string{"a.jpg"}},
		{"same names from two folders", "old", []string{"in/a.jpg", "in/b/a.jpg", "in/c/A.jpg"}, []string{"a.jpg", "a-2.jpg", "A-3.jpg"}},
		{"a picture and a video of one name", "old", []string{"in/v.jpg", "in/v.mp4"}, []string{"v.jpg", "v.mp4"}},
		{"the folder of the inputs", "in", []string{"in/a.jpg", "in/v.mp4"}, []string{"a-2.jpg", "v-2.mp4"}},
		{"a number that an input has", "in", []string{"in/a.jpg", "in/a-2.jpg"}, []string{"a-3.jpg", "a-2-2.jpg"}},
		{"a format that cannot be written", "old", []string{"in/p.pgm"}, []string{"p.png"}},
		{"letter case kept", "old", []string{"in/B.JPG"}, []string{"B.JPG"}},
		{"no extension", "old", []string{"in/frame"}, []string{"frame.png"}},
		{"a source", "old", []string{"test:?size=64x64&fps=5"}, []string{"test-size-64x64-fps-5.mp4"}},
		{"odd letters", "old", []string{"in/a b:c*.jpg"}, []string{"a b-c.jpg"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			touch(t, dir, "old/x")
			var inputs []string
			for _, in := range tt.inputs {
				if strings.HasPrefix(in, "test:") {
					inputs = append(inputs, in)
					continue
				}
				inputs = append(inputs, touch(t, dir, in)...)
			}
			out, err := newOutputs(dir+"/"+tt.o, inputs)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, in := range inputs {
				place := out.picture
				if strings.HasSuffix(in, ".mp4") || strings.HasPrefix(in, "test:") {
					place = out.video
				}
				p, err := place(in)
				if err != nil {
					t.Fatal(err)
				}
				if slices.Contains(inputs, p) {
					t.Errorf("%s would be overwritten", p)
				}
				got = append(got, filepath.Base(p))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("names %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOutputRefusals(t *testing.T) {
	dir := t.TempDir()
	in := touch(t, dir, "a.jpg", "b.jpg", "v.mp4")
	for _, tt := range []struct {
		name, o string
		inputs  []string
		want    string
	}{
		{"one file for two inputs", dir + "/x.jpg", in[:2], "one file but there are 2 inputs"},
		{"unknown format", dir + "/x.gif", in[:1], "files can be written as .jpg"},
		{"the input itself", in[0], in[:1], "is the input itself"},
		{"a picture as mp4", dir + "/x.mp4", in[:1], "a.jpg is a picture"},
		{"a video as jpg", dir + "/x.jpg", in[2:], "v.mp4 is a video"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := newOutputs(tt.o, tt.inputs)
			if err == nil && strings.HasSuffix(tt.inputs[0], ".mp4") {
				_, err = out.video(tt.inputs[0])
			} else if err == nil {
				_, err = out.picture(tt.inputs[0])
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || exitCode(err) != exitUsage {
				t.Errorf("error %v with exit code %d, want %q with %d", err, exitCode(err), tt.want, exitUsage)
			}
		})
	}
}

func TestWritePicture(t *testing.T) {
	img := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(10, 200, 30, 0), 8, 12, gocv.MatTypeCV8UC3)
	defer img.Close()
	for _, ext := range pictureExts {
		path := filepath.Join(t.TempDir(), "x"+ext)
		if err := writePicture(path, &img); err != nil {
			t.Errorf("%s: %v", ext, err)
			continue
		}
		back := gocv.IMRead(path, gocv.IMReadColor)
		if back.Cols() != 12 || back.Rows() != 8 {
			t.Errorf("%s reads back as %dx%d", ext, back.Cols(), back.Rows())
		}
		back.Close()
		if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
			t.Errorf("%s leaves %v behind", ext, entries)
		}
	}
	if err := writePicture(filepath.Join(t.TempDir(), "no", "x.png"), &img); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that does not exist gives %v", err)
	}
	long := gocv.NewMatWithSize(1, 70000, gocv.MatTypeCV8UC3)
	defer long.Close()
	for _, ext := range []string{".jpg", ".webp"} {
		if err := writePicture(filepath.Join(t.TempDir(), "x"+ext), &long); err == nil {
			t.Errorf("%s holds 70000 pixels a side", ext)
		}
	}
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, "in/img10.jpg", "in/img2.png", "in/clip.MP4", "in/notes.txt", "in/.hidden.jpg", "in/sub/x.jpg", "empty/x.txt", "a[1].jpg", "test:x")
	t.Chdir(dir)
	for _, tt := range []struct {
		name, arg string
		want      []string // names
		err       string
	}{
		{"a file", "in/img2.png", []string{"in/img2.png"}, ""},
		{"a file by its kind", "file:in/img2.png", []string{"in/img2.png"}, ""},
		{"a file that does not exist", "none.jpg", []string{"none.jpg"}, "none.jpg does not exist"},
		{"a folder", "in", []string{"in/clip.MP4", "in/img2.png", "in/img10.jpg"}, ""},
		{"a folder without pictures", "empty", []string{"empty"}, "holds no picture"},
		{"a glob", "in/img*", []string{"in/img2.png", "in/img10.jpg"}, ""},
		{"a glob that matches nothing", "in/*.bmp", []string{"in/*.bmp"}, "matches no file"},
		{"a malformed glob", "in/[a", []string{"in/[a"}, "lacks its ]"},
		{"brackets in a name", "a[1].jpg", []string{"a[1].jpg"}, ""},
		{"a source", "test:?frames=3", []string{"test:?frames=3"}, ""},
		{"a file named like a source", "test:x", []string{"test:x"}, ""},
		{"a source with a password", "rtsp://me:secret@cam/1", []string{"rtsp://cam/1"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var names []string
			var err error
			for _, in := range expand([]string{tt.arg}) {
				names = append(names, in.name)
				err = errors.Join(err, in.err)
			}
			if !slices.Equal(names, tt.want) {
				t.Errorf("inputs %q, want %q", names, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
	if in := expand([]string{"test:x"})[0]; in.spec != "file:test:x" {
		t.Errorf("a file named like a source is opened as %q", in.spec)
	}
}

func TestText(t *testing.T) {
	names := []string{"person", "bus", "sheep", ""}
	start := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	dets := func(classes ...int) (out []infer.Detection) {
		for _, c := range classes {
			out = append(out, infer.Detection{Class: c})
		}
		return out
	}
	for _, tt := range []struct {
		name string
		r    result
		want string
	}{
		{"several", result{input: "bus.jpg", still: true, detections: dets(1, 0, 0, 0), took: 6_100_000}, "bus.jpg: 0x0, 3 persons, 1 bus (6.1 ms)"},
		{"nothing", result{input: "x.jpg", still: true}, "x.jpg: 0x0, nothing (0.0 ms)"},
		{"plurals", result{input: "x.jpg", still: true, detections: dets(1, 1, 2, 2)}, "x.jpg: 0x0, 2 buses, 2 sheep (0.0 ms)"},
		{"no name", result{input: "x.jpg", still: true, detections: dets(3, 7)}, "x.jpg: 0x0, 1 class 3, 1 class 7 (0.0 ms)"},
		{"a frame", result{input: "v.mp4", seq: 12, t: 400_000_000, detections: dets(0), tracks: []tracker.Track{{ID: 1}, {ID: 4}}},
			"v.mp4 #12 0.40s: 0x0, 1 person, tracks #1 #4 (0.0 ms)"},
		{"one stands", result{input: "v.mp4", seq: 900, t: 30_000_000_000, detections: dets(0), tracks: []tracker.Track{
			{ID: 1, FirstSeen: start, Age: 20 * time.Second, StationarySince: start.Add(7500 * time.Millisecond)}, {ID: 4}}},
			"v.mp4 #900 30.00s: 0x0, 1 person, tracks #1 (stands 12 s) #4 (0.0 ms)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.text(names); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestClassNumbers(t *testing.T) {
	names := []string{"person", "traffic light", "Bus"}
	got, err := classNumbers([]string{"bus", " traffic light"}, names, "builtin")
	if err != nil || !slices.Equal(got, []int{2, 1}) {
		t.Errorf("classes %v, %v", got, err)
	}
	_, err = classNumbers([]string{"persom"}, names, "builtin")
	if err == nil || !strings.Contains(err.Error(), `nearest is "person"`) || !strings.Contains(err.Error(), "model info builtin") || exitCode(err) != exitUsage {
		t.Errorf("an unknown class gives %v", err)
	}
}
