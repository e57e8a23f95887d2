package tracker_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"yfv2d/eval/mot"
	"yfv2d/infer"
)

const motDir = "../../shared/mot"

var streets = []string{"TUD-Campus", "TUD-Stadtmitte"}

func needMOT(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(motDir); err != nil {
		t.Skipf("no shared data: mot")
	}
}

// readStreet reads a sequence's detections.
func readStreet(t *testing.T, name, det string) (dets map[int][]infer.Detection, last int) {
	t.Helper()
	info, err := mot.ReadInfo(filepath.Join(motDir, name))
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := mot.ReadDetections(filepath.Join(motDir, name, det, "det.txt"))
	if err != nil {
		t.Fatal(err)
	}
	dets = map[int][]infer.Detection{}
	for f, all := range rows {
		for _, r := range all {
			dets[f] = append(dets[f], infer.Detection{Box: r.Box, Class: person, Score: r.Score})
		}
	}
	return dets, info.Length
}

// The reference trackers here give what their authors' programs gave on the same detections.
func TestReferenceTrackers(t *testing.T) {
	needMOT(t)
	for _, tt := range []struct {
		file string
		run  runner
	}{
		{"SORT_max_age=1_min_hits=3_iou=0.3", sortOf(1, 0)},
		{"SORT_max_age=3", sortOf(3, 0)},
		{"SORT_max_age=30", sortOf(30, 0)},
		{"ByteTrack_0.5-30-0.8", byteOf(0.5, 0.8, 30)},
		{"ByteTrack_0.6-30-0.9", byteOf(0.6, 0.9, 30)},
	} {
		for _, name := range streets {
			t.Run(tt.file+"/"+name, func(t *testing.T) {
				want, err := mot.ReadResult(filepath.Join(motDir, "ref", tt.file+"."+name+".txt"))
				if err != nil {
					t.Fatal(err)
				}
				dets, last := readStreet(t, name, "det-sort-frcnn")
				sameRows(t, tt.run(dets, last, nil), want)
			})
		}
	}
}

// sameRows compares results box by box. Ids may be numbered differently.
func sameRows(t *testing.T, got, want mot.Rows) {
	t.Helper()
	ids := map[int]int{}
	for f := 1; f <= max(got.Last(), want.Last()); f++ {
		if len(got[f]) != len(want[f]) {
			t.Fatalf("frame %d: %d boxes, want %d", f, len(got[f]), len(want[f]))
		}
		for _, w := range want[f] {
			g := nearest(w, got[f])
			if off := distance(g.Box, w.Box); off > 0.01 {
				t.Fatalf("frame %d id %d: box %v, want %v", f, w.ID, g.Box, w.Box)
			}
			if id, ok := ids[w.ID]; ok && id != g.ID {
				t.Fatalf("frame %d: id %d changed to %d, should stay as %d does", f, id, g.ID, w.ID)
			}
			ids[w.ID] = g.ID
		}
	}
}

func nearest(to mot.Row, rows []mot.Row) mot.Row {
	best := rows[0]
	for _, r := range rows {
		if distance(r.Box, to.Box) < distance(best.Box, to.Box) {
			best = r
		}
	}
	return best
}

// distance is the largest difference of two boxes' edges, px.
func distance(a, b infer.Box) float64 {
	d := max(math.Abs(float64(a.X0-b.X0)), math.Abs(float64(a.Y0-b.Y0)))
	return max(d, math.Abs(float64(a.X1-b.X1)), math.Abs(float64(a.Y1-b.Y1)))
}
