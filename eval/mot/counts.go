package mot

import "math"

// Counts are what the figures of one or more sequences are made of. Its zero value is that of no sequence.
type Counts struct {
	TP, FP, FN int // boxes: matched, of the result alone, of the truth alone (at IoU 0.5, CLEAR)
	IDs        int // identity switches: an object is matched to another track than the last time
	Frag       int // interruptions: an object is matched again after frames without a match
	MT, PT, ML int // objects matched in more than 80 %, 20 to 80 % and less than 20 % of their boxes

	IDTP, IDFP, IDFN int // boxes: as TP, FP, FN when each object has one track for the whole sequence

	overlap float64 // sum of the matches' IoU
	hota    [len(alphas)]hotaCounts
}

// Scores are the figures, in per cent from 0 to 100; MOTA is negative where there are more errors than boxes.
type Scores struct {
	MOTA, MOTP             float64 // CLEAR MOT (Bernardin and Stiefelhagen 2008); MOTP as mean IoU
	IDF1, IDP, IDR         float64 // identity (Ristani et al. 2016)
	HOTA, DetA, AssA, LocA float64 // higher order (Luiten et al. 2020), means over IoU 0.05 to 0.95
	FP, FN, IDs, Frag      int
	MT, PT, ML             int
}

// Evaluate holds a result against the truth. Of both only the given frames count; nil means all. Memory and time follow
// the number of rows, whatever their frame numbers and ids are.
func Evaluate(truth, result Rows, frames []int) *Counts {
	s, c := prepare(truth, result, frames), &Counts{}
	c.clear(s)
	c.identity(s)
	c.higherOrder(s)
	return c
}

// Add takes the counts of another sequence in, as the reference does for its row "combined": counts are summed, and
// association is a mean over all matched boxes.
func (c *Counts) Add(o *Counts) {
	for _, f := range []struct {
		to *int
		n  int
	}{
		{&c.TP, o.TP}, {&c.FP, o.FP}, {&c.FN, o.FN}, {&c.IDs, o.IDs}, {&c.Frag, o.Frag}, {&c.MT, o.MT}, {&c.PT, o.PT},
		{&c.ML, o.ML}, {&c.IDTP, o.IDTP}, {&c.IDFP, o.IDFP}, {&c.IDFN, o.IDFN},
	} {
		*f.to += f.n
	}
	c.overlap += o.overlap
	for i := range c.hota {
		c.hota[i].add(o.hota[i])
	}
}

// Scores are the figures of the counts.
func (c *Counts) Scores() Scores {
	truth := float64(c.TP + c.FN)
	s := Scores{
		MOTA: percent(float64(c.TP-c.FP-c.IDs), truth),
		MOTP: percent(c.overlap, float64(c.TP)),
		IDF1: percent(float64(2*c.IDTP), float64(2*c.IDTP+c.IDFP+c.IDFN)),
		IDP:  percent(float64(c.IDTP), float64(c.IDTP+c.IDFP)),
		IDR:  percent(float64(c.IDTP), float64(c.IDTP+c.IDFN)),
		FP:   c.FP, FN: c.FN, IDs: c.IDs, Frag: c.Frag, MT: c.MT, PT: c.PT, ML: c.ML,
	}
	for _, h := range c.hota {
		detection, association := h.detection(), h.association()
		s.DetA += 100 * detection / float64(len(c.hota))
		s.AssA += 100 * association / float64(len(c.hota))
		s.HOTA += 100 * math.Sqrt(detection*association) / float64(len(c.hota))
		s.LocA += 100 * h.location() / float64(len(c.hota))
	}
	return s
}

// percent is 0 of nothing.
func percent(part, whole float64) float64 { return 100 * part / max(whole, 1) }
