package v4l2m2m

import (
	"errors"
	"fmt"
	"image"
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	inBuffers  = 2 // one is filled while the driver still holds the one before
	outBuffers = 3
	// leastCoded is the least room for a coded picture, bytes; the Raspberry Pi's driver takes no less either.
	leastCoded = 512 << 10
)

// errHangs is what a device does that takes frames and gives nothing.
var errHangs = errors.New("the device gives nothing back")

// session is a device that was set up and streams. One goroutine at a time works on it; its calls may hang.
type session struct {
	dev     device
	name    string
	in, out []buffer
	stride  int // bytes from row to row of Y in an input buffer; half of it for U and V
	rows    int // of Y in an input buffer
	headers []byte
}

// buffer is one that the driver and we share.
type buffer struct {
	mem    []byte
	queued bool // the driver has it
}

// setup is what a session is made for.
type setup struct {
	size    image.Point
	fps     float64
	bitrate int
}

// start sets the device up, which belongs to the session from then on: on error it is closed.
func start(dev device, name string, p setup) (*session, error) {
	s := &session{dev: dev, name: name}
	if err := s.start(p); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), s.close())
	}
	return s, nil
}

func (s *session) start(p setup) error {
	if err := s.formats(p.size); err != nil {
		return err
	}
	if err := s.frameRate(p.fps); err != nil {
		return err
	}
	if err := s.controls(p); err != nil {
		return err
	}
	var err error
	if s.in, err = s.buffers(bufIn, inBuffers); err != nil {
		return err
	}
	if s.out, err = s.buffers(bufOut, outBuffers); err != nil {
		return err
	}
	if need := s.stride * s.rows * 3 / 2; len(s.in[0].mem) < need {
		return fmt.Errorf("an input buffer has %d bytes, a frame takes %d", len(s.in[0].mem), need)
	}
	for i := range s.out {
		if err := s.queue(bufOut, i, 0, 0); err != nil {
			return err
		}
	}
	for _, kind := range []int32{bufIn, bufOut} {
		if err := s.dev.ioctl(streamOn, unsafe.Pointer(&kind)); err != nil {
			return fmt.Errorf("start the queue of type %d: %w", kind, err)
		}
	}
	return nil
}

// formats sets H.264 for what comes out and I420 for what goes in. Drivers change what they do not like.
func (s *session) formats(size image.Point) error {
	out := format{
		Type: bufOut, Width: uint32(size.X), Height: uint32(size.Y), PixelFormat: formatH264, Field: fieldNone, NumPlanes: 1,
	}
	out.Planes[0].SizeImage = uint32(max(size.X*size.Y, leastCoded))
	if err := s.dev.ioctl(setFormat, unsafe.Pointer(&out)); err != nil {
		return fmt.Errorf("ask for H.264: %w", err)
	}
	if out.PixelFormat != formatH264 {
		return errors.New("it does not give H.264")
	}
	in := format{
		Type: bufIn, Width: uint32(size.X), Height: uint32(size.Y), PixelFormat: formatI420, Field: fieldNone, NumPlanes: 1,
		ColorSpace: colorSMPTE170M, YCbCrEnc: encoding601, Quantization: limitedRange, XferFunc: transfer709,
	}
	if err := s.dev.ioctl(setFormat, unsafe.Pointer(&in)); err != nil {
		return fmt.Errorf("ask for I420 frames of %dx%d: %w", size.X, size.Y, err)
	}
	if in.PixelFormat != formatI420 || in.NumPlanes != 1 {
		return errors.New("it does not take I420 frames")
	}
	w, h := int(in.Width), int(in.Height)
	s.stride, s.rows = int(in.Planes[0].BytesPerLine), h
	if w < size.X || h < size.Y || s.stride < w || s.stride%2 != 0 || h%2 != 0 || s.stride > math.MaxInt32/2/h {
		return fmt.Errorf("it makes frames of %dx%d pixels, %d bytes a row, of %dx%d", w, h, s.stride, size.X, size.Y)
	}
	if w == size.X && h == size.Y {
		return nil
	}
	return s.crop(size)
}

