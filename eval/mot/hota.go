package mot

// alphas are the IoUs from which a match counts, 0.05 to 0.95, to the last bit those of the reference.
var alphas = func() (a [19]float64) {
	const step = 0.05
	for i := range a {
		a[i] = step + float64(float64(i)*step) // the conversion rounds: no fused multiply-add
	}
	return a
}()

// hotaCounts are the counts at one alpha.
type hotaCounts struct {
	tp, fp, fn int
	ass        float64 // sum over matches of their pair's association
	loc        float64 // sum of the matches' IoU
}

func (h *hotaCounts) add(o hotaCounts) {
	h.tp, h.fp, h.fn = h.tp+o.tp, h.fp+o.fp, h.fn+o.fn
	h.ass += o.ass
	h.loc += o.loc
}

func (h hotaCounts) detection() float64 { return float64(h.tp) / float64(max(1, h.tp+h.fp+h.fn)) }

func (h hotaCounts) association() float64 { return h.ass / float64(max(1, h.tp)) }

// location is 1 where nothing matches, as in the reference.
func (h hotaCounts) location() float64 {
	if h.tp == 0 {
		return 1
	}
	return h.loc / float64(h.tp)
}

// higherOrder counts for HOTA: one matching in each frame, which prefers the pairs that belong together in the whole
// sequence, judged at every alpha.
func (c *Counts) higherOrder(s *sequence) {
	aligned := s.alignment()
	var matched [len(alphas)]counter
	for _, f := range s.frames {
		var links []link
		for _, p := range f.pairs() {
			if v := aligned.at(f.truth[p.truth], f.result[p.result]).score * p.iou; v > 0 {
				links = append(links, link{p.truth, p.result, v})
			}
		}
		matches := assign(links)
		for a, alpha := range alphas {
			h, n := &c.hota[a], 0
			for _, m := range matches {
				if v := iou(f.truthBoxes[m.row].Box, f.resultBoxes[m.col].Box); v >= alpha-epsilon {
					n++
					h.loc += v
					matched[a].at(f.truth[m.row], f.result[m.col]).score++
				}
			}
			h.tp += n
			h.fn += len(f.truth) - n
			h.fp += len(f.result) - n
		}
	}
	for a := range matched {
		for _, m := range matched[a].links {
			c.hota[a].ass += m.score * m.score / max(1, float64(s.truth[m.row]+s.result[m.col])-m.score)
		}
	}
}

// alignment says of each object and track how well they fit over the whole sequence, before anyone is matched: their
// shares of each other's overlaps, summed over frames, as intersection over union of their boxes.
func (s *sequence) alignment() counter {
	var shared counter
	for _, f := range s.frames {
		pairs := f.pairs()
		truth, result := make([]float64, len(f.truth)), make([]float64, len(f.result))
		for _, p := range pairs {
			truth[p.truth] += p.iou
			result[p.result] += p.iou
		}
		for _, p := range pairs {
			if all := truth[p.truth] + result[p.result] - p.iou; all > epsilon {
				shared.at(f.truth[p.truth], f.result[p.result]).score += p.iou / all
			}
		}
	}
	for i := range shared.links {
		l := &shared.links[i]
		l.score /= float64(s.truth[l.row]+s.result[l.col]) - l.score
	}
	return shared
}
