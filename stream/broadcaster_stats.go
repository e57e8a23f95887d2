package stream

import (
	"fmt"
	"image"

	"yfv2d/pipeline"
)

// BroadcasterStats is the condition of a camera's live picture.
type BroadcasterStats struct {
	Viewers           int
	Encodes, Keys     uint64 // access units made, and those of them that are key pictures
	Skipped           uint64 // frames that an encoder's rate control left out
	Failed            uint64 // frames that could not be drawn or encoded
	Lagged            uint64 // access units that viewers missed because their queue was full
	EncoderRunning    bool
	Encoder           string      // library and version; empty before the first viewer
	Size              image.Point // of the newest encoded frame, zero before the first
	BitrateBPS        int         // that the encoder aims at; 0 before the first viewer
	LastError         string      // of the newest failed frame; empty when the newest frame went well
	ToEncoded, ToSent pipeline.Quantiles
	Renditions        []RenditionStats // those with viewers
	Relay             RelayStats
}

// RelayStats says whether a camera's own stream may be handed on as it is, and why not.
type RelayStats struct {
	Possible bool
	Reason   string // empty if it is possible
}

// RenditionStats is the condition of one way of a camera's picture to its viewers.
type RenditionStats struct {
	Name       string // clean, small or annotated
	Codec      pipeline.Codec
	Viewers    int
	Encoder    string // library and version; empty before the first frame, and of a relay
	Relay      bool   // it is the camera's own stream
	Reason     string // why it is not, if it could be for its codec and kind; else empty
	Size       image.Point
	BitrateBPS int // that the encoder aims at, or measured of a relay
	Encodes    uint64
	Keys       uint64
}

// Stats reads the broadcaster's condition. Of several renditions, Encoder, Size and BitrateBPS are those of the clean
// picture, else of the annotated, else of the small one; of running encoders before others.
func (b *Broadcaster) Stats() BroadcasterStats {
	b.mu.Lock()
	s := BroadcasterStats{Viewers: len(b.viewers), Failed: b.failed, LastError: b.lastErr, Lagged: b.lagged}
	for v := range b.viewers {
		s.Lagged += v.missed.Load()
	}
	for _, r := range b.renditions {
		s.Encodes, s.Keys, s.Skipped = s.Encodes+r.units, s.Keys+r.keys, s.Skipped+r.skipped
		if n := r.viewers(); n > 0 {
			s.Renditions = append(s.Renditions, RenditionStats{
				Name: r.name, Codec: r.codec, Viewers: n, Encoder: r.encoder, Size: r.coded, BitrateBPS: r.bitrate,
				Encodes: r.units, Keys: r.keys, Reason: b.relay.whyNot(r),
			})
		}
	}
	s.Relay = RelayStats{b.relay.on, b.relay.reason}
	if r := b.relay; r.viewers() > 0 {
		s.Renditions = append(s.Renditions, RenditionStats{
			Name: r.name, Codec: r.codec, Viewers: r.viewers(), Relay: true, Size: r.set.size, BitrateBPS: r.bitrate(), Keys: r.keys,
		})
	}
	if r := b.chief(); r != nil {
		s.EncoderRunning, s.Encoder, s.Size, s.BitrateBPS = r.running, r.encoder, r.coded, r.bitrate
	}
	b.mu.Unlock()
	s.ToEncoded, s.ToSent = b.toEncoded.Quantiles(), b.toSent.Quantiles()
	return s
}

// chief is the rendition that stands for all; nil before the first encode. b.mu is held.
func (b *Broadcaster) chief() (best *rendition) {
	rank := func(r *rendition) int {
		n := map[string]int{cleanName: 3, annotatedName: 2, smallName: 1}[r.name]
		if r.running {
			n += 3
		}
		return n
	}
	for _, r := range b.renditions {
		if r.encoder != "" && (best == nil || rank(r) > rank(best)) {
			best = r
		}
	}
	return best
}

// viewers is how many get the lane's units, or will first. b.mu is held.
func (l *lane) viewers() (n int) {
	for v := range l.members {
		if v.now() == l {
			n++
		}
	}
	return n
}

// whyNot is why the viewers of an encode do not get the camera's own stream, if they would if they could. b.mu is held.
func (r *relay) whyNot(e *rendition) string {
	switch {
	case e.name != cleanName || e.codec != pipeline.H264:
		return ""
	case r.on:
		return fmt.Sprintf("its viewers do not take H.264 of profile %d", r.set.profile)
	}
	return r.reason
}
