package tracker

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"yfv2d/infer"
)

// motRow is a line of a MOT Challenge file.
type motRow struct {
	id    int
	box   infer.Box
	score float32
}

// readMOT reads frame,id,left,top,width,height,score,... by frame.
func readMOT(t *testing.T, path string) map[int][]motRow {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int][]motRow{}
	for _, line := range strings.Fields(string(text)) {
		var v [7]float64
		for i, f := range strings.SplitN(line, ",", 8)[:7] {
			if v[i], err = strconv.ParseFloat(f, 64); err != nil {
				t.Fatal(err)
			}
		}
		b := infer.Box{X0: float32(v[2]), Y0: float32(v[3]), X1: float32(v[2] + v[4]), Y1: float32(v[3] + v[5])}
		out[int(v[0])] = append(out[int(v[0])], motRow{int(v[1]), b, float32(v[6])})
	}
	return out
}

// score is CLEAR MOT's accuracy (Bernardin and Stiefelhagen 2008) and IDF1 (Ristani et al. 2016), both at IoU 0.5.
type score struct {
	mota, idf1      float64
	switches, truth int
}

func evaluate(truth, shown map[int][]motRow, frames []int) (s score) {
	var misses, falses, hyps int
	last := map[int]int{}        // true id -> shown id of its last match
	together := map[[2]int]int{} // frames in which the two overlap
	rows, cols := map[int]int{}, map[int]int{}
	for _, f := range frames {
		gt, hyp := truth[f], shown[f]
		s.truth += len(gt)
		hyps += len(hyp)
		var edges []edge
		for i, g := range gt {
			for j, h := range hyp {
				iou := float64(g.box.IoU(h.box))
				if iou < 0.5 {
					continue
				}
				together[[2]int{g.id, h.id}]++
				if last[g.id] == h.id {
					iou += 1000 // a match that stands is kept
				}
				edges = append(edges, edge{i, j, iou + 1})
			}
		}
		matched := 0
		for i, j := range assign(len(gt), len(hyp), edges) {
			if j < 0 {
				continue
			}
			matched++
			if was, ok := last[gt[i].id]; ok && was != hyp[j].id {
				s.switches++
			}
			last[gt[i].id] = hyp[j].id
		}
		misses += len(gt) - matched
		falses += len(hyp) - matched
	}
	number := func(m map[int]int, id int) int {
		if _, ok := m[id]; !ok {
			m[id] = len(m)
		}
		return m[id]
	}
	var edges []edge
	for pair, n := range together {
		edges = append(edges, edge{number(rows, pair[0]), number(cols, pair[1]), float64(n)})
	}
	idtp := 0.0
	for r, c := range assign(len(rows), len(cols), edges) {
		for _, e := range edges {
			if e.row == r && e.col == c {
				idtp += e.sim
			}
		}
	}
	s.mota = 1 - float64(misses+falses+s.switches)/float64(s.truth)
	s.idf1 = 2 * idtp / float64(s.truth+hyps)
	return s
}

// trackMOT runs the tracker over every step-th frame of a sequence of 25 a second.
func trackMOT(dets map[int][]motRow, last, step int) (shown map[int][]motRow, frames []int) {
	tr, shown := New(DefaultConfig()), map[int][]motRow{}
	for f := 1; f <= last; f += step {
		var in []infer.Detection
		for _, d := range dets[f] {
			in = append(in, infer.Detection{Box: d.box, Score: d.score})
		}
		at := t0.Add(time.Duration(f) * time.Second / 25)
		for _, k := range tr.Update(in, at).At(at) {
			if k.Unseen == 0 { // the reference trackers give no box for what they do not see
				shown[f] = append(shown[f], motRow{k.ID, k.Box, k.Score})
			}
		}
		frames = append(frames, f)
	}
	return shown, frames
}

// Real detections of real scenes, at the cameras' 25 frames a second and at fewer. The floors stand a little below what
// was measured; SORT's published output on the same detections is there to compare.
func TestStreetScenes(t *testing.T) {
	root := "../../shared/mot"
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no shared data: mot")
	}
	for _, tt := range []struct {
		name       string
		last, step int
		mota, idf1 float64
	}{
		{"TUD-Campus", 71, 1, 0.55, 0.65}, {"TUD-Campus", 71, 3, 0.5, 0.62}, {"TUD-Campus", 71, 12, 0.25, 0.4},
		{"TUD-Stadtmitte", 179, 1, 0.7, 0.75}, {"TUD-Stadtmitte", 179, 3, 0.68, 0.7}, {"TUD-Stadtmitte", 179, 12, 0.65, 0.7},
	} {
		truth := readMOT(t, filepath.Join(root, tt.name, "gt/gt.txt"))
		shown, frames := trackMOT(readMOT(t, filepath.Join(root, tt.name, "det-sort-frcnn/det.txt")), tt.last, tt.step)
		got := evaluate(truth, shown, frames)
		t.Logf("%s, every %dth frame: MOTA %.3f IDF1 %.3f, %d switches", tt.name, tt.step, got.mota, got.idf1, got.switches)
		if got.mota < tt.mota || got.idf1 < tt.idf1 {
			t.Errorf("%s, every %dth frame: below MOTA %.3f IDF1 %.3f", tt.name, tt.step, tt.mota, tt.idf1)
		}
		if tt.step == 1 {
			sort := evaluate(truth, readMOT(t, filepath.Join(root, "ref/SORT_max_age=1_min_hits=3_iou=0.3."+tt.name+".txt")), frames)
			t.Logf("SORT: MOTA %.3f IDF1 %.3f, %d switches", sort.mota, sort.idf1, sort.switches)
		}
	}
}
