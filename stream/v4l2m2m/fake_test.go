package v4l2m2m

import (
	"fmt"
	"image"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"yfv2d/pipeline"
	"yfv2d/stream"
	"yfv2d/stream/openh264"
)

// board is a model of a Raspberry Pi with its bcm2835-codec: formats, alignments, limits, controls, queues and errors are that
// driver's; libopenh264 stands for the firmware. What a test changes makes it another driver, or a broken one.
type board struct {
	t *testing.T

	// The driver's ways.
	card       string
	align      int  // of a row, bytes
	tall       bool // frames are of whole blocks of 16 rows, as the driver has them for its decoder
	noCrop     bool
	without    map[uint32]bool // controls that are not there
	input      uint32          // format it takes
	rate       error           // of S_PARM
	headers    string          // "", "apart": in a buffer before the picture, "once": before the first only
	keepsInput bool            // an input buffer comes back with the next frame
	room       int             // bytes of a coded buffer; 0: as asked
	extra      bool            // delimiter and timing units around the picture

	// Faults: each takes away one of the count.
	mu     sync.Mutex
	hang   int           // frames that are taken and give nothing
	fault  error         // of the next request below
	on     uintptr       // request that fails
	times  int           // how often
	freeze chan struct{} // a call to `on` waits for it; nil: none
	flags  uint32        // of the next coded buffer

	opened, closed int
	mapped         int
}

func newBoard(t *testing.T) *board {
	return &board{t: t, card: "bcm2835-codec-encode", align: 64, input: formatI420}
}

// machine is one with this board.
func (b *board) machine() machine {
	return machine{
		nodes: func() []string { return []string{"/dev/video11"} },
		open: func(string) (device, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.opened++
			return &codec{b: b, controls: map[uint32]int32{
				ctrlBitrate: 10_000_000, ctrlProfile: 4, ctrlLevel: 11, ctrlIPeriod: 60, ctrlGOPSize: 60,
			}}, nil
		},
		frameLimit: 300 * time.Millisecond, callLimit: time.Minute,
	}
}

// fails takes one fault for this request.
func (b *board) fails(request uintptr) error {
	b.mu.Lock()
	if b.on != request || b.times == 0 {
		b.mu.Unlock()
		return nil
	}
	b.times--
	err, freeze := b.fault, b.freeze
	b.mu.Unlock()
	if freeze != nil {
		<-freeze
	}
	return err
}

// take says whether the next frame is lost, and what flags its buffer has.
func (b *board) take() (lost bool, flags uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hang > 0 {
		b.hang--
		return true, 0
	}
	flags, b.flags = b.flags, 0
	return false, flags
}

// codec is one open handle.
type codec struct {
	b        *board
	in, out  fakeQueue
	crop     image.Point
	controls map[uint32]int32
	parm     streamParm
	firmware stream.Encoder
	frame    *pipeline.Frame
	at       time.Time
	started  bool // has coded a frame
	force    bool
	closed   bool
}

type fakeQueue struct {
	f      format
	bufs   [][]byte
	queued []int
	done   []bufferInfo
	used   map[int]uint32
	stream bool
}

func (c *codec) queue(kind uint32) *fakeQueue {
	switch kind {
	case bufIn:
		return &c.in
	case bufOut:
		return &c.out
	}
	return nil
}

