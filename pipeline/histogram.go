package pipeline

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

const (
	// subBits sets the resolution: 2^subBits steps an octave, so a quantile is at most 1/32 (3 %) off.
	subBits = 4
	// octaves above 16 us, up to 2^40 ns = 18 minutes; longer values are counted there.
	minBits, maxBits = 14, 40
	buckets          = (maxBits-minBits)<<subBits + 2
	// histogramSpan and histogramParts: quantiles cover the last 2 to 3 minutes.
	histogramSpan  = time.Minute
	histogramParts = 3
)

// Histogram keeps the distribution of a latency over the last minutes in fixed memory (about 5 KB). Safe from any
// goroutine.
type Histogram struct {
	now   func() time.Time
	mu    sync.Mutex // guards what follows
	parts [histogramParts]histogramPart
	cur   int
	since time.Time // start of the current part
}

type histogramPart struct {
	counts [buckets]uint32
	total  uint64
	max    time.Duration
}

// NewHistogram makes an empty histogram.
func NewHistogram() *Histogram { return newHistogram(realClock{}) }

func newHistogram(c Clock) *Histogram { return &Histogram{now: c.Now, since: c.Now()} }

// Observe adds one latency. A negative one counts as 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn(now)
	p := &h.parts[h.cur]
	p.counts[bucketOf(d)]++
	p.total++
	p.max = max(p.max, d)
}

// Quantiles reads the histogram.
func (h *Histogram) Quantiles() Quantiles {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn(now)
	var counts [buckets]uint64
	var q Quantiles
	for i := range h.parts {
		p := &h.parts[i]
		for b, n := range p.counts {
			counts[b] += uint64(n)
		}
		q.Count += p.total
		q.Max = max(q.Max, p.max)
	}
	q.P50 = quantile(&counts, q, 0.50)
	q.P95 = quantile(&counts, q, 0.95)
	q.P99 = quantile(&counts, q, 0.99)
	return q
}

// turn empties the parts whose minute is over. mu is held.
func (h *Histogram) turn(now time.Time) {
	n := int(min(now.Sub(h.since)/histogramSpan, histogramParts))
	if n <= 0 {
		return
	}
	for range n {
		h.cur = (h.cur + 1) % histogramParts
		h.parts[h.cur] = histogramPart{}
	}
	h.since = now
}

func quantile(counts *[buckets]uint64, q Quantiles, p float64) time.Duration {
	rank := uint64(math.Ceil(p * float64(q.Count)))
	var seen uint64
	for b, n := range counts {
		seen += n
		if n > 0 && seen >= rank {
			return min(bucketMiddle(b), q.Max)
		}
	}
	return 0
}

// bucketOf: bucket 0 holds everything below 2^minBits ns; then each octave has 2^subBits buckets; the last holds the rest.
func bucketOf(d time.Duration) int {
	n := uint64(d)
	exp := bits.Len64(n) - 1
	switch {
	case exp < minBits:
		return 0
	case exp >= maxBits:
		return buckets - 1
	}
	sub := int(n>>(exp-subBits)) & (1<<subBits - 1)
	return (exp-minBits)<<subBits + sub + 1
}

func bucketMiddle(b int) time.Duration {
	switch b {
	case 0:
		return 1 << (minBits - 1)
	case buckets - 1:
		return math.MaxInt64 // the caller caps it at the largest value seen
	}
	exp, sub := (b-1)>>subBits+minBits, (b-1)&(1<<subBits-1)
	low := uint64(1<<subBits|sub) << (exp - subBits)
	return time.Duration(low + 1<<(exp-subBits)/2)
}
