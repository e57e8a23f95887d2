package live

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"yfv2d/capture/avdec"
	"yfv2d/pipeline"
)

const (
	// maxSent is how many units may follow one before its picture is taken as lost: H.264 keeps 16 pictures at most.
	maxSent = 20
	// patience is how many groups in a row may end in a decode error before the decoder is told to play over faults: that
	// many are the encoder's own.
	patience = 4
	// provenPictures of a stream without key units count as one sound group.
	provenPictures = 100
)

// reader decodes on the capture goroutine. Stream.reading guards it.
type reader struct {
	s     *Stream
	dec   *avdec.Decoder // nil after close
	codec pipeline.Codec
	tag   int64  // of the newest unit that the decoder got
	sent  []sent // units in the decoder whose pictures have not come out
	last  time.Time

	join     join  // how the present group was joined; joinNot: waits for a key unit
	first    int64 // tag of the unit it was joined with
	opened   bool  // false while pictures come out that are shown before that unit's, if they lack what they need
	headless bool  // the decoder lacks what comes before the group's key unit
	draining bool
	sound    int // pictures since it was joined
	spoilt   int // groups in a row that ended in a decode error
	lenient  bool
	odd      bool // the newest picture has an odd side
	cropped  bool // and that was told
	gaps     int  // groups in a row that ended in a gap; beyond patience it is the encoder's way to count
	follower follower

	thrift thrift
}

// sent is a unit in the decoder.
type sent struct {
	tag   int64
	at    time.Time
	ref   bool
	ghost bool // accounted for already; its picture is not wanted
}

// open makes the decoder.
func (r *reader) open(c pipeline.Codec) error {
	dec, err := avdec.New(c)
	if err != nil {
		return &Refused{err}
	}
	if r.dec != nil {
		_ = r.dec.Close()
	}
	*r = reader{s: r.s, dec: dec, codec: c, last: r.last}
	return nil
}

func (r *reader) close() error {
	r.forget()
	if r.dec == nil {
		return nil
	}
	err := r.dec.Close()
	r.dec = nil
	return err
}

// forget settles what the decoder has and will not give.
func (r *reader) forget() {
	for _, u := range r.sent {
		if !u.ghost {
			r.s.count(&r.s.counts.NotDecoded)
		}
	}
	r.sent = r.sent[:0]
}

// feed gives a unit to the decoder, or accounts for why not. Late says that its picture is not wanted any more.
func (r *reader) feed(ctx context.Context, u unit, late bool) error {
	if u.Codec != r.codec {
		r.forget()
		if err := r.open(u.Codec); err != nil {
			r.s.count(&r.s.counts.NotDecoded)
			return err
		}
	}
	if !u.picture {
		_ = r.dec.Send(u.Data, 0) // parameter sets; if they are wrong, the pictures will tell
		r.s.count(&r.s.counts.NotDecoded)
		return nil
	}
	r.follow(u)
	if !r.enter(u) || r.leaveOut(u, late) || !r.catchUp(ctx, u) {
		r.s.count(&r.s.counts.NotDecoded)
		return nil
	}
	if late {
		r.s.count(&r.s.counts.NotDecoded)
	}
	if u.ref {
		r.thrift.has(u)
	}
	r.send(u, late)
	return nil
}

// follow gives up the present group if something is missing between it and a unit.
func (r *reader) follow(u unit) {
	if u.broken {
		r.part()
	}
	if r.join == joinNot && u.join == joinNot || u.leading && r.headless || r.follower.follows(u) || r.gaps >= patience {
		return
	}
	r.part()
	r.gaps++
	r.follower.follows(u)
}

// leaveOut says whether a unit is not needed at present, and keeps it for later if others may need it.
func (r *reader) leaveOut(u unit, late bool) bool {
	pace := r.s.rhythm()
	if wants := r.thrift.wants(u, pace); wants && (u.ref || !late) {
		r.thrift.picked(u, pace)
		return false
	}
	if !u.ref || u.Codec == pipeline.JPEG {
		return true
	}
	r.drain() // what the decoder holds back to put it in order would come with the next key unit
	if !r.thrift.keep(u) {
		r.part()
	}
	return true
}

// enter begins a group with a unit that allows it; false if the unit cannot be decoded at this place.
func (r *reader) enter(u unit) bool {
	if r.join == joinNot && u.join == joinNot || u.leading && r.headless {
		return false
	}
	if u.join == joinKey && r.join != joinNot || r.sound > provenPictures {
		r.spoilt, r.gaps, r.sound = 0, 0, 0
	}
	if u.join == joinKey {
		r.headless = false
	}
	if r.join == joinNot || u.join == joinKey && r.thrift.behind() {
		r.rejoin(u.join)
	}
	if u.join == joinKey && r.codec != pipeline.JPEG {
		if r.join != joinKey {
			r.join = joinKey
			r.setStrict()
		}
		r.thrift.begin(u.At, math.IsInf(r.s.cfg.needed(), 1))
	}
	return true
}

// rejoin makes the decoder begin anew with the next unit.
func (r *reader) rejoin(j join) {
	r.forget()
	r.dec.Flush()
	r.join, r.first, r.opened, r.headless, r.sound = j, r.tag+1, j != joinIntra, true, 0
	r.setStrict()
}

// setStrict lets the decoder take as faults what it could play over. Where a stream is joined without a key unit, pictures
// may name some from before that they do not use; H.264, which alone can be joined so, has true damage marked even then.
func (r *reader) setStrict() { r.dec.Strict(!r.lenient && r.join == joinKey) }

