package child

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// raw is a child that writes pixels. Its reader empties the pipe whether or not anybody waits: of pictures that nobody took, the
// newest stays.
type raw struct {
	cfg     Config
	process *process
	fresh   *pipeline.Slot[*picture]
	spare   chan *picture // the reader, fresh, Read and spare hold three pictures together
	done    chan struct{} // closed when the reader has ended
	once    sync.Once
	last    time.Time // Read's

	mu       sync.Mutex
	data     time.Time     // guarded by mu; when bytes last came
	began    time.Time     // guarded by mu; when the newest picture did
	interval time.Duration // guarded by mu; between pictures, announced or measured
	failed   error         // guarded by mu; why the reader ended
	closed   bool          // guarded by mu
}

// picture is one picture as the child wrote it.
type picture struct {
	pix []byte
	at  time.Time // when its first byte came
}

const pictures = 3

// bytes of a picture: planes of rows that are all Stride long, those of colour in I420 half as long.
func (c Config) bytes() int { return c.row() * c.Size.Y * 3 / 2 }

func (c Config) row() int {
	if c.Stride > 0 {
		return c.Stride
	}
	return c.Size.X
}

// pipeSize is the largest pipe that a user without privileges may have by default (pipe(7)). A pipe of 64 KiB would be filled and
// emptied, with a change of process each time, 21 times for a picture of 1280x720.
const pipeSize = 1 << 20

func openRaw(name string, args []string, cfg Config, opt live.Options) (*raw, error) {
	p, err := start(name, args, opt.Stuck)
	if err != nil {
		return nil, err
	}
	if conn, err := p.out.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) }) // or as it is
	}
	r := &raw{cfg: cfg, process: p, fresh: pipeline.NewSlot[*picture](), spare: make(chan *picture, pictures), done: make(chan struct{}),
		data: time.Now().Add(opt.Grace()), interval: cfg.interval()}
	for range pictures {
		r.spare <- &picture{}
	}
	go func() {
		defer close(r.done)
		err := p.explain(r.read())
		r.mu.Lock()
		r.failed = err
		r.mu.Unlock()
		r.fresh.Close()
	}()
	return r, nil
}

// Read waits for a picture and converts it into f.
func (r *raw) Read(ctx context.Context, f *pipeline.Frame) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return pipeline.ErrClosed
	}
	p, err := r.fresh.Take(ctx)
	if errors.Is(err, io.EOF) {
		return r.why()
	}
	if err != nil {
		return err
	}
	defer func() { r.spare <- p }() // which has room for all pictures
	if err := f.Prepare(pipeline.I420, r.cfg.Size); err != nil {
		return err
	}
	if err := yuv.FromPlanar(f.Pix(), r.cfg.planes(p.pix)); err != nil {
		return err
	}
	if !p.at.After(r.last) {
		p.at = r.last.Add(time.Microsecond)
	}
	f.At, r.last = p.at, p.at
	return nil
}

// why is the error after the last picture.
func (r *raw) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return pipeline.ErrClosed
	}
	return r.failed
}

// planes says where the planes of a picture lie.
func (c Config) planes(pix []byte) *yuv.Planar {
	row, h := c.row(), c.Size.Y
	p := &yuv.Planar{Size: c.Size, StrideY: row, StrideC: row, ShiftX: 1, ShiftY: 1, Depth: 8, Full: c.Full, Matrix: c.Matrix,
		Y: pix[:row*h], U: pix[row*h:]}
	if c.Format == I420 {
		p.StrideC = row / 2
		p.U, p.V = pix[row*h:row*h*5/4], pix[row*h*5/4:]
	}
	return p
}

// read reads picture after picture until the child ends.
func (r *raw) read() error {
	for {
		p := <-r.spare // there is one: Read has at most one, and fresh
		if p.pix == nil {
			p.pix = make([]byte, r.cfg.bytes())
		}
		if err := r.fill(p); err != nil {
			return err
		}
		if loser, dropped := r.fresh.Put(p); dropped {
			r.spare <- loser
		}
	}
}

// fill reads one picture.
func (r *raw) fill(p *picture) error {
	for n := 0; n < len(p.pix); {
		m, err := r.process.out.Read(p.pix[n:])
		if m > 0 {
			now := time.Now()
			if n == 0 {
				p.at = now
			}
			r.beat(now, n == 0)
			n += m
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// smoothing of the measured interval: a new gap counts for a quarter.
const smoothing = 4

// beat notes that bytes came, and whether a picture began with them.
func (r *raw) beat(now time.Time, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data = now
	if !first {
		return
	}
	if gap := now.Sub(r.began); r.cfg.FPS <= 0 && !r.began.IsZero() {
		if r.interval == 0 {
			r.interval = gap
		}
		r.interval += (gap - r.interval) / smoothing
	}
	r.began = now
}

// Pulse is the child's sign of life.
func (r *raw) Pulse() pipeline.Pulse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return pipeline.Pulse{Data: r.data, Interval: r.interval}
}

// Close ends the program and all that it started.
func (r *raw) Close() error {
	r.once.Do(func() {
		r.mu.Lock()
		r.closed = true
		r.mu.Unlock()
		r.process.stop()
		<-r.done
	})
	return nil
}