func (c *codec) ioctl(request uintptr, arg unsafe.Pointer) error {
	if c.closed {
		c.b.t.Error("a call on a closed device")
		return unix.EBADF
	}
	if err := c.b.fails(request); err != nil {
		return err
	}
	switch request {
	case queryCap:
		a := (*capability)(arg)
		copy(a.Driver[:], "bcm2835-codec")
		copy(a.Card[:], c.b.card)
		a.Capabilities, a.DeviceCaps = capM2MMultiplanar|capStreaming|capDeviceCaps, capM2MMultiplanar|capStreaming
		return nil
	case enumFormats:
		return c.enumerate((*formatDesc)(arg))
	case setFormat:
		return c.setFormat((*format)(arg))
	case setParm:
		c.parm = *(*streamParm)(arg)
		return c.b.rate
	case setControl:
		return c.setControl((*control)(arg))
	case setSelect:
		return c.choose((*selection)(arg))
	case reqBufs:
		return c.request((*requestBuffers)(arg))
	case queryBuf:
		return c.query((*bufferInfo)(arg))
	case queueBuf:
		return c.enqueue((*bufferInfo)(arg))
	case dequeueBuf:
		return c.dequeue((*bufferInfo)(arg))
	case streamOn, streamOff:
		q := c.queue(uint32(*(*int32)(arg)))
		if q == nil {
			return unix.EINVAL
		}
		q.stream = request == streamOn
		return nil
	}
	c.b.t.Errorf("unknown request %#x", request)
	return unix.ENOTTY
}

func (c *codec) enumerate(a *formatDesc) error {
	list := map[uint32][]uint32{bufIn: {fourCC("YV12"), c.b.input, fourCC("RGB3")}, bufOut: {fourCC("MJPG"), formatH264}}[a.Type]
	if int(a.Index) >= len(list) {
		return unix.EINVAL
	}
	a.PixelFormat = list[a.Index]
	return nil
}

// setFormat is vidioc_try_fmt and vidioc_s_fmt for the role of an encoder.
func (c *codec) setFormat(a *format) error {
	q := c.queue(a.Type)
	if q == nil {
		return unix.EINVAL
	}
	if len(q.bufs) > 0 {
		return unix.EBUSY
	}
	asked := image.Pt(int(a.Width), int(a.Height))
	a.Width, a.Height = min(a.Width, 1920), min(a.Height, 1920)
	a.NumPlanes, a.Field = 1, fieldNone
	if a.Type == bufOut {
		a.PixelFormat = formatH264
		a.Planes[0].SizeImage = max(a.Planes[0].SizeImage, 512<<10)
		if c.b.room > 0 {
			a.Planes[0].SizeImage = uint32(c.b.room)
		}
		q.f = *a
		return nil
	}
	a.PixelFormat = c.b.input
	a.Width, a.Height = max(a.Width, 32), max(a.Height, 32)
	if c.b.tall {
		a.Height = (a.Height + 15) &^ 15
	}
	align := uint32(c.b.align)
	a.Planes[0].BytesPerLine = (max(a.Planes[0].BytesPerLine, a.Width) + align - 1) / align * align
	a.Planes[0].SizeImage = a.Planes[0].BytesPerLine * a.Height * 3 / 2
	q.f = *a
	c.crop = image.Pt(int(a.Width), min(int(a.Height), max(asked.Y, 32)))
	if c.b.tall && c.b.noCrop {
		c.crop.Y = int(a.Height)
	}
	return nil
}

// choose is vidioc_s_selection.
func (c *codec) choose(a *selection) error {
	if a.Type != selectionIn || a.Target != selectionCrop || c.b.noCrop {
		return unix.EINVAL
	}
	a.Left, a.Top = 0, 0
	c.crop = image.Pt(min(int(a.Width), c.crop.X), min(int(a.Height), int(c.in.f.Height)))
	a.Width, a.Height = uint32(c.crop.X), uint32(c.crop.Y)
	return nil
}

