package live

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"yfv2d/capture/avdec"
	"yfv2d/pipeline"
)

// Bounds of what waits between Push and Read, and of how old it may get.
const (
	DefaultMaxBytes = 8 << 20  // of one unit; 4K key pictures at 50 Mbit/s stay below it
	maxQueueUnits   = 300      // 10 s of 30 a second: what comes at once after a network has hung
	maxQueueBytes   = 16 << 20 // or one unit, if that is larger
)

// StreamConfig is what a transport knows of its stream.
type StreamConfig struct {
	Options
	Codec    pipeline.Codec
	Interval time.Duration // announced time between pictures; 0: measured
	MaxBytes int           // of one unit; 0 is DefaultMaxBytes
	Grace    time.Duration // for the first data, see Options.Grace
}

// Stream turns access units, pushed by a reader goroutine, into frames. It is a pipeline.Source, Pulser and UnitCounter that
// a transport's source wraps. Nothing is decoded before Read asks for it.
type Stream struct {
	cfg  StreamConfig
	wake chan struct{} // tells a waiting Read that something changed

	mu     sync.Mutex // over what follows
	codec  pipeline.Codec
	queue  []unit
	bytes  int // in queue
	counts pipeline.UnitCounts
	pulse  pulse
	lost   bool  // between the newest unit of the queue and the next
	behind bool  // an episode of lag was told of
	failed error // from Fail
	closed bool

	inspector inspector // the reader goroutine's

	reading sync.Mutex // held by Read and by Close's last part; over what follows
	reader  reader
}

// NewStream makes a stream that waits for its first key unit. The caller closes it.
func NewStream(cfg StreamConfig) (*Stream, error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	s := &Stream{cfg: cfg, codec: cfg.Codec, wake: make(chan struct{}, 1)}
	s.pulse.start(time.Now().Add(cfg.Grace), cfg.Interval)
	s.reader.s = s
	if err := s.reader.open(cfg.Codec); err != nil {
		return nil, err
	}
	return s, nil
}

// Push takes an access unit from the reader goroutine and never blocks. au.At is its picture's capture time. Push sets Seq,
// Codec and Key, and hands the unit to OnUnit; after that nobody writes it.
func (s *Stream) Push(au *pipeline.AccessUnit) {
	now := time.Now()
	s.mu.Lock()
	codec := s.codec // only the reader goroutine changes it
	s.mu.Unlock()
	t := s.inspector.inspect(codec, au.Data)
	if !s.take(unit{AccessUnit: au, traits: t, came: now}) {
		return
	}
	if s.cfg.OnUnit != nil {
		s.cfg.OnUnit(au)
	}
	s.poke()
}

// take queues a unit, or accounts for why not; false after the end.
func (s *Stream) take(u unit) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.failed != nil {
		return false
	}
	s.counts.Units++
	u.Seq, u.Codec, u.Key = s.counts.Units, s.codec, u.join == joinKey
	s.pulse.unit(u.came, u.At, u.Key, s.codec != pipeline.JPEG)
	if s.codec == pipeline.JPEG {
		s.clear() // each stands alone: the newest is all that is wanted
	}
	if len(u.Data) == 0 {
		s.counts.NotDecoded++
		return false
	}
	if len(u.Data) > s.cfg.MaxBytes {
		s.counts.DecodeError++
		s.lost = true
		return true
	}
	if len(s.queue) >= maxQueueUnits || s.bytes+len(u.Data) > max(maxQueueBytes, s.cfg.MaxBytes) {
		s.clear()
		s.lost = true
	}
	u.broken, s.lost = s.lost, false
	s.queue = append(s.queue, u)
	s.bytes += len(u.Data)
	return true
}

// clear empties the queue. The caller holds mu.
func (s *Stream) clear() {
	s.counts.NotDecoded += uint64(len(s.queue))
	clear(s.queue)
	s.queue, s.bytes = s.queue[:0], 0
}

// Touch tells that data came that is no whole unit yet.
func (s *Stream) Touch() {
	now := time.Now()
	s.mu.Lock()
	s.pulse.data = now
	s.mu.Unlock()
}

// Lost tells that units, or parts of them, were lost before the one that is pushed next: what refers to them is not shown.
func (s *Stream) Lost() {
	s.mu.Lock()
	s.lost = true
	s.mu.Unlock()
}

// Fail tells that the reader ended. Read returns err from now on; only before io.EOF it gives what is left. The first call
// wins.
func (s *Stream) Fail(err error) {
	if err == nil {
		err = errors.New("the reader ended")
	}
	s.mu.Lock()
	if s.failed == nil {
		s.failed = err
		if !errors.Is(err, io.EOF) {
			s.clear()
		}
	}
	s.mu.Unlock()
	s.poke()
}

// SetCodec begins anew with another codec: what waits is let go of, and a key unit waited for. The reader goroutine calls it
// before it pushes the first unit of the new codec.
func (s *Stream) SetCodec(c pipeline.Codec) error {
	if !avdec.Supports(c) {
		return &Refused{fmt.Errorf("codec %q: only %s, %s and %s are supported", c, pipeline.H264, pipeline.H265, pipeline.JPEG)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c == s.codec {
		return nil
	}
	s.clear()
	s.codec, s.lost = c, false
	s.pulse.forget()
	return nil
}

// Pulse is the stream's sign of life.
func (s *Stream) Pulse() pipeline.Pulse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pulse.read()
}

// UnitCounts accounts for the units pushed so far.
func (s *Stream) UnitCounts() pipeline.UnitCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Close lets go of all that waits; Read and Push after it do nothing. It waits for a unit that is being decoded, and may be
// called twice.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.closed = true
	s.clear()
	s.queue = nil
	s.mu.Unlock()
	s.poke()
	s.reading.Lock()
	defer s.reading.Unlock()
	return s.reader.close()
}

// poke wakes a waiting Read.
func (s *Stream) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
