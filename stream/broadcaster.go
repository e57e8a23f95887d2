package stream

import (
	"errors"
	"image"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

// BroadcasterConfig is what a Broadcaster is made from.
type BroadcasterConfig struct {
	Name    string  // the camera's
	FPS     float64 // frames a second that Write will see, for rate control; 0 means 30
	Bitrate int     // bits per second of the clean and annotated pictures; 0 chooses one by picture size
	// Encoders make an encoder of a rendition when its first viewer comes and whenever the picture's size changes.
	Encoders Encoders
	// Draw paints the boxes of tracks on an I420 frame; nil draws nothing.
	Draw func(f *pipeline.Frame, tracks []tracker.Track) error
	// NoRelay is why the camera's own stream may not be handed on to viewers; empty: what Unit gets may be.
	NoRelay string
	// RelayFPS is the most frames a second that viewers may get of the camera's own stream; 0: as many as there are.
	RelayFPS float64
	// Tracks are the objects on a picture of that capture time and size, for live listeners of what is relayed; nil: none.
	Tracks func(at time.Time, size image.Point) []tracker.Track
	// Latency is the detector's p95 from a frame's capture until its detections are known, asked for at most once a second,
	// from any goroutine; nil: unknown.
	Latency func() time.Duration
	Log     zerolog.Logger
}

// Broadcaster is the sink of one camera: it encodes each frame once for all viewers, and only while there are any. All
// methods are safe from any goroutine.
type Broadcaster struct {
	cfg       BroadcasterConfig
	wants     atomic.Uint32 // pipeline.Wanted; written under mu
	toEncoded *pipeline.Histogram
	toSent    *pipeline.Histogram
	jpeg      jpegMaker
	feed      *liveFeed
	motion    *motion
	rtpBase   uint32    // RTP timestamp of rtpStart
	rtpStart  time.Time // when the camera's RTP clock began

	// turn is held by whoever works with the encoders and scratch frames: Write, the last viewer to leave, and Close.
	// It is taken before mu. A viewer that leaves waits for at most one frame's work.
	turn  sync.Mutex
	still *pipeline.Frame // scratch of the I420 form of BGR frames
	small *pipeline.Frame // scratch of the small picture
	ts    uint32          // RTP timestamp of the newest frame
	begun bool            // there was a frame
	idle  atomic.Bool     // an encoder may run that nobody watches

	relay      *relay
	renditions []*rendition // in the order of their work; the list does not change, and neither does lanes
	lanes      []*lane

	mu      sync.Mutex // guards what follows, and the lanes', renditions' and viewers' fields that say so
	closed  bool
	viewers map[*viewer]struct{}
	lagged  uint64        // units missed by viewers that left
	shots   [2]*shot      // wanted stills: without boxes, with boxes; nil if nobody asks
	arrival chan struct{} // closed by the next frame; nil if nobody waits
	last    time.Time     // when the newest frame came, by the process's clock
	failed  uint64
	lastErr string
}

var _ pipeline.Sink = (*Broadcaster)(nil)

// ErrBroadcasterClosed is returned to viewers and askers of a broadcaster that was closed.
var ErrBroadcasterClosed = errors.New("the camera's preview is closed")

// NewBroadcaster makes a broadcaster with no encoder. The caller closes it after the pipeline's end.
func NewBroadcaster(cfg BroadcasterConfig) *Broadcaster {
	if cfg.FPS <= 0 {
		cfg.FPS = defaultFPS
	}
	b := &Broadcaster{
		cfg:       cfg,
		toEncoded: pipeline.NewHistogram(),
		toSent:    pipeline.NewHistogram(),
		still:     pipeline.NewFrame(),
		small:     pipeline.NewFrame(),
		viewers:   map[*viewer]struct{}{},
		feed:      newLiveFeed(cfg.Name, cfg.Latency),
		rtpBase:   rand.Uint32(), // RFC 3550 5.1
		rtpStart:  time.Now(),
	}
	b.motion = newMotion(b)
	for _, name := range []string{cleanName, smallName, annotatedName} {
		for _, codec := range []pipeline.Codec{pipeline.H264, pipeline.VP8} {
			r := newRendition(b, name, codec)
			b.renditions, b.lanes = append(b.renditions, r), append(b.lanes, &r.lane)
		}
	}
	b.relay = newRelay(b, cfg.NoRelay)
	b.lanes = append(b.lanes, &b.relay.lane)
	return b
}

// Wants says what the next frame is needed for; zero while nobody watches.
func (b *Broadcaster) Wants() pipeline.Wanted { return pipeline.Wanted(b.wants.Load()) }

// refresh recomputes wants. mu is held.
func (b *Broadcaster) refresh() {
	w := b.motion.wants()
	for _, l := range b.lanes {
		w |= l.wanted()
	}
	if b.shots[plain] != nil || b.arrival != nil {
		w |= pipeline.WantSnapshot
	}
	if b.shots[boxed] != nil {
		w |= pipeline.WantSnapshotBoxes
	}
	b.wants.Store(uint32(w))
}

// Write gives a frame to whoever wants it. It draws on f if boxes are wanted. It never waits for a viewer.
func (b *Broadcaster) Write(f *pipeline.Frame, tracks []tracker.Track) error {
	err := b.write(f, tracks)
	b.sweep()
	return err
}

func (b *Broadcaster) write(f *pipeline.Frame, tracks []tracker.Track) error {
	b.turn.Lock()
	defer b.turn.Unlock()
	want, err := b.arrive(f.At)
	if err != nil {
		return err
	}
	all := want
	if want = b.motion.pick(want, f.At); want == 0 && all != 0 {
		return pipeline.ErrNotDue
	}
	b.ts = b.nextTime(f.At)
	b.feed.frame(f.At, b.ts, f.Size(), tracks)
	err = b.serve(want, f, tracks)
	b.note(err)
	return err
}

// rtpTime is a capture time on the camera's RTP clock, 90 kHz from a random start. All viewers and messages of the camera
// share it. It is counted from one moment, so that it does not drift.
func (b *Broadcaster) rtpTime(at time.Time) uint32 {
	return b.rtpBase + uint32(at.Sub(b.rtpStart).Nanoseconds()*9/100_000) // 90 000 / 1e9
}

// nextTime is the RTP timestamp of a frame: its capture time, but always after that of the frame before, whatever the
// camera's clock does. The turn is held.
func (b *Broadcaster) nextTime(at time.Time) uint32 {
	ts := b.rtpTime(at)
	if b.begun && int32(ts-b.ts) <= 0 {
		ts = b.ts + 1
	}
	b.begun = true
	return ts
}

// codecs are those that the camera's picture can be encoded in, best first.
func (b *Broadcaster) codecs() []pipeline.Codec { return b.cfg.Encoders.Codecs() }

// relayProfile is the H.264 profile_idc of the camera's own stream if that may be relayed, else 0.
func (b *Broadcaster) relayProfile() uint8 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.relay.on {
		return 0
	}
	return b.relay.set.profile
}

