package eval

import (
	"math"
	"testing"

	"yfv2d/infer"
)

// det is a detection of class 1 on image 1.
func det(score, x0, y0, x1, y1 float32) Result {
	return Result{ImageID: 1, CategoryID: 1, Box: infer.Box{X0: x0, Y0: y0, X1: x1, Y1: y1}, Score: score}
}

// obj is an object of class 1 on image 1.
func obj(x, y, w, h float64) Annotation {
	return Annotation{ImageID: 1, CategoryID: 1, BBox: [4]float64{x, y, w, h}, Area: w * h}
}

func crowd(a Annotation) Annotation { a.Crowd = 1; return a }

func on(image int64, category int, a Annotation) Annotation {
	a.ImageID, a.CategoryID = image, category
	return a
}

func onR(image int64, category int, r Result) Result {
	r.ImageID, r.CategoryID = image, category
	return r
}

func many(n int, r Result) []Result {
	out := make([]Result, n)
	for i := range out {
		out[i] = r
	}
	return out
}

var nan = math.NaN()

// Figures worked out by hand from the definition: the mean over recall points 0.00, 0.01 ... 1.00 of the best
// precision at or beyond that recall.
func TestEvaluate(t *testing.T) {
	for _, row := range []struct {
		name                     string
		objects                  []Annotation
		dets                     []Result
		ap, ap50, ap75           float64
		small, medium, large     float64
		ar1, ar10, ar100         float64
		objectsCounted, classesN int
	}{
		{name: "nothing there, nothing found", ap: nan, ap50: nan, ap75: nan, small: nan, medium: nan, large: nan, ar1: nan, ar10: nan, ar100: nan},
		{name: "found exactly", objects: []Annotation{obj(10, 10, 50, 50)}, dets: []Result{det(0.9, 10, 10, 60, 60)},
			ap: 1, ap50: 1, ap75: 1, small: nan, medium: 1, large: nan, ar1: 1, ar10: 1, ar100: 1, objectsCounted: 1},
		{name: "missed", objects: []Annotation{obj(10, 10, 50, 50)},
			small: nan, large: nan, objectsCounted: 1},
		{name: "false one first", objects: []Annotation{obj(10, 10, 50, 50)},
			dets: []Result{det(0.9, 100, 100, 150, 150), det(0.8, 10, 10, 60, 60)},
			ap:   0.5, ap50: 0.5, ap75: 0.5, small: nan, medium: 0.5, large: nan, ar1: 0, ar10: 1, ar100: 1, objectsCounted: 1},
		{name: "one of two", objects: []Annotation{obj(10, 10, 50, 50), obj(200, 200, 50, 50)},
			dets: []Result{det(0.9, 10, 10, 60, 60), det(0.8, 100, 100, 150, 150)},
			ap:   51. / 101, ap50: 51. / 101, ap75: 51. / 101, small: nan, medium: 51. / 101, large: nan, ar1: 0.5, ar10: 0.5, ar100: 0.5, objectsCounted: 2},
		{name: "a double between two", objects: []Annotation{obj(10, 10, 50, 50), obj(200, 200, 50, 50)},
			dets: []Result{det(0.9, 10, 10, 60, 60), det(0.8, 10, 10, 60, 60), det(0.7, 200, 200, 250, 250)},
			ap:   (51 + 50*2./3) / 101, ap50: (51 + 50*2./3) / 101, ap75: (51 + 50*2./3) / 101,
			small: nan, medium: (51 + 50*2./3) / 101, large: nan, ar1: 0.5, ar10: 1, ar100: 1, objectsCounted: 2},
		{name: "overlap of 0.62", objects: []Annotation{obj(0, 0, 100, 100)}, dets: []Result{det(0.9, 0, 0, 100, 62)},
			ap: 0.3, ap50: 1, small: nan, medium: nan, large: 0.3, ar1: 0.3, ar10: 0.3, ar100: 0.3, objectsCounted: 1},
		{name: "crowd swallows any number", objects: []Annotation{obj(10, 10, 50, 50), crowd(obj(100, 100, 200, 200))},
			dets: []Result{det(0.9, 100, 100, 150, 150), det(0.8, 150, 150, 190, 190), det(0.7, 10, 10, 60, 60)},
			ap:   1, ap50: 1, ap75: 1, small: nan, medium: 1, large: nan, ar1: 0, ar10: 1, ar100: 1, objectsCounted: 1},
		{name: "crowd alone is no object", objects: []Annotation{crowd(obj(100, 100, 200, 200))}, dets: []Result{det(0.9, 100, 100, 150, 150)},
			ap: nan, ap50: nan, ap75: nan, small: nan, medium: nan, large: nan, ar1: nan, ar10: nan, ar100: nan},
		{name: "other sizes neither help nor harm", objects: []Annotation{obj(10, 10, 20, 20), obj(100, 100, 100, 100)},
			dets: []Result{det(0.9, 100, 100, 200, 200), det(0.8, 300, 300, 500, 500), det(0.7, 10, 10, 30, 30)},
			ap:   (51 + 50*2./3) / 101, ap50: (51 + 50*2./3) / 101, ap75: (51 + 50*2./3) / 101,
			small: 1, medium: nan, large: 1, ar1: 0.5, ar10: 1, ar100: 1, objectsCounted: 2},
		{name: "a hundred worse ones hide it", objects: []Annotation{obj(10, 10, 50, 50)},
			dets:  append(many(100, det(0.9, 100, 100, 150, 150)), det(0.8, 10, 10, 60, 60)),
			small: nan, large: nan, objectsCounted: 1},
		{name: "two images, ranked together", objects: []Annotation{obj(10, 10, 50, 50), on(2, 1, obj(10, 10, 50, 50))},
			dets: []Result{det(0.6, 10, 10, 60, 60), onR(2, 1, det(0.9, 10, 10, 60, 60)), onR(2, 1, det(0.7, 100, 100, 150, 150))},
			ap:   (51 + 50*2./3) / 101, ap50: (51 + 50*2./3) / 101, ap75: (51 + 50*2./3) / 101,
			small: nan, medium: (51 + 50*2./3) / 101, large: nan, ar1: 1, ar10: 1, ar100: 1, objectsCounted: 2},
		{name: "mean of classes with objects", objects: []Annotation{obj(10, 10, 50, 50), on(1, 2, obj(10, 10, 50, 50))},
			dets: []Result{det(0.6, 10, 10, 60, 60), onR(1, 3, det(0.9, 10, 10, 60, 60))},
			ap:   0.5, ap50: 0.5, ap75: 0.5, small: nan, medium: 0.5, large: nan, ar1: 0.5, ar10: 0.5, ar100: 0.5, objectsCounted: 2},
		{name: "strangers are passed over", objects: []Annotation{obj(10, 10, 50, 50)},
			dets: []Result{det(0.6, 10, 10, 60, 60), onR(7, 1, det(0.9, 0, 0, 9, 9)), onR(1, 7, det(0.9, 0, 0, 9, 9))},
			ap:   1, ap50: 1, ap75: 1, small: nan, medium: 1, large: nan, ar1: 1, ar10: 1, ar100: 1, objectsCounted: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := &Dataset{
				Images:      []Image{{ID: 1}, {ID: 2}},
				Annotations: row.objects,
				Categories:  []Category{{1, "one"}, {2, "two"}, {3, "three"}},
			}
			r := Evaluate(d, row.dets)
			for _, f := range []struct {
				name      string
				got, want float64
			}{
				{"AP", r.AP, row.ap}, {"AP50", r.AP50, row.ap50}, {"AP75", r.AP75, row.ap75},
				{"APSmall", r.APSmall, row.small}, {"APMedium", r.APMedium, row.medium}, {"APLarge", r.APLarge, row.large},
				{"AR1", r.AR1, row.ar1}, {"AR10", r.AR10, row.ar10}, {"AR100", r.AR100, row.ar100},
			} {
				if math.IsNaN(f.got) != math.IsNaN(f.want) || math.Abs(f.got-f.want) > 1e-9 {
					t.Errorf("%s is %g, want %g", f.name, f.got, f.want)
				}
			}
			if r.Objects != row.objectsCounted || len(r.Classes) != 3 || r.Images != 2 {
				t.Errorf("%d objects, %d classes, %d images", r.Objects, len(r.Classes), r.Images)
			}
		})
	}
}

