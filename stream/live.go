package stream

import (
	"image"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"yfv2d/tracker"
)

const (
	// latencyRefresh is how long the detector's latency is taken for true; it is a quantile of minutes.
	latencyRefresh = time.Second
	// toldFrames is how many frames are remembered as told: two seconds at 30 frames/s. The camera's own stream may be
	// that far ahead of its decoded frames.
	toldFrames = 64
)

// liveFeed tells listeners what is seen on one camera's frames. All methods are safe from any goroutine; none blocks.
type liveFeed struct {
	name    string               // the camera's
	latency func() time.Duration // the detector's p95, capture to detections known; nil: unknown

	interval   atomic.Int64 // between detections, ns; 0 before the first
	p95        atomic.Int64 // latency as last asked for, ns
	p95Expires atomic.Int64 // on liveClock's monotonic side, ns

	listening atomic.Bool // listeners is not empty

	mu        sync.Mutex // guards what follows
	listeners []*liveQueue
	told      [toldFrames]uint32 // RTP timestamps of the newest frames told, a ring
	tellings  int                // how many frames were told
	scratch   []byte
}

func newLiveFeed(name string, latency func() time.Duration) *liveFeed {
	return &liveFeed{name: name, latency: latency}
}

// add makes q a listener.
func (l *liveFeed) add(q *liveQueue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listeners = append(l.listeners, q)
	l.listening.Store(true)
}

// remove ends what add began.
func (l *liveFeed) remove(q *liveQueue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listeners = slices.DeleteFunc(l.listeners, func(other *liveQueue) bool { return other == q })
	l.listening.Store(len(l.listeners) > 0)
}

// frame tells of a frame that viewers are about to get: its capture time and that on the camera's RTP clock, its size, and
// the tracks at that time. Nothing is computed while nobody listens, and a frame is told once.
func (l *liveFeed) frame(at time.Time, ts uint32, size image.Point, tracks []tracker.Track) {
	if !l.listening.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.told[:min(l.tellings, toldFrames)], ts) {
		return
	}
	l.told[l.tellings%toldFrames] = ts
	l.tellings++
	l.tell(liveFrame, appendFrame(l.scratch[:0], l.name, at, ts, size, tracks))
}

// detected tells of a detection step, whose time on the camera's RTP clock is ts. s may be nil.
func (l *liveFeed) detected(s *tracker.Snapshot, ts uint32, size image.Point) {
	if s == nil {
		return
	}
	l.interval.Store(int64(s.Interval))
	if !l.listening.Load() {
		return
	}
	latency, tracks := l.detectorLatency(), s.At(s.Time)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell(liveDetect, appendDetect(l.scratch[:0], l.name, s, ts, size, latency, tracks))
}

// tell gives every listener the same copy of text, which is scratch. mu is held.
func (l *liveFeed) tell(kind liveKind, text []byte) {
	l.scratch = text
	m := liveMessage{kind: kind, text: slices.Clone(text)}
	for _, q := range l.listeners {
		q.put(m)
	}
}

// lag is how long after a frame's capture the detections of a step right after it are known: the detection interval and
// the detector's p95 latency. Frames that are shown that late have a detection before and one after them. It is 0
// before the first detection.
func (l *liveFeed) lag() time.Duration {
	interval := time.Duration(l.interval.Load())
	if interval == 0 {
		return 0
	}
	return interval + l.detectorLatency()
}

// detectorLatency is at most latencyRefresh old.
func (l *liveFeed) detectorLatency() time.Duration {
	if l.latency == nil {
		return 0
	}
	now, expires := int64(time.Since(liveEpoch)), l.p95Expires.Load()
	if now >= expires && l.p95Expires.CompareAndSwap(expires, now+int64(latencyRefresh)+1) {
		l.p95.Store(int64(l.latency()))
	}
	return time.Duration(l.p95.Load())
}
