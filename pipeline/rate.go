package pipeline

import "time"

const (
	rateSpan   = 3 * time.Second
	rateEvents = 512 // over 3 s: enough for 170 a second; faster ones are measured over a shorter time
)

// rate measures events a second over the last few seconds. The ledger's mutex guards it.
type rate struct {
	at   [rateEvents]time.Time // ring
	n    int                   // events in it
	head int                   // where the next goes
}

func (r *rate) add(now time.Time) {
	r.at[r.head] = now
	r.head = (r.head + 1) % rateEvents
	r.n = min(r.n+1, rateEvents)
}

// perSecond is the number of events a second; it falls towards 0 when events stop coming.
func (r *rate) perSecond(now time.Time) float64 {
	for r.n > 0 && now.Sub(r.event(0)) > rateSpan {
		r.n--
	}
	if r.n < 2 {
		return 0
	}
	first, last := r.event(0), r.event(r.n-1)
	span := last.Sub(first)
	interval := span / time.Duration(r.n-1)
	if silent := now.Sub(last); silent > 2*interval {
		span += silent - interval
	}
	if span <= 0 {
		return 0
	}
	return float64(r.n-1) / span.Seconds()
}

// event is the i-th oldest.
func (r *rate) event(i int) time.Time {
	return r.at[(r.head-r.n+i+rateEvents)%rateEvents]
}
