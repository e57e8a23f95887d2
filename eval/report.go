package eval

import (
	"cmp"
	"math"
	"slices"
)

// Report is COCO's table of figures, each 0..1, or NaN where the dataset has no such object.
type Report struct {
	AP, AP50, AP75             float64 // average precision at IoU 0.50:0.95, at 0.50, at 0.75
	APSmall, APMedium, APLarge float64 // objects below 32x32 pixels, below 96x96, and the rest
	AR1, AR10, AR100           float64 // average recall with so many detections of a class on an image
	Images, Objects            int     // objects without crowds
	Classes                    []ClassReport
}

// ClassReport is one class's line.
type ClassReport struct {
	Category       Category
	Objects        int
	AP, AP50, AP75 float64
	AR100          float64
}

// Evaluate compares results with a dataset, over the given categories (all if none are given). Results of other
// categories or of images outside the dataset are passed over.
func Evaluate(d *Dataset, results []Result, categories ...int) *Report {
	cells := gather(d, results)
	images := make([]int64, 0, len(d.Images))
	for _, im := range d.Images {
		images = append(images, im.ID)
	}
	slices.Sort(images)
	rep := &Report{Images: len(images)}
	var all [len(sizeRanges)][]curve
	for _, cat := range d.Categories {
		if len(categories) > 0 && !slices.Contains(categories, cat.ID) {
			continue
		}
		for s, size := range sizeRanges {
			c, objects := classCurve(cells, images, cat.ID, size)
			all[s] = append(all[s], c)
			if s == allSizes {
				rep.addClass(cat, c, objects)
			}
		}
	}
	rep.AP, rep.AP50, rep.AP75 = meanAP(all[allSizes])
	rep.APSmall, _, _ = meanAP(all[1])
	rep.APMedium, _, _ = meanAP(all[2])
	rep.APLarge, _, _ = meanAP(all[3])
	rep.AR1, rep.AR10, rep.AR100 = meanAR(all[allSizes], 0), meanAR(all[allSizes], 1), meanAR(all[allSizes], 2)
	return rep
}

type key struct {
	image    int64
	category int
}

// gather sorts objects and detections by image and class.
func gather(d *Dataset, results []Result) map[key]*cell {
	cells := map[key]*cell{}
	at := func(image int64, category int) *cell {
		k := key{image, category}
		if cells[k] == nil {
			cells[k] = &cell{}
		}
		return cells[k]
	}
	for _, a := range d.Annotations {
		c := at(a.ImageID, a.CategoryID)
		c.truths = append(c.truths, truth{box: a.BBox, area: a.Area, crowd: a.Crowd != 0})
	}
	for _, r := range results {
		c := at(r.ImageID, r.CategoryID)
		box := [4]float64{float64(r.Box.X0), float64(r.Box.Y0), float64(r.Box.W()), float64(r.Box.H())}
		c.guesses = append(c.guesses, guess{box: box, score: r.Score})
	}
	for _, c := range cells {
		slices.SortStableFunc(c.guesses, func(a, b guess) int { return cmp.Compare(b.score, a.score) })
		c.guesses = c.guesses[:min(len(c.guesses), maxDets)]
	}
	return cells
}

func classCurve(cells map[key]*cell, images []int64, category int, size sizeRange) (curve, int) {
	var outcomes []outcome
	objects := 0
	for _, im := range images {
		if c := cells[key{im, category}]; c != nil {
			o, n := c.match(size)
			outcomes = append(outcomes, o...)
			objects += n
		}
	}
	return accumulate(outcomes, objects), objects
}

func (r *Report) addClass(cat Category, c curve, objects int) {
	r.Objects += objects
	line := ClassReport{Category: cat, Objects: objects}
	line.AP, line.AP50, line.AP75 = meanAP([]curve{c})
	line.AR100 = meanAR([]curve{c}, len(detLimits)-1)
	r.Classes = append(r.Classes, line)
}

func meanAP(curves []curve) (ap, ap50, ap75 float64) {
	var all, at50, at75 mean
	for i := range curves {
		for _, p := range curves[i].precision {
			all.add(p)
		}
		at50.add(curves[i].precision[overlap50])
		at75.add(curves[i].precision[overlap75])
	}
	return all.value(), at50.value(), at75.value()
}

func meanAR(curves []curve, limit int) float64 {
	var m mean
	for i := range curves {
		for t := range overlaps {
			m.add(curves[i].recall[t][limit])
		}
	}
	return m.value()
}

// mean leaves out what is not a number.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) {
	if !math.IsNaN(v) {
		m.sum += v
		m.n++
	}
}

func (m *mean) value() float64 {
	if m.n == 0 {
		return math.NaN()
	}
	return m.sum / float64(m.n)
}
