package tracker

import (
	"math"
	"math/rand/v2"
	"time"

	"yfv2d/infer"
)

// noisy is a detector's error on one object: each edge wanders by part of the box's mean side, half of it anew in each
// detection and half of it slowly (an autoregression of a quarter second).
type noisy struct {
	*rand.Rand
	part float64
	slow [4]float64
}

func newNoisy(seed uint64, part float64) *noisy {
	n := &noisy{Rand: rand.New(rand.NewPCG(seed, 11)), part: part}
	for i := range n.slow {
		n.slow[i] = n.NormFloat64()
	}
	return n
}

// see is the box as detected dt seconds after the last one.
func (n *noisy) see(b infer.Box, dt float64) infer.Box {
	keep := math.Exp(-dt / 0.25)
	side := n.part * float64(b.W()+b.H()) / 2
	for i, x := range []*float32{&b.X0, &b.Y0, &b.X1, &b.Y1} {
		n.slow[i] = keep*n.slow[i] + math.Sqrt(1-keep*keep)*n.NormFloat64()
		*x += float32(side * math.Sqrt(0.5) * (n.slow[i] + n.NormFloat64()))
	}
	return b
}

// interval is the time between two steps at a rate.
func interval(rate float64) time.Duration { return time.Duration(float64(time.Second) / rate) }
