package v4l2m2m

import (
	"errors"
	"fmt"
	"image"
	"math"

	"yfv2d/pipeline"
	"yfv2d/stream"
)

// Limits: sides in pixels (what every H.264 encoder here takes; devices say theirs), frames a second, bits a second.
const (
	minSide    = 16
	maxPixels  = 3840 * 2160
	minFPS     = 1
	maxFPS     = 60
	minBitrate = 10_000
	maxBitrate = 100_000_000
	// floor is the least bitrate that the hardware is asked for: below it, the Raspberry Pi's rate control fails.
	floor = 200_000
)

// healthy is how many frames a device must code before it may be restarted again.
const healthy = 300

// ErrClosed is returned by an encoder that was closed.
var ErrClosed = errors.New("v4l2m2m: the encoder is closed")

// Encoder is one session with the machine's encoder. It belongs to one goroutine at a time. Frames are coded by a goroutine
// of the call, so that a driver that hangs does not hang the caller: a frame whose device has to be restarted takes some six seconds, and twenty
// at the worst.
type Encoder struct {
	machine machine
	setup   setup
	s       *session // nil: closed, or failed for good
	name    string
	failure error // why s is nil; nil if it was closed
	coded   int   // frames since the device was opened again, at least healthy at first
	stamps  stream.Stamps
}

var _ stream.Encoder = (*Encoder)(nil)

// New makes an encoder of the machine's first device that codes H.264; it is ready for frames of cfg.Size. The caller closes it.
// A frame rate outside of 1 to 60 is brought to that limit, a bitrate below 200 000 raised to it.
func New(cfg stream.EncoderConfig) (stream.Encoder, error) { return newEncoder(thisMachine, cfg) }

func newEncoder(m machine, cfg stream.EncoderConfig) (stream.Encoder, error) {
	if err := checkSize(cfg.Size); err != nil {
		return nil, err
	}
	if err := checkBitrate(cfg.Bitrate); err != nil {
		return nil, err
	}
	if math.IsNaN(cfg.FPS) || cfg.FPS <= 0 {
		return nil, fmt.Errorf("v4l2m2m: %v frames a second: must be above 0", cfg.FPS)
	}
	e := &Encoder{machine: m, coded: healthy, setup: setup{
		size: cfg.Size, fps: min(max(cfg.FPS, minFPS), maxFPS), bitrate: max(cfg.Bitrate, floor),
	}}
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("v4l2m2m: %w", err)
	}
	return e, nil
}

func checkSize(s image.Point) error {
	if s.X%2 != 0 || s.Y%2 != 0 || s.X < minSide || s.Y < minSide || s.X > maxPixels || s.Y > maxPixels || s.X*s.Y > maxPixels {
		return fmt.Errorf("v4l2m2m: frame of %dx%d pixels: sides must be even, from %d, and within %d pixels in all",
			s.X, s.Y, minSide, maxPixels)
	}
	return nil
}

func checkBitrate(bps int) error {
	if bps < minBitrate || bps > maxBitrate {
		return fmt.Errorf("v4l2m2m: bitrate of %d bit/s: must be %d to %d", bps, minBitrate, maxBitrate)
	}
	return nil
}

// open starts a session.
func (e *Encoder) open() error {
	m, p := e.machine, e.setup
	r := guarded(m.callLimit, func() result {
		dev, name, err := m.find()
		if err != nil {
			return result{err: err}
		}
		s, err := start(dev, name, p)
		return result{session: s, err: err}
	})
	if r.err != nil {
		return r.err
	}
	e.s, e.name = r.session, r.session.name
	return nil
}

// drop ends the session, whatever its condition.
func (e *Encoder) drop() error {
	s := e.s
	e.s = nil
	if s == nil {
		return nil
	}
	return guarded(e.machine.callLimit, func() result { return result{err: s.close()} }).err
}

