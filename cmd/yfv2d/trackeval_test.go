package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// motSequence makes the folder of a sequence of 30 frames: two objects that walk towards each other in their own rows,
// and a detector that is always right.
func motSequence(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	var gt, det strings.Builder
	for f := 1; f <= 30; f++ {
		for id := 1; id <= 2; id++ {
			left, top := 100+5*f, 50
			if id == 2 {
				left, top = 400-5*f, 300
			}
			fmt.Fprintf(&gt, "%d,%d,%d,%d,60,150,1,1,1\n", f, id, left, top)
			fmt.Fprintf(&det, "%d,-1,%d,%d,60,150,0.9,-1,-1,-1\n", f, left, top)
		}
	}
	put(t, filepath.Join(dir, "gt", "gt.txt"), gt.String())
	put(t, filepath.Join(dir, "det", "det.txt"), det.String())
	put(t, filepath.Join(dir, "seqinfo.ini"), "[Sequence]\nname="+name+"\nframeRate=25\nseqLength=30\n")
	return dir
}

// put writes a file and the folders above it.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// trackEval runs `yfv2d track-eval --json` with these arguments, which must be right.
func trackEval(t *testing.T, args ...string) (r trackReport, stderr string) {
	t.Helper()
	code, out, stderr := runCLI(t, append([]string{"track-eval", "--json"}, args...)...)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r, stderr
}

// A result file's figures on the command line are TrackEval's.
func TestTrackEvalOfReferenceResult(t *testing.T) {
	root := filepath.Join(sharedDir, "mot")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no shared data: mot")
	}
	r, stderr := trackEval(t, "--gt", filepath.Join(root, "TUD-Campus/gt/gt.txt"), "--det", filepath.Join(root, "TUD-Campus/det-public/det.txt"),
		"--result", filepath.Join(root, "ref/SORT_max_age=1_min_hits=3_iou=0.3.TUD-Campus.txt"))
	s, ok := r.Sequences["TUD-Campus"]
	if !ok || len(r.Sequences) != 1 || s != r.Combined || stderr != "" {
		t.Fatalf("%+v, standard error %q", r, stderr)
	}
	if math.Abs(s.MOTA-62.7) > 0.05 || math.Abs(s.IDF1-60.6) > 0.05 || math.Abs(s.HOTA-45.3) > 0.05 || s.IDs != 6 {
		t.Errorf("%+v, want MOTA 62.7 IDF1 60.6 HOTA 45.3 IDs 6", s)
	}
}

// The tracker runs over real detections, of one sequence by its files and of two by their folders.
func TestTrackEvalRunsTheTracker(t *testing.T) {
	root := filepath.Join(sharedDir, "mot")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no shared data: mot")
	}
	campus, stadtmitte := filepath.Join(root, "TUD-Campus"), filepath.Join(root, "TUD-Stadtmitte")
	one, stderr := trackEval(t, "--gt", filepath.Join(campus, "gt/gt.txt"), "--det", filepath.Join(campus, "det-sort-frcnn/det.txt"))
	if stderr != "" {
		t.Errorf("standard error %q", stderr)
	}
	both, _ := trackEval(t, "--seq", campus, "--seq", stadtmitte, "--det-dir", "det-sort-frcnn")
	if len(both.Sequences) != 2 || both.Sequences["TUD-Campus"] != one.Sequences["TUD-Campus"] {
		t.Errorf("two sequences give %+v, one alone %+v", both, one)
	}
	a, b, c := both.Sequences["TUD-Campus"], both.Sequences["TUD-Stadtmitte"], both.Combined
	if c.FP != a.FP+b.FP || c.IDs != a.IDs+b.IDs || c.MOTA < min(a.MOTA, b.MOTA) || c.MOTA > max(a.MOTA, b.MOTA) {
		t.Errorf("combined %+v of %+v and %+v", c, a, b)
	}
	public, stderr := trackEval(t, "--seq", campus, "--det-dir", "det-public")
	if !strings.Contains(stderr, "scores leave 0 to 1") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("standard error %q, want one line about scores", stderr)
	}
	if public.Combined.MOTA < 5 || public.Combined.MOTA > 60 {
		t.Errorf("on poor detections: %+v", public.Combined)
	}
}

