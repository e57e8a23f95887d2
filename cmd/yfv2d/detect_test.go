package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"yfv2d/capture"
	"yfv2d/pipeline"
)

const clip = "../../testdata/videos/demo-640x480.mp4"

// still writes the demo clip's first frame as a PNG file and gives its path.
func still(t *testing.T, dir, name string) string {
	t.Helper()
	vc, err := gocv.VideoCaptureFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	defer vc.Close()
	img := gocv.NewMat()
	defer img.Close()
	path := filepath.Join(dir, name)
	if !vc.Read(&img) || !gocv.IMWrite(path, img) {
		t.Fatalf("cannot make %s", path)
	}
	return path
}

// stopAfter cancels when that many lines have been written through it.
type stopAfter struct {
	bytes.Buffer
	lines  int
	cancel context.CancelFunc
}

func (s *stopAfter) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if bytes.Count(s.Bytes(), []byte("\n")) >= s.lines {
		s.cancel()
	}
	return n, err
}

// runUntil runs a command line that is interrupted after so many lines of output.
func runUntil(t *testing.T, lines int, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, errs := &stopAfter{lines: lines, cancel: cancel}, &bytes.Buffer{}
	code = execute(ctx, args, out, errs)
	return code, out.String(), errs.String()
}

func decodeLines(t *testing.T, text string) []detectLine {
	t.Helper()
	var all []detectLine
	for _, s := range strings.Split(strings.TrimSpace(text), "\n") {
		dec := json.NewDecoder(strings.NewReader(s))
		dec.DisallowUnknownFields()
		var l detectLine
		if err := dec.Decode(&l); err != nil {
			t.Fatalf("line %q: %v", s, err)
		}
		all = append(all, l)
	}
	return all
}

// near allows for another machine's and another OpenCV's rounding.
func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

func (d detectionJSON) near(e detectionJSON) bool {
	ok := d.Class == e.Class && d.ClassID == e.ClassID && near(d.Score, e.Score, 0.03)
	for i := range d.Box {
		ok = ok && near(d.Box[i], e.Box[i], 3)
	}
	return ok
}

// sameLife compares what a track tells of its life. Its velocity at the start of a video is mostly noise.
func (a trackJSON) sameLife(b trackJSON) bool {
	return near(a.BestScore, b.BestScore, 0.03) && a.Detections == b.Detections && a.Stationary == b.Stationary && a.Predicted == b.Predicted &&
		near(a.FirstSeen, b.FirstSeen, 0.001) && near(a.LastSeen, b.LastSeen, 0.001) && near(a.Age, b.Age, 0.001) && near(a.Unseen, b.Unseen, 0.001)
}

func compareLines(t *testing.T, got, want detectLine) {
	t.Helper()
	if got.Input != want.Input || got.Seq != want.Seq || !near(got.T, want.T, 0.001) || got.Width != want.Width || got.Height != want.Height {
		t.Errorf("line is of %s #%d at %g s, %dx%d; want %s #%d at %g s, %dx%d",
			got.Input, got.Seq, got.T, got.Width, got.Height, want.Input, want.Seq, want.T, want.Width, want.Height)
	}
	if len(got.Detections) != len(want.Detections) || len(got.Tracks) != len(want.Tracks) {
		t.Fatalf("%s #%d: %d detections and %d tracks, want %d and %d", got.Input, got.Seq,
			len(got.Detections), len(got.Tracks), len(want.Detections), len(want.Tracks))
	}
	for i, d := range got.Detections {
		if !slices.ContainsFunc(want.Detections, d.near) { // equal scores may come in either order
			t.Errorf("%s #%d: detection %+v, want one of %+v", got.Input, got.Seq, d, want.Detections)
		}
		if i > 0 && d.Score > got.Detections[i-1].Score {
			t.Errorf("%s #%d: scores rise", got.Input, got.Seq)
		}
	}
	for i, tr := range got.Tracks {
		w := want.Tracks[i]
		if tr.ID != w.ID || !tr.near(w.detectionJSON) || !tr.sameLife(w) {
			t.Errorf("%s #%d: track %+v, want %+v", got.Input, got.Seq, tr, w)
		}
	}
}

