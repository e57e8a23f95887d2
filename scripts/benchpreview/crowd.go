package main

import (
	"context"
	"fmt"
	"time"

	"yfv2d/scripts/daemon"
	"yfv2d/scripts/viewer"
)

const (
	crowdSize = 50
	crowdSpan = 20 * time.Second
)

// roomy, of [webrtc], lets in more viewers than a home needs.
const roomy = "max_viewers = 1000\nmax_viewers_per_camera = 1000\n"

// reading is the part of /api/cameras that is of use here.
type reading struct {
	Cameras []struct {
		Ledger struct {
			Captured  uint64 `json:"captured"`
			Previewed uint64 `json:"previewed"`
		} `json:"ledger"`
		Preview struct {
			Viewers    int    `json:"viewers"`
			Encodes    uint64 `json:"encodes"`
			Renditions []struct {
				Name    string `json:"name"`
				Viewers int    `json:"viewers"`
				Encodes uint64 `json:"encodes"`
			} `json:"renditions"`
		} `json:"preview"`
	} `json:"cameras"`
}

func read(ctx context.Context, d *daemon.Daemon) (reading, error) {
	var r reading
	if err := d.Get(ctx, "/api/cameras", &r); err != nil {
		return r, err
	}
	if len(r.Cameras) != 1 {
		return r, fmt.Errorf("/api/cameras tells of %d cameras, not 1", len(r.Cameras))
	}
	return r, nil
}

func crowd(ctx context.Context, b *bench) (figures, error) {
	d, stop, err := b.start(ctx, daemon.Config{TOML: pattern(roomy)})
	if err != nil {
		return nil, err
	}
	defer stop()
	a, err := gather(ctx, d.URL, "clean", crowdSize)
	defer a.leave()
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, cpuSettle); err != nil {
		return nil, err
	}
	before, err := read(ctx, d)
	if err != nil {
		return nil, err
	}
	counts := a.counts()
	used, err := d.CPUSeconds()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := sleep(ctx, crowdSpan); err != nil {
		return nil, err
	}
	after, err := read(ctx, d)
	if err != nil {
		return nil, err
	}
	got := a.counts()
	cpu, err := d.CPUSeconds()
	if err != nil {
		return nil, err
	}
	frames := float64(after.Cameras[0].Ledger.Previewed - before.Cameras[0].Ledger.Previewed)
	encodes := float64(after.Cameras[0].Preview.Encodes - before.Cameras[0].Preview.Encodes)
	if frames == 0 {
		return nil, fmt.Errorf("no frame was sent in %v", crowdSpan)
	}
	share := inf
	var lost uint64
	for i := range got {
		share = min(share, float64(got[i].Frames-counts[i].Frames)/frames)
		lost += got[i].Lost
	}
	return figures{
		"viewers50_min_share": share, "viewers50_encodes_per_frame": encodes / frames,
		"viewers50_fps": frames / crowdSpan.Seconds(), "viewers50_lost_packets": float64(lost),
		"viewers50_cores": (cpu - used) / time.Since(start).Seconds(),
	}, nil
}

func (a *audience) counts() []viewer.Counts {
	var all []viewer.Counts
	for _, v := range a.viewers {
		all = append(all, v.Counts())
	}
	return all
}
