package v4l2

/*
#include <linux/videodev2.h>
*/
import "C"

import "unsafe"

// A difference between ioctl.go and the kernel's header makes an index out of range, which does not compile.
var (
	_ = [1]int{}[unsafe.Sizeof(capability{})-C.sizeof_struct_v4l2_capability]
	_ = [1]int{}[unsafe.Sizeof(formatDesc{})-C.sizeof_struct_v4l2_fmtdesc]
	_ = [1]int{}[unsafe.Sizeof(sizeEnum{})-C.sizeof_struct_v4l2_frmsizeenum]
	_ = [1]int{}[unsafe.Sizeof(intervalEnum{})-C.sizeof_struct_v4l2_frmivalenum]
	_ = [1]int{}[unsafe.Sizeof(pixFormat{})-C.sizeof_struct_v4l2_format]
	_ = [1]int{}[unsafe.Sizeof(streamParm{})-C.sizeof_struct_v4l2_streamparm]

	_ = [1]int{}[unsafe.Offsetof(capability{}.DeviceCaps)-unsafe.Offsetof(C.struct_v4l2_capability{}.device_caps)]
	_ = [1]int{}[unsafe.Offsetof(formatDesc{}.PixelFormat)-unsafe.Offsetof(C.struct_v4l2_fmtdesc{}.pixelformat)]
	_ = [1]int{}[unsafe.Offsetof(sizeEnum{}.Type)-unsafe.Offsetof(C.struct_v4l2_frmsizeenum{}._type)]
	_ = [1]int{}[unsafe.Offsetof(intervalEnum{}.Type)-unsafe.Offsetof(C.struct_v4l2_frmivalenum{}._type)]
	_ = [1]int{}[unsafe.Offsetof(pixFormat{}.Width)-unsafe.Offsetof(C.struct_v4l2_format{}.fmt)]
	_ = [1]int{}[unsafe.Offsetof(pixFormat{}.Quantization)-unsafe.Offsetof(pixFormat{}.Width)-unsafe.Offsetof(C.struct_v4l2_pix_format{}.quantization)]
	_ = [1]int{}[unsafe.Offsetof(streamParm{}.TimePerFrame)-unsafe.Offsetof(C.struct_v4l2_streamparm{}.parm)-unsafe.Offsetof(C.struct_v4l2_captureparm{}.timeperframe)]

	_ = [1]int{}[queryCap-C.VIDIOC_QUERYCAP]
	_ = [1]int{}[enumFormats-C.VIDIOC_ENUM_FMT]
	_ = [1]int{}[getFormat-C.VIDIOC_G_FMT]
	_ = [1]int{}[setFormat-C.VIDIOC_S_FMT]
	_ = [1]int{}[getParm-C.VIDIOC_G_PARM]
	_ = [1]int{}[enumSizes-C.VIDIOC_ENUM_FRAMESIZES]
	_ = [1]int{}[enumIntervals-C.VIDIOC_ENUM_FRAMEINTERVALS]
)
