package mot

import (
	"bytes"
	"math"
	"testing"

	"yfv2d/infer"
)

// at is a box of 10x10 pixels at x; two of them a pixel apart have an IoU of 9/11.
func at(x float32) infer.Box { return infer.Box{X0: x, Y0: 0, X1: x + 10, Y1: 10} }

// line is an object or track that stands still in the frames given.
func line(rows Rows, id int, x float32, frames ...int) {
	for _, f := range frames {
		rows[f] = append(rows[f], Row{ID: id, Box: at(x)})
	}
}

func span(from, to int) (frames []int) {
	for f := from; f <= to; f++ {
		frames = append(frames, f)
	}
	return frames
}

// Scenes so small that every figure can be worked out by hand.
func TestFiguresByHand(t *testing.T) {
	const third = 100.0 / 3
	for _, tt := range []struct {
		name  string
		build func(truth, result Rows)
		want  Scores
	}{
		{"perfect", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 7, 0, span(1, 10)...)
		}, Scores{MOTA: 100, MOTP: 100, IDF1: 100, IDP: 100, IDR: 100, HOTA: 100, DetA: 100, AssA: 100, LocA: 100, MT: 1}},
		{"nothing found", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
		}, Scores{LocA: 100, FN: 10, ML: 1}},
		{"nothing there", func(g, r Rows) {
			line(r, 1, 0, span(1, 10)...)
		}, Scores{MOTA: -1000, LocA: 100, FP: 10}},
		{"elsewhere", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 1, 100, span(1, 10)...)
		}, Scores{MOTA: -100, LocA: 100, FP: 10, FN: 10, ML: 1}},
		// Two tracks of 5 boxes on an object of 10: each match has an association of 5/(10+5-5).
		{"a switch", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 1, 0, span(1, 5)...)
			line(r, 2, 0, span(6, 10)...)
		}, Scores{MOTA: 90, MOTP: 100, IDF1: 50, IDP: 50, IDR: 50, HOTA: 100 * math.Sqrt(0.5), DetA: 100, AssA: 50, LocA: 100, IDs: 1, MT: 1}},
		// 8 of 10 found, in two runs: tracked to 80 %, which is not more than 80 %.
		{"interrupted", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 1, 0, 1, 2, 3, 4, 7, 8, 9, 10)
			line(r, 2, 100, 5) // a result in the frame, or it would not count as an interruption
		}, Scores{MOTA: 70, MOTP: 100, IDF1: 100 * 16.0 / 19, IDP: 100 * 8.0 / 9, IDR: 80,
			HOTA: 100 * math.Sqrt(8.0/11*0.8), DetA: 100 * 8.0 / 11, AssA: 80, LocA: 100, FP: 1, FN: 2, Frag: 1, PT: 1}},
		// The reference passes over frames without any result, so the object counts as tracked throughout.
		{"interrupted by empty frames", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 1, 0, 1, 2, 3, 4, 7, 8, 9, 10)
		}, Scores{MOTA: 80, MOTP: 100, IDF1: 100 * 16.0 / 18, IDP: 100, IDR: 80, HOTA: 80, DetA: 80, AssA: 80, LocA: 100, FN: 2, PT: 1}},
		// A switch is also one after a gap, and it is an interruption too.
		{"another track after a gap", func(g, r Rows) {
			line(g, 1, 0, span(1, 4)...)
			line(r, 1, 0, 1, 2)
			line(r, 9, 100, 3)
			line(r, 2, 0, 4)
		}, Scores{MOTA: 25, MOTP: 100, IDF1: 50, IDP: 50, IDR: 50, DetA: 60, AssA: 100 * (2*2.0/4 + 1*1.0/4) / 3,
			HOTA: 100 * math.Sqrt(0.6*(2*2.0/4+1*1.0/4)/3), LocA: 100, FP: 1, FN: 1, IDs: 1, Frag: 1, PT: 1}},
		{"mostly lost", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 1, 0, 1)
		}, Scores{MOTA: 10, MOTP: 100, IDF1: 100 * 2.0 / 11, IDP: 100, IDR: 10, HOTA: 10, DetA: 10, AssA: 10, LocA: 100, FN: 9, ML: 1}},
		{"a fifth is partly tracked", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 1, 0, 1, 2)
		}, Scores{MOTA: 20, MOTP: 100, IDF1: third, IDP: 100, IDR: 20, HOTA: 20, DetA: 20, AssA: 20, LocA: 100, FN: 8, PT: 1}},
		// IoU 1/3: too little for CLEAR and identity, enough for HOTA at 0.05 to 0.30.
		{"half a box away", func(g, r Rows) {
			line(g, 1, 0, span(1, 10)...)
			line(r, 1, 5, span(1, 10)...)
		}, Scores{MOTA: -100, HOTA: 100 * 6.0 / 19, DetA: 100 * 6.0 / 19, AssA: 100 * 6.0 / 19,
			LocA: 100 * (6*(1.0/3) + 13) / 19, FP: 10, FN: 10, ML: 1}},
		// Track 2 fits better from frame 2 on, but track 1 still overlaps enough: the match that stands is kept.
		{"a standing match is kept", func(g, r Rows) {
			line(g, 1, 0, 1, 2)
			line(r, 1, 0, 1)
			line(r, 1, 2, 2)
			line(r, 2, 0, 2)
		}, Scores{MOTA: 50, MOTP: 100 * (1 + 8.0/12) / 2, IDF1: 80, IDP: 100 * 2.0 / 3, IDR: 100, FP: 1, MT: 1,
			// HOTA decides by the whole sequence: track 1 is aligned best up to IoU 2/3 and no farther.
			HOTA: 100 * (13*math.Sqrt(2.0/3) + 6*math.Sqrt(0.25/3)) / 19, DetA: 100 * (13*2.0/3 + 6*0.25) / 19,
			AssA: 100 * (13 + 6.0/3) / 19, LocA: 100 * (13*(1+2.0/3)/2 + 6) / 19}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			truth, result := Rows{}, Rows{}
			tt.build(truth, result)
			same(t, Evaluate(truth, result, nil).Scores(), tt.want)
		})
	}
}

