package eval

import (
	"strings"
	"testing"

	"yfv2d/infer"
)

// Whatever file is given, reading and evaluating neither panics nor takes long.
func FuzzReadDataset(f *testing.F) {
	f.Add(small)
	f.Add(`{"images":[{"id":1}],"categories":[{"id":1,"name":"a"}],"annotations":[{"image_id":1,"category_id":1,"bbox":[0,0,1e308,1e308],"area":1e308}]}`)
	f.Add(`{"images":null,"categories":[{}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ReadDataset(strings.NewReader(s))
		if err != nil {
			return
		}
		results := []Result{{ImageID: d.Images[0].ID, CategoryID: d.Categories[0].ID, Box: infer.Box{X1: 10, Y1: 10}, Score: 0.5}}
		r := Evaluate(d, results)
		for _, v := range []float64{r.AP, r.AP50, r.AP75, r.AR100} {
			if v < 0 || v > 1 {
				t.Errorf("a figure of %g", v)
			}
		}
	})
}