// crop says how much of a larger frame is the picture.
func (s *session) crop(size image.Point) error {
	r := selection{Type: selectionIn, Target: selectionCrop, Width: uint32(size.X), Height: uint32(size.Y)}
	if err := s.dev.ioctl(setSelect, unsafe.Pointer(&r)); err != nil {
		return fmt.Errorf("code %dx%d pixels of a larger frame: %w", size.X, size.Y, err)
	}
	if int(r.Width) != size.X || int(r.Height) != size.Y || r.Left != 0 || r.Top != 0 {
		return fmt.Errorf("it codes %dx%d pixels where %dx%d are wanted", r.Width, r.Height, size.X, size.Y)
	}
	return nil
}

// frameRate is for the rate control. A driver may have no such setting.
func (s *session) frameRate(fps float64) error {
	p := streamParm{Type: bufIn, Num: 1000, Den: uint32(fps * 1000)}
	err := s.dev.ioctl(setParm, unsafe.Pointer(&p))
	if err != nil && !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("set %g frames a second: %w", fps, err)
	}
	return nil
}

// controls sets what the picture stream needs, and what is better but not in every driver.
func (s *session) controls(p setup) error {
	if s.set(ctrlProfile, profileConstrained) != nil {
		if err := s.set(ctrlProfile, profileBaseline); err != nil {
			return fmt.Errorf("set the profile to baseline: %w", err)
		}
	}
	if err := s.set(ctrlBitrate, p.bitrate); err != nil {
		return fmt.Errorf("set the bitrate to %d bit/s: %w", p.bitrate, err)
	}
	for _, c := range []struct {
		id    uint32
		value int
	}{
		{ctrlLevel, level(p)}, {ctrlBitrateMode, modeCBR}, {ctrlBFrames, 0},
		{ctrlHeaderMode, headerJoined}, {ctrlRepeatHeaders, 1}, // code adds headers where the driver does not
		{ctrlGOPSize, longestPeriod}, {ctrlIPeriod, longestPeriod}, // key pictures on demand only
	} {
		if err := s.set(c.id, c.value); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ERANGE) {
			return fmt.Errorf("set control %#x to %d: %w", c.id, c.value, err)
		}
	}
	return nil
}

func (s *session) set(id uint32, value int) error {
	c := control{ID: id, Value: int32(value)}
	return s.dev.ioctl(setControl, unsafe.Pointer(&c))
}

// buffers makes a queue's and maps them.
func (s *session) buffers(kind uint32, want int) ([]buffer, error) {
	r := requestBuffers{Count: uint32(want), Type: kind, Memory: memoryMMAP}
	if err := s.dev.ioctl(reqBufs, unsafe.Pointer(&r)); err != nil {
		return nil, fmt.Errorf("ask for %d buffers of type %d: %w", want, kind, err)
	}
	if r.Count == 0 || r.Count > maxBuffers {
		return nil, fmt.Errorf("%d buffers of type %d: 1 to %d are possible", r.Count, kind, maxBuffers)
	}
	all := make([]buffer, 0, r.Count)
	for i := range r.Count {
		var p plane
		b := bufferInfo{Index: i, Type: kind, Memory: memoryMMAP, Planes: &p, Length: 1}
		if err := s.dev.ioctl(queryBuf, unsafe.Pointer(&b)); err != nil {
			return nil, errors.Join(fmt.Errorf("look at buffer %d of type %d: %w", i, kind, err), s.unmap(all))
		}
		mem, err := s.dev.mmap(int64(p.MemOffset), int(p.Length))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("map buffer %d of type %d, %d bytes: %w", i, kind, p.Length, err), s.unmap(all))
		}
		all = append(all, buffer{mem: mem})
	}
	return all, nil
}

func (s *session) unmap(all []buffer) error {
	var errs []error
	for _, b := range all {
		errs = append(errs, s.dev.munmap(b.mem))
	}
	return errors.Join(errs...)
}

// queue gives a buffer to the driver. stamp is in microseconds.
func (s *session) queue(kind uint32, i, used int, stamp int64) error {
	all := s.all(kind)
	p := plane{BytesUsed: uint32(used), Length: uint32(len(all[i].mem))}
	b := bufferInfo{
		Index: uint32(i), Type: kind, Memory: memoryMMAP, Field: fieldNone, Planes: &p, Length: 1,
		Sec: stamp / 1_000_000, Usec: stamp % 1_000_000,
	}
	if err := s.dev.ioctl(queueBuf, unsafe.Pointer(&b)); err != nil {
		return fmt.Errorf("give buffer %d of type %d: %w", i, kind, err)
	}
	all[i].queued = true
	return nil
}

