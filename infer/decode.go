package infer

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"time"
)

// MaxCandidates bounds the work of one frame: of all boxes above the threshold only this many, the best by score, go
// to non-maximum suppression. Real pictures stay far below it; noise or a threshold of 0 does not.
const MaxCandidates = 1000

// cutoffSlack keeps the rounding of a logit from rejecting a score that is just above the threshold.
const cutoffSlack = 1e-4

// Thresholds choose which boxes are reported.
type Thresholds struct {
	Score float32         // a detection's score must be greater; 0..1
	Class map[int]float32 // in place of Score for these classes
	NMS   float32         // of two boxes of one class whose IoU is greater, the better one stays; 0..1
	Only  []int           // report these classes alone; empty means all
}

// ByClass is the threshold of each of n classes, +Inf for one that is not to be reported.
func (t Thresholds) ByClass(n int) []float32 {
	per := make([]float32, n)
	for i := range per {
		score, own := t.Class[i]
		switch {
		case len(t.Only) > 0 && !slices.Contains(t.Only, i):
			per[i] = float32(math.Inf(1))
		case own:
			per[i] = score
		default:
			per[i] = t.Score
		}
	}
	return per
}

// Lowered is t with no threshold above score, for a tracker that may use weaker detections than are reported. A class
// that t switches off stays off: one that is not in Only, or whose threshold of 1 no score exceeds.
func (t Thresholds) Lowered(score float32) Thresholds {
	lower := func(s float32) float32 {
		if s >= 1 {
			return s
		}
		return min(s, score)
	}
	low := Thresholds{Score: lower(t.Score), Class: make(map[int]float32, len(t.Class)), NMS: t.NMS, Only: t.Only}
	for c, s := range t.Class {
		low.Class[c] = lower(s)
	}
	return low
}

// Decoder turns the raw heads of a YOLO-FastestV2 network into detections. It keeps scratch memory: in steady state a
// call allocates nothing but the slice that it returns. One goroutine at a time.
type Decoder struct {
	head      Head
	perClass  []float32 // threshold by class; +Inf for classes that are not wanted
	minScore  float32   // the least of perClass
	objCutoff float32   // logit of minScore: objectness at or below cannot reach it
	nms       float32
	cands     []Detection
}

// NewDecoder checks head and thresholds against each other.
func NewDecoder(h Head, t Thresholds) (*Decoder, error) {
	if err := checkHead(h); err != nil {
		return nil, err
	}
	if !unit(t.Score) || !unit(t.NMS) {
		return nil, fmt.Errorf("thresholds score %g and nms %g: must lie between 0 and 1", t.Score, t.NMS)
	}
	for _, c := range t.Only {
		if c < 0 || c >= h.Classes {
			return nil, fmt.Errorf("class %d: the model has classes 0 to %d", c, h.Classes-1)
		}
	}
	for c, s := range t.Class {
		if c < 0 || c >= h.Classes || !unit(s) {
			return nil, fmt.Errorf("score threshold %g of class %d: scores lie between 0 and 1, classes between 0 and %d", s, c, h.Classes-1)
		}
	}
	per := t.ByClass(h.Classes)
	d := &Decoder{head: h, perClass: per, minScore: slices.Min(per), nms: t.NMS}
	d.objCutoff = float32(math.Log(float64(d.minScore)/(1-float64(d.minScore)))) - cutoffSlack
	return d, nil
}

func unit(v float32) bool { return v >= 0 && v <= 1 }

func checkHead(h Head) error {
	if h.Classes < 1 || len(h.Strides) == 0 || len(h.Strides) != len(h.Anchors) {
		return fmt.Errorf("head with %d classes, %d strides, %d anchor sets: needs at least one class and as many anchor sets as strides",
			h.Classes, len(h.Strides), len(h.Anchors))
	}
	for i, s := range h.Strides {
		if s < 1 || len(h.Anchors[i]) == 0 {
			return fmt.Errorf("head scale %d: stride %d with %d anchors: both must be at least 1", i, s, len(h.Anchors[i]))
		}
	}
	return nil
}

// Len is the number of values in the heads for an input size, and an error if the strides do not divide it.
func (h Head) Len(size image.Point) (int, error) {
	n := 0
	for i, s := range h.Strides {
		if size.X <= 0 || size.Y <= 0 || size.X%s != 0 || size.Y%s != 0 {
			return 0, fmt.Errorf("input %dx%d: sides must be positive multiples of the stride %d", size.X, size.Y, s)
		}
		n += (size.X / s) * (size.Y / s) * (5*len(h.Anchors[i]) + h.Classes)
	}
	return n, nil
}

// Decode gives the detections in heads (laid out as Engine says) of an input of size pixels: boxes in source pixels,
// clipped to the source picture, by falling score. Values that are not numbers are passed over.
func (d *Decoder) Decode(heads []float32, size image.Point, lb Letterbox) ([]Detection, error) {
	if err := d.check(heads, size, lb); err != nil {
		return nil, err
	}
	d.collect(heads, size)
	return finish(suppress(d.cands, d.nms), lb), nil
}

// DecodeTimed is Decode, and tells how long non-maximum suppression and what follows took of it.
func (d *Decoder) DecodeTimed(heads []float32, size image.Point, lb Letterbox) (dets []Detection, nms time.Duration, err error) {
	if err := d.check(heads, size, lb); err != nil {
		return nil, 0, err
	}
	d.collect(heads, size)
	start := time.Now()
	dets = finish(suppress(d.cands, d.nms), lb)
	return dets, time.Since(start), nil
}

