package model

// The network shuffles channels between blocks: block i takes the odd channels of what arrives and passes the even ones
// on. Which block takes a channel is known when the graph is built, so each producer's output channels are ordered by
// the block that takes them, and every consumer's weights are permuted to match. What remains of a shuffle is a slice of
// neighbouring channels. No value changes; only the order in which a dot product is summed.

// stageLayout is where the channels of one stage go. Producers are numbered 0 for the projection and 1+i for block i's
// main branch; consumers are blocks 1..n-1 and n for the stage's output.
type stageLayout struct {
	pieces [][]int // [producer][consumer] number of channels, in the order in which they lie in the producer
	out    [][]int // [producer] new position -> channel of the producer in the original order
	in     [][]int // [consumer] new position -> channel of the consumer's input in the original order; 0 unused
}

type channelID struct{ producer, channel int }

// newStageLayout follows each channel of a stage of n blocks whose projection gives proj channels, whose first main
// branch gives first and the others (proj+first)/2.
func newStageLayout(n, proj, first int) *stageLayout {
	l := &stageLayout{pieces: make([][]int, n+1), out: make([][]int, n+1), in: make([][]int, n+1)}
	for p := range l.pieces {
		l.pieces[p] = make([]int, n+1)
	}
	now := appendChannels(appendChannels(nil, 0, proj), 1, first)
	half := len(now) / 2
	for b := 1; b < n; b++ {
		var passed, taken []channelID
		for i, c := range now {
			if i%2 == 0 {
				passed = append(passed, c)
			} else {
				taken = append(taken, c)
			}
		}
		l.deliver(b, taken)
		now = appendChannels(passed, b+1, half)
	}
	l.deliver(n, now)
	return l
}

func appendChannels(s []channelID, producer, n int) []channelID {
	for i := range n {
		s = append(s, channelID{producer, i})
	}
	return s
}

// deliver notes that consumer b reads these channels. Pieces come in the order of producers, so that each producer
// contributes one run.
func (l *stageLayout) deliver(b int, channels []channelID) {
	for p := range l.out {
		for i, c := range channels {
			if c.producer != p {
				continue
			}
			l.in[b] = append(l.in[b], i)
			l.out[p] = append(l.out[p], c.channel)
			l.pieces[p][b]++
		}
	}
}

func (n *network) layouts() [3]*stageLayout {
	var ls [3]*stageLayout
	for s, blocks := range n.stages {
		ls[s] = newStageLayout(len(blocks), blocks[0].proj[1].out, blocks[0].main[2].out)
	}
	return ls
}

// permuted is a copy of n whose channels lie as layouts says (or, inverse, whose channels lie as the authors wrote
// them, n being in that layout). Convolutions whose order does not change are shared.
func (n *network) permuted(inverse bool) *network {
	p := *n
	perm := func(order []int) []int {
		if inverse {
			return invert(order)
		}
		return order
	}
	var in []int // order of the channels that arrive, nil for the original one
	var after [3][]int
	for s, l := range n.layouts() {
		p.stages[s] = permuteStage(n.stages[s], l, in, perm)
		in = perm(l.in[len(n.stages[s])])
		after[s] = in
	}
	p.s3 = n.s3.reorder(nil, after[2])
	p.s2 = n.s2.reorder(nil, joinOrders(after[2], after[1]))
	return &p
}

func permuteStage(blocks []block, l *stageLayout, in []int, perm func([]int) []int) []block {
	out := make([]block, len(blocks))
	for i, b := range blocks {
		if i == 0 {
			b.proj[0] = b.proj[0].reorder(in, nil)
			b.proj[1] = b.proj[1].reorder(perm(l.out[0]), in)
		} else {
			in = perm(l.in[i])
		}
		b.main[0] = b.main[0].reorder(nil, in)
		b.main[2] = b.main[2].reorder(perm(l.out[i+1]), nil)
		out[i] = b
	}
	return out
}

// reorder makes a conv whose output channel i is c's out[i] and whose input channel i is c's in[i]; nil leaves a side
// as it is. A depthwise conv is reordered by out alone.
func (c *conv) reorder(out, in []int) *conv {
	if out == nil && in == nil {
		return c
	}
	r := *c
	r.w = make([]float32, 0, len(c.w))
	r.b = make([]float32, 0, len(c.b))
	kk := c.k * c.k
	row := len(c.w) / c.out
	for o := range c.out {
		from := o
		if out != nil {
			from = out[o]
		}
		r.b = append(r.b, c.b[from])
		w := c.w[from*row : (from+1)*row]
		if in == nil {
			r.w = append(r.w, w...)
			continue
		}
		for _, i := range in {
			r.w = append(r.w, w[i*kk:(i+1)*kk]...)
		}
	}
	return &r
}

func invert(order []int) []int {
	inv := make([]int, len(order))
	for i, o := range order {
		inv[o] = i
	}
	return inv
}

// joinOrders is the order of a concatenation of two groups of channels.
func joinOrders(a, b []int) []int {
	out := append([]int(nil), a...)
	for _, i := range b {
		out = append(out, len(a)+i)
	}
	return out
}
