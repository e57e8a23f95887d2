package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"yfv2d/scripts/daemon"
	"yfv2d/scripts/viewer"
)

const (
	furtherViewers = 10
	cpuSpan        = 10 * time.Second // each level is measured for two of these
	cpuSettle      = 2 * time.Second
)

// level is how many watch while CPU time is counted.
type level struct {
	name      string
	viewers   int
	rendition string
}

var levels = []level{{"nobody", 0, ""}, {"one", 1, "clean"}, {"many", 1 + furtherViewers, "clean"}, {"annotated", 1, "annotated"}}

// cpu counts the daemon's CPU time at each level, up and down again, so that a slow drift of the machine cancels.
func cpu(ctx context.Context, b *bench) (figures, error) {
	clip, err := filepath.Abs(b.clip)
	if err != nil {
		return nil, err
	}
	f := figures{}
	for _, src := range []struct{ prefix, source string }{
		{"", "source = \"" + picture + "\"\n"},
		{"clip_", fmt.Sprintf("source = %q\nloop = true\n", "file:"+clip)},
	} {
		cores, err := b.coresByLevel(ctx, anyPort+"[preview]\nbitrate_kbps = 1000\n[[camera]]\nname = \""+camera+"\"\n"+src.source)
		if err != nil {
			return nil, err
		}
		f[src.prefix+"mbps"] = cores["mbps"]
		f[src.prefix+"idle_cores"] = cores["nobody"]
		f[src.prefix+"first_viewer_cores"] = cores["one"] - cores["nobody"]
		f[src.prefix+"next_viewer_cores"] = (cores["many"] - cores["one"]) / furtherViewers
		f[src.prefix+"first_annotated_cores"] = cores["annotated"] - cores["nobody"]
	}
	return f, nil
}

// coresByLevel gives CPU seconds a second, and as "mbps" the bitrate that the viewers got.
func (b *bench) coresByLevel(ctx context.Context, toml string) (map[string]float64, error) {
	d, stop, err := b.start(ctx, daemon.Config{TOML: toml})
	if err != nil {
		return nil, err
	}
	defer stop()
	cores := map[string]float64{}
	down := slices.Clone(levels)
	slices.Reverse(down)
	for _, l := range append(slices.Clone(levels), down...) {
		used, mbps, err := cores1(ctx, d, l)
		if err != nil {
			return nil, fmt.Errorf("CPU with %d viewers: %w", l.viewers, err)
		}
		cores[l.name] += used / 2
		if l.name == "one" {
			cores["mbps"] += mbps / 2
		}
	}
	return cores, nil
}

func cores1(ctx context.Context, d *daemon.Daemon, l level) (cores, mbps float64, err error) {
	a, err := gather(ctx, d.URL, l.rendition, l.viewers)
	defer a.leave()
	if err != nil {
		return 0, 0, err
	}
	if err := sleep(ctx, cpuSettle); err != nil {
		return 0, 0, err
	}
	before, err := d.CPUSeconds()
	if err != nil {
		return 0, 0, err
	}
	start, counts := time.Now(), a.counts()
	if err := sleep(ctx, cpuSpan); err != nil {
		return 0, 0, err
	}
	after, err := d.CPUSeconds()
	span := time.Since(start).Seconds()
	for i, c := range a.counts() {
		mbps += float64(c.Bytes-counts[i].Bytes) * 8 / 1e6 / span / float64(l.viewers)
	}
	return (after - before) / span, mbps, err
}

// audience are viewers as our page is one: a WHEP session and a WebSocket with live metadata each.
type audience struct {
	viewers []*viewer.Viewer
	stop    context.CancelFunc // of the listeners
	wg      sync.WaitGroup
}

// atOnce is how many connect side by side.
const atOnce = 8

// gather connects n viewers. The audience must leave, also after an error.
func gather(ctx context.Context, base, rendition string, n int) (*audience, error) {
	a := &audience{viewers: make([]*viewer.Viewer, n)}
	listening, stop := context.WithCancel(ctx)
	a.stop = stop
	errs := make([]error, n)
	turns := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		turns <- struct{}{}
		go func() {
			defer func() { <-turns; wg.Done() }()
			errs[i] = patiently(ctx, func(ctx context.Context) (err error) {
				a.viewers[i], err = viewer.Watch(ctx, base+whep(rendition))
				return err
			})
			if errs[i] == nil {
				errs[i] = a.listen(listening, base)
			}
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// patience is how long a viewer may take to come, and to be let in.
const patience = 30 * time.Second

// patiently tries again while the daemon says that there are too many now.
func patiently(ctx context.Context, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := try(ctx)
		var no *viewer.Refused
		if !errors.As(err, &no) || no.Status != http.StatusTooManyRequests && no.Status != http.StatusServiceUnavailable {
			return err
		}
		if sleep(ctx, time.Second) != nil {
			return err
		}
	}
}

func whep(rendition string) string { return "/api/cameras/" + camera + "/whep?rendition=" + rendition }

// listen reads live metadata until the audience leaves.
func (a *audience) listen(ctx context.Context, base string) error {
	conn, _, err := websocket.Dial(ctx, base+"/api/live?cameras="+camera, nil)
	if err != nil {
		return fmt.Errorf("live metadata: %w", err)
	}
	a.wg.Add(1)
	go func() {
		defer a.wg.Done()
		defer conn.CloseNow()
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}()
	return nil
}

func (a *audience) leave() {
	a.stop()
	a.wg.Wait()
	for _, v := range a.viewers {
		if v != nil {
			v.Close()
		}
	}
}

// sleep is time.Sleep that ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
