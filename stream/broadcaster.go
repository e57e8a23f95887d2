package stream

import (
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"yfv2d/pipeline"
	"yfv2d/tracker"
	"yfv2d/yuv"
)

// BroadcasterConfig is what a Broadcaster is made from.
type BroadcasterConfig struct {
	Name    string  // the camera's
	FPS     float64 // frames a second that Write will see, for rate control; 0 means 30
	Bitrate int     // bits per second; 0 chooses one by picture size
	// NewEncoder makes the encoder when the first viewer comes and whenever the picture's size changes.
	NewEncoder func(EncoderConfig) (Encoder, error)
	// Draw paints the boxes of tracks on an I420 frame; nil draws nothing.
	Draw func(f *pipeline.Frame, tracks []tracker.Track) error
	// Latency is the detector's p95 from a frame's capture until its detections are known, asked for at most once a second,
	// from any goroutine; nil: unknown.
	Latency func() time.Duration
	Log     zerolog.Logger
}

// BroadcasterStats is the condition of a camera's live picture.
type BroadcasterStats struct {
	Viewers           int
	Encodes, Keys     uint64 // access units made, and those of them that are key pictures
	Skipped           uint64 // frames that the encoder's rate control left out
	Failed            uint64 // frames that could not be drawn or encoded
	Lagged            uint64 // access units that viewers missed because their queue was full
	EncoderRunning    bool
	Encoder           string      // library and version; empty before the first viewer
	Size              image.Point // of the newest encoded frame, zero before the first
	BitrateBPS        int         // that the encoder aims at; 0 before the first viewer
	LastError         string      // of the newest failed frame; empty when the newest frame went well
	ToEncoded, ToSent pipeline.Quantiles
}

// Broadcaster is the sink of one camera: it encodes each frame once for all viewers, and only while there are any. All
// methods are safe from any goroutine.
type Broadcaster struct {
	cfg       BroadcasterConfig
	wants     atomic.Uint32 // pipeline.Wanted; written under mu
	annotated *rendition
	toEncoded *pipeline.Histogram
	toSent    *pipeline.Histogram
	jpeg      jpegMaker
	feed      *liveFeed
	rtpBase   uint32    // RTP timestamp of rtpStart
	rtpStart  time.Time // when the camera's RTP clock began

	// turn is held by whoever works with the encoders and scratch frames: Write, the last viewer to leave, and Close.
	// It is taken before mu. A viewer that leaves waits for at most one frame's work.
	turn  sync.Mutex
	still *pipeline.Frame // scratch of the I420 form of BGR frames

	mu      sync.Mutex // guards what follows, and the renditions' fields that say so
	closed  bool
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
		feed:      newLiveFeed(cfg.Name, cfg.Latency),
		rtpBase:   rand.Uint32(), // RFC 3550 5.1
		rtpStart:  time.Now(),
	}
	b.annotated = newRendition(b)
	return b
}

// Wants says what the next frame is needed for; zero while nobody watches.
func (b *Broadcaster) Wants() pipeline.Wanted { return pipeline.Wanted(b.wants.Load()) }

