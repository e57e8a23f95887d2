package v4l2

import (
	"bytes"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What is asked of a device beside OpenCV, which neither lists modes nor says why it refuses one. The structs are those of
// linux/videodev2.h on 64-bit machines; header.go has the compiler compare them.

const (
	capVideoCapture = 0x00000001 // V4L2_CAP_VIDEO_CAPTURE
	capDeviceCaps   = 0x80000000 // V4L2_CAP_DEVICE_CAPS: DeviceCaps are this node's
	bufVideoCapture = 1          // V4L2_BUF_TYPE_VIDEO_CAPTURE

	kindDiscrete = 1 // V4L2_FRMSIZE_TYPE_DISCRETE and V4L2_FRMIVAL_TYPE_DISCRETE; else a range
)

// capability is struct v4l2_capability.
type capability struct {
	Driver       [16]byte
	Card         [32]byte
	BusInfo      [32]byte
	Version      uint32
	Capabilities uint32
	DeviceCaps   uint32
	_            [3]uint32
}

// formatDesc is struct v4l2_fmtdesc.
type formatDesc struct {
	Index       uint32
	Type        uint32
	Flags       uint32
	Description [32]byte
	PixelFormat uint32
	MbusCode    uint32
	_           [3]uint32
}

// sizeEnum is struct v4l2_frmsizeenum. Size is width and height, or of a range: least, greatest and step of width, then of
// height.
type sizeEnum struct {
	Index       uint32
	PixelFormat uint32
	Type        uint32
	Size        [6]uint32
	_           [2]uint32
}

// intervalEnum is struct v4l2_frmivalenum. Interval is a time, or of a range: the least, the greatest and the step.
type intervalEnum struct {
	Index         uint32
	PixelFormat   uint32
	Width, Height uint32
	Type          uint32
	Interval      [3]fraction
	_             [2]uint32
}

// fraction is struct v4l2_fract, seconds.
type fraction struct{ Num, Den uint32 }

// fps is the pictures a second of a time between pictures, 0 if there is none.
func (f fraction) fps() float64 {
	if f.Num == 0 || f.Den == 0 {
		return 0
	}
	return float64(f.Den) / float64(f.Num)
}

// pixFormat is struct v4l2_format with its v4l2_pix_format.
type pixFormat struct {
	Type         uint32
	_            uint32 // the union is aligned as the pointers in it
	Width        uint32
	Height       uint32
	PixelFormat  uint32
	Field        uint32
	BytesPerLine uint32
	SizeImage    uint32
	ColorSpace   uint32
	Priv         uint32
	Flags        uint32
	YCbCrEnc     uint32
	Quantization uint32
	XferFunc     uint32
	_            [200 - 12*4]byte
}

// streamParm is struct v4l2_streamparm with its v4l2_captureparm.
type streamParm struct {
	Type         uint32
	Capability   uint32
	CaptureMode  uint32
	TimePerFrame fraction
	ExtendedMode uint32
	ReadBuffers  uint32
	_            [4]uint32
	_            [200 - 10*4]byte
}

// Request numbers: direction, size of the argument, 'V', number (asm-generic/ioctl.h).
const (
	dirRead  = 2 << 30
	dirWrite = 1 << 30

	queryCap      = dirRead | unsafe.Sizeof(capability{})<<16 | 'V'<<8 // number 0
	enumFormats   = dirRead | dirWrite | unsafe.Sizeof(formatDesc{})<<16 | 'V'<<8 | 2
	getFormat     = dirRead | dirWrite | unsafe.Sizeof(pixFormat{})<<16 | 'V'<<8 | 4
	setFormat     = dirRead | dirWrite | unsafe.Sizeof(pixFormat{})<<16 | 'V'<<8 | 5
	getParm       = dirRead | dirWrite | unsafe.Sizeof(streamParm{})<<16 | 'V'<<8 | 21
	enumSizes     = dirRead | dirWrite | unsafe.Sizeof(sizeEnum{})<<16 | 'V'<<8 | 74
	enumIntervals = dirRead | dirWrite | unsafe.Sizeof(intervalEnum{})<<16 | 'V'<<8 | 75
)

// node is an open device. Its calls may hang in a driver that does.
type node struct{ fd int }

// openNode opens a device for questions; any number of them may be open beside a program that captures.
func openNode(path string) (node, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return node{fd}, err
		}
	}
}

func (n node) close() { _ = unix.Close(n.fd) }

// ask makes a request whose argument is at arg.
func (n node) ask(request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.fd), request, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

func (n node) capability() (c capability, err error) {
	err = n.ask(queryCap, unsafe.Pointer(&c))
	return c, err
}

// captures says whether the node gives pictures, and not data about them: a USB camera has a node for each.
func (c *capability) captures() bool {
	caps := c.Capabilities
	if caps&capDeviceCaps != 0 {
		caps = c.DeviceCaps
	}
	return caps&capVideoCapture != 0
}

func (n node) format() (f pixFormat, err error) {
	f.Type = bufVideoCapture
	err = n.ask(getFormat, unsafe.Pointer(&f))
	return f, err
}

// busy says whether another program captures from the device: then the format it has cannot be set again.
func (n node) busy() bool {
	f, err := n.format()
	return err == nil && errors.Is(n.ask(setFormat, unsafe.Pointer(&f)), unix.EBUSY)
}

// fps is the rate that is set, 0 if the device does not say.
func (n node) fps() float64 {
	p := streamParm{Type: bufVideoCapture}
	if n.ask(getParm, unsafe.Pointer(&p)) != nil {
		return 0
	}
	return p.TimePerFrame.fps()
}

// text is a C string in a field.
func text(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(bytes.ToValidUTF8(bytes.TrimSpace(field), []byte("?")))
}
