package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"yfv2d/scripts/daemon"
)

const (
	cutBefore = 12 * time.Second
	cutSpan   = 18 * time.Second
	cutAfter  = 20 * time.Second
	// backUnder is the latency, ms, that counts as back to normal.
	backUnder = 150
)

// cut watches a daemon whose link is cut for a while. The daemon sits in a network namespace, the browser outside.
func cut(ctx context.Context, b *bench) (f figures, err error) {
	n, err := newNetns(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, n.remove()) }()
	d, stop, err := b.start(ctx, daemon.Config{TOML: pattern(""), Prefix: n.inside(), Listen: net.JoinHostPort(farAddr, "8080"),
		Args: []string{"--allow-open"}})
	if err != nil {
		return nil, err
	}
	defer stop()
	c, err := startChromium(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var when cutTimes
	var cutErr error
	cutting := make(chan struct{})
	running, cancel := context.WithCancel(ctx)
	go func() {
		defer close(cutting)
		when, cutErr = n.cutOnce(running, d)
	}()
	r, err := b.selftest(ctx, c, d, view{base: d.URL, id: "cut", seconds: int((cutBefore + cutSpan + cutAfter).Seconds()), mode: "low_latency"})
	cancel()
	<-cutting
	if errors.Is(err, errUnfinished) { // the picture stayed away: the figures show it
		fmt.Printf("  %v\n", err)
		err = nil
	}
	if err := errors.Join(err, cutErr); err != nil {
		return nil, err
	}
	return b.cutFigures(r, when)
}

// cutTimes are when the page began to measure, and when the link was cut and free again.
type cutTimes struct{ start, begin, end time.Time }

// cutOnce waits until the page measures, and some time longer, and cuts the link once.
func (n *netns) cutOnce(ctx context.Context, d *daemon.Daemon) (t cutTimes, err error) {
	if t.start, err = measuring(ctx, d, "cut"); err != nil {
		return t, err
	}
	if err := sleep(ctx, time.Until(t.start.Add(cutBefore))); err != nil {
		return t, err
	}
	t.begin = time.Now()
	if err := n.slow(ctx); err != nil {
		return t, err
	}
	if err := sleep(ctx, cutSpan); err != nil {
		return t, err
	}
	t.end = time.Now()
	return t, n.free(ctx)
}

// measuring waits for the first report of a measurement under way, and says when that began.
func measuring(ctx context.Context, d *daemon.Daemon, id string) (time.Time, error) {
	for {
		r, err := findReport(ctx, d, id)
		if err == nil && r != nil && r.Frames > 0 {
			return r.Received.Add(-time.Duration(r.Seconds * float64(time.Second))), nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return time.Time{}, errors.New("the page ended before the link was cut")
		}
	}
}

// cutFigures reads a report that spans a cut.
func (b *bench) cutFigures(r *report, when cutTimes) (figures, error) {
	from, to := when.begin.Sub(when.start).Seconds(), when.end.Sub(when.start).Seconds()
	if len(r.PerSecond) == 0 {
		return nil, errors.New("the report has no seconds")
	}
	f := figures{"cut_frozen_s": 0, "cut_picture_back": 0, "cut_begin_s": from, "cut_end_s": to}
	var shown, latency, frozen []float64
	before, good := 0.0, 0
	back := r.Seconds - to // not back before the end
	for _, s := range r.PerSecond {
		shown, latency, frozen = append(shown, float64(s.Frames)), append(latency, s.P50), append(frozen, s.FrozenS)
		if s.T+1 <= from {
			before += s.FrozenS
			continue
		}
		f["cut_frozen_s"] += s.FrozenS
		if s.T < to {
			continue
		}
		if s.Frames == 0 || s.P50 >= backUnder {
			good = 0
			continue
		}
		f["cut_picture_back"] = 1
		if good++; good == 2 { // two seconds in a row, of which the first counts
			back = min(back, max(0, s.T-1-to))
		}
	}
	f["cut_latency_back_s"], f["cut_frozen_before_s"] = back, before
	f["cut_lost_packets"], f["cut_p95_ms"] = float64(r.PacketsLost), r.Latency.P95
	b.series["cut_frames"], b.series["cut_p50_ms"], b.series["cut_frozen_s"] = shown, latency, frozen
	if last := r.PerSecond[len(r.PerSecond)-1]; last.Rendition != "" {
		fmt.Printf("  at the end: %s, %d pixels wide\n", last.Rendition, last.Width)
	}
	return f, nil
}
