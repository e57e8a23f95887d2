package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"yfv2d/scripts/daemon"
	"yfv2d/scripts/viewer"
)

const (
	postsTotal = 10_000
	postsSpan  = time.Minute
	// postsKept is how long each is left open, and postsOpen how many are at most, below the usual limit of descriptors.
	postsKept = 5 * time.Second
	postsOpen = 900
)

// posts sends half of an offer ten thousand times and leaves each open for a while, while a viewer watches; the daemon has its
// own limits.
func posts(ctx context.Context, b *bench) (figures, error) {
	d, stop, err := b.start(ctx, daemon.Config{TOML: pattern("")})
	if err != nil {
		return nil, err
	}
	defer stop()
	watching, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	v, err := viewer.Watch(watching, d.URL+whep("clean"))
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if err := sleep(ctx, cpuSettle); err != nil {
		return nil, err
	}
	before, err := read(ctx, d)
	if err != nil {
		return nil, err
	}
	counts := v.Counts()
	v.LongestGap()
	sent := halfOffers(ctx, strings.TrimPrefix(d.URL, "http://"))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	got, gap := v.Counts(), v.LongestGap()
	after, err := read(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("after the posts: %w", err)
	}
	captured := after.Cameras[0].Ledger.Captured - before.Cameras[0].Ledger.Captured
	if captured == 0 {
		return nil, errors.New("the camera gave no frame")
	}
	if err := answersAgain(ctx, d); err != nil {
		return nil, err
	}
	return figures{
		"posts_min_share":     float64(got.Frames-counts.Frames) / float64(captured),
		"posts_longest_gap_s": gap.Seconds(), "posts_opened": float64(sent.opened), "posts_refused": float64(sent.refused),
	}, nil
}

// answersAgain looks whether a viewer can come after all that.
func answersAgain(ctx context.Context, d *daemon.Daemon) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		v, err := viewer.Watch(ctx, d.URL+whep("clean"))
		if err == nil {
			return v.Leave(ctx)
		}
		var no *viewer.Refused
		if !errors.As(err, &no) { // it may say: later
			return fmt.Errorf("a viewer after the posts: %w", err)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return fmt.Errorf("a viewer after the posts: %w", no)
		}
	}
}

type sent struct {
	opened, refused int // connections made, and those that could not be made or were ended by the daemon before we did
}

// halfOffers opens connections evenly over the span.
func halfOffers(ctx context.Context, addr string) sent {
	var mu sync.Mutex
	var s sent
	var wg sync.WaitGroup
	room := make(chan struct{}, postsOpen)
	tick := time.NewTicker(postsSpan / postsTotal)
	defer tick.Stop()
	for range postsTotal {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		room <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-room; wg.Done() }()
			opened, kept := halfOffer(ctx, addr)
			mu.Lock()
			defer mu.Unlock()
			if opened {
				s.opened++
			}
			if !kept {
				s.refused++
			}
		}()
	}
	wg.Wait()
	return s
}

// halfOffer sends the head of a POST and the first line of its body, and then nothing.
func halfOffer(ctx context.Context, addr string) (opened, kept bool) {
	dialer := net.Dialer{Timeout: postsKept}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/sdp\r\nContent-Length: 6000\r\n\r\nv=0\r\n", whep("clean"), addr)
	if err != nil {
		return true, false
	}
	_ = conn.SetReadDeadline(time.Now().Add(postsKept))
	_, err = conn.Read(make([]byte, 1))
	var late net.Error
	return true, errors.As(err, &late) && late.Timeout()
}
