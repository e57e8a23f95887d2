package mot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yfv2d/infer"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadForms(t *testing.T) {
	want := Row{ID: 2, Box: infer.Box{X0: 10, Y0: 20, X1: 40.5, Y1: 60}, Score: 0.5, Class: 1}
	for _, tt := range []struct{ name, text string }{
		{"plain", "3,2,10,20,30.5,40,0.5,-1,-1,-1\n"},
		{"seven columns, no end of line", "3,2,10,20,30.5,40,0.5"},
		{"byte order mark and CRLF", "\ufeff3,2,10,20,30.5,40,0.5,-1,-1,-1\r\n\r\n"},
		{"spaces after commas", " 3, 2, 10, 20, 30.5, 40, 0.5, -1, -1, -1 \n"},
		{"white space for commas", "3 2\t10 20 30.5 40 0.5 -1 -1 -1\n"},
		{"empty lines", "\n\n3,2,10,20,30.5,40,0.5\n \n"},
		{"floats for whole numbers", "3.0,2.0,1e1,20.00,30.5,40,5e-1\n"},
		{"anything behind", "3,2,10,20,30.5,40,0.5,x,,\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := ReadResult(write(t, filepath.Join(t.TempDir(), "r.txt"), tt.text))
			if err != nil || len(rows) != 1 || len(rows[3]) != 1 || rows[3][0] != want {
				t.Errorf("%+v, error %v; want %+v in frame 3", rows, err, want)
			}
		})
	}
}

func TestReadDetectionsScores(t *testing.T) {
	for _, tt := range []struct {
		name, scores string
		scored       bool
		second       float32
	}{
		{"in 0 to 1", "0 0.25 1", true, 0.25},
		{"above", "0.5 0.25 42.8", false, 1},
		{"below", "0.5 0.25 -0.1", false, 1},
		{"all -1", "-1 -1 -1", false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var text strings.Builder
			for _, s := range strings.Fields(tt.scores) {
				text.WriteString("1,-1,10,20,30,40," + s + ",-1,-1,-1\n")
			}
			rows, scored, err := ReadDetections(write(t, filepath.Join(t.TempDir(), "det.txt"), text.String()))
			if err != nil || scored != tt.scored || len(rows[1]) != 3 || rows[1][1].Score != tt.second {
				t.Errorf("%+v, scored %v, error %v", rows, scored, err)
			}
		})
	}
}

func TestReadNothing(t *testing.T) {
	empty := write(t, filepath.Join(t.TempDir(), "empty.txt"), "\n")
	if rows, scored, err := ReadDetections(empty); err != nil || len(rows) != 0 || rows == nil || !scored {
		t.Errorf("detections: %v, %v, %v", rows, scored, err)
	}
	if rows, err := ReadResult(empty); err != nil || len(rows) != 0 || rows == nil {
		t.Errorf("result: %v, %v", rows, err)
	}
	if _, err := ReadTruth(empty); err == nil || !strings.Contains(err.Error(), empty+": it is empty") {
		t.Errorf("truth: %v", err)
	}
}

