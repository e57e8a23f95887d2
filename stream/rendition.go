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
	// maxPayload is the bytes of video in one RTP packet: 1200, which every path on the internet carries, less the 12 bytes
	// of the RTP header and 28 for header extensions.
	maxPayload = 1200 - 12 - 28
	// leastSide is the pixels of a small picture's side at least: encoders take none below.
	leastSide = 16
)

// rendition is one encode of a camera: frames in, packets to every viewer of it out.
type rendition struct {
	lane
	b *Broadcaster

	// Under b.turn.
	enc     Encoder // nil while nobody watches
	size    image.Point
	pack    func(data []byte) [][]byte
	failure error     // why there is no encoder; tried again at retry
	retry   time.Time // capture time
	ramp    ramp

	// Under b.mu.
	running bool
	encoder string // library and version
	goal    int    // bitrate on paths that carry it; 0 before the first encoder
	bitrate int    // that the encoder was told
	skipped uint64
}

func newRendition(b *Broadcaster, name string, codec pipeline.Codec) *rendition {
	return &rendition{lane: newLane(name, codec), b: b, pack: packer(codec)}
}

// packer cuts coded pictures into RTP payloads. VP8 goes without picture ids (RFC 7741 makes them optional): those of two
// encodes do not continue each other, and a viewer may move from one to the other.
func packer(codec pipeline.Codec) func([]byte) [][]byte {
	if codec == pipeline.VP8 {
		return func(data []byte) [][]byte { return (&codecs.VP8Payloader{}).Payload(maxPayload, data) }
	}
	h264 := &codecs.H264Payloader{}
	return func(data []byte) [][]byte { return h264.Payload(maxPayload, data) }
}

// write encodes f and hands it to the viewers. The turn is held.
func (r *rendition) write(f *pipeline.Frame) error {
	r.b.mu.Lock()
	key := r.keyDue(f.At, r.b.ts)
	r.b.mu.Unlock()
	err := r.aim(f.At)
	var au pipeline.AccessUnit
	if err == nil {
		au, err = r.enc.Encode(f, key)
	}
	if err != nil {
		err = r.rest(err, f.At)
		r.refuse()
		return err
	}
	if len(au.Data) == 0 {
		r.b.mu.Lock()
		r.skipped++
		r.b.mu.Unlock()
		return pipeline.ErrSkipped
	}
	r.b.toEncoded.Observe(time.Since(f.At))
	r.b.deliver(&r.lane, &unit{at: au.At, ts: r.b.ts, key: au.Key, codec: au.Codec, payloads: r.pack(au.Data)})
	return nil
}

// rate is the bitrate that the rendition should have at a time, by what its viewers' paths carry. The turn is held.
func (r *rendition) rate(nominal int, at time.Time) int {
	var paths []int
	r.b.mu.Lock()
	for v := range r.members {
		if v.cur == &r.lane || v.awaits(&r.lane) {
			paths = append(paths, int(v.path.Load()))
		}
	}
	r.b.mu.Unlock()
	floor := mainFloor
	if r.name == smallName {
		floor = smallFloor
	}
	return r.ramp.follow(encodeRate(nominal, floor, r.name == cleanName, paths), at)
}

// aim tells the encoder of a new bitrate if there is one. The turn is held.
func (r *rendition) aim(at time.Time) error {
	r.b.mu.Lock()
	now, nominal := r.bitrate, r.goal
	r.b.mu.Unlock()
	next := r.rate(nominal, at)
	if !worthTelling(now, next, nominal) {
		return nil
	}
	if err := r.enc.SetBitrate(next); err != nil {
		return err
	}
	r.b.mu.Lock()
	r.bitrate = next
	r.b.mu.Unlock()
	return nil
}

// refuse takes those who were to come with this frame back to where they were.
func (r *rendition) refuse() {
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	for v := range r.members {
		if v.awaits(&r.lane) {
			v.unpart()
		}
	}
}