// Detected tells live listeners of a detection step, in pixels of a picture of that size. It never blocks.
func (b *Broadcaster) Detected(s *tracker.Snapshot, size image.Point) {
	if s != nil {
		b.feed.detected(s, b.rtpTime(s.Time), size)
	}
}

// lag is how much later than a frame's capture the detections before and after it are known; 0 before the first detection.
func (b *Broadcaster) lag() time.Duration { return b.feed.lag() }

// came tells those who wait for any picture that one is here. b.mu is held.
func (b *Broadcaster) came() {
	b.last = time.Now()
	if b.arrival != nil {
		close(b.arrival)
		b.arrival = nil
		b.refresh()
	}
}

// arrive tells those who wait for any frame that one is here, moves viewers, and reads what is wanted of the frame.
func (b *Broadcaster) arrive(at time.Time) (pipeline.Wanted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, ErrBroadcasterClosed
	}
	b.came()
	b.steer(at)
	return b.Wants(), nil
}

// note remembers how the newest frame went, for Stats.
func (b *Broadcaster) note(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastErr = ""
	if err == nil || errors.Is(err, pipeline.ErrSkipped) {
		return
	}
	b.failed++
	b.lastErr = err.Error()
}

// Close ends all viewers, frees the encoder, and makes every further call fail. It may be called twice.
func (b *Broadcaster) Close() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	b.closed = true
	var viewers []*viewer
	for v := range b.viewers {
		viewers = append(viewers, v)
		b.remove(v)
	}
	shots := b.shots
	b.shots = [2]*shot{}
	arrival := b.arrival
	b.arrival = nil
	b.refresh()
	b.mu.Unlock()

	for _, v := range viewers {
		v.end()
	}
	for _, s := range shots {
		if s != nil {
			s.fail(ErrBroadcasterClosed)
		}
	}
	if arrival != nil {
		close(arrival)
	}
	b.motion.close()
	var errs []error
	for _, r := range b.renditions {
		errs = append(errs, r.closeEncoder())
	}
	return errors.Join(append(errs, b.jpeg.close(), b.still.Close(), b.small.Close())...)
}
