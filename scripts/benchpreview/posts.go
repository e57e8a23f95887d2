package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"yfv2d/scripts/daemon"
	"yfv2d/scripts/viewer"
)

const (
	postsTotal = 10_000
	postsSpan  = time.Minute
	// postsKept is how long an unanswered one is left open, and postsOpen how many are at most, below the usual limit of descriptors.
	postsKept = 5 * time.Second
	postsOpen = 900
)

// posts opens ten thousand connections that lead nowhere while a viewer watches; the daemon has its own limits. Of two, one
// sends half of an offer and then nothing, and the other a whole one, and never connects.
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
	offer, err := viewer.SampleOffer()
	if err != nil {
		return nil, err
	}
	before, err := read(ctx, d)
	if err != nil {
		return nil, err
	}
	counts := v.Counts()
	v.LongestGap()
	sent := halfOffers(ctx, strings.TrimPrefix(d.URL, "http://"), offer)
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
		"posts_longest_gap_s": gap.Seconds(), "posts_opened": float64(sent.opened), "posts_cut": float64(sent.cut),
		"posts_answered": float64(sent.answers[http.StatusCreated]), "posts_refused": float64(sent.refused()),
	}, nil
}

// answersAgain looks whether a viewer can come after all that.
func answersAgain(ctx context.Context, d *daemon.Daemon) error {
	err := patiently(ctx, func(ctx context.Context) error {
		v, err := viewer.Watch(ctx, d.URL+whep("clean"))
		if err != nil {
			return err
		}
		return v.Leave(ctx)
	})
	if err != nil {
		return fmt.Errorf("a viewer after the posts: %w", err)
	}
	return nil
}

// sent counts connections by what became of them.
type sent struct {
	opened  int // made
	cut     int // ended by the daemon before we did, without an answer
	answers map[int]int
}

// refused counts the answers that say no.
func (s sent) refused() (n int) {
	for status, times := range s.answers {
		if status != http.StatusCreated {
			n += times
		}
	}
	return n
}

// halfOffers opens connections evenly over the span.
func halfOffers(ctx context.Context, addr, offer string) sent {
	s := sent{answers: map[int]int{}}
	var mu sync.Mutex // guards s
	var wg sync.WaitGroup
	room := make(chan struct{}, postsOpen)
	tick := time.NewTicker(postsSpan / postsTotal)
	defer tick.Stop()
	for i := range postsTotal {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		body := offer
		if i%2 == 0 {
			body = offer[:len(offer)/2]
		}
		room <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-room; wg.Done() }()
			opened, status, ended := halfOffer(ctx, addr, body, len(offer))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case status != 0:
				s.answers[status]++
			case ended:
				s.cut++
			}
			if opened {
				s.opened++
			}
		}()
	}
	wg.Wait()
	return s
}

// halfOffer sends a POST whose body may lack its end, and keeps the connection open for a while. status is 0 without an answer.
func halfOffer(ctx context.Context, addr, body string, length int) (opened bool, status int, ended bool) {
	dialer := net.Dialer{Timeout: postsKept}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, 0, true
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(postsKept))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", whep("clean"), addr, length, body)
	if err != nil {
		return true, 0, true
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return true, 0, !errors.Is(err, os.ErrDeadlineExceeded)
	}
	defer answer.Body.Close()
	return true, answer.StatusCode, false
}