// setControl holds values to the driver's ranges, as the kernel's control framework does.
func (c *codec) setControl(a *control) error {
	if c.b.without[a.ID] {
		return unix.EINVAL
	}
	menu := map[uint32][2]int32{ctrlBitrateMode: {0, 1}, ctrlHeaderMode: {1, 1}, ctrlLevel: {0, 15}, ctrlProfile: {0, 4}}
	if m, ok := menu[a.ID]; ok && (a.Value < m[0] || a.Value > m[1]) {
		return unix.ERANGE
	}
	switch a.ID {
	case ctrlBitrate:
		a.Value = min(max(a.Value, 25_000), 25_000_000) / 25_000 * 25_000
		if c.firmware != nil {
			if err := c.firmware.SetBitrate(int(a.Value)); err != nil {
				c.b.t.Error(err)
			}
		}
	case ctrlForceKey:
		c.force = true
		return nil
	case ctrlBitrateMode, ctrlHeaderMode, ctrlLevel, ctrlProfile, ctrlRepeatHeaders, ctrlIPeriod, ctrlGOPSize, ctrlBFrames:
	default:
		return unix.EINVAL
	}
	c.controls[a.ID] = a.Value
	return nil
}

func (c *codec) request(a *requestBuffers) error {
	q := c.queue(a.Type)
	if q == nil || a.Memory != memoryMMAP || q.f.Type == 0 {
		return unix.EINVAL
	}
	q.used = map[int]uint32{}
	for range a.Count {
		q.bufs = append(q.bufs, make([]byte, q.f.Planes[0].SizeImage))
	}
	return nil
}

func (c *codec) query(a *bufferInfo) error {
	q := c.queue(a.Type)
	if q == nil || int(a.Index) >= len(q.bufs) || a.Length != 1 || a.Planes == nil {
		return unix.EINVAL
	}
	a.Planes.Length = uint32(len(q.bufs[a.Index]))
	a.Planes.MemOffset = a.Type<<24 | a.Index<<16
	return nil
}

func (c *codec) mmap(offset int64, length int) ([]byte, error) {
	q := c.queue(uint32(offset >> 24))
	i := int(offset >> 16 & 0xff)
	if q == nil || i >= len(q.bufs) || length != len(q.bufs[i]) {
		return nil, unix.EINVAL
	}
	c.b.mu.Lock()
	c.b.mapped++
	c.b.mu.Unlock()
	return q.bufs[i], nil
}

func (c *codec) munmap([]byte) error {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.b.mapped--
	return nil
}

func (c *codec) enqueue(a *bufferInfo) error {
	q := c.queue(a.Type)
	if q == nil || int(a.Index) >= len(q.bufs) || a.Memory != memoryMMAP || a.Length != 1 || a.Planes == nil {
		return unix.EINVAL
	}
	if _, is := q.used[int(a.Index)]; is {
		return unix.EINVAL // queued twice
	}
	if a.Type == bufIn && a.Planes.BytesUsed != q.f.Planes[0].SizeImage {
		c.b.t.Errorf("a frame of %d bytes, the format has %d", a.Planes.BytesUsed, q.f.Planes[0].SizeImage)
	}
	q.used[int(a.Index)] = a.Planes.BytesUsed
	q.queued = append(q.queued, int(a.Index))
	if a.Type == bufIn && c.in.stream && c.out.stream {
		c.run(time.Unix(a.Sec, a.Usec*1000))
	}
	return nil
}

// run codes the queued frame.
func (c *codec) run(at time.Time) {
	lost, flags := c.b.take()
	if lost {
		return
	}
	i := c.in.queued[len(c.in.queued)-1]
	unit := c.code(c.in.bufs[i], at)
	for n := len(c.in.queued); n > 0; n-- {
		if c.b.keepsInput && n == 1 {
			break
		}
		c.in.done = append(c.in.done, bufferInfo{Index: uint32(c.in.queued[0])})
		c.in.queued = c.in.queued[1:]
	}
	for _, part := range c.parts(unit) {
		if len(c.out.queued) == 0 {
			c.b.t.Error("no buffer for a coded picture")
			return
		}
		o := c.out.queued[0]
		c.out.queued = c.out.queued[1:]
		n := copy(c.out.bufs[o], part)
		c.out.done = append(c.out.done, bufferInfo{Index: uint32(o), Flags: flags, BytesUsed: uint32(n)})
	}
}

