package main

import (
	"fmt"
	"image"
	"os"
	"path/filepath"

	"gocv.io/x/gocv"

	"yfv2d/pipeline"
	"yfv2d/yuv"
)

// codecs in the order they are tried: which of them there are depends on how FFmpeg was built.
var codecs = []struct{ fourcc, name string }{{"avc1", "H.264"}, {"mp4v", "MPEG-4 Part 2"}}

// videoWriter writes I420 frames to an mp4 file, through a file beside it that gets the name when it is complete.
type videoWriter struct {
	path, part string
	codec      string // for a person
	size       image.Point
	w          *gocv.VideoWriter
	bgr        gocv.Mat
	scaled     []byte // I420, when a frame's size differs from the first one's
	frames     int
}

// newVideoWriter opens path for pictures of that size (even sides) and constant rate. finish or abandon ends it.
func newVideoWriter(path string, size image.Point, fps float64) (*videoWriter, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".yfv2d-*.mp4") // tells better than OpenCV why a folder cannot be written to
	if err != nil {
		return nil, err
	}
	v := &videoWriter{path: path, part: f.Name(), size: size, bgr: gocv.NewMatWithSize(size.Y, size.X, gocv.MatTypeCV8UC3)}
	if err := f.Chmod(0o644); err != nil {
		v.abandon()
		return nil, err
	}
	if err := f.Close(); err != nil {
		v.abandon()
		return nil, err
	}
	for _, c := range codecs {
		v.w, err = gocv.VideoWriterFile(v.part, c.fourcc, fps, size.X, size.Y, true)
		if err == nil && v.w.IsOpened() {
			v.codec = c.name
			return v, nil
		}
		v.closeWriter()
	}
	v.abandon()
	return nil, fmt.Errorf("write %s: this OpenCV can write neither H.264 nor MPEG-4 of %dx%d pixels at %.3g frames/s", path, size.X, size.Y, fps)
}

// write adds a frame, scaled if its size is not the first one's.
func (v *videoWriter) write(f *pipeline.Frame) error {
	pix := f.Pix()
	if size := f.Size(); size != v.size {
		if n := yuv.Len(v.size); len(v.scaled) != n {
			v.scaled = make([]byte, n)
		}
		if err := yuv.Scale(v.scaled, v.size, pix, size); err != nil {
			return err
		}
		pix = v.scaled
	}
	dst, err := v.bgr.DataPtrUint8()
	if err != nil {
		return err
	}
	if err := yuv.ToBGR(dst, v.size.X*3, pix, v.size); err != nil {
		return err
	}
	v.frames++
	return v.w.Write(v.bgr)
}

// finish completes the file and gives it its name. OpenCV tells nobody of a write that failed (a full disk), so the
// file must open again and hold as many frames as were written.
func (v *videoWriter) finish() error {
	defer v.abandon()
	v.closeWriter()
	if n := framesIn(v.part); n < v.frames {
		return fmt.Errorf("write %s: only %d of %d frames arrived in the file: is the disk full?", v.path, n, v.frames)
	}
	return os.Rename(v.part, v.path)
}

func framesIn(path string) int {
	vc, err := gocv.VideoCaptureFileWithAPI(path, gocv.VideoCaptureFFmpeg)
	if err != nil {
		return 0
	}
	defer vc.Close()
	return int(vc.Get(gocv.VideoCaptureFrameCount))
}

// abandon frees everything and removes what finish has not named. It may be called twice.
func (v *videoWriter) abandon() {
	v.closeWriter()
	_ = v.bgr.Close()
	_ = os.Remove(v.part)
}

func (v *videoWriter) closeWriter() {
	if v.w != nil {
		_ = v.w.Close()
		v.w = nil
	}
}