// Encode codes one frame, which it borrows for the call. The first unit is a key picture, and so is one that key asks for if
// the device obeys at once (else ask again). A device that hangs or fails is opened again, once within 300 frames, and the
// frame sent again; a second failure is for good.
func (e *Encoder) Encode(f *pipeline.Frame, key bool) (pipeline.AccessUnit, error) {
	if e.s == nil {
		if e.failure != nil {
			return pipeline.AccessUnit{}, e.failure
		}
		return pipeline.AccessUnit{}, ErrClosed
	}
	if f.Format != pipeline.I420 || f.Size() != e.setup.size {
		return pipeline.AccessUnit{}, fmt.Errorf("v4l2m2m: frame %d is %s of %dx%d, the encoder was made for i420 of %dx%d",
			f.Seq, f.Format, f.Size().X, f.Size().Y, e.setup.size.X, e.setup.size.Y)
	}
	stamp := e.stamps.Next(f.At) * 1_000_000 / stream.StampClock
	unit, err := e.code(f, stamp, key)
	if err != nil && e.coded >= healthy {
		unit, err = e.again(f, stamp, err)
	}
	if err != nil {
		_ = e.drop()
		e.failure = fmt.Errorf("v4l2m2m: encode frame %d of %dx%d: %w", f.Seq, e.setup.size.X, e.setup.size.Y, err)
		return pipeline.AccessUnit{}, e.failure
	}
	e.coded++
	return pipeline.AccessUnit{Seq: f.Seq, At: f.At, Codec: pipeline.H264, Key: isKey(unit), Data: unit}, nil
}

// again opens the device anew and sends the frame to it, which becomes its first.
func (e *Encoder) again(f *pipeline.Frame, stamp int64, why error) ([]byte, error) {
	_ = e.drop() // it failed
	e.coded = 0
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("%w; opened again: %w", why, err)
	}
	unit, err := e.code(f, stamp, false)
	if err != nil {
		return nil, fmt.Errorf("%w; opened again: %w", why, err)
	}
	return unit, nil
}

// code sends one frame through the device. The session is lost if its calls do not return.
func (e *Encoder) code(f *pipeline.Frame, stamp int64, key bool) ([]byte, error) {
	s, limit := e.s, e.machine.frameLimit
	i := s.free()
	s.fill(s.in[i].mem, f)
	r := guarded(e.machine.callLimit, func() result {
		unit, err := s.code(i, stamp, key, limit)
		return result{session: s, unit: unit, err: err}
	})
	if errors.Is(r.err, errStuck) {
		e.s = nil
	}
	return r.unit, r.err
}

// fill copies a frame to an input buffer, row by row as the device wants them. Beyond the picture's edge its last pixels are
// repeated, which costs the fewest bits in blocks that lie half outside.
func (s *session) fill(mem []byte, f *pipeline.Frame) {
	size := f.Size()
	y, u, v := f.Planes()
	n := s.stride * s.rows
	copyPlane(mem[:n], s.stride, s.rows, y, size, 16)
	half := image.Pt(size.X/2, size.Y/2)
	copyPlane(mem[n:n+n/4], s.stride/2, s.rows/2, u, half, 8)
	copyPlane(mem[n+n/4:n+n/2], s.stride/2, s.rows/2, v, half, 8)
}

// copyPlane copies rows without padding to rows with it. block is the side of a macroblock in this plane.
func copyPlane(dst []byte, stride, rows int, src []byte, size image.Point, block int) {
	wide := min((size.X+block-1)/block*block, stride)
	for j := range rows {
		row := dst[j*stride : j*stride+wide]
		if j >= size.Y {
			copy(row, dst[(size.Y-1)*stride:])
			continue
		}
		copy(row, src[j*size.X:(j+1)*size.X])
		for i := size.X; i < wide; i++ {
			row[i] = row[size.X-1]
		}
	}
}

// SetBitrate takes bits per second, 10 000 to 100 000 000; the device is asked for 200 000 at least, and may have limits of
// its own.
func (e *Encoder) SetBitrate(bps int) error {
	if e.s == nil && e.failure == nil {
		return ErrClosed
	}
	if err := checkBitrate(bps); err != nil {
		return err
	}
	if e.s == nil {
		return e.failure
	}
	bps = max(bps, floor)
	if bps == e.setup.bitrate {
		return nil
	}
	s := e.s
	r := guarded(e.machine.callLimit, func() result { return result{session: s, err: s.set(ctrlBitrate, bps)} })
	if errors.Is(r.err, errStuck) {
		e.s, e.failure = nil, fmt.Errorf("v4l2m2m: set the bitrate: %w", r.err)
	}
	if r.err != nil {
		return fmt.Errorf("v4l2m2m: set the bitrate to %d bit/s: %w", bps, r.err)
	}
	e.setup.bitrate = bps
	return nil
}

// Close ends the session and frees all. It may be called twice.
func (e *Encoder) Close() error {
	e.failure = nil
	if err := e.drop(); err != nil {
		return fmt.Errorf("v4l2m2m: close %s: %w", e.name, err)
	}
	return nil
}

// String is the interface's and the device's name.
func (e *Encoder) String() string { return "v4l2m2m " + e.name }
