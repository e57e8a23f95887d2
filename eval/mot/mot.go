// Package mot measures a tracker as MOTChallenge does: CLEAR MOT, identity and HOTA figures from files in its form, with
// the definitions and the preprocessing of the reference evaluator TrackEval.
package mot

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"

	"yfv2d/infer"
)

// Row is one box of one frame: of the truth, of a detector, or of a tracker's result. Its zero values make it count.
type Row struct {
	ID         int // of the object or track, from 0; of no meaning in detections
	Box        infer.Box
	Score      float32 // 0..1; 1 in truth
	Class      int     // truth with classes: 1 (pedestrian) to 13; else 1
	Ignored    bool    // truth: no box that should be found, being marked 0 or no pedestrian
	Distractor bool    // truth: a result on it is taken out before anything is counted
}

// Rows are the boxes by frame number, from 1. In truth and results an id stands at most once in a frame.
type Rows map[int][]Row

// Frames are the numbers of the frames that have boxes, rising.
func (r Rows) Frames() []int { return slices.Sorted(maps.Keys(r)) }

// Last is the largest frame number, 0 if there is no box.
func (r Rows) Last() int {
	last := 0
	for f := range r {
		last = max(last, f)
	}
	return last
}

// Write writes rows as a MOTChallenge result: frame,id,left,top,width,height,score,-1,-1,-1, in pixels, by frame.
func Write(w io.Writer, rows Rows) error {
	b := bufio.NewWriter(w)
	for _, f := range rows.Frames() {
		for _, r := range rows[f] {
			fmt.Fprintf(b, "%d,%d,%.3f,%.3f,%.3f,%.3f,%.4g,-1,-1,-1\n", f, r.ID, r.Box.X0, r.Box.Y0,
				float64(r.Box.X1)-float64(r.Box.X0), float64(r.Box.Y1)-float64(r.Box.Y0), r.Score)
		}
	}
	return b.Flush()
}
