package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yfv2d/scripts/daemon"
	"yfv2d/scripts/viewer"
)

const (
	churnRounds = 500
	// After so many rounds, and so long, pools, caches and the runtime's threads have the size that they keep, and so has the
	// crowd of those who were killed: the daemon waits 15 s for each to connect.
	churnWarmup = 50
	churnWarm   = 20 * time.Second
	churnSeed   = 1
	churnEvery  = 25 // rounds between two looks at memory
	// churnSettle is longer than a viewer that vanished is waited for.
	churnSettle = 20 * time.Second
)

// holdings are what could leak.
type holdings struct {
	goroutines float64
	daemon.Accounts
}

// slack is by how much a kind may differ between two looks without a leak: the runtime starts a thread when all others are in
// system calls, and the heap's size moves with the moment of its last collection. A connection leaked in each round would be
// 500 goroutines and tens of MB.
var slack = holdings{goroutines: 0, Accounts: daemon.Accounts{Threads: 2, Descriptors: 0, AnonMB: 5}}

// churn connects and leaves in all ways there are, many times over, and compares what the daemon holds.
func churn(ctx context.Context, b *bench) (figures, error) {
	d, stop, err := b.start(ctx, daemon.Config{TOML: pattern(roomy)})
	if err != nil {
		return nil, err
	}
	defer stop()
	c := &comings{d: d, rng: rand.New(rand.NewPCG(churnSeed, 1))}
	for end := time.Now().Add(churnWarm); time.Now().Before(end); {
		if err := c.rounds(ctx, churnWarmup, nil); err != nil {
			return nil, err
		}
	}
	c.killed.Store(0)
	c.whole.Store(0)
	before, err := settled(ctx, d)
	if err != nil {
		return nil, err
	}
	// What files back (libraries, the binary) goes and comes back as the kernel likes; a leak is anonymous.
	memory, resident := []float64{before.AnonMB}, []float64{before.RSSMB}
	err = c.rounds(ctx, churnRounds, func() error {
		a, err := d.Accounts()
		memory, resident = append(memory, a.AnonMB), append(resident, a.RSSMB)
		return err
	})
	if err != nil {
		return nil, err
	}
	after, err := settled(ctx, d)
	if err != nil {
		return nil, err
	}
	memory, resident = append(memory, after.AnonMB), append(resident, after.RSSMB)
	b.series["churn_anon_mb"], b.series["churn_rss_mb"] = memory, resident
	leaks := grown(before, after)
	if len(leaks) > 0 {
		fmt.Printf("  grows: %s\n", strings.Join(leaks, ", "))
	}
	return figures{
		"churn_leaks":          float64(len(leaks)),
		"churn_goroutines":     after.goroutines - before.goroutines,
		"churn_descriptors":    float64(after.Descriptors - before.Descriptors),
		"churn_threads":        float64(after.Threads - before.Threads),
		"churn_anon_growth_mb": after.AnonMB - before.AnonMB,
		"churn_anon_creep_mb":  creep(memory),
		"churn_killed":         float64(c.killed.Load()),
		"churn_whole":          float64(c.whole.Load()),
	}, nil
}

// creep is by how much the most of values in their second half is above that in their first: memory breathes, a leak only
// breathes in.
func creep(values []float64) float64 {
	n := len(values) / 2
	if n == 0 {
		return 0
	}
	return max(0, slices.Max(values[n:])-slices.Max(values[:n]))
}

// grown names the kinds that grew, of those that can be counted.
func grown(before, after holdings) (kinds []string) {
	for _, k := range []struct {
		name string
		more float64
		may  float64
	}{
		{"goroutines", after.goroutines - before.goroutines, slack.goroutines},
		{"descriptors", float64(after.Descriptors - before.Descriptors), float64(slack.Descriptors)},
		{"threads", float64(after.Threads - before.Threads), float64(slack.Threads)},
		{"memory", after.AnonMB - before.AnonMB, slack.AnonMB},
	} {
		if k.more > k.may {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// settled waits until nobody is left and reads what the daemon holds.
func settled(ctx context.Context, d *daemon.Daemon) (h holdings, err error) {
	for end := time.Now().Add(churnSettle); ; {
		r, err := read(ctx, d)
		if err != nil {
			return h, err
		}
		if time.Now().After(end) && r.Cameras[0].Preview.Viewers == 0 {
			break
		}
		if time.Now().After(end.Add(churnSettle)) {
			return h, fmt.Errorf("%d viewers are left %v after the last went", r.Cameras[0].Preview.Viewers, 2*churnSettle)
		}
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return h, err
		}
	}
	h.goroutines = inf
	for range 5 { // one may still be ending with the connection of the question before
		n, err := d.Metric(ctx, "go_goroutines")
		if err != nil {
			return h, err
		}
		h.goroutines = min(h.goroutines, n)
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return h, err
		}
	}
	h.Accounts, err = d.Accounts()
	return h, err
}

// comings are viewers that come and go.
type comings struct {
	d      *daemon.Daemon
	rng    *rand.Rand
	killed atomic.Int64 // left before a picture came
	whole  atomic.Int64
}

// ending is a way to leave, by when.
type ending int

const (
	byDelete   ending = iota // after the first frame, as WHEP wants it
	byClose                  // after the first frame, without a DELETE
	afterICE                 // once the two sides reach each other, during the DTLS handshake
	afterPost                // with the answer in hand
	duringPost               // before the answer came
	endings
)

// rounds runs n rounds, some side by side; look is called now and then.
func (c *comings) rounds(ctx context.Context, n int, look func() error) error {
	for done := 0; done < n; {
		batch := min(churnEvery, n-done)
		var wg sync.WaitGroup
		errs := make([]error, batch)
		turns := make(chan struct{}, 4)
		for i := range batch {
			how, after := ending(c.rng.IntN(int(endings))), time.Duration(c.rng.IntN(20))*time.Millisecond
			wg.Add(1)
			turns <- struct{}{}
			go func() {
				defer func() { <-turns; wg.Done() }()
				errs[i] = patiently(ctx, func(ctx context.Context) error { return c.round(ctx, how, after) })
			}()
		}
		wg.Wait()
		if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
			return errs[i]
		}
		done += batch
		if look != nil {
			if err := look(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *comings) round(ctx context.Context, how ending, after time.Duration) error {
	v, err := viewer.New()
	if err != nil {
		return err
	}
	defer v.Close()
	endpoint := c.d.URL + whep("clean")
	if how == duringPost {
		given, cancel := context.WithTimeout(ctx, after)
		defer cancel()
		_ = v.Offer(given, endpoint) // given up, or just in time
		c.killed.Add(1)
		return nil
	}
	if err := v.Offer(ctx, endpoint); err != nil {
		return err
	}
	switch how {
	case afterPost:
		c.killed.Add(1)
		return nil
	case afterICE:
		c.killed.Add(1)
		return v.Reached(ctx)
	}
	if err := v.Began(ctx); err != nil {
		return fmt.Errorf("wait for a frame: %w", err)
	}
	c.whole.Add(1)
	if how == byDelete {
		return v.Leave(ctx)
	}
	return nil
}
