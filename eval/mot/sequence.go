package mot

import (
	"maps"
	"slices"

	"yfv2d/infer"
)

// epsilon is numpy's for a float64. TrackEval takes it off its thresholds.
const epsilon = 0x1p-52

// overlap is the least IoU of a match in CLEAR, in the identity figures and in the preprocessing.
const overlap = 0.5

// sequence is what is evaluated, after the preprocessing: objects and tracks are numbered from 0.
type sequence struct {
	frames []frame
	truth  []int // boxes of each object
	result []int // boxes of each track
}

// frame is one frame of it.
type frame struct {
	truth, result           []int // the object or track of each box
	truthBoxes, resultBoxes []Row
}

// pairs are those boxes that overlap at all. They are not kept: in a crowd they would need far more memory than the rows.
func (f frame) pairs() []pair { return pairs(f.truthBoxes, f.resultBoxes) }

// pair is a box of the truth and one of the result, as indices into the frame's, and how much they overlap.
type pair struct {
	truth, result int
	iou           float64
}

// prepare does the official preprocessing: results on distractors go, then truth that does not count.
func prepare(truth, result Rows, frames []int) *sequence {
	s := &sequence{}
	objects, tracks := numbering{}, numbering{}
	for _, f := range chosen(truth, result, frames) {
		t := truth[f]
		r := withoutDistracted(t, result[f])
		t = slices.DeleteFunc(slices.Clone(t), func(row Row) bool { return row.Ignored || row.Distractor })
		fr := frame{truthBoxes: t, resultBoxes: r}
		for _, row := range t {
			fr.truth = append(fr.truth, objects.of(row.ID, &s.truth))
		}
		for _, row := range r {
			fr.result = append(fr.result, tracks.of(row.ID, &s.result))
		}
		s.frames = append(s.frames, fr)
	}
	return s
}

// chosen are the frames to evaluate that hold anything, rising, each once.
func chosen(truth, result Rows, frames []int) []int {
	with := make(map[int]struct{}, len(truth))
	for f := range truth {
		with[f] = struct{}{}
	}
	for f := range result {
		with[f] = struct{}{}
	}
	if frames == nil {
		return slices.Sorted(maps.Keys(with))
	}
	var out []int
	for _, f := range frames {
		if _, ok := with[f]; ok {
			out = append(out, f)
			delete(with, f)
		}
	}
	slices.Sort(out)
	return out
}

// withoutDistracted leaves out the results that are best matched to a distractor.
func withoutDistracted(truth, result []Row) []Row {
	if !slices.ContainsFunc(truth, func(r Row) bool { return r.Distractor }) {
		return result
	}
	gone := map[int]bool{}
	for _, m := range assign(atLeast(pairs(truth, result), overlap)) {
		if truth[m.row].Distractor {
			gone[m.col] = true
		}
	}
	var kept []Row
	for i, r := range result {
		if !gone[i] {
			kept = append(kept, r)
		}
	}
	return kept
}

// atLeast are the links of the pairs that overlap so much.
func atLeast(all []pair, iou float64) []link {
	var out []link
	for _, p := range all {
		if p.iou >= iou-epsilon {
			out = append(out, link{p.truth, p.result, p.iou})
		}
	}
	return out
}

func pairs(truth, result []Row) []pair {
	var out []pair
	for i := range truth {
		for j := range result {
			if v := iou(truth[i].Box, result[j].Box); v > 0 {
				out = append(out, pair{i, j, v})
			}
		}
	}
	return out
}

// iou is intersection over union of two boxes in float64, since figures hang on an IoU of exactly 0.5.
func iou(a, b infer.Box) float64 {
	side := func(from, to float32) float64 { return float64(to) - float64(from) }
	w, h := side(max(a.X0, b.X0), min(a.X1, b.X1)), side(max(a.Y0, b.Y0), min(a.Y1, b.Y1))
	if !(w > 0 && h > 0) {
		return 0
	}
	// Conversions round each product, as the reference does: no fused multiply-add.
	both := float64(w * h)
	areas := float64(side(a.X0, a.X1)*side(a.Y0, a.Y1)) + float64(side(b.X0, b.X1)*side(b.Y0, b.Y1))
	return both / (areas - both)
}

// numbering gives ids numbers from 0 on.
type numbering map[int]int

// of is the number of id, counted in boxes.
func (n numbering) of(id int, boxes *[]int) int {
	at, ok := n[id]
	if !ok {
		at = len(n)
		n[id] = at
		*boxes = append(*boxes, 0)
	}
	(*boxes)[at]++
	return at
}
