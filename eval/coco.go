package eval

import (
	"cmp"
	"math"
	"slices"

	"yfv2d/infer"
)

// Result is one detection, in pixels of its image.
type Result struct {
	ImageID    int64
	CategoryID int
	Box        infer.Box
	Score      float32
}

const (
	maxDets    = 100 // of one class on one image; the best by score count
	overlaps   = 10  // IoU thresholds, 0.50 to 0.95
	recalls    = 101 // points of the precision-recall curve, 0.00 to 1.00
	overlap50  = 0
	overlap75  = 5
	smallArea  = 32 * 32 // square pixels; COCO's borders between small, medium and large
	mediumArea = 96 * 96
)

// detLimits are the numbers of detections per class and image that average recall is given for.
var detLimits = [...]int{1, 10, maxDets}

// sizeRange is a range of object areas, square pixels, both ends included.
type sizeRange struct{ min, max float64 }

var sizeRanges = [...]sizeRange{{0, 1e10}, {0, smallArea}, {smallArea, mediumArea}, {mediumArea, 1e10}}

const allSizes = 0

func (r sizeRange) holds(area float64) bool { return area >= r.min && area <= r.max }

// threshold is the i-th IoU threshold, spelt as the reference evaluator computes it.
func threshold(i int) float64 { return 0.5 + float64(i)*((0.95-0.5)/(overlaps-1)) }

// truth and guess are the objects and detections of one class on one image.
type truth struct {
	box   [4]float64
	area  float64
	crowd bool
}

type guess struct {
	box   [4]float64
	score float32
}

type cell struct {
	truths  []truth
	guesses []guess // by falling score, at most maxDets
}

// outcome is what became of one detection at every IoU threshold.
type outcome struct {
	score  float32
	rank   int // among its image's detections of the class
	hit    [overlaps]bool
	ignore [overlaps]bool // matched to a crowd, or to nothing while of another size
}

// match pairs an image's detections with its objects, the best first, as pycocotools' evaluateImg does: each detection
// takes the free object that it overlaps most; objects of another size and crowds are "ignored", come last, and count
// neither for nor against. objects is how many there were to find.
func (c *cell) match(size sizeRange) (outcomes []outcome, objects int) {
	truths, ignored := c.ordered(size)
	objects = len(truths) - ignored
	firstIgnored := objects
	outcomes = make([]outcome, len(c.guesses))
	ious := make([]float64, len(truths))
	taken := make([][overlaps]bool, len(truths))
	for d, g := range c.guesses {
		for i := range truths {
			ious[i] = truths[i].overlap(g.box)
		}
		o := &outcomes[d]
		o.score, o.rank = g.score, d
		for t := range overlaps {
			m := pick(truths, ious, taken, t, firstIgnored)
			if m >= 0 {
				taken[m][t] = true
				o.hit[t], o.ignore[t] = true, m >= firstIgnored
			} else {
				o.ignore[t] = !size.holds(g.box[2] * g.box[3])
			}
		}
	}
	return outcomes, objects
}

// ordered is the objects with the ignored ones last, and how many those are.
func (c *cell) ordered(size sizeRange) (truths []truth, ignored int) {
	truths = slices.Clone(c.truths)
	rank := func(t truth) int {
		if t.crowd || !size.holds(t.area) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(truths, func(a, b truth) int { return rank(a) - rank(b) })
	for _, t := range truths {
		ignored += rank(t)
	}
	return truths, ignored
}

// pick is the object that a detection takes at an IoU threshold, -1 if none.
func pick(truths []truth, ious []float64, taken [][overlaps]bool, t, firstIgnored int) int {
	best, m := math.Min(threshold(t), 1-1e-10), -1
	for i := range truths {
		if taken[i][t] && !truths[i].crowd {
			continue
		}
		if m >= 0 && m < firstIgnored && i >= firstIgnored {
			break // a real match is not given up for an ignored one
		}
		if ious[i] >= best {
			best, m = ious[i], i
		}
	}
	return m
}

// overlap is the IoU with a detection, or the share of the detection that lies in a crowd.
func (t *truth) overlap(b [4]float64) float64 {
	w := math.Min(t.box[0]+t.box[2], b[0]+b[2]) - math.Max(t.box[0], b[0])
	h := math.Min(t.box[1]+t.box[3], b[1]+b[3]) - math.Max(t.box[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	inter := w * h
	if t.crowd {
		return inter / (b[2] * b[3])
	}
	return inter / (t.box[2]*t.box[3] + b[2]*b[3] - inter)
}

// curve is one class's figures at every IoU threshold; NaN if there was nothing to find.
type curve struct {
	precision [overlaps]float64 // mean over the recall points
	recall    [overlaps][len(detLimits)]float64
}

// accumulate makes the curve of a class from what became of all its detections, as pycocotools does.
func accumulate(outcomes []outcome, objects int) curve {
	var c curve
	slices.SortStableFunc(outcomes, func(a, b outcome) int { return cmp.Compare(b.score, a.score) })
	for t := range overlaps {
		c.precision[t] = math.NaN()
		for l := range detLimits {
			c.recall[t][l] = math.NaN()
		}
		if objects == 0 {
			continue
		}
		for l, limit := range detLimits {
			precision, recall := walk(outcomes, t, limit, objects)
			c.recall[t][l] = 0
			if len(recall) > 0 {
				c.recall[t][l] = recall[len(recall)-1]
			}
			if limit == maxDets {
				c.precision[t] = interpolate(precision, recall)
			}
		}
	}
	return c
}

// walk gives precision and recall after each detection that counts, and the recall in the end.
func walk(outcomes []outcome, t, limit, objects int) (precision, recall []float64) {
	hits, misses := 0, 0
	for i := range outcomes {
		o := &outcomes[i]
		if o.rank >= limit || o.ignore[t] {
			continue
		}
		if o.hit[t] {
			hits++
		} else {
			misses++
		}
		precision = append(precision, float64(hits)/float64(hits+misses))
		recall = append(recall, float64(hits)/float64(objects))
	}
	return precision, recall
}

// interpolate is the mean of the best precision reached at or beyond each recall point.
func interpolate(precision, recall []float64) float64 {
	for i := len(precision) - 2; i >= 0; i-- {
		precision[i] = math.Max(precision[i], precision[i+1])
	}
	sum, i := 0.0, 0
	for p := range recalls {
		for i < len(recall) && recall[i] < float64(p)*0.01 {
			i++
		}
		if i == len(recall) {
			break
		}
		sum += precision[i]
	}
	return sum / recalls
}
