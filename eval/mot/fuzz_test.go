package mot

import (
	"bytes"
	"strings"
	"testing"
)

// Whatever the files hold, reading and evaluating neither panics nor gives a figure that cannot be; and what was read
// can be written and read again.
func FuzzRead(f *testing.F) {
	const plain = "1,1,10,10,20,40,1,-1,-1,-1\n2,1,11,10,20,40,1,-1,-1,-1\n"
	f.Add(plain, "1,5,12,10,20,40,0.5,-1,-1,-1\n2,6,30,10,20,40,0.5\n")
	f.Add("1,1,10,10,20,40,1,1,0.5\n1,2,12,11,20,40,0,7,1\n9999999,3,1,1,0,0,1,8,0", plain)
	f.Add("\ufeff1 1 1 1 5 5 1 2 3 4\r\n", " 1, 1, 1, 1, 5, 5, 1")
	f.Add("1,1,1e7,1e7,1e7,1e7,1,1,1,-1", "1,2147483648,-1e7,-1e7,1e7,1e7,3e38")
	f.Fuzz(func(t *testing.T, gt, hyp string) {
		info, err := readInfo(strings.NewReader(gt))
		if err == nil && (info.FrameRate < 0 || info.Length < 0 || info.Length > maxFrame || len(info.Name) > maxName) {
			t.Errorf("info %+v", info)
		}
		if rows, scored, err := readDetections(strings.NewReader(hyp)); err == nil {
			for _, frame := range rows {
				for _, r := range frame {
					if !(r.Score >= 0 && r.Score <= 1) || !scored && r.Score != 1 {
						t.Errorf("score %g, scored %v", r.Score, scored)
					}
				}
			}
		}
		truth, err := readTruth(strings.NewReader(gt), false)
		if err != nil {
			return
		}
		result, err := readResult(strings.NewReader(hyp))
		if err != nil {
			return
		}
		checkCounts(t, truth, result)
		var b bytes.Buffer
		if err := Write(&b, result); err != nil {
			t.Fatal(err)
		}
		if again, err := readResult(&b); err != nil || len(again) != len(result) {
			t.Errorf("written and read again: %v, %v; wrote %v", again, err, result)
		}
	})
}

func checkCounts(t *testing.T, truth, result Rows) {
	t.Helper()
	c := Evaluate(truth, result, nil)
	s := c.Scores()
	for _, v := range []float64{s.MOTP, s.IDF1, s.IDP, s.IDR, s.HOTA, s.DetA, s.AssA, s.LocA} {
		if !(v >= 0 && v <= 100+1e-9) {
			t.Errorf("a figure of %g in %+v", v, s)
		}
	}
	boxes := 0
	for _, rows := range truth {
		for _, r := range rows {
			if !r.Ignored && !r.Distractor {
				boxes++
			}
		}
	}
	if c.TP+c.FN != boxes || c.IDTP+c.IDFN != boxes || c.TP+c.FP != c.IDTP+c.IDFP || c.IDs < 0 || c.Frag < 0 {
		t.Errorf("%d boxes of truth, counts %+v", boxes, c)
	}
}
