package v4l2

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gocv.io/x/gocv"
	"golang.org/x/sys/unix"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// closeWait is how long Close waits for the reader. A camera that is silent holds it as long as OpenCV waits for a picture
// (selectTimeout); longer only a driver that hangs.
const closeWait = 2500 * time.Millisecond

// maxLost is how many pictures in a row may be lost before the camera is opened anew.
const maxLost = 10

// lostPause keeps a camera that fails at once from taking a whole core.
const lostPause = 20 * time.Millisecond

// consumer takes what the reader reads. Its methods are the reader's goroutine's, but for free.
type consumer interface {
	blank() *gocv.Mat // for the next picture; the reader has one at a time, until it gives it to take
	take(m *gocv.Mat, at time.Time)
	fail(err error)
	free() // of Mats; by the last that uses them
}

// reader is the goroutine that owns a device, seen from outside. A C call cannot be interrupted: if one hangs, the reader
// is left behind with its device and Mats, and frees them if the call ever returns.
type reader struct {
	stuck   *live.Stuck
	closing chan struct{}
	done    chan struct{}
	opened  chan opening
	start   chan consumer

	mu    sync.Mutex // over what follows
	left  bool       // Close has gone: the reader frees
	over  bool       // the reader has gone: Close frees
	pulse pipeline.Pulse
}

type opening struct {
	pic picture
	err error
}

// launch opens a device on a goroutine of its own and waits for that. The caller closes the reader.
func launch(ctx context.Context, cfg Config, opt live.Options, dial func(Config) (device, error)) (*reader, picture, error) {
	stuck := opt.Stuck
	if stuck == nil {
		stuck = new(live.Stuck)
	}
	if err := stuck.Check(); err != nil {
		return nil, picture{}, fmt.Errorf("%s: %w", cfg.Device, err)
	}
	r := &reader{stuck: stuck, closing: make(chan struct{}), done: make(chan struct{}), opened: make(chan opening, 1), start: make(chan consumer, 1)}
	go r.run(cfg, dial)
	timeout := time.NewTimer(opt.Timeout())
	defer timeout.Stop()
	select {
	case o := <-r.opened:
		if o.err != nil {
			<-r.done
			return nil, picture{}, held(o.err, stuck)
		}
		return r, o.pic, nil
	case <-ctx.Done():
		r.close(nil, closeWait)
		return nil, picture{}, fmt.Errorf("%s: %w", cfg.Device, ctx.Err())
	case <-timeout.C:
		r.close(nil, 0)
		return nil, picture{}, fmt.Errorf("%s: the camera does not answer within %s: unplug it and plug it in again", cfg.Device, opt.Timeout())
	}
}

// held adds to a busy camera's error that it may be us.
func held(err error, stuck *live.Stuck) error {
	if n := stuck.Count(); n > 0 && errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%w; %d readers of this program hang in its driver and may hold it", err, n)
	}
	return err
}

// read begins to give pictures to c.
func (r *reader) read(c consumer, interval time.Duration) {
	r.mu.Lock()
	r.pulse = pipeline.Pulse{Data: time.Now(), Interval: interval}
	r.mu.Unlock()
	r.start <- c
}

func (r *reader) run(cfg Config, dial func(Config) (device, error)) {
	var to consumer
	defer func() { r.end(to) }()
	d, err := dial(cfg)
	if err != nil {
		r.opened <- opening{err: err}
		return
	}
	defer d.close()
	r.opened <- opening{pic: d.picture()}
	select {
	case to = <-r.start:
	case <-r.closing:
		return
	}
	if err := r.pump(d, to); err != nil {
		to.fail(fmt.Errorf("%s: %w", cfg.Device, err))
	}
}

// pump reads until it is told to stop, or the camera fails.
func (r *reader) pump(d device, to consumer) error {
	var last time.Time
	m := to.blank()
	for lost := 0; ; {
		select {
		case <-r.closing:
			return nil
		default:
		}
		at, err := d.read(m)
		switch err {
		case nil:
			lost = 0
			if !at.After(last) {
				at = last.Add(time.Microsecond)
			}
			last = at
			r.beat()
			to.take(m, at)
			m = to.blank()
		case errSilent: // the watchdog knows how long is too long
		case errNone:
			if lost++; lost >= maxLost {
				return fmt.Errorf("%d pictures in a row could not be read from the camera", lost)
			}
			r.pause()
		default:
			return err
		}
	}
}

func (r *reader) pause() {
	t := time.NewTimer(lostPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.closing:
	}
}

func (r *reader) beat() {
	now := time.Now()
	r.mu.Lock()
	r.pulse.Data = now
	r.mu.Unlock()
}

// Pulse is the camera's sign of life.
func (r *reader) Pulse() pipeline.Pulse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pulse
}

// end is the goroutine's last act; its device is closed.
func (r *reader) end(to consumer) {
	r.mu.Lock()
	r.over = true
	left := r.left
	r.mu.Unlock()
	if left {
		if to != nil {
			to.free()
		}
		r.stuck.Back()
	}
	close(r.done)
}

// close stops the reader, waits for it at most so long, and frees to, or leaves both behind. Called once.
func (r *reader) close(to consumer, wait time.Duration) (left bool) {
	close(r.closing)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-r.done:
	case <-t.C:
	}
	r.mu.Lock()
	r.left = !r.over
	left = r.left
	if left {
		r.stuck.Leave() // under the lock: before Back
	}
	r.mu.Unlock()
	if !left && to != nil {
		to.free()
	}
	return left
}