// send gives a unit to the decoder.
func (r *reader) send(u unit, ghost bool) {
	r.tag++
	in := sent{tag: r.tag, at: u.At, ref: u.ref, ghost: ghost}
	if err := r.dec.Send(u.Data, r.tag); err != nil {
		r.damaged(in)
		return
	}
	r.sent = append(r.sent, in)
	if len(r.sent) > maxSent {
		if !r.sent[0].ghost {
			r.s.count(&r.s.counts.DecodeError)
		}
		r.sent = append(r.sent[:0], r.sent[1:]...)
	}
}

// damaged accounts for a unit that could not be decoded. Those that come before the intra picture that the stream was joined
// with, though they are sent after it, cannot be.
func (r *reader) damaged(u sent) {
	leads := r.join == joinIntra && !r.opened && u.tag != r.first
	switch {
	case u.ghost:
	case leads:
		r.s.count(&r.s.counts.NotDecoded)
	default:
		r.s.count(&r.s.counts.DecodeError)
	}
	if u.ref && !leads {
		r.spoil()
	}
}

// catchUp decodes what was left out and is needed now, before u; false if there is a fault in it, or ctx ended first and u is
// left out too.
func (r *reader) catchUp(ctx context.Context, u unit) bool {
	for r.thrift.behind() {
		if ctx.Err() != nil {
			if u.ref && !r.thrift.keep(u) {
				r.part()
			}
			return false
		}
		if r.thrift.fed == 0 {
			r.rejoin(r.join)
		}
		r.thrift.fed++
		r.send(r.thrift.group[r.thrift.fed-1], true)
		for r.join != joinNot {
			if _, ok := r.picture(); !ok {
				break
			}
			r.s.count(&r.s.counts.NotDecoded) // not a ghost's, and there is no frame to put it in
		}
	}
	return r.join != joinNot
}

// part gives up the present group: its further pictures refer to what is damaged or lost. To trust the decoder to mark each
// of them would not do: it marks what it conceals, not what refers to it, and H.265 not even that.
func (r *reader) part() {
	r.forget()
	r.dec.Flush()
	r.join = joinNot
	r.follower = follower{}
	r.thrift.forget()
}

// spoil parts after a decode error.
func (r *reader) spoil() {
	r.part()
	r.spoilt++
	if r.spoilt < patience || r.lenient {
		return
	}
	r.lenient = true
	r.s.cfg.Log.Warn().Str("codec", string(r.codec)).
		Msg("the stream breaks its standard all the time: faults are played over, damage may be shown")
}

// drain makes the decoder give what it holds; false if that is nothing.
func (r *reader) drain() bool {
	if len(r.sent) == 0 {
		return false
	}
	_ = r.dec.Drain()
	r.draining = true
	return true
}

// receive fills f with the next picture, if there is one.
func (r *reader) receive(f *pipeline.Frame) (bool, error) {
	for {
		u, ok := r.picture()
		if !ok {
			return false, nil
		}
		if err := r.dec.Convert(f); err != nil {
			r.s.count(&r.s.counts.DecodeError)
			if unsupported := new(avdec.Unsupported); errors.As(err, &unsupported) {
				return false, &Refused{fmt.Errorf("%s: %w", r.codec, err)}
			}
			continue
		}
		r.tellCrop(f)
		f.At = u.at
		if !f.At.After(r.last) {
			f.At = r.last.Add(time.Microsecond)
		}
		r.last = f.At
		return true, nil
	}
}

// tellCrop says once that a picture lost its last column or row.
func (r *reader) tellCrop(f *pipeline.Frame) {
	if r.odd && !r.cropped {
		r.cropped = true
		r.s.cfg.Log.Info().Str("codec", string(r.codec)).Stringer("size", f.Size()).Msg("the picture has an odd side: its last column or row is cut off")
	}
}

// picture takes the next picture that is fit to be seen from the decoder, and accounts for those that are not.
func (r *reader) picture() (sent, bool) {
	for {
		p, ok, err := r.dec.Receive()
		if err != nil {
			r.spoil()
			return sent{}, false
		}
		if !ok {
			r.drained()
			return sent{}, false
		}
		u, ok := r.settle(p.Tag)
		if !ok {
			continue
		}
		r.opened = r.opened || u.tag == r.first || u.tag > r.first+maxSent
		unsound := !r.opened || p.Unrecovered && r.join == joinRecovery
		switch {
		case p.Damaged && r.opened:
			r.damaged(u)
		case u.ghost:
		case unsound:
			r.s.count(&r.s.counts.NotDecoded)
		default:
			r.sound++
			r.odd = p.Cropped
			return u, true
		}
	}
}

// drained settles what did not come out although it should have.
func (r *reader) drained() {
	if !r.draining {
		return
	}
	r.draining = false
	for _, u := range r.sent {
		if !u.ghost {
			r.s.count(&r.s.counts.DecodeError)
		}
	}
	r.sent = r.sent[:0]
	r.thrift.fed = 0
}

// settle takes a unit off the list of those in the decoder.
func (r *reader) settle(tag int64) (sent, bool) {
	for i, u := range r.sent {
		if u.tag == tag {
			r.sent = append(r.sent[:i], r.sent[i+1:]...)
			return u, true
		}
	}
	return sent{}, false
}