func TestTrackEvalOnPerfectDetections(t *testing.T) {
	dir := motSequence(t, "hall")
	full, stderr := trackEval(t, "--seq", dir)
	s := full.Sequences["hall"]
	if stderr != "" || s.FP != 0 || s.IDs != 0 || s.Frag != 0 || s.MT != 2 || s.MOTA < 90 || s.IDF1 < 90 {
		t.Errorf("%+v, standard error %q", s, stderr)
	}
	// Every third frame: ten of the thirty, with two boxes each.
	third, _ := trackEval(t, "--seq", dir, "--every", "3")
	if f := third.Combined; f.FN > 6 || f.IDs != 0 || f.MOTA < 70 {
		t.Errorf("every third frame: %+v", f)
	}
	dropped, _ := trackEval(t, "--seq", dir, "--drop", "30")
	again, _ := trackEval(t, "--seq", dir, "--drop", "30")
	other, _ := trackEval(t, "--seq", dir, "--drop", "30", "--seed", "7")
	if dropped.Combined != again.Combined || dropped.Combined == other.Combined {
		t.Errorf("drops: %+v, again %+v, other seed %+v", dropped.Combined, again.Combined, other.Combined)
	}
	if f := dropped.Combined; f.FN < 6 || f.FN > 40 {
		t.Errorf("with 30 %% of 60 detections dropped: %+v", f)
	}
	none, _ := trackEval(t, "--seq", dir, "--drop", "100")
	if f := none.Combined; f != (trackFigures{FN: 60, ML: 2}) {
		t.Errorf("without any detection: %+v", f)
	}
}

// What --tracks wrote gives the same figures when it is read again, of one sequence and of two.
func TestTrackEvalReadsItsOwnTracks(t *testing.T) {
	a, b, out := motSequence(t, "hall"), motSequence(t, "yard"), t.TempDir()
	file := filepath.Join(out, "new", "tracks.txt")
	ran, _ := trackEval(t, "--seq", a, "--tracks", file)
	read, _ := trackEval(t, "--gt", filepath.Join(a, "gt", "gt.txt"), "--result", file)
	if ran.Combined != read.Combined {
		t.Errorf("ran %+v, read %+v", ran.Combined, read.Combined)
	}
	ran, _ = trackEval(t, "--seq", a, "--seq", b, "--tracks", out, "--every", "2")
	for _, name := range []string{"hall.txt", "yard.txt"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	read, _ = trackEval(t, "--seq", a, "--seq", b, "--result", out, "--every", "2")
	if ran.Combined != read.Combined || ran.Sequences["yard"] != read.Sequences["yard"] {
		t.Errorf("ran %+v, read %+v", ran, read)
	}
}

func TestTrackEvalTable(t *testing.T) {
	a, b := motSequence(t, "hall"), motSequence(t, "a-yard-with-a-long-name")
	_, out, _ := runCLI(t, "track-eval", "--seq", a, "--seq", b)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "sequence ") || !strings.HasPrefix(lines[1], "hall ") ||
		!strings.HasPrefix(lines[2], "a-yard-with-a-long-name ") || !strings.HasPrefix(lines[3], "combined ") ||
		!strings.HasPrefix(lines[4], "60 updates of the tracker, ") {
		t.Fatalf("printed:\n%s", out)
	}
	for _, l := range lines[:4] {
		if len(l) != len(lines[0]) || len(strings.Fields(l)) != 15 {
			t.Errorf("%q is not in line", l)
		}
	}
	_, out, _ = runCLI(t, "track-eval", "--seq", a)
	if strings.Contains(out, "combined") || strings.Count(out, "\n") != 3 {
		t.Errorf("of one sequence:\n%s", out)
	}
}

// Without seqinfo.ini the rate is --fps, and files without folders of their own work too.
func TestTrackEvalWithoutInfo(t *testing.T) {
	dir := motSequence(t, "hall")
	if err := os.Remove(filepath.Join(dir, "seqinfo.ini")); err != nil {
		t.Fatal(err)
	}
	if r, stderr := trackEval(t, "--seq", dir, "--fps", "5"); len(r.Sequences) != 1 || r.Sequences["hall"].MT != 2 || stderr != "" {
		t.Errorf("%+v, standard error %q", r, stderr)
	}
	put(t, filepath.Join(dir, "seqinfo.ini"), "[Sequence]\nframeRate=25\n")
	_, stderr := trackEval(t, "--seq", dir, "--fps", "5")
	if !strings.Contains(stderr, "25 frames a second, so --fps is not used") {
		t.Errorf("standard error %q", stderr)
	}
	_, stderr = trackEval(t, "--seq", dir, "--fps", "25")
	if stderr != "" {
		t.Errorf("standard error %q", stderr)
	}
}

// -c gives the tracker other settings: here a track needs more detections than there are.
func TestTrackEvalTakesSettings(t *testing.T) {
	dir := motSequence(t, "hall")
	file := filepath.Join(t.TempDir(), "config.toml")
	put(t, file, "[tracker]\nconfirm_hits = 100\nconfirm_score = 2.0\n[[camera]]\nname = \"a\"\nsource = \"test:\"\n")
	r, _ := trackEval(t, "--seq", dir, "-c", file)
	if r.Combined.FN != 60 {
		t.Errorf("%+v, want no track at all", r.Combined)
	}
}

