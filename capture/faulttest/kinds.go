package faulttest

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of fault.
type Kind string

const (
	ShortFreeze Kind = "short freeze" // shorter than the watchdog's patience
	Freeze      Kind = "freeze"
	Close       Kind = "close" // of the connection; a program exits
	Reset       Kind = "reset" // RST; a program is killed
	HalfFrame   Kind = "half frame"
	Garbage     Kind = "garbage"
	SlowLoris   Kind = "slow loris" // a byte a second
	WrongAuth   Kind = "wrong auth" // and then right
	SizeChange  Kind = "size change"
	CodecChange Kind = "codec change" // within a session
	Settings    Kind = "new settings" // sessions end, and the next one has another codec
	Down        Kind = "down 5 s"     // a server that is not there; a program that is missing
	ClockJump   Kind = "clock jump"   // of RTP time
	Duplicate   Kind = "duplicates"   // of packets
	Loss        Kind = "lost packets"
	Swap        Kind = "swapped packets"
	LongKeys    Kind = "10 s keys" // joining a stream with 10 s between key frames
)

// Kinds are those that make sense over a transport.
func Kinds(t Transport) []Kind {
	all := []Kind{ShortFreeze, Freeze, Close, Reset, HalfFrame, Garbage, SlowLoris, SizeChange, Down}
	rtsp := []Kind{WrongAuth, CodecChange, Settings, ClockJump, LongKeys}
	switch t {
	case RTSPTCP:
		return slices.Concat(all, rtsp)
	case RTSPUDP:
		return slices.Concat(all, rtsp, []Kind{Duplicate, Loss, Swap})
	case HTTP:
		return append(all, WrongAuth)
	}
	return append(all, Settings)
}

// fault is how a kind of fault is brought upon a peer, and what the camera should make of it. If it is neither down nor steady, both
// will do.
type fault struct {
	bring  func(ctx context.Context, r *rig) // returns when the peer is healthy
	after  func(ctx context.Context, r *rig) // brings the peer back to what it was; may be nil
	down   bool                              // the source is opened anew, and its state says why
	steady bool                              // the source stays as it is
	told   bool                              // the source learns of it at once; else it may take the watchdog's time
	numb   bool                              // the connection may swallow what comes, and yet go on before the watchdog loses patience
	proof  func(shot) bool                   // that the camera is back; nil: any picture
	key    time.Duration                     // key interval when the camera comes back; 0: keyInterval
}

const (
	downTime  = 5 * time.Second
	lossTime  = 2 * time.Second
	shortMin  = 1200 * time.Millisecond // the state says stalled after one
	shortMax  = 2200 * time.Millisecond // less than capture.DefaultQuiet
	halfMin   = 1500 * time.Millisecond
	halfMax   = 4500 * time.Millisecond
	noise     = 2000 // bytes
	restMax   = 1500 * time.Millisecond
	everyMin  = 3 // packet, of those that go wrong
	everyMore = 4
)

// pause waits as far as ctx allows.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// short holds a fault for less than the watchdog's patience.
func short(begin, end func()) func(context.Context, *rig) {
	return held(begin, end, shortMin, shortMax)
}

func held(begin, end func(), from, to time.Duration) func(context.Context, *rig) {
	return func(ctx context.Context, r *rig) {
		begin()
		pause(ctx, r.between(from, to))
		end()
	}
}

// long holds a fault until the camera says that its source is down, and some time more.
func long(begin, end func()) func(context.Context, *rig) {
	return func(ctx context.Context, r *rig) {
		begin()
		r.camera.said(ctx, r.cfg.Guard, change.down)
		pause(ctx, r.between(0, restMax))
		end()
	}
}

// once is a fault that is over as soon as it is there.
func once(f func()) func(context.Context, *rig) {
	return func(context.Context, *rig) { f() }
}

// refused has the camera meet a wrong password, and learn the right one some time later.
func refused(wrong, hangup, right func()) func(context.Context, *rig) {
	return func(ctx context.Context, r *rig) {
		wrong()
		hangup()
		r.camera.said(ctx, r.cfg.Guard, func(c change) bool { return strings.Contains(c.Reason, "401") })
		pause(ctx, r.between(0, restMax))
		right()
	}
}

// sized is the proof by a picture's size.
func sized(w int) func(shot) bool { return func(s shot) bool { return s.size.X == w } }

// back waits until pictures come that were taken from now on.
func (r *rig) back(ctx context.Context, proof func(shot) bool) {
	now := time.Now()
	r.camera.await(ctx, r.cfg.Guard, func(s shot) bool { return s.at.After(now) && (proof == nil || proof(s)) })
}

// backAnew waits until pictures come of an opening after the nth.
func (r *rig) backAnew(ctx context.Context, n int) {
	r.camera.await(ctx, r.cfg.Guard, func(s shot) bool { return s.opening > n })
}