func same(t *testing.T, got, want Scores) {
	t.Helper()
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"MOTA", got.MOTA, want.MOTA}, {"MOTP", got.MOTP, want.MOTP}, {"IDF1", got.IDF1, want.IDF1}, {"IDP", got.IDP, want.IDP},
		{"IDR", got.IDR, want.IDR}, {"HOTA", got.HOTA, want.HOTA}, {"DetA", got.DetA, want.DetA}, {"AssA", got.AssA, want.AssA},
		{"LocA", got.LocA, want.LocA}, {"FP", float64(got.FP), float64(want.FP)}, {"FN", float64(got.FN), float64(want.FN)},
		{"IDs", float64(got.IDs), float64(want.IDs)}, {"Frag", float64(got.Frag), float64(want.Frag)},
		{"MT", float64(got.MT), float64(want.MT)}, {"PT", float64(got.PT), float64(want.PT)}, {"ML", float64(got.ML), float64(want.ML)},
	} {
		if !(math.Abs(f.got-f.want) < 1e-9) {
			t.Errorf("%s is %g, want %g", f.name, f.got, f.want)
		}
	}
}

func TestPreprocessing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		build func(truth, result Rows)
		want  Scores
	}{
		{"a result on a distractor goes", func(g, r Rows) {
			g[1] = []Row{{ID: 1, Box: at(0)}, {ID: 2, Box: at(50), Distractor: true, Ignored: true}}
			r[1] = []Row{{ID: 1, Box: at(0)}, {ID: 2, Box: at(51)}}
		}, Scores{MOTA: 100, MOTP: 100, IDF1: 100, IDP: 100, IDR: 100, HOTA: 100, DetA: 100, AssA: 100, LocA: 100, MT: 1}},
		{"a result on ignored truth is a false one", func(g, r Rows) {
			g[1] = []Row{{ID: 1, Box: at(0)}, {ID: 2, Box: at(50), Ignored: true}}
			r[1] = []Row{{ID: 1, Box: at(0)}, {ID: 2, Box: at(51)}}
		}, Scores{MOTA: 0, MOTP: 100, IDF1: 100 * 2.0 / 3, IDP: 50, IDR: 100, HOTA: 100 * math.Sqrt(0.5), DetA: 50, AssA: 100, LocA: 100, FP: 1, MT: 1}},
		{"the better match decides", func(g, r Rows) {
			g[1] = []Row{{ID: 1, Box: at(0)}, {ID: 2, Box: at(2), Distractor: true}}
			r[1] = []Row{{ID: 1, Box: at(0)}}
		}, Scores{MOTA: 100, MOTP: 100, IDF1: 100, IDP: 100, IDR: 100, HOTA: 100, DetA: 100, AssA: 100, LocA: 100, MT: 1}},
		{"a result beside a distractor is a false one", func(g, r Rows) {
			g[1] = []Row{{ID: 1, Box: at(0)}, {ID: 2, Box: at(50), Distractor: true}}
			r[1] = []Row{{ID: 1, Box: at(0)}, {ID: 2, Box: at(54)}} // IoU 6/14
		}, Scores{MOTA: 0, MOTP: 100, IDF1: 100 * 2.0 / 3, IDP: 50, IDR: 100, HOTA: 100 * math.Sqrt(0.5), DetA: 50, AssA: 100, LocA: 100, FP: 1, MT: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			truth, result := Rows{}, Rows{}
			tt.build(truth, result)
			same(t, Evaluate(truth, result, nil).Scores(), tt.want)
		})
	}
}