// A detection that fits a real object stays with it, though it fits a crowd better.
func TestMatchPrefersObjectsToCrowds(t *testing.T) {
	c := cell{
		truths:  []truth{{box: [4]float64{0, 0, 300, 300}, area: 90000, crowd: true}, {box: [4]float64{10, 10, 60, 60}, area: 3600}},
		guesses: []guess{{box: [4]float64{12, 12, 60, 60}, score: 1}},
	}
	o, objects := c.match(sizeRanges[allSizes])
	if objects != 1 || !o[0].hit[overlap50] || o[0].ignore[overlap50] {
		t.Errorf("%d objects, outcome %+v", objects, o[0])
	}
	if last := overlaps - 1; !o[0].hit[last] || !o[0].ignore[last] {
		t.Errorf("at IoU 0.95 it should fall to the crowd: %+v", o[0])
	}
}

func TestEvaluateOnlySomeCategories(t *testing.T) {
	d := &Dataset{
		Images:      []Image{{ID: 1}},
		Annotations: []Annotation{obj(10, 10, 50, 50), on(1, 2, obj(10, 10, 50, 50))},
		Categories:  []Category{{1, "one"}, {2, "two"}},
	}
	r := Evaluate(d, []Result{det(0.6, 10, 10, 60, 60)}, 1)
	if r.AP != 1 || len(r.Classes) != 1 || r.Objects != 1 {
		t.Errorf("AP %g of %d classes and %d objects", r.AP, len(r.Classes), r.Objects)
	}
}
