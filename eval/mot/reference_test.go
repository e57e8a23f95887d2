package mot

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"yfv2d/infer"
)

// The figures that TrackEval gives for the output of the official trackers.
func TestReferenceResults(t *testing.T) {
	const root = "../../../shared/mot"
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no shared data: mot")
	}
	const any = -1
	for _, row := range []struct {
		file, sequence   string
		mota, idf1, hota float64
		switches         int
	}{
		{"SORT_max_age=1_min_hits=3_iou=0.3", "TUD-Campus", 62.7, 60.6, 45.3, 6},
		{"SORT_max_age=1_min_hits=3_iou=0.3", "TUD-Stadtmitte", 71.7, 73.5, 53.0, 10},
		{"SORT_max_age=3", "TUD-Campus", 62.4, 62.8, 47.0, any},
		{"SORT_max_age=3", "TUD-Stadtmitte", 71.9, 76.8, 54.4, any},
		{"SORT_max_age=30", "TUD-Campus", 63.5, 71.7, 50.5, any},
		{"SORT_max_age=30", "TUD-Stadtmitte", 71.5, 79.9, 54.7, any},
		{"ByteTrack_0.5-30-0.8", "TUD-Campus", 59.6, 67.9, 48.6, any},
		{"ByteTrack_0.5-30-0.8", "TUD-Stadtmitte", 69.9, 71.0, 51.5, any},
		{"ByteTrack_0.6-30-0.9", "TUD-Campus", 61.3, 71.3, 51.4, any},
		{"ByteTrack_0.6-30-0.9", "TUD-Stadtmitte", 69.9, 75.8, 53.7, any},
		{"OC-SORT_0.6", "TUD-Campus", 58.8, 69.2, 49.9, any},
		{"OC-SORT_0.6", "TUD-Stadtmitte", 69.6, 73.9, 51.6, any},
	} {
		t.Run(row.file+" "+row.sequence, func(t *testing.T) {
			truth, err := ReadTruth(filepath.Join(root, row.sequence, "gt/gt.txt"))
			if err != nil {
				t.Fatal(err)
			}
			result, err := ReadResult(filepath.Join(root, "ref", fmt.Sprintf("%s.%s.txt", row.file, row.sequence)))
			if err != nil {
				t.Fatal(err)
			}
			s := Evaluate(truth, result, nil).Scores()
			t.Logf("%+v", s)
			// The reference's figures have one decimal, so 0.05 is all that their rounding may hide.
			for _, f := range []struct {
				name      string
				got, want float64
			}{{"MOTA", s.MOTA, row.mota}, {"IDF1", s.IDF1, row.idf1}, {"HOTA", s.HOTA, row.hota}} {
				if math.Abs(f.got-f.want) > 0.05+1e-9 {
					t.Errorf("%s is %.3f, want %.1f", f.name, f.got, f.want)
				}
			}
			if row.switches != any && s.IDs != row.switches {
				t.Errorf("%d identity switches, want %d", s.IDs, row.switches)
			}
		})
	}
}

// A crowd as in the challenge's fullest sequence: 200 persons in each of 500 frames, who overlap their neighbours.
func BenchmarkEvaluateCrowd(b *testing.B) {
	truth, result := Rows{}, Rows{}
	for f := 1; f <= 500; f++ {
		for id := range 200 {
			x, y := float32(id%20*30+f%7), float32(id/20*60)
			truth[f] = append(truth[f], Row{ID: id, Box: infer.Box{X0: x, Y0: y, X1: x + 40, Y1: y + 100}})
			if (f+id)%9 > 0 {
				result[f] = append(result[f], Row{ID: id + f/100*200, Box: infer.Box{X0: x + 3, Y0: y + 2, X1: x + 43, Y1: y + 100}})
			}
		}
	}
	for b.Loop() {
		Evaluate(truth, result, nil)
	}
}
