// Package faulttest breaks cameras and measures how soon they are back: real peers of each transport, each read by a pipeline through
// capture.Reopening, beside a healthy camera that must not notice.
package faulttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"yfv2d/capture"
)

// Transport is how pictures come from a camera.
type Transport string

const (
	RTSPTCP Transport = "rtsp-tcp"
	RTSPUDP Transport = "rtsp-udp"
	HTTP    Transport = "http"
	Exec    Transport = "exec"
)

// Transports are all of them.
var Transports = []Transport{RTSPTCP, RTSPUDP, HTTP, Exec}

// Limits of a recovery. From the moment the peer is healthy, the first frame comes within what is left of the back-off, as long as a
// connection that goes nowhere lasts (see wait), openTime and one key-frame interval.
const (
	RetryMax  = 2 * time.Second
	openTime  = 2 * time.Second
	closeTime = 1 * time.Second // of a connection whose peer does not answer any more
	watchTime = capture.DefaultQuiet + 500*time.Millisecond
	intervals = 5 // or so many pictures' time
)

// DefaultGuard ends the wait for a recovery that does not come.
const DefaultGuard = 30 * time.Second

// Config is for Run.
type Config struct {
	Transport Transport
	Kinds     []Kind        // in this order
	Seed      uint64        // of how long faults last
	Guard     time.Duration // 0: DefaultGuard
	Clock     bool          // judge by the clock too: how old pictures are, and the healthy camera's rate. A busy machine fails it
	Progress  func(Result)  // may be nil; called after each fault
}

// Result is what came of one fault.
type Result struct {
	Transport Transport
	Kind      Kind
	Recovered bool
	Took      time.Duration // from the moment the peer was healthy to the first frame
	Limit     time.Duration // what Took may be
	Reasons   []string      // what the camera's state said meanwhile
	Problems  []string      // what was wrong besides Took
}

// InTime says whether the camera was back within its limit.
func (r Result) InTime() bool { return r.Recovered && r.Took <= r.Limit }

// OK says whether it was, and nothing else was wrong.
func (r Result) OK() bool { return r.InTime() && len(r.Problems) == 0 }

// Run starts a camera and a healthy one beside it, and brings one fault after another upon the first. Its error says what was wrong
// at the start or the end; what was wrong in between is in the results. It stops early if the camera does not come back.
func Run(ctx context.Context, cfg Config) (results []Result, err error) {
	if cfg.Guard <= 0 {
		cfg.Guard = DefaultGuard
	}
	b := &bench{}
	defer func() { err = errors.Join(err, b.end()) }()
	rig, err := newRig(ctx, b, cfg)
	if err != nil {
		return nil, err
	}
	for _, k := range cfg.Kinds {
		r := rig.suffer(ctx, k)
		r.Problems = append(r.Problems, b.failures()...)
		results = append(results, r)
		if cfg.Progress != nil {
			cfg.Progress(r)
		}
		if !r.Recovered {
			return results, errors.Join(fmt.Errorf("%s: it did not come back after %s", cfg.Transport, k), rig.end())
		}
	}
	return results, rig.end()
}

// rig is a camera that suffers, and a healthy one.
type rig struct {
	cfg     Config
	rng     *rand.Rand
	peer    peer
	camera  *camera
	healthy *healthy
}

// Prepare makes what all runs need, once: a program, pictures. Run does so too if need be.
func Prepare() error {
	_, err := execcam()
	_, _, errDraw := pictures()
	return errors.Join(err, errDraw)
}

func newRig(ctx context.Context, b *bench, cfg Config) (*rig, error) {
	r := &rig{cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0))}
	err := b.try(func() { r.peer = startPeer(b, cfg.Transport) })
	if err != nil {
		return nil, err
	}
	spec, opt := r.peer.source()
	if r.camera, err = startCamera(b, cfg, spec, opt); err != nil {
		return nil, err
	}
	if r.healthy, err = startHealthy(b, cfg); err != nil {
		return nil, err
	}
	if !r.camera.await(ctx, cfg.Guard, func(shot) bool { return true }) || !r.healthy.await(ctx, cfg.Guard, func(shot) bool { return true }) {
		return nil, fmt.Errorf("%s: no picture at the start: %+v, and %+v", cfg.Transport, r.camera.src.Status(), r.healthy.src.Status())
	}
	return r, nil
}

// between is a time from a span, by the seed.
func (r *rig) between(from, to time.Duration) time.Duration {
	return from + time.Duration(r.rng.Int64N(int64(to-from)+1))
}

// end stops both cameras and looks at their books.
func (r *rig) end() error {
	return errors.Join(r.camera.stop(), r.healthy.stop())
}