// What counts of a truth file, by benchmark: "id:class", then ! for ignored and ? for a distractor.
func TestTruthOfBenchmarks(t *testing.T) {
	rows := func(lines ...string) string {
		for i, l := range lines {
			lines[i] = "1," + string(rune('1'+i)) + ",10,10,20,40," + l
		}
		return strings.Join(lines, "\n")
	}
	classes := rows("1,1,1", "0,1,0.5", "1,2,1", "0,7,1", "0,8,1", "0,12,1", "1,3,1", "0,6,0", "0,13,1")
	for _, tt := range []struct{ name, folder, text, want string }{
		{"MOT15 without world", "a", rows("1,-1,-1,-1", "0,-1,-1,-1"), "1:1 2:1!"},
		{"MOT15 with world", "a", rows("1,4.5,5.5,0", "0,7,0.2,0"), "1:1 2:1!"},
		{"MOT15 with a world that looks like classes", "a", rows("1,7,0.5,0", "1,1,1,0"), "1:1 2:1"},
		{"MOT16", "MOT16-02", classes, "1:1 2:1! 3:2!? 4:7!? 5:8!? 6:12!? 7:3! 8:6! 9:13!"},
		{"MOT20", "MOT20-01", classes, "1:1 2:1! 3:2!? 4:7!? 5:8!? 6:12!? 7:3! 8:6!? 9:13!"},
		{"eight columns", "a", rows("1,1", "1,7"), "1:1 2:7!?"},
		{"ten columns with class and visibility", "a", rows("1,1,0.5,-1", "1,7,1,-1"), "1:1 2:7!?"},
		{"no class", "a", rows("1", "0"), "1:1 2:1!"},
		{"no class in nine columns", "a", rows("1,-1,-1", "0,-1,-1"), "1:1 2:1!"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			truth, err := ReadTruth(write(t, filepath.Join(t.TempDir(), tt.folder, "gt", "gt.txt"), tt.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range truth[1] {
				s := string(rune('0'+r.ID)) + ":" + strings.TrimLeft(string([]rune{rune('0' + r.Class/10), rune('0' + r.Class%10)}), "0")
				if r.Ignored {
					s += "!"
				}
				if r.Distractor {
					s += "?"
				}
				got = append(got, s)
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("read %s, want %s", s, tt.want)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	truth := func(p string) error { _, err := ReadTruth(p); return err }
	dets := func(p string) error { _, _, err := ReadDetections(p); return err }
	result := func(p string) error { _, err := ReadResult(p); return err }
	const ok = "1,1,1,1,5,5,1,-1,-1,-1\n"
	for _, tt := range []struct {
		name string
		read func(string) error
		text string
		want string // after the path
	}{
		{"no table", result, "hello\n", ": line 1: 1 columns, at least 7 wanted; a line starts with frame,id,left,top,width,height,score"},
		{"header", result, "frame,id,left,top,width,height,score\n", `: line 1: frame "frame" is no number; a line starts with`},
		{"columns missing", truth, ok + "2,1,1,1,5,5\n", ": line 2: 6 columns, at least 7 wanted; a line starts with frame,id,left,top,width,height,mark"},
		{"empty column", dets, "1,,1,1,5,5,1\n", `: line 1: id "" is no number`},
		{"not a number", dets, "1,-1,nan,1,5,5,1\n", `: line 1: left "nan" is out of range (a number from -1e+07 to 1e+07)`},
		{"infinite", dets, "1,-1,1,1,inf,5,1\n", `: line 1: width "inf" is out of range (a number from 0 to 1e+07)`},
		{"beyond float64", dets, "1,-1,1,1,5,1e999,1\n", `: line 1: height "1e999" is out of range`},
		{"score not a number", dets, "1,-1,1,1,5,5,nan\n", `: line 1: score "nan" is out of range`},
		{"negative size", truth, "1,1,1,1,-5,5,1\n", `: line 1: width "-5" is out of range`},
		{"frame 0", result, "0,1,1,1,5,5,1\n", `: line 1: frame "0" is out of range (a whole number from 1 to 1e+07)`},
		{"huge frame", dets, "2000000000,-1,1,1,5,5,1\n", `: line 1: frame "2000000000" is out of range`},
		{"half a frame", result, "1.5,1,1,1,5,5,1\n", `: line 1: frame "1.5" is out of range (a whole number`},
		{"negative id", result, "1,-1,1,1,5,5,1\n", `: line 1: id "-1" is out of range`},
		{"huge id", result, "1,9999999999,1,1,5,5,1\n", `: line 1: id "9999999999" is out of range`},
		{"id twice", truth, ok + "2,1,1,1,5,5,1,-1,-1,-1\n\n" + ok, ": line 4: id 1 stands in frame 1 twice"},
		{"columns differ", truth, ok + "2,1,1,1,5,5,1,1,1\n", ": line 2: 9 columns, but line 1 has 10"},
		{"class 0", truth, "1,1,1,1,5,5,1,0,1\n", `: line 1: class "0" is out of range (a whole number from 1 to 13, or -1 in every line)`},
		{"some classes", truth, "1,1,1,1,5,5,1,1,1\n2,1,1,1,5,5,1,-1,1\n", `: line 2: class "-1" is out of range`},
		{"class is a word", truth, "1,1,1,1,5,5,1,car,1\n", `: line 1: column 8 "car" is no number`},
		{"control characters", result, "\x1b[2J\x00,1,1,1,5,5,1\n", `: line 1: frame "\x1b[2J\x00" is no number`},
		{"a long word", result, strings.Repeat("9", 100) + "x,1,1,1,5,5,1\n", `: line 1: frame "` + strings.Repeat("9", 40) + `..." is no number`},
		{"a long line", result, ok + strings.Repeat("9", 5000) + "\n", ": line 2: it is longer than 4096 bytes; a line starts with"},
		{"too many boxes", dets, strings.Repeat(ok, maxBoxes+1), ": line 1001: frame 1 has more than 1000 boxes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "f.txt"), tt.text)
			err := tt.read(path)
			if err == nil || !strings.Contains(err.Error(), path+tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one with %q", err, path+tt.want)
			}
		})
	}
	for name, read := range map[string]func(string) error{"truth": truth, "detections": dets, "result": result} {
		if err := read("gone/f.txt"); !errors.Is(err, fs.ErrNotExist) || err.Error() != "read "+name+": open gone/f.txt: no such file or directory" {
			t.Errorf("%s: %v", name, err)
		}
		dir := t.TempDir()
		if err := read(dir); err == nil || strings.Count(err.Error(), dir) != 1 {
			t.Errorf("%s in a folder: %v", name, err)
		}
	}
}

func TestReadInfo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "door")
	path := filepath.Join(dir, InfoFile)
	for _, tt := range []struct {
		name, text string
		want       Info
		fault      string
	}{
		{"whole", "[Sequence]\nname=A-1\nimDir=img1\nframeRate=25\nseqLength=71\nimWidth=640\nimHeight=480\nimExt=.jpg\n", Info{"A-1", 25, 71, 640, 480}, ""},
		{"as people write it", "\ufeff; made by hand\r\n[Sequence]\r\n FrameRate = 29.97 \r\n", Info{Name: "door", FrameRate: 29.97}, ""},
		{"empty", "", Info{Name: "door"}, ""},
		{"no rate", "frameRate=fast", Info{}, `: line 1: framerate "fast" is no number`},
		{"rate 0", "\nframeRate=0", Info{}, `: line 2: framerate "0" is out of range (a number from 0.01 to 1000)`},
		{"length", "seqLength=1e9", Info{}, `: line 1: seqlength "1e9" is out of range (a whole number from 1 to 1e+07)`},
		{"half a frame", "seqLength=1.5", Info{}, "out of range"},
		{"no value", "seqLength", Info{}, `: line 1: "seqLength" has no =; a line is key=value`},
		{"a name that leads away", "name=../x", Info{}, `: line 1: name "../x" is no plain name of a sequence`},
		{"a name with colours", "name=a\x1b[1m", Info{}, "is no plain name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, path, tt.text)
			got, err := ReadInfo(dir)
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v, want one with %q", err, tt.fault)
				}
			} else if err != nil || got != tt.want {
				t.Errorf("%+v, error %v; want %+v", got, err, tt.want)
			}
		})
	}
	other := t.TempDir()
	if info, err := ReadInfo(other); !errors.Is(err, fs.ErrNotExist) || info != (Info{Name: filepath.Base(other)}) {
		t.Errorf("without a file: %+v, %v", info, err)
	}
	if d := SequenceDir(filepath.Join(dir, "gt", "gt.txt")); filepath.Clean(d) != dir {
		t.Errorf("sequence of gt/gt.txt: %s", d)
	}
	if d := SequenceDir(filepath.Join(dir, "gt.txt")); filepath.Clean(d) != dir {
		t.Errorf("sequence of a file beside the info: %s", d)
	}
}