// Only the frames that are asked for count, whatever their order.
func TestEvaluateFrames(t *testing.T) {
	truth, result := Rows{}, Rows{}
	line(truth, 1, 0, span(1, 10)...)
	line(result, 1, 0, 1, 3, 5, 7, 9)
	line(result, 2, 50, 2, 4)
	odd := Evaluate(truth, result, []int{9, 7, 5, 3, 1, 1, 11}).Scores()
	same(t, odd, Scores{MOTA: 100, MOTP: 100, IDF1: 100, IDP: 100, IDR: 100, HOTA: 100, DetA: 100, AssA: 100, LocA: 100, MT: 1})
	if c := Evaluate(truth, result, []int{2, 4}); c.FN != 2 || c.FP != 2 || c.TP != 0 {
		t.Errorf("even frames: %+v", c)
	}
	if c := Evaluate(truth, result, []int{}); c.TP+c.FP+c.FN != 0 {
		t.Errorf("no frames: %+v", c)
	}
}

// Two sequences together: counts are summed, association is weighted by matches.
func TestAddSequences(t *testing.T) {
	good, half := Rows{}, Rows{}
	line(good, 1, 0, span(1, 10)...)
	line(half, 1, 0, span(1, 5)...)
	line(half, 2, 0, span(6, 10)...)
	var sum Counts
	sum.Add(Evaluate(good, good, nil))
	sum.Add(Evaluate(good, half, nil))
	same(t, sum.Scores(), Scores{MOTA: 95, MOTP: 100, IDF1: 75, IDP: 75, IDR: 75, HOTA: 100 * math.Sqrt(0.75), DetA: 100, AssA: 75, LocA: 100, IDs: 1, MT: 2})
	// A sequence without any match has no say in association and place.
	missed := Rows{}
	line(missed, 1, 0, span(1, 20)...)
	sum.Add(Evaluate(missed, Rows{}, nil))
	same(t, sum.Scores(), Scores{MOTA: 47.5, MOTP: 100, IDF1: 100 * 30.0 / 60, IDP: 75, IDR: 37.5, HOTA: 100 * math.Sqrt(0.5*0.75),
		DetA: 50, AssA: 75, LocA: 100, FN: 20, IDs: 1, MT: 2, ML: 1})
}

func TestOfNothing(t *testing.T) {
	same(t, Evaluate(nil, nil, nil).Scores(), Scores{LocA: 100})
	same(t, new(Counts).Scores(), Scores{LocA: 100})
}

// Truth of an earlier row must outlive the evaluation unchanged.
func TestEvaluateLeavesRowsAlone(t *testing.T) {
	truth := Rows{1: {{ID: 2, Ignored: true}, {ID: 1, Box: at(0)}, {ID: 3, Box: at(50), Distractor: true}}}
	result := Rows{1: {{ID: 5, Box: at(50)}, {ID: 6, Box: at(0)}}}
	first := Evaluate(truth, result, nil).Scores()
	same(t, Evaluate(truth, result, nil).Scores(), first)
	if truth[1][0].ID != 2 || truth[1][2].ID != 3 || result[1][0].ID != 5 || len(truth[1]) != 3 {
		t.Errorf("%+v, %+v", truth, result)
	}
}

func TestWriteAndReadAgain(t *testing.T) {
	rows := Rows{
		2: {{ID: 3, Box: infer.Box{X0: -1.5, Y0: 2, X1: 10.25, Y1: 20}, Score: 0.75, Class: 1}},
		1: {{ID: 4, Box: infer.Box{X0: 100, Y0: 50, X1: 160, Y1: 200}, Score: 1, Class: 1}, {ID: 0, Box: at(0), Score: 0.5, Class: 1}},
	}
	var b bytes.Buffer
	if err := Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	const want = "1,4,100.000,50.000,60.000,150.000,1,-1,-1,-1\n1,0,0.000,0.000,10.000,10.000,0.5,-1,-1,-1\n" +
		"2,3,-1.500,2.000,11.750,18.000,0.75,-1,-1,-1\n"
	if b.String() != want {
		t.Errorf("wrote\n%s, want\n%s", b.String(), want)
	}
	again, err := readResult(&b)
	if err != nil {
		t.Fatal(err)
	}
	if again[2][0] != rows[2][0] || again[1][0] != rows[1][0] || again[1][1] != rows[1][1] {
		t.Errorf("read %+v, wrote %+v", again, rows)
	}
}
