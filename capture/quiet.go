package capture

/*
#cgo pkg-config: opencv4
#cgo CXXFLAGS: -std=c++11
void yfv_opencv_quiet(void);
*/
import "C"

import "os"

// A bad file is reported once, by the error that Open or Read returns. OpenCV and FFmpeg would also write lines of
// their own to standard error: they are silenced here, before their first use, unless the person who starts the program
// set the variable to see them. OpenCV reads its log level when the library is loaded, so it takes a call; the FFmpeg
// backend reads the variable at its first use (os.Setenv reaches C's environment in a program with cgo).
func init() {
	if os.Getenv("OPENCV_LOG_LEVEL") == "" {
		C.yfv_opencv_quiet()
	}
	if os.Getenv("OPENCV_FFMPEG_LOGLEVEL") == "" {
		_ = os.Setenv("OPENCV_FFMPEG_LOGLEVEL", "-8") // AV_LOG_QUIET
	}
}
