package capture

/*
#cgo pkg-config: opencv4
#cgo CXXFLAGS: -std=c++11
#include <stdlib.h>
#include "opencv.h"
*/
import "C"

import (
	"errors"
	"io"
	"os"
	"unsafe"

	"gocv.io/x/gocv"
)

// A bad file is reported once, by the error that Open or Read returns. OpenCV and FFmpeg would also write lines of
// their own to standard error: they are silenced here, before their first use, unless the person who starts the program
// set the variable to see them. OpenCV reads its log level when the library is loaded, so it takes a call; the FFmpeg
// backend reads the variable at its first use (os.Setenv reaches C's environment in a program with cgo). What libpng and
// libjpeg say of a damaged picture cannot be reached from here.
func init() {
	if os.Getenv("OPENCV_LOG_LEVEL") == "" {
		C.yfv_opencv_quiet()
	}
	if os.Getenv("OPENCV_FFMPEG_LOGLEVEL") == "" {
		_ = os.Setenv("OPENCV_FFMPEG_LOGLEVEL", "-8") // AV_LOG_QUIET
	}
}

// handle is a cv::VideoCapture on the FFmpeg backend. One goroutine at a time.
type handle struct{ p unsafe.Pointer }

var (
	errNoVideo = errors.New("no video that this FFmpeg can read")
	errDecode  = errors.New("OpenCV cannot go on with the file: it is damaged or its picture size changes")
)

func openHandle(path string) (handle, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	h := handle{C.yfv_video_open(name)}
	if h.p == nil {
		return h, errNoVideo
	}
	return h, nil
}

// read decodes the next picture into m; io.EOF at the end.
func (h handle) read(m *gocv.Mat) error {
	switch C.yfv_video_read(h.p, unsafe.Pointer(m.Ptr())) {
	case 1:
		if m.Empty() {
			return io.EOF
		}
		return nil
	case 0:
		return io.EOF
	}
	return errDecode
}

func (h handle) get(prop gocv.VideoCaptureProperties) float64 {
	return float64(C.yfv_video_get(h.p, C.int(prop)))
}

func (h *handle) close() {
	C.yfv_video_close(h.p)
	h.p = nil
}

// decodeInto decodes a coded picture into m as 8-bit BGR, turned upright by its EXIF.
func decodeInto(m *gocv.Mat, data []byte) error {
	if len(data) == 0 || C.yfv_picture_decode(unsafe.Pointer(m.Ptr()), unsafe.Pointer(&data[0]), C.size_t(len(data))) == 0 {
		return errors.New("the picture is damaged or cut short")
	}
	return nil
}
