package v4l2m2m

import (
	"bytes"
	"unsafe"
)

// The structs are those of linux/videodev2.h on 64-bit machines; header.go has the compiler compare them.

const (
	capM2MMultiplanar = 0x00004000 // V4L2_CAP_VIDEO_M2M_MPLANE
	capStreaming      = 0x04000000 // V4L2_CAP_STREAMING
	capDeviceCaps     = 0x80000000 // V4L2_CAP_DEVICE_CAPS: DeviceCaps are this node's

	// Names of the queues as the interface has them: a program's output is what goes in.
	bufIn  = 10 // V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
	bufOut = 9  // V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

	memoryMMAP = 1 // V4L2_MEMORY_MMAP
	fieldNone  = 1 // V4L2_FIELD_NONE

	bufFlagError = 0x00000040 // V4L2_BUF_FLAG_ERROR
	bufFlagLast  = 0x00100000 // V4L2_BUF_FLAG_LAST

	colorSMPTE170M = 1 // V4L2_COLORSPACE_SMPTE170M
	encoding601    = 1 // V4L2_YCBCR_ENC_601
	limitedRange   = 2 // V4L2_QUANTIZATION_LIM_RANGE
	transfer709    = 1 // V4L2_XFER_FUNC_709, which is SMPTE 170M's too

	selectionIn   = 2 // V4L2_BUF_TYPE_VIDEO_OUTPUT: selections have no multi-planar types
	selectionCrop = 0 // V4L2_SEL_TGT_CROP
)

var (
	formatI420 = fourCC("YU12")
	formatH264 = fourCC("H264")
)

func fourCC(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// Controls (linux/v4l2-controls.h).
const (
	ctrlBase          = 0x00990900 // V4L2_CID_CODEC_BASE
	ctrlBFrames       = ctrlBase + 202
	ctrlGOPSize       = ctrlBase + 203
	ctrlBitrateMode   = ctrlBase + 206
	ctrlBitrate       = ctrlBase + 207
	ctrlHeaderMode    = ctrlBase + 216
	ctrlRepeatHeaders = ctrlBase + 226
	ctrlForceKey      = ctrlBase + 229
	ctrlIPeriod       = ctrlBase + 358
	ctrlLevel         = ctrlBase + 359
	ctrlProfile       = ctrlBase + 363

	modeCBR             = 1 // V4L2_MPEG_VIDEO_BITRATE_MODE_CBR
	headerJoined        = 1 // V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME
	profileBaseline     = 0 // V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE
	profileConstrained  = 1 // V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE
	longestPeriod       = 1<<31 - 1
	maxBuffers          = 32 // VIDEO_MAX_FRAME
	maxPlanes           = 8  // VIDEO_MAX_PLANES
	sizeOfFormatUnion   = 200
	sizeOfMplane        = 192
	sizeOfStreamParm    = 200
	sizeOfOutputParm    = 40
	reservedWordsPlanes = 11
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

// encodes says whether the node turns frames into other frames.
func (c *capability) encodes() bool {
	caps := c.Capabilities
	if caps&capDeviceCaps != 0 {
		caps = c.DeviceCaps
	}
	const want = capM2MMultiplanar | capStreaming
	return caps&want == want
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

// planeFormat is struct v4l2_plane_pix_format.
type planeFormat struct {
	SizeImage    uint32
	BytesPerLine uint32
	_            [6]uint16
}

// format is struct v4l2_format with its v4l2_pix_format_mplane.
type format struct {
	Type         uint32
	_            uint32 // the union is aligned as the pointers in it
	Width        uint32
	Height       uint32
	PixelFormat  uint32
	Field        uint32
	ColorSpace   uint32
	Planes       [maxPlanes]planeFormat
	NumPlanes    uint8
	Flags        uint8
	YCbCrEnc     uint8
	Quantization uint8
	XferFunc     uint8
	_            [7]byte
	_            [sizeOfFormatUnion - sizeOfMplane]byte
}

// streamParm is struct v4l2_streamparm with its v4l2_outputparm. A frame takes Num/Den seconds.
type streamParm struct {
	Type         uint32
	Capability   uint32
	OutputMode   uint32
	Num, Den     uint32
	ExtendedMode uint32
	WriteBuffers uint32
	_            [4]uint32
	_            [sizeOfStreamParm - sizeOfOutputParm]byte
}

// selection is struct v4l2_selection with its v4l2_rect.
type selection struct {
	Type          uint32
	Target        uint32
	Flags         uint32
	Left, Top     int32
	Width, Height uint32
	_             [9]uint32
}

// control is struct v4l2_control.
type control struct {
	ID    uint32
	Value int32
}

// requestBuffers is struct v4l2_requestbuffers.
type requestBuffers struct {
	Count        uint32
	Type         uint32
	Memory       uint32
	Capabilities uint32
	Flags        uint8
	_            [3]byte
}

// plane is struct v4l2_plane.
type plane struct {
	BytesUsed  uint32
	Length     uint32
	MemOffset  uint32
	_          uint32 // the union holds a pointer
	DataOffset uint32
	_          [reservedWordsPlanes]uint32
}

// bufferInfo is struct v4l2_buffer.
type bufferInfo struct {
	Index     uint32
	Type      uint32
	BytesUsed uint32
	Flags     uint32
	Field     uint32
	_         uint32
	Sec, Usec int64
	_         [4]uint32 // timecode
	Sequence  uint32
	Memory    uint32
	Planes    *plane
	Length    uint32 // how many planes
	_         uint32
	_         uint32
	_         uint32
}

// Request numbers: direction, size of the argument, 'V', number (asm-generic/ioctl.h).
const (
	dirRead  = 2 << 30
	dirWrite = 1 << 30
	dirBoth  = dirRead | dirWrite

	queryCap    = dirRead | unsafe.Sizeof(capability{})<<16 | 'V'<<8
	enumFormats = dirBoth | unsafe.Sizeof(formatDesc{})<<16 | 'V'<<8 | 2
	setFormat   = dirBoth | unsafe.Sizeof(format{})<<16 | 'V'<<8 | 5
	reqBufs     = dirBoth | unsafe.Sizeof(requestBuffers{})<<16 | 'V'<<8 | 8
	queryBuf    = dirBoth | unsafe.Sizeof(bufferInfo{})<<16 | 'V'<<8 | 9
	queueBuf    = dirBoth | unsafe.Sizeof(bufferInfo{})<<16 | 'V'<<8 | 15
	dequeueBuf  = dirBoth | unsafe.Sizeof(bufferInfo{})<<16 | 'V'<<8 | 17
	streamOn    = dirWrite | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 18
	streamOff   = dirWrite | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 19
	setParm     = dirBoth | unsafe.Sizeof(streamParm{})<<16 | 'V'<<8 | 22
	setControl  = dirBoth | unsafe.Sizeof(control{})<<16 | 'V'<<8 | 28
	setSelect   = dirBoth | unsafe.Sizeof(selection{})<<16 | 'V'<<8 | 95
)

// text is a C string in a field.
func text(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(bytes.ToValidUTF8(bytes.TrimSpace(field), []byte("?")))
}
