package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"yfv2d/scripts/daemon"
)

// report is what the page's self-test tells, as far as it is of use here.
type report struct {
	ID             string           `json:"id"`
	Received       time.Time        `json:"received"` // by the daemon
	Done           bool             `json:"done"`
	Transport      string           `json:"transport"`
	Codec          string           `json:"codec"`
	Seconds        float64          `json:"seconds"` // measured so far
	Frames         int              `json:"frames"`
	FirstPictureMS float64          `json:"first_picture_ms"`
	Latency        latencies        `json:"latency_ms"`
	Freezes        freezes          `json:"freezes"`
	Aligned        *float64         `json:"aligned"`
	BoxIoU         *overlaps        `json:"box_iou"`
	PerSecond      []second         `json:"per_second"`
	JitterBufferMS float64          `json:"jitter_buffer_ms"`
	RTTMS          float64          `json:"rtt_ms"`
	PacketsLost    int              `json:"packets_lost"`
	NACKs          int              `json:"nacks"`
	whole          *json.RawMessage // all of it, for -v
}

type latencies struct {
	P50      float64 `json:"p50"`
	P95      float64 `json:"p95"`
	First10  float64 `json:"first10_p50"`
	First10T float64 `json:"first10_p95"`
	Last10   float64 `json:"last10_p50"`
	Last10T  float64 `json:"last10_p95"`
}

type freezes struct {
	Count  int     `json:"count"`
	TotalS float64 `json:"total_s"`
	WorstS float64 `json:"worst_s"`
}

type overlaps struct {
	P50   float64 `json:"p50"`
	P05   float64 `json:"p05"`
	Count int     `json:"count"`
}

// second is one second of the measurement; t counts from its start.
type second struct {
	T         float64 `json:"t"`
	Frames    int     `json:"frames"`
	P50       float64 `json:"p50"` // latency, ms
	FrozenS   float64 `json:"frozen_s"`
	Rendition string  `json:"rendition"`
	Width     int     `json:"width"`
}

// view is one opening of the page for its self-test.
type view struct {
	base    string // URL of the page; the daemon's own unless something stands between
	id      string
	seconds int
	mode    string // low_latency or exact
}

func (v view) url() string {
	q := url.Values{"selftest": {v.id}, "camera": {camera}, "seconds": {strconv.Itoa(v.seconds)}, "rendition": {"clean"}}
	if v.mode != "" {
		q.Set("mode", v.mode)
	}
	return v.base + "/?" + q.Encode()
}

// opening is how long the page may take beyond the seconds that it measures.
const opening = 30 * time.Second

// selftest opens the page and waits for its report.
func (b *bench) selftest(ctx context.Context, c *chromium, d *daemon.Daemon, v view) (*report, error) {
	page, err := c.open(ctx, v.url())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", v.url(), err)
	}
	defer page.shut()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(v.seconds)*time.Second+opening)
	defer cancel()
	var last *report
	for {
		r, err := findReport(ctx, d, v.id)
		if err == nil && r != nil {
			if last = r; r.Done {
				break
			}
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("%w; the page says: %s", b.incomplete(last, err), page.text())
		case <-time.After(200 * time.Millisecond):
		}
	}
	if b.verbose {
		fmt.Printf("  %s\n", *last.whole)
	}
	if last.Frames == 0 {
		return last, errors.New("the page showed no frame")
	}
	if last.Transport != "webrtc" {
		return last, fmt.Errorf("the page showed the camera by %s, not WebRTC", last.Transport)
	}
	return last, nil
}

// errUnfinished says that the page reported, but showed no frame at its end.
var errUnfinished = errors.New("the page did not finish")

func (b *bench) incomplete(last *report, err error) error {
	switch {
	case last != nil:
		if b.verbose {
			fmt.Printf("  %s\n", *last.whole)
		}
		return fmt.Errorf("%w: %d frames in %.0f s by %s", errUnfinished, last.Frames, last.Seconds, last.Transport)
	case err != nil:
		return fmt.Errorf("the page's report: %w", err)
	}
	return errors.New("the page reported nothing")
}

// findReport reads the newest report of that id; nil if there is none yet.
func findReport(ctx context.Context, d *daemon.Daemon, id string) (*report, error) {
	var all struct{ Reports []json.RawMessage }
	if err := d.Get(ctx, "/api/selftest", &all); err != nil {
		return nil, err
	}
	for _, raw := range all.Reports { // newest first
		r := &report{whole: &raw}
		if err := json.Unmarshal(raw, r); err != nil {
			return nil, fmt.Errorf("read a report: %w", err)
		}
		if r.ID == id {
			return r, nil
		}
	}
	return nil, nil
}
