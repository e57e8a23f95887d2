package tracker_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"yfv2d/eval/mot"
	"yfv2d/infer"
	"yfv2d/tracker"
)

// leastVisible is how much of an object must be in sight for a tracker to have to show it. Of objects that are hidden
// further (or out of the picture) a box is neither asked for nor held against it.
const leastVisible = 0.25

// rows is a scene's truth.
func (s *scene) rows() mot.Rows {
	out := mot.Rows{}
	for f, all := range s.truth {
		for _, o := range all {
			away := o.visibility < leastVisible
			out[f] = append(out[f], mot.Row{ID: o.thing.id, Box: o.box, Score: 1, Class: 1, Ignored: away, Distractor: away})
		}
	}
	return out
}

// runner tracks the detections of frames 1 to last.
type runner func(dets map[int][]infer.Detection, last int, at func(frame int) time.Time) mot.Rows

// settings are the defaults, with the groups of COCO's first classes as they are in a daemon.
func settings() tracker.Config {
	cfg := tracker.DefaultConfig()
	cfg.Groups = tracker.Groups([]string{"person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck"})
	return cfg
}

// ours runs this package's tracker and gives what it vouches for in each frame: what was detected, or is predicted over
// a short gap, but not what is held past that.
func ours(cfg tracker.Config) runner {
	return func(dets map[int][]infer.Detection, last int, at func(int) time.Time) mot.Rows {
		tr, out := tracker.New(cfg), mot.Rows{}
		for f := 1; f <= last; f++ {
			for _, k := range tr.Update(dets[f], at(f)).At(at(f)) {
				if !k.Predicted {
					out[f] = append(out[f], mot.Row{ID: k.ID, Box: k.Box, Score: k.Score, Class: 1})
				}
			}
		}
		return out
	}
}

func counted(fresh func() baseline) runner {
	return func(dets map[int][]infer.Detection, last int, _ func(int) time.Time) mot.Rows {
		b, out := fresh(), mot.Rows{}
		for f := 1; f <= last; f++ {
			for _, k := range b.update(dets[f]) {
				out[f] = append(out[f], mot.Row{ID: k.id, Box: k.det.Box, Score: k.det.Score, Class: 1})
			}
		}
		return out
	}
}

// sortOf is SORT on detections of minScore or more, with its published settings but for maxAge.
func sortOf(maxAge int, minScore float64) runner {
	return counted(func() baseline { return &sorter{maxAge: maxAge, minHits: 3, iou: 0.3, minScore: minScore} })
}

// evaluate is how well a tracker does on the scene.
func (s *scene) evaluate(run runner) *mot.Counts {
	return mot.Evaluate(s.rows(), run(s.dets, s.last, s.at), s.frames())
}

func (s *scene) frames() []int {
	out := make([]int, s.last)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// contest is a list of trackers and what they have scored so far.
type contest struct {
	names []string
	runs  []runner
	sums  map[string][]*mot.Counts
	rows  []string // in the order of the table
}

func (c *contest) enter(name string, run runner) {
	c.names, c.runs = append(c.names, name), append(c.runs, run)
}

// score adds a tracker's counts to a row of the table.
func (c *contest) score(row string, i int, counts *mot.Counts) {
	if c.sums == nil {
		c.sums = map[string][]*mot.Counts{}
	}
	if c.sums[row] == nil {
		c.rows = append(c.rows, row)
		c.sums[row] = make([]*mot.Counts, len(c.runs))
		for k := range c.sums[row] {
			c.sums[row][k] = &mot.Counts{}
		}
	}
	c.sums[row][i].Add(counts)
}

// table prints MOTA, IDF1, HOTA and the number of id switches of each tracker.
func (c *contest) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-26s", "MOTA IDF1 HOTA IDs")
	for _, n := range c.names {
		fmt.Fprintf(&b, "| %-21s", n)
	}
	for _, row := range c.rows {
		fmt.Fprintf(&b, "\n%-26s", row)
		for _, counts := range c.sums[row] {
			s := counts.Scores()
			fmt.Fprintf(&b, "| %4.1f %4.1f %4.1f %5d ", s.MOTA, s.IDF1, s.HOTA, s.IDs)
		}
	}
	return b.String()
}

// seeds is how many scenes of each kind and rate are drawn: YFV2D_SCENE_SEEDS, or n.
func seeds(t *testing.T, n int) int {
	text := os.Getenv("YFV2D_SCENE_SEEDS")
	if text == "" {
		return n
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 {
		t.Fatalf("YFV2D_SCENE_SEEDS=%s: must be a whole number above 0", text)
	}
	return v
}

var rates = []float64{2, 5, 10, 25} // frames a second

// Every kind of scene at every rate. With -v the reference trackers stand beside in the table.
func TestScenes(t *testing.T) {
	t.Parallel()
	var c contest
	c.enter("ours", ours(settings()))
	if testing.Verbose() {
		c.enter("SORT max_age=1", sortOf(1, 0.5))
		c.enter("SORT max_age=30", sortOf(30, 0.5))
		c.enter("ByteTrack 0.6-30-0.9", byteOf(0.6, 0.9, 30))
	}
	c.run(kinds, seeds(t, 5))
	t.Log(c.table())
	for row, f := range sceneFloors {
		c.hold(t, row, f)
	}
}

// floor is the least that the tracker must reach, in per cent.
type floor struct{ mota, idf1, hota float64 }

// sceneFloors hold with the default seeds and with more.
var sceneFloors = map[string]floor{
	"combined     2/s": {66, 71, 58},
	"combined     5/s": {80, 84, 68},
	"combined    10/s": {82, 85, 68},
	"combined    25/s": {83, 85, 69},
}

// hold fails the test if the first tracker of the contest is below a floor.
func (c *contest) hold(t *testing.T, row string, f floor) {
	t.Helper()
	if c.sums[row] == nil {
		t.Errorf("there is no row %q to hold", row)
		return
	}
	s := c.sums[row][0].Scores()
	if s.MOTA < f.mota || s.IDF1 < f.idf1 || s.HOTA < f.hota {
		t.Errorf("%s: MOTA %.1f IDF1 %.1f HOTA %.1f, at least %.1f %.1f %.1f wanted", row, s.MOTA, s.IDF1, s.HOTA, f.mota, f.idf1, f.hota)
	}
}

// run draws and tracks everything. Counts of seeds are added; so are those of kinds into rows of each rate and of all.
func (c *contest) run(kinds []kind, seeds int) {
	type sum struct {
		rate   float64
		tr     int
		counts *mot.Counts
	}
	var sums []sum
	for _, k := range kinds {
		for _, rate := range rates {
			for seed := range seeds {
				s := k.draw(uint64(seed), rate)
				for i, run := range c.runs {
					counts := s.evaluate(run)
					c.score(fmt.Sprintf("%-10s %3g/s", k.name, rate), i, counts)
					sums = append(sums, sum{rate, i, counts})
				}
			}
		}
	}
	for _, rate := range rates {
		for _, s := range sums {
			if s.rate == rate {
				c.score(fmt.Sprintf("%-10s %3g/s", "combined", rate), s.tr, s.counts)
			}
		}
	}
}
