package stream

import (
	"errors"
	"fmt"
	"image"
	"time"

	"github.com/pion/rtp/codecs"

	"yfv2d/pipeline"
)

const (
	defaultFPS = 30
	// keyInterval is the least time between key pictures that viewers ask for. A key picture is ten times as large as
	// another; without a limit one viewer on a bad link would spoil the picture for all.
	keyInterval = 500 * time.Millisecond
	// retryInterval is how long a failed encoder rests before a new one is tried.
	retryInterval = time.Second
	// maxPayload is the bytes of H.264 in one RTP packet: 1200, which every path on the internet carries, less the
	// 12 bytes of the RTP header.
	maxPayload = 1200 - 12
)

// rendition is one encode of a camera: frames in, packets to every viewer of it out.
type rendition struct {
	b *Broadcaster

	// Under b.turn.
	enc       Encoder // nil while nobody watches
	size      image.Point
	payloader codecs.H264Payloader
	targets   []*viewer // scratch of deliver
	failure   error     // why there is no encoder; tried again at retry
	retry     time.Time

	// Under b.mu.
	viewers  map[*viewer]struct{}
	keyAsked bool
	lastKey  time.Time // capture time of the newest key picture
	running  bool
	name     string
	coded    image.Point
	bitrate  int
	encodes  uint64
	keys     uint64
	skipped  uint64
	lagged   uint64 // of viewers that left
}

func newRendition(b *Broadcaster) *rendition {
	return &rendition{b: b, viewers: map[*viewer]struct{}{}}
}

// write encodes f and hands it to the viewers. The turn is held.
func (r *rendition) write(f *pipeline.Frame) error {
	if r.empty() {
		return nil // the last viewer left after the frame was sent on its way
	}
	if err := r.ready(f.Size()); err != nil {
		return err
	}
	au, err := r.enc.Encode(f, r.keyDue(f.At))
	if err != nil {
		r.rest(err)
		return fmt.Errorf("camera %q: %w", r.b.cfg.Name, err)
	}
	if len(au.Data) == 0 {
		r.b.mu.Lock()
		r.skipped++
		r.b.mu.Unlock()
		return pipeline.ErrSkipped
	}
	r.b.toEncoded.Observe(time.Since(f.At))
	r.deliver(au)
	return nil
}

func (r *rendition) empty() bool {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	return len(r.viewers) == 0
}

// ready makes an encoder for this size if there is none. The turn is held.
func (r *rendition) ready(size image.Point) error {
	if r.enc != nil && r.size == size {
		return nil
	}
	if r.failure != nil && r.size == size && time.Now().Before(r.retry) {
		return r.failure
	}
	if err := r.closeEncoder(); err != nil {
		r.b.cfg.Log.Warn().Err(err).Str("camera", r.b.cfg.Name).Msg("encoder did not close cleanly")
	}
	cfg := EncoderConfig{Size: size, FPS: r.b.cfg.FPS, Bitrate: r.b.cfg.Bitrate}
	if cfg.Bitrate <= 0 {
		cfg.Bitrate = bitrateFor(size, cfg.FPS)
	}
	enc, err := r.newEncoder(cfg)
	r.size = size
	if err != nil {
		err = fmt.Errorf("camera %q: %w", r.b.cfg.Name, err)
		r.failure, r.retry = err, time.Now().Add(retryInterval)
		return err
	}
	r.enc, r.failure = enc, nil
	name := "encoder"
	if s, ok := enc.(fmt.Stringer); ok {
		name = s.String()
	}
	r.b.mu.Lock()
	r.running, r.name, r.bitrate, r.coded, r.keyAsked, r.lastKey = true, name, cfg.Bitrate, size, true, time.Time{}
	r.b.mu.Unlock()
	r.b.cfg.Log.Debug().Str("camera", r.b.cfg.Name).Str("encoder", name).Stringer("size", size).
		Int("bps", cfg.Bitrate).Msg("encoder started")
	return nil
}