func TestTrackEvalRefuses(t *testing.T) {
	dir := motSequence(t, "hall")
	gt, det := filepath.Join(dir, "gt", "gt.txt"), filepath.Join(dir, "det", "det.txt")
	bad, long, huge := filepath.Join(dir, "bad.txt"), filepath.Join(dir, "long.txt"), filepath.Join(dir, "huge.txt")
	put(t, bad, "1,1,5,5,10,10,1\n2,1,x,5,10,10,1\n")
	put(t, long, "31,1,5,5,10,10,1\n")
	put(t, huge, "2000000000,1,5,5,10,10,1\n")
	other := motSequence(t, "hall")
	info := motSequence(t, "yard")
	put(t, filepath.Join(info, "seqinfo.ini"), "[Sequence]\nframeRate=fast\n")
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing", nil, exitUsage, "nothing to measure: give --gt"},
		{"truth alone", []string{"--gt", gt}, exitUsage, "--gt alone says nothing"},
		{"two ways", []string{"--gt", gt, "--det", det, "--seq", dir}, exitUsage, "none of the others can be"},
		{"tracks of a result", []string{"--gt", gt, "--result", det, "--tracks", "x"}, exitUsage, "none of the others can be"},
		{"an argument", []string{dir}, exitUsage, `unexpected argument`},
		{"rate", []string{"--seq", dir, "--fps", "0"}, exitUsage, "--fps 0 is out of range (0.01 to 1000)"},
		{"no rate", []string{"--seq", dir, "--fps", "NaN"}, exitUsage, "--fps NaN is out of range"},
		{"every", []string{"--seq", dir, "--every", "0"}, exitUsage, "--every 0 is out of range (1 to 1500)"},
		{"drop", []string{"--seq", dir, "--drop", "101"}, exitUsage, "--drop 101 is out of range (0 to 100 per cent)"},
		{"truth gone", []string{"--gt", gt + "x", "--det", det}, exitFailed, "gt.txtx: no such file"},
		{"detections gone", []string{"--gt", gt, "--det", det + "x"}, exitFailed, "det.txtx: no such file"},
		{"folder gone", []string{"--seq", dir + "x"}, exitFailed, "no such file"},
		{"folder of detections gone", []string{"--seq", dir, "--det-dir", "det-x"}, exitFailed, filepath.Join("det-x", "det.txt") + ": no such file"},
		{"folder for a file", []string{"--gt", dir, "--det", det}, exitFailed, "is a directory"},
		{"bad detections", []string{"--gt", gt, "--det", bad}, exitFailed, "bad.txt: line 2: left \"x\" is no number; a line starts with frame,id,left"},
		{"bad truth", []string{"--gt", bad, "--det", det}, exitFailed, "bad.txt: line 2: left"},
		{"bad result", []string{"--gt", gt, "--result", bad}, exitFailed, "bad.txt: line 2: left"},
		{"frame beyond the end", []string{"--gt", gt, "--result", long}, exitFailed, "has a frame 31, but seqinfo.ini of hall says that there are 30"},
		{"huge frame", []string{"--gt", gt, "--det", huge}, exitFailed, `huge.txt: line 1: frame "2000000000" is out of range`},
		{"same name", []string{"--seq", dir, "--seq", other}, exitFailed, "both called hall"},
		{"bad info", []string{"--seq", info}, exitFailed, `seqinfo.ini: line 2: framerate "fast" is no number`},
		{"tracks nowhere", []string{"--seq", dir, "--tracks", "/dev/null/x"}, exitFailed, "not a directory"},
		{"no configuration", []string{"--seq", dir, "-c", "gone.toml"}, exitConfig, "gone.toml"},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, out, stderr := runCLI(t, append([]string{"track-eval"}, row.args...)...)
			if code != row.code || !strings.Contains(stderr, row.want) || strings.Count(stderr, "\n") != 1 || out != "" {
				t.Errorf("code %d, standard error %q, output %q; want code %d and %q", code, stderr, out, row.code, row.want)
			}
		})
	}
}

func TestTrackEvalStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code, out, stderr := runCLIContext(t, ctx, "track-eval", "--seq", motSequence(t, "hall"))
	if code != exitFailed || out != "" || !strings.Contains(stderr, "stopped before the last frame: no figures") {
		t.Errorf("code %d, output %q, standard error %q", code, out, stderr)
	}
}
