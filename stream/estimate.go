package stream

import (
	"fmt"
	"sync"

	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/logging"
)

const (
	// leastEstimate is where the estimator begins at least, and leastPath what it never goes below, bits per second.
	leastEstimate = 100_000
	leastPath     = 50_000
	// headroom is how far above a rendition's own rate the path is measured: enough to know that there is some.
	headroom = 1.5
	// defaultNominal is a rendition's rate if the configuration gives none.
	defaultNominal = 1_500_000
)

// nominal is the bit rate of a rendition, bits per second, that a viewer's estimate starts from.
func (b *Broadcaster) nominal(rendition string) int {
	bps := b.cfg.Bitrate
	if bps <= 0 {
		bps = defaultNominal
	}
	switch rendition {
	case smallName:
		bps /= 4
	case cleanName:
		b.mu.Lock()
		bps = max(bps, b.relay.bitrate()) // the viewer may get the camera's own stream
		b.mu.Unlock()
	}
	return max(bps, leastEstimate)
}

// estimator is Google congestion control (draft-ietf-rmcat-gcc-02) for one viewer. tell gets every new estimate, in
// order and without delay; it must not block.
type estimator struct {
	*gcc.SendSideBWE
	once sync.Once
}

// newEstimator starts at a rendition's own rate, since gcc's 10 kbit/s would take a minute to get there.
func newEstimator(nominal int, p *pacer, tell func(bps int), logs logging.LoggerFactory) (cc.BandwidthEstimator, error) {
	bwe, err := gcc.NewSendSideBWE(
		gcc.SendSideBWEInitialBitrate(nominal),
		gcc.SendSideBWEMinBitrate(leastPath),
		gcc.SendSideBWEMaxBitrate(int(headroom*float64(nominal))),
		gcc.SendSideBWEPacer(tappedPacer{p, tell}),
		gcc.WithLoggerFactory(logs),
	)
	if err != nil {
		return nil, fmt.Errorf("bandwidth estimation: %w", err)
	}
	return &estimator{SendSideBWE: bwe}, nil
}

// Close may be called twice, unlike gcc's.
func (e *estimator) Close() (err error) {
	e.once.Do(func() { err = e.SendSideBWE.Close() })
	return err
}

// tappedPacer tells of new estimates. gcc's own callback runs on a goroutine for each, so that they may come in any order.
type tappedPacer struct {
	*pacer
	tell func(bps int)
}

func (t tappedPacer) SetTargetBitrate(bps int) {
	t.pacer.SetTargetBitrate(bps)
	t.tell(bps)
}