func (r *rendition) newEncoder(cfg EncoderConfig) (Encoder, error) {
	if r.b.cfg.NewEncoder == nil {
		return nil, errors.New("no encoder is configured")
	}
	return r.b.cfg.NewEncoder(cfg)
}

// bitrateFor gives a camera picture a ninth of a bit for each pixel, about 1 Mbit/s at 640x480 and 3 Mbit/s at
// 1280x720, 30 frames/s: at these libopenh264 stays above 32 dB PSNR on moving scenes.
func bitrateFor(size image.Point, fps float64) int {
	const least, most = 200_000, 6_000_000
	return min(max(int(float64(size.X)*float64(size.Y)*min(fps, defaultFPS)/9), least), most)
}

// rest frees an encoder that failed; a new one is tried after a while. The turn is held.
func (r *rendition) rest(err error) {
	r.failure = fmt.Errorf("camera %q: %w", r.b.cfg.Name, err)
	r.retry = time.Now().Add(retryInterval)
	if err := r.closeEncoder(); err != nil {
		r.b.cfg.Log.Warn().Err(err).Str("camera", r.b.cfg.Name).Msg("failed encoder did not close cleanly")
	}
}

// closeEncoder frees the encoder if there is one. The turn is held.
func (r *rendition) closeEncoder() error {
	if r.enc == nil {
		return nil
	}
	err := r.enc.Close()
	r.enc = nil
	r.b.mu.Lock()
	r.running = false
	r.b.mu.Unlock()
	r.b.cfg.Log.Debug().Str("camera", r.b.cfg.Name).Msg("encoder stopped")
	return err
}

// keyDue says whether the frame of this capture time should be a key picture.
func (r *rendition) keyDue(at time.Time) bool {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	since := at.Sub(r.lastKey)
	return r.keyAsked && (r.lastKey.IsZero() || since >= keyInterval || since < 0)
}

// askKey asks for a key picture; many asks make one.
func (r *rendition) askKey() {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	r.keyAsked = true
}

// deliver cuts an access unit into packets and puts them into every viewer's queue. The turn is held.
func (r *rendition) deliver(au pipeline.AccessUnit) {
	u := &unit{at: au.At, ts: r.b.rtpTime(au.At), key: au.Key, codec: au.Codec, payloads: r.payloader.Payload(maxPayload, au.Data)}
	r.b.mu.Lock()
	r.encodes++
	if au.Key {
		r.keys++
		r.lastKey = au.At
		r.keyAsked = false // everybody in viewers gets this one; who comes later asks again
	}
	r.targets = r.targets[:0]
	for v := range r.viewers {
		r.targets = append(r.targets, v)
	}
	r.b.mu.Unlock()
	for _, v := range r.targets {
		v.offer(u)
	}
	clear(r.targets)
}

// join adds a viewer; its first unit will be a key picture.
func (r *rendition) join(w viewing) (*viewer, error) {
	v := newViewer(r, r.b.cfg.FPS, w)
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if r.b.closed {
		return nil, ErrBroadcasterClosed
	}
	r.viewers[v] = struct{}{}
	r.keyAsked = true
	r.b.refresh()
	return v, nil
}

// leave removes a viewer; the last one stops the encoder.
func (r *rendition) leave(v *viewer) {
	r.b.mu.Lock()
	_, in := r.viewers[v]
	delete(r.viewers, v)
	if in {
		r.lagged += v.missed.Load()
	}
	r.b.refresh()
	last := in && len(r.viewers) == 0
	r.b.mu.Unlock()
	if !last {
		return
	}
	r.b.turn.Lock()
	defer r.b.turn.Unlock()
	if !r.empty() {
		return // somebody came in between
	}
	r.failure = nil
	if err := r.closeEncoder(); err != nil {
		r.b.cfg.Log.Warn().Err(err).Str("camera", r.b.cfg.Name).Msg("encoder did not close cleanly")
	}
}

// clear removes all viewers and returns them. b.mu is held.
func (r *rendition) clear() []*viewer {
	var all []*viewer
	for v := range r.viewers {
		all = append(all, v)
		r.lagged += v.missed.Load()
	}
	clear(r.viewers)
	return all
}
