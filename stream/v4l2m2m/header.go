package v4l2m2m

/*
#include <linux/videodev2.h>
*/
import "C"

import "unsafe"

// A difference between ioctl.go and the kernel's header makes an index out of range, which does not compile.
var (
	_ = [1]int{}[unsafe.Sizeof(capability{})-C.sizeof_struct_v4l2_capability]
	_ = [1]int{}[unsafe.Sizeof(formatDesc{})-C.sizeof_struct_v4l2_fmtdesc]
	_ = [1]int{}[unsafe.Sizeof(planeFormat{})-C.sizeof_struct_v4l2_plane_pix_format]
	_ = [1]int{}[sizeOfMplane-C.sizeof_struct_v4l2_pix_format_mplane]
	_ = [1]int{}[unsafe.Sizeof(format{})-C.sizeof_struct_v4l2_format]
	_ = [1]int{}[sizeOfOutputParm-C.sizeof_struct_v4l2_outputparm]
	_ = [1]int{}[unsafe.Sizeof(streamParm{})-C.sizeof_struct_v4l2_streamparm]
	_ = [1]int{}[unsafe.Sizeof(selection{})-C.sizeof_struct_v4l2_selection]
	_ = [1]int{}[unsafe.Sizeof(control{})-C.sizeof_struct_v4l2_control]
	_ = [1]int{}[unsafe.Sizeof(requestBuffers{})-C.sizeof_struct_v4l2_requestbuffers]
	_ = [1]int{}[unsafe.Sizeof(plane{})-C.sizeof_struct_v4l2_plane]
	_ = [1]int{}[unsafe.Sizeof(bufferInfo{})-C.sizeof_struct_v4l2_buffer]

	_ = [1]int{}[unsafe.Offsetof(capability{}.DeviceCaps)-unsafe.Offsetof(C.struct_v4l2_capability{}.device_caps)]
	_ = [1]int{}[unsafe.Offsetof(formatDesc{}.PixelFormat)-unsafe.Offsetof(C.struct_v4l2_fmtdesc{}.pixelformat)]
	_ = [1]int{}[unsafe.Offsetof(format{}.Width)-unsafe.Offsetof(C.struct_v4l2_format{}.fmt)]
	_ = [1]int{}[unsafe.Offsetof(streamParm{}.Num)-unsafe.Offsetof(C.struct_v4l2_streamparm{}.parm)-unsafe.Offsetof(C.struct_v4l2_outputparm{}.timeperframe)]
	_ = [1]int{}[unsafe.Offsetof(selection{}.Left)-unsafe.Offsetof(C.struct_v4l2_selection{}.r)]
	_ = [1]int{}[unsafe.Offsetof(requestBuffers{}.Capabilities)-unsafe.Offsetof(C.struct_v4l2_requestbuffers{}.capabilities)]
	_ = [1]int{}[unsafe.Offsetof(plane{}.MemOffset)-unsafe.Offsetof(C.struct_v4l2_plane{}.m)]
	_ = [1]int{}[unsafe.Offsetof(plane{}.DataOffset)-unsafe.Offsetof(C.struct_v4l2_plane{}.data_offset)]
	_ = [1]int{}[unsafe.Offsetof(bufferInfo{}.Sec)-unsafe.Offsetof(C.struct_v4l2_buffer{}.timestamp)]
	_ = [1]int{}[unsafe.Offsetof(bufferInfo{}.Sequence)-unsafe.Offsetof(C.struct_v4l2_buffer{}.sequence)]
	_ = [1]int{}[unsafe.Offsetof(bufferInfo{}.Planes)-unsafe.Offsetof(C.struct_v4l2_buffer{}.m)]
	_ = [1]int{}[unsafe.Offsetof(bufferInfo{}.Length)-unsafe.Offsetof(C.struct_v4l2_buffer{}.length)]

	_ = [1]int{}[queryCap-C.VIDIOC_QUERYCAP]
	_ = [1]int{}[enumFormats-C.VIDIOC_ENUM_FMT]
	_ = [1]int{}[setFormat-C.VIDIOC_S_FMT]
	_ = [1]int{}[reqBufs-C.VIDIOC_REQBUFS]
	_ = [1]int{}[queryBuf-C.VIDIOC_QUERYBUF]
	_ = [1]int{}[queueBuf-C.VIDIOC_QBUF]
	_ = [1]int{}[dequeueBuf-C.VIDIOC_DQBUF]
	_ = [1]int{}[streamOn-C.VIDIOC_STREAMON]
	_ = [1]int{}[streamOff-C.VIDIOC_STREAMOFF]
	_ = [1]int{}[setParm-C.VIDIOC_S_PARM]
	_ = [1]int{}[setControl-C.VIDIOC_S_CTRL]
	_ = [1]int{}[setSelect-C.VIDIOC_S_SELECTION]

	_ = [1]int{}[bufIn-C.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE]
	_ = [1]int{}[bufOut-C.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE]
	_ = [1]int{}[capM2MMultiplanar-C.V4L2_CAP_VIDEO_M2M_MPLANE]
	_ = [1]int{}[ctrlBFrames-C.V4L2_CID_MPEG_VIDEO_B_FRAMES]
	_ = [1]int{}[ctrlGOPSize-C.V4L2_CID_MPEG_VIDEO_GOP_SIZE]
	_ = [1]int{}[ctrlBitrateMode-C.V4L2_CID_MPEG_VIDEO_BITRATE_MODE]
	_ = [1]int{}[ctrlBitrate-C.V4L2_CID_MPEG_VIDEO_BITRATE]
	_ = [1]int{}[ctrlHeaderMode-C.V4L2_CID_MPEG_VIDEO_HEADER_MODE]
	_ = [1]int{}[ctrlRepeatHeaders-C.V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER]
	_ = [1]int{}[ctrlForceKey-C.V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME]
	_ = [1]int{}[ctrlIPeriod-C.V4L2_CID_MPEG_VIDEO_H264_I_PERIOD]
	_ = [1]int{}[ctrlLevel-C.V4L2_CID_MPEG_VIDEO_H264_LEVEL]
	_ = [1]int{}[ctrlProfile-C.V4L2_CID_MPEG_VIDEO_H264_PROFILE]
)
