package mot

// keep is what a match is worth more that also stood in the frame before: so much that IoU cannot outweigh it.
const keep = 1000

// object is what CLEAR has to know of an object of the truth.
type object struct {
	boxes, matched int
	parts          int // runs of frames in which it is matched
	track, frame   int // its last match, however long ago; track is alone before the first
}

// clear counts misses, false boxes, switches and interruptions.
func (c *Counts) clear(s *sequence) {
	objects := make([]object, len(s.truth))
	for i := range objects {
		objects[i] = object{boxes: s.truth[i], track: alone}
	}
	n := 0
	for _, f := range s.frames {
		if len(f.truth) == 0 || len(f.result) == 0 { // as in the reference, such a frame breaks no run
			c.FN += len(f.truth)
			c.FP += len(f.result)
			continue
		}
		c.clearFrame(f, n, objects)
		n++
	}
	for _, o := range objects {
		switch ratio := float64(o.matched) / float64(o.boxes); {
		case ratio > 0.8:
			c.MT++
		case ratio >= 0.2:
			c.PT++
		default:
			c.ML++
		}
		c.Frag += max(o.parts-1, 0)
	}
}

// clearFrame counts frame number n of those that have truth and results.
func (c *Counts) clearFrame(f frame, n int, objects []object) {
	links := atLeast(f.pairs(), overlap)
	for i := range links {
		l := &links[i]
		if o := objects[f.truth[l.row]]; o.track == f.result[l.col] && o.frame == n-1 {
			l.score += keep
		}
	}
	matches := assign(links)
	for _, m := range matches {
		o, track := &objects[f.truth[m.row]], f.result[m.col]
		if o.track != alone && o.track != track {
			c.IDs++
		}
		if o.track == alone || o.frame != n-1 {
			o.parts++
		}
		o.track, o.frame = track, n
		o.matched++
		c.overlap += iou(f.truthBoxes[m.row].Box, f.resultBoxes[m.col].Box)
	}
	c.TP += len(matches)
	c.FN += len(f.truth) - len(matches)
	c.FP += len(f.result) - len(matches)
}