// watched says whether anybody gets a frame of this rendition or waits for a key picture of it. b.mu is held.
func (r *rendition) watched() bool {
	for v := range r.members {
		if v.cur == &r.lane || v.awaits(&r.lane) {
			return true
		}
	}
	return false
}

// useful says whether anybody can use a frame with that timestamp. A key picture is of no use to a viewer that has this
// picture already from the camera's own stream, and would delay the next one. b.mu is held.
func (r *rendition) useful(ts uint32) bool {
	for v := range r.members {
		if v.cur == &r.lane || v.awaits(&r.lane) && v.isNew(ts) {
			return true
		}
	}
	return false
}

// ready makes an encoder for this size if there is none. The turn is held.
func (r *rendition) ready(size image.Point, at time.Time) error {
	if r.enc != nil && r.size == size {
		return nil
	}
	if r.failure != nil && r.size == size && at.Before(r.retry) {
		return r.failure
	}
	if err := r.closeEncoder(); err != nil {
		r.b.cfg.Log.Warn().Err(err).Str("camera", r.b.cfg.Name).Msg("encoder did not close cleanly")
	}
	goal := r.nominal(size)
	r.ramp = ramp{}
	cfg := EncoderConfig{Size: size, FPS: r.b.cfg.FPS, Bitrate: r.rate(goal, at)}
	enc, err := r.b.cfg.Encoders.New(r.codec, cfg)
	r.size = size
	if err != nil {
		return r.rest(err, at)
	}
	r.enc, r.failure = enc, nil
	name := "encoder"
	if s, ok := enc.(fmt.Stringer); ok {
		name = s.String()
	}
	r.b.mu.Lock()
	r.running, r.encoder, r.goal, r.bitrate = true, name, goal, cfg.Bitrate
	r.coded, r.keyAsked, r.lastKey = size, true, time.Time{}
	r.b.mu.Unlock()
	r.b.cfg.Log.Debug().Str("camera", r.b.cfg.Name).Str("rendition", r.name).Str("encoder", name).Stringer("size", size).
		Int("bps", cfg.Bitrate).Msg("encoder started")
	return nil
}

// nominal is the rendition's bitrate on a path that carries it.
func (r *rendition) nominal(size image.Point) int {
	if r.name != smallName {
		if r.b.cfg.Bitrate > 0 {
			return r.b.cfg.Bitrate
		}
		return bitrateFor(size, r.b.cfg.FPS)
	}
	if r.b.cfg.Bitrate > 0 {
		return max(r.b.cfg.Bitrate/4, smallFloor)
	}
	return max(bitrateFor(size.Mul(2), r.b.cfg.FPS)/4, smallFloor)
}

// bitrateFor gives a camera picture a ninth of a bit for each pixel, about 1 Mbit/s at 640x480 and 3 Mbit/s at
// 1280x720, 30 frames/s: at these libopenh264 stays above 32 dB PSNR on moving scenes.
func bitrateFor(size image.Point, fps float64) int {
	const least, most = 200_000, 6_000_000
	return min(max(int(float64(size.X)*float64(size.Y)*min(fps, defaultFPS)/9), least), most)
}

// half is the size of the small picture: half as wide and high, even sides.
func half(size image.Point) image.Point {
	side := func(n int) int { return max(n/2&^1, min(n, leastSide)) }
	return image.Pt(side(size.X), side(size.Y))
}

// rest frees an encoder that failed; a new one is tried after a while. The turn is held.
func (r *rendition) rest(err error, at time.Time) error {
	r.failure = fmt.Errorf("camera %q, %s picture: %w", r.b.cfg.Name, r.name, err)
	r.retry = at.Add(retryInterval)
	return errors.Join(r.failure, r.closeEncoder())
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
	r.b.cfg.Log.Debug().Str("camera", r.b.cfg.Name).Str("rendition", r.name).Msg("encoder stopped")
	if err != nil {
		return fmt.Errorf("close encoder of %s picture: %w", r.name, err)
	}
	return nil
}