// TestDetectGolden compares the JSON lines of a picture, of the clip without and with tracks, and of the test pattern.
func TestDetectGolden(t *testing.T) {
	picture := still(t, t.TempDir(), "still.png")
	for _, tt := range []struct {
		name  string
		lines int
		args  []string
	}{
		{"picture", 1, []string{picture}},
		{"stretch", 1, []string{"--resize", "stretch", "--input", "352x352", "--score", "0.5", "--nms", "0.5", picture}},
		{"video", 2, []string{clip}},
		{"tracks", 8, []string{"--track", "--classes", "person", clip}},
		{"pattern", 2, []string{"--score", "1", "test:?size=320x240&fps=10&frames=2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, out, _ := runUntil(t, tt.lines, append([]string{"detect", "--json"}, tt.args...)...)
			for _, path := range []string{picture, clip} {
				out = strings.ReplaceAll(out, `"`+path+`"`, `"`+filepath.Base(path)+`"`)
			}
			golden := filepath.Join("testdata", "detect-"+tt.name+".jsonl")
			if *update {
				if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			got, wanted := decodeLines(t, out), decodeLines(t, string(want))
			if len(got) != len(wanted) || len(got) != tt.lines {
				t.Fatalf("%d lines, want %d", len(got), len(wanted))
			}
			for i := range got {
				compareLines(t, got[i], wanted[i])
			}
		})
	}
}

// The tracker sees weaker detections than are told: with --track the detections are those without it.
func TestDetectTrackTellsTheSameDetections(t *testing.T) {
	const lines = 30
	_, plain, _ := runUntil(t, lines, "detect", "--json", clip)
	_, tracked, _ := runUntil(t, lines, "detect", "--json", "--track", clip)
	got, want := decodeLines(t, tracked), decodeLines(t, plain)
	if len(got) != lines || len(want) != lines || len(got[lines-1].Tracks) == 0 {
		t.Fatalf("%d and %d lines: %+v", len(got), len(want), got)
	}
	for i := range want {
		if !slices.Equal(got[i].Detections, want[i].Detections) {
			t.Errorf("frame %d: %v with --track, %v without", i+1, got[i].Detections, want[i].Detections)
		}
	}
}

func TestDetectFlagsAreChecked(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, args string
		code       int
		stderr     string
	}{
		{"no input", "", exitUsage, "detect what?"},
		{"input size", "--input 100x100 x.jpg", exitUsage, "--input 100x100: sides must be multiples of 32"},
		{"input words", "--input large x.jpg", exitUsage, `--input "large": must be auto or WIDTHxHEIGHT`},
		{"resize", "--resize crop x.jpg", exitUsage, `--resize "crop": must be letterbox or stretch`},
		{"score", "--score 1.5 x.jpg", exitUsage, "--score 1.5: must lie between 0 and 1"},
		{"score that is no number", "--score NaN x.jpg", exitUsage, "--score NaN: must lie between 0 and 1"},
		{"nms", "--nms -1 x.jpg", exitUsage, "--nms -1: must lie between 0 and 1"},
		{"class", "--classes persom x.jpg", exitUsage, `the nearest is "person"`},
		{"model", "--model " + dir + "/no.onnx x.jpg", exitFailed, "no.onnx"},
		{"weights", "--model " + dir + "/no.pth x.jpg", exitFailed, "no.pth"},
		{"input that does not exist", dir + "/x.jpg", exitFailed, "x.jpg does not exist"},
		{"source of an unknown kind", "nosuch:thing", exitFailed, `unknown kind "nosuch:"`},
		{"output that cannot be made", "-o /dev/null/x/ x.jpg", exitFailed, "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, stderr := runCLI(t, append([]string{"detect"}, strings.Fields(tt.args)...)...)
			if code != tt.code || out != "" {
				t.Errorf("exit code %d with output %q, want %d with none", code, out, tt.code)
			}
			checkErrorLine(t, stderr, tt.stderr)
		})
	}
}

// TestDetectDoesTheRest mixes good inputs with bad ones: a line for each bad one, results for each good one, exit code 1.
func TestDetectDoesTheRest(t *testing.T) {
	dir := t.TempDir()
	good := still(t, dir, "good.png")
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	video, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty.png": nil, "junk.jpg": []byte("junk"), "junk.mp4": []byte("junk"), "cut.png": data[:len(data)/3], "cut.mp4": video[:len(video)/20],
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	code, stdout, stderr := runCLI(t, "detect", "-o", out, filepath.Join(dir, "none.jpg"), dir, filepath.Join(dir, "*.xyz"), good)
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if n := strings.Count(stdout, "good.png: 640x480"); n != 2 {
		t.Errorf("%d good pictures reported, want 2:\n%s", n, stdout)
	}
	var failures []string
	for _, line := range strings.Split(strings.TrimSpace(stderr), "\n") {
		if strings.HasPrefix(line, "yfv2d: ") {
			failures = append(failures, line)
		}
	}
	if len(failures) != 7 {
		t.Errorf("%d lines of failures, want 7:\n%s", len(failures), stderr)
	}
	for _, name := range []string{"none.jpg", "empty.png", "junk.jpg", "junk.mp4", "cut.png", "cut.mp4", "*.xyz"} {
		if strings.Count(strings.Join(failures, "\n"), name) == 0 {
			t.Errorf("nothing said of %s:\n%s", name, stderr)
		}
	}
	for _, name := range []string{"good.png", "good-2.png"} {
		if img := gocv.IMRead(filepath.Join(out, name), gocv.IMReadColor); img.Empty() {
			t.Errorf("%s was not written", name)
		} else {
			img.Close()
		}
	}
}

