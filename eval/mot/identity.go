package mot

// identity counts the boxes that are right when every object has one track, and every track one object, for the whole
// sequence, chosen so that as many as possible are. (Least false boxes and misses together, as the reference looks for,
// is the same: each box that is right saves one of both.)
func (c *Counts) identity(s *sequence) {
	together := counter{}
	for _, f := range s.frames {
		for _, p := range f.pairs() {
			if p.iou >= overlap {
				together.at(f.truth[p.truth], f.result[p.result]).score++
			}
		}
	}
	for _, m := range assign(together.links) {
		c.IDTP += int(m.score)
	}
	truth, result := 0, 0
	for _, f := range s.frames {
		truth += len(f.truth)
		result += len(f.result)
	}
	c.IDFN, c.IDFP = truth-c.IDTP, result-c.IDTP
}

// counter holds a number for each pair of object and track that has one, in the order in which they came.
type counter struct {
	links []link
	index map[[2]int]int
}

func (c *counter) at(object, track int) *link {
	key := [2]int{object, track}
	i, ok := c.index[key]
	if !ok {
		if c.index == nil {
			c.index = map[[2]int]int{}
		}
		i = len(c.links)
		c.index[key] = i
		c.links = append(c.links, link{row: object, col: track})
	}
	return &c.links[i]
}