// parts are the buffers that a unit comes in.
func (c *codec) parts(unit []byte) [][]byte {
	first := !c.started
	c.started = true
	var sets, slices []byte
	for nal := range nals(unit) {
		to := &slices
		if t := nal[0] & 0x1f; t == nalSPS || t == nalPPS {
			to = &sets
		}
		*to = append(append(*to, startCode...), nal...)
	}
	if c.b.extra {
		slices = append([]byte{0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 6, 5, 1, 0xaa, 0x80}, append(slices, 0, 0, 0)...)
	}
	repeat := c.controls[ctrlRepeatHeaders] == 1 && c.b.headers != "once"
	switch {
	case sets == nil || !first && !repeat:
		return [][]byte{slices}
	case c.b.headers == "apart":
		return [][]byte{sets, slices}
	}
	return [][]byte{append(sets, slices...)}
}

// code crops the frame by the format and has the firmware code it.
func (c *codec) code(mem []byte, at time.Time) []byte {
	if c.firmware == nil {
		enc, err := openh264.New(stream.EncoderConfig{Size: c.crop, FPS: float64(c.parm.Den) / float64(c.parm.Num), Bitrate: int(c.controls[ctrlBitrate])})
		if err != nil {
			c.b.t.Error(err)
			return nil
		}
		c.firmware, c.frame = enc, pipeline.NewFrame()
		if err := c.frame.Prepare(pipeline.I420, c.crop); err != nil {
			c.b.t.Error(err)
		}
	}
	stride, rows := int(c.in.f.Planes[0].BytesPerLine), int(c.in.f.Height)
	y, u, v := c.frame.Planes()
	take := func(dst, src []byte, stride int, size image.Point) {
		for j := range size.Y {
			copy(dst[j*size.X:(j+1)*size.X], src[j*stride:])
		}
	}
	n := stride * rows
	take(y, mem[:n], stride, c.crop)
	take(u, mem[n:n+n/4], stride/2, c.crop.Div(2))
	take(v, mem[n+n/4:n+n/2], stride/2, c.crop.Div(2))
	for {
		if c.frame.At = at; !at.After(c.at) {
			c.frame.At = c.at.Add(time.Millisecond)
		}
		c.at = c.frame.At
		au, err := c.firmware.Encode(c.frame, c.force)
		if err != nil {
			c.b.t.Error(err)
			return nil
		}
		if len(au.Data) > 0 { // the real one skips no frame
			c.force = false
			return au.Data
		}
		at = c.at.Add(10 * time.Millisecond)
	}
}

func (c *codec) dequeue(a *bufferInfo) error {
	q := c.queue(a.Type)
	if q == nil || !q.stream || a.Planes == nil {
		return unix.EINVAL
	}
	if len(q.done) == 0 {
		return unix.EAGAIN
	}
	d := q.done[0]
	q.done = q.done[1:]
	delete(q.used, int(d.Index))
	a.Index, a.Flags, a.Planes.BytesUsed, a.Planes.DataOffset = d.Index, d.Flags, d.BytesUsed, 0
	return nil
}

func (c *codec) poll(events int16, limit time.Duration) (int16, error) {
	var got int16
	if len(c.out.done) > 0 {
		got |= unix.POLLIN
	}
	if len(c.in.done) > 0 {
		got |= unix.POLLOUT
	}
	if len(c.in.queued) == 0 && len(c.out.queued) == 0 && got == 0 {
		return unix.POLLERR, nil
	}
	if got &= events; got == 0 {
		time.Sleep(max(limit, 0)) // nothing will come: this model works within its calls
	}
	return got, nil
}

func (c *codec) close() error {
	if c.closed {
		return fmt.Errorf("closed twice")
	}
	c.closed = true
	c.b.mu.Lock()
	c.b.closed++
	c.b.mu.Unlock()
	if c.firmware == nil {
		return nil
	}
	_ = c.frame.Close()
	return c.firmware.Close()
}