// refresh recomputes wants. mu is held.
func (b *Broadcaster) refresh() {
	var w pipeline.Wanted
	if len(b.annotated.viewers) > 0 {
		w |= pipeline.WantAnnotated
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
	b.turn.Lock()
	defer b.turn.Unlock()
	want, err := b.arrive()
	if err != nil {
		return err
	}
	b.feed.frame(f.At, b.rtpTime(f.At), f.Size(), tracks)
	err = b.serve(want, f, tracks)
	b.note(err)
	return err
}

// rtpTime is a capture time on the camera's RTP clock, 90 kHz from a random start. All viewers and messages of the camera
// share it. It is counted from one moment, so that it does not drift.
func (b *Broadcaster) rtpTime(at time.Time) uint32 {
	return b.rtpBase + uint32(at.Sub(b.rtpStart).Nanoseconds()*9/100_000) // 90 000 / 1e9
}

// codecs are those that the camera's picture can be encoded in, best first.
func (b *Broadcaster) codecs() []pipeline.Codec { return []pipeline.Codec{pipeline.H264} }

// relayProfile is the H.264 profile_idc of the camera's own stream if that may be relayed, else 0.
func (b *Broadcaster) relayProfile() uint8 { return 0 }

// join adds a viewer; its first unit will be a key picture.
func (b *Broadcaster) join(w viewing) (*viewer, error) { return b.annotated.join(w) }

// Detected tells live listeners of a detection step, in pixels of a picture of that size. It never blocks.
func (b *Broadcaster) Detected(s *tracker.Snapshot, size image.Point) {
	if s != nil {
		b.feed.detected(s, b.rtpTime(s.Time), size)
	}
}

// lag is how much later than a frame's capture the detections before and after it are known; 0 before the first detection.
func (b *Broadcaster) lag() time.Duration { return b.feed.lag() }

// arrive tells those who wait for any frame that one is here, and reads what is wanted of it.
func (b *Broadcaster) arrive() (pipeline.Wanted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, ErrBroadcasterClosed
	}
	want := b.Wants()
	b.last = time.Now()
	if b.arrival != nil {
		close(b.arrival)
		b.arrival = nil
		b.refresh()
	}
	return want, nil
}

// serve does what want names, in the order that pipeline.Sink gives. The turn is held.
func (b *Broadcaster) serve(want pipeline.Wanted, f *pipeline.Frame, tracks []tracker.Track) error {
	if want&pipeline.WantSnapshot != 0 {
		b.takeShot(plain, f)
	}
	if want&(pipeline.WantAnnotated|pipeline.WantSnapshotBoxes) == 0 {
		return nil
	}
	f, err := b.i420(f)
	if err != nil {
		return err
	}
	if b.cfg.Draw != nil {
		if err := b.cfg.Draw(f, tracks); err != nil {
			return fmt.Errorf("camera %q: draw boxes: %w", b.cfg.Name, err)
		}
	}
	if want&pipeline.WantSnapshotBoxes != 0 {
		defer b.takeShot(boxed, f)
	}
	if want&pipeline.WantAnnotated == 0 {
		return nil
	}
	err = b.annotated.write(f)
	if errors.Is(err, pipeline.ErrSkipped) && want&pipeline.WantSnapshotBoxes != 0 {
		return nil // somebody got this frame
	}
	return err
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

// i420 is f itself or, for a still picture, its copy as I420, less an odd last row or column. The turn is held.
func (b *Broadcaster) i420(f *pipeline.Frame) (*pipeline.Frame, error) {
	if f.Format == pipeline.I420 {
		return f, nil
	}
	full := f.Size()
	size := image.Pt(full.X&^1, full.Y&^1)
	if err := b.still.Prepare(pipeline.I420, size); err != nil {
		return nil, fmt.Errorf("camera %q: preview of a still: %w", b.cfg.Name, err)
	}
	if err := yuv.FromBGR(b.still.Pix(), f.Pix(), full.X*3, size); err != nil {
		return nil, fmt.Errorf("camera %q: preview of a still: %w", b.cfg.Name, err)
	}
	b.still.Seq, b.still.At = f.Seq, f.At
	return b.still, nil
}

// Stats reads the broadcaster's condition.
func (b *Broadcaster) Stats() BroadcasterStats {
	b.mu.Lock()
	r := b.annotated
	s := BroadcasterStats{
		Viewers: len(r.viewers), Encodes: r.encodes, Keys: r.keys, Skipped: r.skipped, Failed: b.failed,
		EncoderRunning: r.running, Encoder: r.name, Size: r.coded, BitrateBPS: r.bitrate, LastError: b.lastErr,
		Lagged: r.lagged,
	}
	for v := range r.viewers {
		s.Lagged += v.missed.Load()
	}
	b.mu.Unlock()
	s.ToEncoded, s.ToSent = b.toEncoded.Quantiles(), b.toSent.Quantiles()
	return s
}

// Close ends all viewers, frees the encoder, and makes every further call fail. It may be called twice.
func (b *Broadcaster) Close() error {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	b.closed = true
	viewers := b.annotated.clear()
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
	return errors.Join(b.annotated.closeEncoder(), b.jpeg.close(), b.still.Close())
}
