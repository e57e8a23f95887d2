package faulttest

import (
	"context"
	"syscall"
	"time"

	"yfv2d/capture"
	"yfv2d/capture/rtsp/rtsptest"
	"yfv2d/capture/webcam/webcamtest"
)

// peer is a camera that can be broken.
type peer interface {
	source() (spec string, opt capture.Options)
	fault(r *rig, k Kind) fault
}

// The password of cameras that have one, and another.
const (
	user     = "admin"
	password = "secret"
	other    = "another"
)

func startPeer(b *bench, t Transport) peer {
	switch t {
	case HTTP:
		c := &httpPeer{}
		var err error
		if c.small, c.large, err = pictures(); err != nil {
			b.Fatalf("draw pictures: %v", err)
		}
		c.Server = webcamtest.Start(b, webcamtest.Config{Pictures: c.small, User: user, Password: password})
		return c
	case Exec:
		clips := map[string][][]byte{"small": units(smallH264()), "large": units(largeH264()), "other": units(smallH265())}
		return &execPeer{startPrograms(b, clips, "small")}
	}
	udp := t == RTSPUDP
	return &rtspPeer{rtsptest.Start(b, rtsptest.Config{Clip: smallH264(), Also: alsoPlayed(), UDP: udp, User: user, Password: password}), udp}
}

// alsoPlayed are the clips of other codecs.
func alsoPlayed() []rtsptest.Clip { return []rtsptest.Clip{smallH265(), rtsptest.PatternMJPEG()} }

type rtspPeer struct {
	*rtsptest.Server
	udp bool
}

func (p *rtspPeer) source() (string, capture.Options) {
	if p.udp {
		return p.URL(), capture.Options{Transport: "udp"}
	}
	return p.URL(), capture.Options{}
}

// normal goes back to the first clip.
func (p *rtspPeer) normal() { p.SetClip(smallH264(), alsoPlayed()...) }

func (p *rtspPeer) fault(r *rig, k Kind) fault {
	switch k {
	case ShortFreeze:
		return fault{bring: short(p.Freeze, p.Thaw)}
	case Freeze:
		return fault{bring: long(p.Freeze, p.Thaw), down: true}
	case Close:
		return fault{bring: once(p.Hangup), down: true, told: true}
	case Reset:
		return fault{bring: once(p.Server.Reset), down: true, told: true}
	case HalfFrame:
		return fault{bring: held(p.Server.HalfFrame, p.Thaw, halfMin, halfMax)}
	case Garbage:
		return p.garbage()
	case SlowLoris:
		return p.slowLoris()
	case WrongAuth:
		return fault{bring: refused(func() { p.SetPassword(other) }, p.Hangup, func() { p.SetPassword(password) }), down: true, told: true}
	case SizeChange:
		return fault{bring: once(func() { p.Resize(largeH264()) }), steady: true, proof: sized(large.X),
			after: func(ctx context.Context, r *rig) { p.Resize(smallH264()); r.back(ctx, sized(small.X)) }}
	case CodecChange:
		n := 1 + r.rng.IntN(len(alsoPlayed()))
		return fault{bring: once(func() { p.Switch(n) }), steady: true,
			after: func(ctx context.Context, r *rig) { p.Switch(0); r.back(ctx, nil) }}
	case Settings:
		return fault{bring: once(func() { p.SetClip(smallH265()) }), down: true, told: true, after: p.restore}
	case Down:
		return fault{bring: func(ctx context.Context, _ *rig) { p.Stop(); pause(ctx, downTime); p.Restart() }, down: true, told: true}
	case LongKeys:
		return fault{bring: p.longKeys, down: true, told: true, key: longKeyInterval, after: p.restore}
	}
	return p.packetFault(r, k)
}

func (p *rtspPeer) packetFault(r *rig, k Kind) fault {
	every := everyMin + r.rng.IntN(everyMore)
	switch k {
	case ClockJump:
		jumps := []time.Duration{-time.Hour, -10 * time.Second, -time.Second, time.Second, 10 * time.Second, time.Hour, 13 * time.Hour}
		jump := jumps[r.rng.IntN(len(jumps))]
		return fault{bring: once(func() { p.JumpRTP(jump) }), steady: true}
	case Duplicate:
		return fault{bring: held(func() { p.Server.Duplicate(every) }, func() { p.Server.Duplicate(0) }, lossTime, lossTime), steady: true}
	case Loss: // the library holds back what comes behind a lost packet until 64 have come: in a stream as thin as this, 4 s
		return fault{bring: held(func() { p.Lose(every) }, func() { p.Lose(0) }, lossTime, lossTime), numb: true}
	}
	return fault{bring: held(func() { p.Server.Swap(every) }, func() { p.Server.Swap(0) }, lossTime, lossTime), steady: true}
}

