package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/logging"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
)

const (
	// leastEstimate is where the estimator begins at least, and leastPath what it never goes below, bits per second.
	leastEstimate = 100_000
	leastPath     = 50_000
	// headroom is how far above a rendition's own rate the path is measured: enough to know that there is some.
	headroom = 1.5
	// defaultNominal is a rendition's rate if the configuration gives none.
	defaultNominal = 1_500_000
	// gccBackoff is what gcc goes down to of what arrives.
	gccBackoff = 0.85
	// renewAfter is the least time between two gccs of a viewer: a new one needs some feedback before it sees anything.
	renewAfter = 500 * time.Millisecond
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
		bps = max(bps, b.relay.expected()) // the viewer may get the camera's own stream
		b.mu.Unlock()
	}
	return max(bps, leastEstimate)
}

// estimator is Google congestion control (draft-ietf-rmcat-gcc-02) for one viewer. tell gets every new estimate, and the most
// that it can be, in order and without delay; it must not block.
//
// gcc takes every overuse for the path's limit and goes to 0.85 of what just arrived. A camera that sees nothing move
// sends a tenth of what the path carries, and its few packets look like overuse now and then: so the estimate would fall
// to that tenth, and rise by 8 % a second when something moves at last. libwebrtc knows when it sends little; here a fall
// is not believed while little is sent and no queue grows, and gcc, which cannot be set back, is made anew.
type estimator struct {
	logs  logging.LoggerFactory
	pacer *pacer
	tell  func(bps, most int)
	meter *pathMeter
	now   func() time.Time

	feeding sync.Mutex // held while gcc works on feedback or is made anew
	gcc     *gcc.SendSideBWE
	info    *interceptor.StreamInfo
	writer  interceptor.RTPWriter
	renewed time.Time
	closed  bool

	mu    sync.Mutex // guards what follows
	told  int        // the estimate
	most  int        // that gcc may come to; it has no way to change this
	taps  *tap       // of the gcc that counts
	stale bool       // gcc believes a fall that we do not
}

// newEstimator starts at a rendition's own rate, since gcc's 10 kbit/s would take a minute to get there.
func newEstimator(nominal int, p *pacer, tell func(bps, most int), logs logging.LoggerFactory) (*estimator, error) {
	e := &estimator{
		logs: logs, pacer: p, tell: tell, meter: newPathMeter(), now: time.Now,
		told: nominal, most: int(headroom * float64(nominal)),
	}
	if err := e.begin(); err != nil {
		return nil, err
	}
	return e, nil
}

// begin makes a gcc that starts from the present estimate.
func (e *estimator) begin() error {
	e.mu.Lock()
	t := &tap{pacer: e.pacer, e: e}
	e.taps, e.stale = t, false
	told, most := e.told, e.most
	e.mu.Unlock()
	made, err := gcc.NewSendSideBWE(gcc.SendSideBWEMinBitrate(leastPath), gcc.SendSideBWEMaxBitrate(most),
		gcc.SendSideBWEInitialBitrate(told), gcc.SendSideBWEPacer(t), gcc.WithLoggerFactory(e.logs))
	if err != nil {
		return fmt.Errorf("bandwidth estimation: %w", err)
	}
	e.gcc, e.renewed = made, e.now()
	if e.info != nil {
		made.AddStream(e.info, e.writer)
	}
	return nil
}

// AddStream puts gcc and the pacer into the way of a stream's packets. A viewer has one stream.
func (e *estimator) AddStream(info *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	e.feeding.Lock()
	defer e.feeding.Unlock()
	id := uint8(0)
	for _, x := range info.RTPHeaderExtensions {
		if x.URI == sdp.TransportCCURI {
			id = uint8(x.ID) // at most 14, see shortIDs
		}
	}
	e.info = info
	e.writer = interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		if number := h.GetExtension(id); id != 0 && len(number) == 2 {
			e.meter.sent(e.now(), binary.BigEndian.Uint16(number), h.MarshalSize()+len(payload))
		}
		return w.Write(h, payload, a)
	})
	return e.gcc.AddStream(info, e.writer)
}

// WriteRTCP takes a receiver's feedback.
func (e *estimator) WriteRTCP(packets []rtcp.Packet, a interceptor.Attributes) error {
	e.feeding.Lock()
	defer e.feeding.Unlock()
	if e.closed {
		return gcc.ErrSendSideBWEClosed
	}
	for _, p := range packets {
		if fb, ok := p.(*rtcp.TransportLayerCC); ok {
			e.meter.arrived(e.now(), fb)
		}
	}
	if err := e.gcc.WriteRTCP(packets, a); err != nil {
		return err
	}
	e.mu.Lock()
	stale := e.stale
	e.mu.Unlock()
	if !stale || e.now().Sub(e.renewed) < renewAfter {
		return nil
	}
	old := e.gcc
	if err := e.begin(); err != nil {
		return err
	}
	return old.Close()
}

// update takes gcc's new target.
func (e *estimator) update(from *tap, bps int) {
	m := e.meter.read(e.now())
	e.mu.Lock()
	defer e.mu.Unlock()
	if from != e.taps {
		return // it was replaced
	}
	if bps < e.told && (e.stale || m.idle(e.told)) {
		e.stale = true
		if !m.congested() {
			return
		}
		// Now it is meant, but gcc's number is still the wrong one.
		bps = min(e.told, max(bps, int(gccBackoff*float64(m.bps))))
	}
	e.told = bps
	e.pacer.SetTargetBitrate(bps)
	e.tell(bps, e.most)
}

// estimate is in bits per second.
func (e *estimator) estimate() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.told
}

// GetTargetBitrate bounds pion's retransmissions, to what the pacer lets through: the pacer, which sees all that is sent,
// refuses what is too much, and tells.
func (e *estimator) GetTargetBitrate() int { return int(paceFactor * float64(e.estimate())) }

// OnTargetBitrateChange is of no use here: gcc's own callback runs on a goroutine for each change, so that they may come
// in any order.
func (e *estimator) OnTargetBitrateChange(func(int)) {}

// GetStats are gcc's own.
func (e *estimator) GetStats() map[string]any {
	e.feeding.Lock()
	defer e.feeding.Unlock()
	return e.gcc.GetStats()
}

// Close may be called twice, unlike gcc's.
func (e *estimator) Close() error {
	e.feeding.Lock()
	defer e.feeding.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return errors.Join(e.gcc.Close(), e.pacer.Close())
}

// tap is the pacer as one gcc sees it: targets pass the estimator, and its end is not the pacer's.
type tap struct {
	*pacer
	e *estimator
}

func (t *tap) SetTargetBitrate(bps int) { t.e.update(t, bps) }

func (t *tap) Close() error { return nil }
