package v4l2

/*
#cgo pkg-config: opencv4
#cgo CXXFLAGS: -std=c++11
#include <stdlib.h>
#include "opencv.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"gocv.io/x/gocv"
)

// selectTimeout is how long OpenCV waits for a picture before its read returns without one, in seconds: its own 10 s are
// too long for a camera that has gone silent and is to be closed. The first picture of a USB camera takes up to 1.5 s.
const selectTimeout = "2"

// OpenCV reads the variable at the first wait (os.Setenv reaches C's environment in a program with cgo).
func init() {
	if os.Getenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT") == "" {
		_ = os.Setenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", selectTimeout)
	}
}

// handle is a cv::VideoCapture on the V4L2 backend. One goroutine at a time.
type handle struct{ p unsafe.Pointer }

// buffers is how many pictures the driver may hold. OpenCV gives a buffer back to the driver before it has copied the
// picture out of it: with one buffer the next picture would be written over it meanwhile, with two the other comes first.
const buffers = 2

func openHandle(path string, w wish) (handle, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	h := handle{C.yfv_v4l2_open(name)}
	if h.p == nil {
		return h, errors.New("OpenCV cannot open it")
	}
	for _, s := range []struct {
		prop  gocv.VideoCaptureProperties
		value float64
	}{
		{gocv.VideoCaptureConvertRGB, 0},
		{gocv.VideoCaptureFOURCC, float64(w.format.fourCC())},
		{gocv.VideoCaptureFrameWidth, float64(w.size.X)},
		{gocv.VideoCaptureFrameHeight, float64(w.size.Y)},
		{gocv.VideoCaptureBufferSize, buffers},
		{gocv.VideoCaptureFPS, w.fps}, // last: each of the above sets 30 a second
	} {
		if !h.set(s.prop, s.value) && s.prop != gocv.VideoCaptureFPS { // not every driver has rates
			h.close()
			return handle{}, fmt.Errorf("the camera refuses %s", w)
		}
	}
	return h, nil
}

func (h handle) set(prop gocv.VideoCaptureProperties, v float64) bool {
	return C.yfv_v4l2_set(h.p, C.int(prop), C.double(v)) != 0
}

func (h handle) get(prop gocv.VideoCaptureProperties) float64 {
	return float64(C.yfv_v4l2_get(h.p, C.int(prop)))
}

// read waits for the next picture and copies its bytes to m; false if none came, or OpenCV failed.
func (h handle) read(m *gocv.Mat) bool {
	return C.yfv_v4l2_read(h.p, unsafe.Pointer(m.Ptr())) == 1 && !m.Empty()
}

func (h *handle) close() {
	if h.p != nil {
		C.yfv_v4l2_close(h.p)
		h.p = nil
	}
}