// garbage may be taken for the beginning of a packet that swallows what comes after it, or be passed over. Over UDP it keeps the
// connection from being used to the end, but pictures go on.
func (p *rtspPeer) garbage() fault {
	f := fault{bring: once(func() { p.Server.Garbage(noise) }), numb: true}
	if p.udp {
		f.after = func(ctx context.Context, r *rig) {
			n := r.camera.opened()
			p.Hangup()
			r.backAnew(ctx, n)
		}
	}
	return f
}

// slowLoris leaves nothing of a TCP connection; new ones are as they should be. UDP goes on.
func (p *rtspPeer) slowLoris() fault {
	if p.udp {
		return fault{bring: held(p.Server.SlowLoris, p.Thaw, halfMax, halfMax), steady: true}
	}
	return fault{bring: once(p.Server.SlowLoris), down: true, after: func(context.Context, *rig) { p.Thaw() }}
}

// longKeys has the camera join a stream of long groups, and loses it at a random place of a group.
func (p *rtspPeer) longKeys(ctx context.Context, r *rig) {
	n := r.camera.opened()
	p.SetClip(rtsptest.PatternH264())
	r.backAnew(ctx, n)
	pause(ctx, r.between(0, downTime))
	p.Hangup()
}

func (p *rtspPeer) restore(ctx context.Context, r *rig) {
	n := r.camera.opened()
	p.normal()
	r.backAnew(ctx, n)
}

type httpPeer struct {
	*webcamtest.Server
	small, large [][]byte
}

func (p *httpPeer) source() (string, capture.Options) { return p.URL("/stream"), capture.Options{} }

func (p *httpPeer) fault(_ *rig, k Kind) fault {
	switch k {
	case ShortFreeze:
		return fault{bring: short(p.Freeze, p.Thaw)}
	case Freeze:
		return fault{bring: long(p.Freeze, p.Thaw), down: true}
	case Close:
		return fault{bring: once(p.Hangup), down: true, told: true}
	case Reset:
		return fault{bring: once(p.Server.Reset), down: true, told: true}
	case HalfFrame:
		return fault{bring: held(p.Server.HalfFrame, p.Thaw, halfMin, halfMax)}
	case Garbage:
		return fault{bring: once(func() { p.Server.Garbage(noise) }), steady: true}
	case SlowLoris:
		return fault{bring: once(p.Server.SlowLoris), down: true, after: func(context.Context, *rig) { p.Thaw() }}
	case WrongAuth:
		return fault{bring: refused(func() { p.SetPassword(other) }, p.Hangup, func() { p.SetPassword(password) }), down: true, told: true}
	case SizeChange:
		return fault{bring: once(func() { p.SetPictures(p.large) }), steady: true, proof: sized(large.X),
			after: func(ctx context.Context, r *rig) { p.SetPictures(p.small); r.back(ctx, sized(small.X)) }}
	}
	return fault{bring: func(ctx context.Context, _ *rig) { p.Stop(); pause(ctx, downTime); p.Restart() }, down: true, told: true}
}

type execPeer struct{ *programs }

func (p *execPeer) source() (string, capture.Options) {
	return "exec:" + p.path + " " + p.socket, capture.Options{}
}

// fault's programs that hang stay so: the next one is healthy.
func (p *execPeer) fault(_ *rig, k Kind) fault {
	stop := func() { p.signal(syscall.SIGSTOP) }
	exit := func() { p.tell(order{Exit: true, Code: 3, Says: "the lens fell off"}) }
	switch k {
	case ShortFreeze:
		return fault{bring: short(stop, func() { p.signal(syscall.SIGCONT) })}
	case Freeze:
		return fault{bring: once(stop), down: true}
	case Close:
		return fault{bring: once(exit), down: true, told: true}
	case Reset:
		return fault{bring: once(func() { p.signal(syscall.SIGKILL) }), down: true, told: true}
	case HalfFrame:
		return fault{bring: once(func() { p.tell(order{Half: true}) }), down: true}
	case Garbage:
		return fault{bring: once(func() { p.tell(order{Garbage: noise}) }), steady: true}
	case SlowLoris:
		return fault{bring: once(func() { p.tell(order{Drip: true}) }), down: true}
	case SizeChange:
		return fault{bring: once(func() { p.switchTo("large") }), steady: true, proof: sized(large.X),
			after: func(ctx context.Context, r *rig) { p.switchTo("small"); r.back(ctx, sized(small.X)) }}
	case Settings:
		return fault{bring: once(func() { p.next("other"); exit() }), down: true, told: true,
			after: func(ctx context.Context, r *rig) {
				n := r.camera.opened()
				p.next("small")
				exit()
				r.backAnew(ctx, n)
			}}
	}
	return fault{bring: func(ctx context.Context, _ *rig) {
		p.remove()
		exit()
		pause(ctx, downTime)
		p.restore()
	}, down: true, told: true}
}
