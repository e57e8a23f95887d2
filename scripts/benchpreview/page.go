package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yfv2d/scripts/daemon"
)

const (
	camera   = "test"
	openings = 20
	// breath is the time between two openings, for the browser to take away what is left of the first.
	breath = 2 * time.Second
)

// picture is the test picture with grain, so that its stream has the bitrate of a real camera's: without it the encoder
// makes do with a fifth of what it may use, and no path would be narrow.
const picture = "test:?size=640x480&fps=30&objects=2&truth=1&grain=8"

// anyPort leaves the usual one to a daemon that runs on this machine already.
const anyPort = "[webrtc]\nport = 0\n"

// pattern is a configuration with it. webrtc holds further lines of [webrtc].
func pattern(webrtc string) string {
	return anyPort + webrtc + "[[camera]]\nname = \"" + camera + "\"\nsource = \"" + picture + "\"\n"
}

// daemonAndBrowser starts both; stop ends both.
func (b *bench) daemonAndBrowser(ctx context.Context) (d *daemon.Daemon, c *chromium, stop func(), err error) {
	d, end, err := b.start(ctx, daemon.Config{TOML: pattern("")})
	if err != nil {
		return nil, nil, nil, err
	}
	c, err = startChromium(ctx)
	if err != nil {
		end()
		return nil, nil, nil, err
	}
	return d, c, func() {
		c.close()
		end()
	}, nil
}

// page runs one self-test against a daemon of its own.
func (b *bench) page(ctx context.Context, v view) (*report, error) {
	d, c, stop, err := b.daemonAndBrowser(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	v.base = d.URL
	return b.selftest(ctx, c, d, v)
}

func latency(ctx context.Context, b *bench) (figures, error) {
	r, err := b.page(ctx, view{id: "low", seconds: b.seconds, mode: "low_latency"})
	if err != nil {
		return nil, err
	}
	f := figures{
		"p50_ms": r.Latency.P50, "p95_ms": r.Latency.P95,
		"first10_p50_ms": r.Latency.First10, "first10_p95_ms": r.Latency.First10T,
		"last10_p50_ms": r.Latency.Last10, "last10_p95_ms": r.Latency.Last10T,
		"latency_growth_ms": r.Latency.Last10 - r.Latency.First10,
		"frames_share":      float64(r.Frames) / (30 * r.Seconds), "jitter_buffer_ms": r.JitterBufferMS,
	}
	if r.Aligned != nil {
		f["aligned_low_latency"] = *r.Aligned
	}
	return f, nil
}

func exact(ctx context.Context, b *bench) (figures, error) {
	r, err := b.page(ctx, view{id: "exact", seconds: b.seconds, mode: "exact"})
	if err != nil {
		return nil, err
	}
	f := figures{"exact_p50_ms": r.Latency.P50, "exact_p95_ms": r.Latency.P95}
	if r.Aligned != nil {
		f["aligned"] = *r.Aligned
	}
	if o := r.BoxIoU; o != nil && o.Count > 0 {
		f["box_iou_p50"], f["box_iou_p05"] = o.P50, o.P05
	}
	return f, nil
}

// firstPicture opens the page many times, each in a profile without a cache, in a browser that runs already.
func firstPicture(ctx context.Context, b *bench) (figures, error) {
	d, c, stop, err := b.daemonAndBrowser(ctx)
	if err != nil {
		return nil, err
	}
	defer stop()
	var times []float64
	for i := range openings {
		if err := sleep(ctx, breath); err != nil {
			return nil, err
		}
		r, err := b.selftest(ctx, c, d, view{base: d.URL, id: fmt.Sprintf("first%d", i), seconds: 1})
		if err != nil {
			return nil, fmt.Errorf("opening %d: %w", i+1, err)
		}
		times = append(times, r.FirstPictureMS)
	}
	slices.Sort(times)
	return figures{"first_picture_p95_ms": quantile(times, 0.95), "first_picture_p50_ms": quantile(times, 0.5),
		"first_picture_max_ms": times[len(times)-1]}, nil
}

// quantile takes the nearest rank of sorted values.
func quantile(sorted []float64, q float64) float64 {
	i := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