// dequeue takes a buffer back from the driver; EAGAIN if it is done with none.
func (s *session) dequeue(kind uint32) (i int, data []byte, flags uint32, err error) {
	var p plane
	b := bufferInfo{Type: kind, Memory: memoryMMAP, Planes: &p, Length: 1}
	if err := s.dev.ioctl(dequeueBuf, unsafe.Pointer(&b)); err != nil {
		return 0, nil, 0, fmt.Errorf("take a buffer of type %d: %w", kind, err)
	}
	all := s.all(kind)
	i = int(b.Index)
	if i >= len(all) || !all[i].queued {
		return 0, nil, 0, fmt.Errorf("take a buffer of type %d: the driver gives number %d, which it does not have", kind, i)
	}
	all[i].queued = false
	if from, to := int(p.DataOffset), int(p.BytesUsed); from > to || to > len(all[i].mem) {
		return 0, nil, 0, fmt.Errorf("take a buffer of type %d: bytes %d to %d of %d", kind, from, to, len(all[i].mem))
	}
	return i, all[i].mem[p.DataOffset:p.BytesUsed], b.Flags, nil
}

func (s *session) all(kind uint32) []buffer {
	if kind == bufIn {
		return s.in
	}
	return s.out
}

// free is the number of an input buffer that is ours. code leaves one.
func (s *session) free() int {
	for i := range s.in {
		if !s.in[i].queued {
			return i
		}
	}
	return -1
}

// code sends the frame in input buffer i and waits for its coded form, until the limit.
func (s *session) code(i int, stamp int64, key bool, limit time.Duration) ([]byte, error) {
	if key {
		if err := s.set(ctrlForceKey, 1); err != nil {
			return nil, fmt.Errorf("ask for a key picture: %w", err)
		}
	}
	if err := s.queue(bufIn, i, s.stride*s.rows*3/2, stamp); err != nil {
		return nil, err
	}
	end := time.Now().Add(limit)
	var unit []byte
	for unit == nil || s.free() < 0 {
		var want int16
		if unit == nil {
			want |= unix.POLLIN
		}
		if s.free() < 0 {
			want |= unix.POLLOUT
		}
		got, err := s.dev.poll(want, time.Until(end))
		if err != nil {
			return nil, fmt.Errorf("wait for the device: %w", err)
		}
		if got == 0 {
			return nil, fmt.Errorf("%w within %v", errHangs, limit)
		}
		if got&(unix.POLLIN|unix.POLLOUT) == 0 {
			return nil, fmt.Errorf("wait for the device: it fails (poll gives %#x)", got)
		}
		if got&unix.POLLOUT != 0 {
			if _, _, _, err := s.dequeue(bufIn); err != nil && !errors.Is(err, unix.EAGAIN) {
				return nil, err
			}
		}
		if got&unix.POLLIN != 0 && unit == nil {
			if unit, err = s.receive(); err != nil {
				return nil, err
			}
		}
	}
	return unit, nil
}

// receive takes a coded buffer; nil if it holds no picture yet.
func (s *session) receive() ([]byte, error) {
	i, data, flags, err := s.dequeue(bufOut)
	if errors.Is(err, unix.EAGAIN) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case flags&bufFlagError != 0:
		return nil, errors.New("the device marks a coded picture as damaged")
	case flags&bufFlagLast != 0:
		return nil, errors.New("the device ends the stream")
	case len(data) == len(s.out[i].mem):
		return nil, fmt.Errorf("a coded picture does not fit into %d bytes", len(data))
	}
	unit, headers := assemble(data, s.headers)
	s.headers = headers
	return unit, s.queue(bufOut, i, 0, 0)
}

// close stops the device and frees all.
func (s *session) close() error {
	for _, kind := range []int32{bufIn, bufOut} {
		_ = s.dev.ioctl(streamOff, unsafe.Pointer(&kind)) // closing does it too
	}
	err := errors.Join(s.unmap(s.in), s.unmap(s.out))
	s.in, s.out = nil, nil
	return errors.Join(err, s.dev.close())
}