func (d *Decoder) check(heads []float32, size image.Point, lb Letterbox) error {
	n, err := d.head.Len(size)
	if err != nil {
		return err
	}
	if len(heads) != n {
		return fmt.Errorf("heads hold %d values, an input of %dx%d gives %d", len(heads), size.X, size.Y, n)
	}
	if lb.In.X <= 0 || lb.In.Y <= 0 || lb.Content.Empty() {
		return errors.New("canvas without a letterbox: source and content sizes must be positive")
	}
	return nil
}

// collect fills d.cands with canvas boxes above the threshold, in the order of the heads.
func (d *Decoder) collect(heads []float32, size image.Point) {
	d.cands = d.cands[:0]
	for i, stride := range d.head.Strides {
		g := grid{w: size.X / stride, h: size.Y / stride, stride: float64(stride), anchors: d.head.Anchors[i]}
		cells, na := g.w*g.h, len(g.anchors)
		g.reg, heads = heads[:4*na*cells], heads[4*na*cells:]
		g.obj, heads = heads[:na*cells], heads[na*cells:]
		g.cls, heads = heads[:d.head.Classes*cells], heads[d.head.Classes*cells:]
		d.collectGrid(&g)
	}
	slices.SortStableFunc(d.cands, byScore)
	d.cands = d.cands[:min(len(d.cands), MaxCandidates)]
}

// grid is one scale of the heads.
type grid struct {
	w, h          int
	stride        float64
	anchors       [][2]float32
	reg, obj, cls []float32 // planes of w*h values
}

func (d *Decoder) collectGrid(g *grid) {
	cells := g.w * g.h
	for a := range g.anchors {
		for cell, obj := range g.obj[a*cells : (a+1)*cells] {
			// The score is at most the objectness: this one comparison settles nearly every cell.
			if !(obj > d.objCutoff) {
				continue
			}
			class, score, ok := d.score(g, cell, obj)
			if !ok {
				continue
			}
			if b := g.box(a, cell); finite(b) {
				d.cands = append(d.cands, Detection{Box: b, Class: class, Score: score})
			}
		}
	}
}

// score is objectness times the softmax of the best class. Softmax's argmax is the logits' argmax, and its value there
// is 1/sum(exp(logit-max)): the sum is given up once it is too large for the class's threshold.
func (d *Decoder) score(g *grid, cell int, obj float32) (class int, score float32, ok bool) {
	cells := g.w * g.h
	best, class := float32(math.Inf(-1)), -1
	for c, i := 0, cell; i < len(g.cls); c, i = c+1, i+cells {
		if v := g.cls[i]; v > best {
			best, class = v, c
		}
	}
	if class < 0 {
		return 0, 0, false
	}
	threshold, p := d.perClass[class], sigmoid(obj)
	limit := p / float64(threshold)
	if limit < 1 {
		return 0, 0, false
	}
	sum := 0.0
	for i := cell; i < len(g.cls); i += cells {
		sum += math.Exp(float64(g.cls[i] - best))
		if sum > limit {
			return 0, 0, false
		}
	}
	score = float32(p / sum)
	return class, score, score > threshold
}

// box is the canvas box of an anchor at a cell.
func (g *grid) box(a, cell int) Box {
	cells := g.w * g.h
	i := a*4*cells + cell
	cx := (2*sigmoid(g.reg[i]) - 0.5 + float64(cell%g.w)) * g.stride
	cy := (2*sigmoid(g.reg[i+cells]) - 0.5 + float64(cell/g.w)) * g.stride
	sw, sh := 2*sigmoid(g.reg[i+2*cells]), 2*sigmoid(g.reg[i+3*cells])
	w, h := sw*sw*float64(g.anchors[a][0]), sh*sh*float64(g.anchors[a][1])
	return Box{float32(cx - w/2), float32(cy - h/2), float32(cx + w/2), float32(cy + h/2)}
}

func sigmoid(v float32) float64 { return 1 / (1 + math.Exp(-float64(v))) }

func finite(b Box) bool {
	sum := b.X0 + b.Y0 + b.X1 + b.Y1
	return sum-sum == 0 // NaN and infinities fail
}

// byScore orders by falling score.
func byScore(a, b Detection) int {
	switch {
	case a.Score > b.Score:
		return -1
	case a.Score < b.Score:
		return 1
	}
	return 0
}

// suppress is greedy non-maximum suppression within each class, in place. dets come by falling score.
func suppress(dets []Detection, iou float32) []Detection {
	kept := dets[:0]
next:
	for _, d := range dets {
		for i := range kept {
			if kept[i].Class == d.Class && kept[i].Box.IoU(d.Box) > iou {
				continue next
			}
		}
		kept = append(kept, d)
	}
	return kept
}

// finish copies what is left into a new slice, in source pixels and clipped to the source; what lies outside goes.
func finish(kept []Detection, lb Letterbox) []Detection {
	if len(kept) == 0 {
		return nil
	}
	out := make([]Detection, 0, len(kept))
	for _, d := range kept {
		d.Box = clip(lb.Unmap(d.Box), lb.In)
		if d.Box.Area() > 0 {
			out = append(out, d)
		}
	}
	return out
}

func clip(b Box, size image.Point) Box {
	w, h := float32(size.X), float32(size.Y)
	return Box{min(max(b.X0, 0), w), min(max(b.Y0, 0), h), min(max(b.X1, 0), w), min(max(b.Y1, 0), h)}
}
