package pipeline

import (
	"context"
	"errors"
	"time"

	"yfv2d/tracker"
)

// Source gives frames: a camera, a file, a folder of pictures, a test pattern. Read fills f (Prepare, pixels, At) and
// waits for the next frame as long as ctx allows; io.EOF ends the pipeline without fault, and so does ctx's end. Read
// is called by one goroutine; Close comes after the last Read, may be called twice, and frees all. Read after Close
// returns ErrClosed.
type Source interface {
	Read(ctx context.Context, f *Frame) error
	Close() error
}

// ErrClosed is what a Source, Slot or Pool returns after Close.
var ErrClosed = errors.New("closed")

// SourceState is one word for how a source is.
type SourceState string

const (
	Connecting SourceState = "connecting"
	Live       SourceState = "live"
	Stalled    SourceState = "stalled" // connected, but nothing comes
	Retrying   SourceState = "retrying"
	Ended      SourceState = "ended"
	Failed     SourceState = "failed"
)

// SourceStatus is a source's state, since when, and for a person: why, and when it is tried again.
type SourceStatus struct {
	State   SourceState
	Since   time.Time
	Reason  string    // empty while connecting or live; never holds a secret
	NextTry time.Time // zero unless retrying
}

// Stater is a Source that knows its own state (one that re-opens itself). Safe from any goroutine.
type Stater interface{ Status() SourceStatus }

// Pulse is a live source's sign of life, for the watchdog over it.
type Pulse struct {
	Data        time.Time     // when data last came in: an access unit, or bytes of a pipe; before the first, the opening (or later, for what is slow to begin)
	Interval    time.Duration // between pictures, as announced or measured; 0: unknown
	KeyInterval time.Duration // between key pictures, the longest seen; 0: unknown, or every picture is one
}

// Pulser is a Source that a fault can silence. Safe from any goroutine.
type Pulser interface{ Pulse() Pulse }

// UnitCounts accounts for the access units of a source that has them. Units is what came in; each becomes a captured
// frame, a decode error (damaged, dropped), or is not decoded (skipped on purpose, before the first key picture, because
// the decoder could not keep up, or in the hands of a source that closed). The rest is in flight.
type UnitCounts struct {
	Units       uint64
	DecodeError uint64
	NotDecoded  uint64
}

// UnitCounter is a Source with access units. Safe from any goroutine; counts only grow.
type UnitCounter interface{ UnitCounts() UnitCounts }

// Codec names what an AccessUnit holds.
type Codec string

const (
	H264 Codec = "h264"
	VP8  Codec = "vp8"
	H265 Codec = "h265"
	JPEG Codec = "jpeg"
)

// AccessUnit is one coded picture. Data is Annex B (H.264 and H.265, with parameter sets before each key picture), a
// VP8 frame or a JPEG file; it is never written after the unit is made. An empty Data means that the encoder skipped the frame.
type AccessUnit struct {
	Seq   uint64
	At    time.Time // the frame's capture time
	Codec Codec
	Key   bool
	Data  []byte
}

// Wanted is the set of things a sink needs of the next frame; zero means that nobody watches.
type Wanted uint8

const (
	WantClean         Wanted = 1 << iota // encode without boxes
	WantSmall                            // encode at half width and height, without boxes
	WantSnapshot                         // one still without boxes
	WantAnnotated                        // encode with boxes
	WantSnapshotBoxes                    // one still with boxes
	WantMotion                           // moving JPEG pictures without boxes
	WantMotionBoxes                      // moving JPEG pictures with boxes
)

// Sink takes the frames of the overlay stage. Wants is atomic and may be called from any goroutine. Write borrows f and
// tracks for the call and may draw on f; the order is: what wants no boxes, then draw, then what wants boxes. It
// returns ErrSkipped if the encoder chose to drop the frame and ErrNotDue if nobody wants this one; any other error is a
// failed frame (counted, not fatal).
type Sink interface {
	Wants() Wanted
	Write(f *Frame, tracks []tracker.Track) error
}

// ErrSkipped says that a frame was left out by the encoder's rate control.
var ErrSkipped = errors.New("frame skipped by the encoder")

// ErrNotDue says that all who watch want fewer frames than come, and not this one.
var ErrNotDue = errors.New("frame not due")