// TestDetectDraws finds the colour of a box where the picture had another.
func TestDetectDraws(t *testing.T) {
	dir := t.TempDir()
	in, out := still(t, dir, "in.png"), filepath.Join(dir, "out.png")
	code, stdout, stderr := runCLI(t, "detect", "--json", "-o", out, in)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	a, b := gocv.IMRead(in, gocv.IMReadColor), gocv.IMRead(out, gocv.IMReadColor)
	defer a.Close()
	defer b.Close()
	if b.Cols() != a.Cols() || b.Rows() != a.Rows() {
		t.Fatalf("drawn picture is %dx%d, want %dx%d", b.Cols(), b.Rows(), a.Cols(), a.Rows())
	}
	line := decodeLines(t, stdout)[0]
	if len(line.Detections) == 0 {
		t.Fatal("nothing found to be drawn")
	}
	for _, d := range line.Detections {
		x, y := int(d.Box[0]+d.Box[2])/2, min(int(d.Box[3]), b.Rows())-1 // the middle of the lower line
		if va, vb := a.GetVecbAt(y, x), b.GetVecbAt(y, x); va[0] == vb[0] && va[1] == vb[1] && va[2] == vb[2] {
			t.Errorf("no line of %s at %d,%d", d.Class, x, y)
		}
	}
}

// TestDetectInterrupted stops in the middle of a video: what was written until then plays.
func TestDetectInterrupted(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.mp4")
	code, stdout, stderr := runUntil(t, 7, "detect", "--track", "-o", out, clip)
	if code != exitFailed || !strings.Contains(stderr, "yfv2d: stopped before the end of "+clip) {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	if n := strings.Count(stdout, "\n"); n != 7 {
		t.Errorf("%d lines, want 7", n)
	}
	if !strings.Contains(stderr, fmt.Sprintf("wrote %s: 7 frames, ", out)) {
		t.Errorf("standard error %q does not tell of the video", stderr)
	}
	src, err := capture.Open(context.Background(), "file:"+out, capture.Options{Speed: capture.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if a := src.(capture.Announcer); a.Frames() != 7 || math.Abs(a.FPS()-30) > 0.1 {
		t.Errorf("video announces %d frames at %g/s, want 7 at 30", a.Frames(), a.FPS())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestDetectInterruptedAtOnce leaves no file where nothing was seen.
func TestDetectInterruptedAtOnce(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code, out, stderr := runCLIContext(t, ctx, "detect", "-o", filepath.Join(dir, "out.mp4"), clip)
	if code != exitFailed || out != "" {
		t.Errorf("exit code %d, output %q", code, out)
	}
	checkErrorLine(t, stderr, "stopped before the end")
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

// TestDetectStopsWhenOutputFails does not go through all inputs for nobody.
func TestDetectStopsWhenOutputFails(t *testing.T) {
	dir := t.TempDir()
	var errs bytes.Buffer
	code := execute(context.Background(), []string{"detect", still(t, dir, "a.png"), filepath.Join(dir, "none.png")}, brokenWriter{}, &errs)
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	checkErrorLine(t, errs.String(), os.ErrClosed.Error())
}

func TestVideoWriterScalesOtherSizes(t *testing.T) {
	dir := t.TempDir()
	f := pipeline.NewFrame()
	defer f.Close()
	if err := f.Prepare(pipeline.I420, image.Pt(64, 48)); err != nil {
		t.Fatal(err)
	}
	v, err := newVideoWriter(filepath.Join(dir, "x.mp4"), f.Size(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer v.abandon()
	for _, size := range [][2]int{{64, 48}, {128, 96}, {64, 48}} {
		if err := f.Prepare(pipeline.I420, image.Pt(size[0], size[1])); err != nil {
			t.Fatal(err)
		}
		if err := v.write(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.finish(); err != nil {
		t.Fatal(err)
	}
	if n := framesIn(v.path); n != 3 {
		t.Errorf("%d frames in the file, want 3", n)
	}
}

func TestVideoWriterNamesTheFolder(t *testing.T) {
	_, err := newVideoWriter(filepath.Join(t.TempDir(), "no", "x.mp4"), image.Pt(64, 48), 10)
	if err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("error %v", err)
	}
}

// TestSecondsAreOfTheInput proves that t starts at 0 with each input and follows the media's time.
func TestSecondsAreOfTheInput(t *testing.T) {
	code, out, _ := runCLI(t, "detect", "--json", "--score", "1", "test:?size=64x64&fps=4&frames=3", "test:?size=64x64&fps=2&frames=2")
	if code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	want := []float64{0, 0.25, 0.5, 0, 0.5}
	for i, l := range decodeLines(t, out) {
		if !near(l.T, want[i], 1e-6) {
			t.Errorf("line %d is at %v s, want %v", i, l.T, time.Duration(want[i]*float64(time.Second)))
		}
	}
}
