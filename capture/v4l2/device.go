package v4l2

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"time"

	"gocv.io/x/gocv"
	"golang.org/x/sys/unix"

	"yfv2d/capture/live"
	"yfv2d/yuv"
)

// picture says what a camera that was set up gives.
type picture struct {
	format Format
	size   image.Point // as it comes
	stride int         // bytes from row to row of Y, or of YUYV; 0 for MJPEG
	fps    float64     // 0: unknown
	full   bool        // full range
	matrix yuv.Matrix
	name   string // what the camera calls itself
}

// device is a camera that is open. Its calls may hang; one goroutine makes them all.
type device interface {
	picture() picture
	// read waits for the next picture, copies its bytes to m and gives the time when it was taken. errSilent and errNone
	// do not end the reading; any other error does.
	read(m *gocv.Mat) (time.Time, error)
	close()
}

var (
	errSilent = errors.New("the camera gives no picture")
	errNone   = errors.New("a picture was lost")

	errUnplugged = errors.New("the camera was unplugged")
)

// camera is the device behind OpenCV, and a node of our own to ask about it.
type camera struct {
	h   handle
	n   node
	pic picture
}

// dial opens and sets up a camera.
func dial(cfg Config) (device, error) {
	modes, name, err := survey(cfg.Device)
	if err != nil {
		return nil, err
	}
	w, err := choose(modes, cfg)
	if err != nil {
		return nil, &live.Refused{Err: fmt.Errorf("%s (%s): %w", cfg.Device, name, err)}
	}
	h, err := openHandle(cfg.Device, w)
	if err != nil {
		return nil, why(cfg.Device, err)
	}
	n, err := openNode(cfg.Device)
	if err != nil {
		h.close()
		return nil, openError(cfg.Device, err)
	}
	c := &camera{h: h, n: n}
	if c.pic, err = n.picture(w); err != nil {
		c.close()
		return nil, &live.Refused{Err: fmt.Errorf("%s (%s): %w; it offers %s", cfg.Device, name, err, list(modes))}
	}
	c.pic.name = name
	return c, nil
}

// survey lists a device's modes and name, or says why it is no camera that can be used.
func survey(path string) (modes []Mode, name string, err error) {
	n, err := openNode(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", fmt.Errorf("%s is not there: %s", path, machine.here())
	case errors.Is(err, fs.ErrPermission) && settled(path):
		return nil, "", &live.Refused{Err: openError(path, err)}
	case err != nil:
		return nil, "", openError(path, err)
	}
	defer n.close()
	c, err := n.capability()
	switch {
	case errors.Is(err, unix.ENODEV):
		return nil, "", openError(path, err)
	case err != nil:
		return nil, "", &live.Refused{Err: fmt.Errorf("%s is no camera: %s", path, machine.here())}
	}
	name = text(c.Card[:])
	if !c.captures() {
		return nil, "", &live.Refused{Err: fmt.Errorf("%s (%s) gives no pictures (a node for data about them, or an output): %s", path, name, machine.here())}
	}
	return n.modes(), name, nil
}

// settled says whether a device has been there for some time. udev gives a new one to the group video a moment after it
// appears: until then a refusal is no reason to wait long.
func settled(path string) bool {
	info, err := os.Stat(path)
	return err == nil && time.Since(info.ModTime()) > 10*time.Second
}

// why finds the reason that OpenCV does not give.
func why(path string, failed error) error {
	n, err := openNode(path)
	if err != nil {
		return openError(path, err)
	}
	defer n.close()
	if n.busy() {
		return openError(path, unix.EBUSY)
	}
	return fmt.Errorf("%s: %w", path, failed)
}

// Values of v4l2_pix_format that say how red, green and blue became Y, Cb and Cr (linux/videodev2.h).
const (
	colorSpaceREC709 = 3
	colorSpaceJPEG   = 7
	colorSpaceBT2020 = 10
	colorSpaceDCIP3  = 12

	encoding709    = 2
	encodingXV709  = 4
	encodingBT2020 = 6

	quantizationFull    = 1
	quantizationLimited = 2
)

// picture is what the device is set to, if that is what was wished.
func (n node) picture(w wish) (picture, error) {
	f, err := n.format()
	if err != nil {
		return picture{}, fmt.Errorf("it does not say what it is set to: %w", err)
	}
	p := picture{format: w.format, size: image.Pt(int(f.Width), int(f.Height)), stride: int(f.BytesPerLine), fps: n.fps()}
	if f.PixelFormat != w.format.fourCC() || p.size != w.size {
		return picture{}, fmt.Errorf("it was set to %s and gives %dx%d in another format or size", w, f.Width, f.Height)
	}
	if p.fps > 0 && w.fps > 0 && !same(p.fps, w.fps) {
		return picture{}, fmt.Errorf("it was set to %s and gives %s a second", w, rate(p.fps))
	}
	p.full, p.matrix = f.colors()
	return p, nil
}

// colors are range and matrix, with the kernel's defaults for what the driver leaves open (V4L2_MAP_QUANTIZATION_DEFAULT,
// V4L2_MAP_YCBCR_ENC_DEFAULT).
func (f *pixFormat) colors() (full bool, matrix yuv.Matrix) {
	full = f.Quantization == quantizationFull || f.Quantization != quantizationLimited && f.ColorSpace == colorSpaceJPEG
	switch f.YCbCrEnc {
	case 0:
		switch f.ColorSpace {
		case colorSpaceREC709, colorSpaceDCIP3:
			return full, yuv.BT709
		case colorSpaceBT2020:
			return full, yuv.BT2020
		}
	case encoding709, encodingXV709:
		return full, yuv.BT709
	case encodingBT2020:
		return full, yuv.BT2020
	}
	return full, yuv.BT601
}

func (c *camera) picture() picture { return c.pic }

func (c *camera) read(m *gocv.Mat) (time.Time, error) {
	began := time.Now()
	ok := c.h.read(m)
	now := time.Now()
	if ok {
		return taken(now, c.h.get(gocv.VideoCapturePosMsec)), nil
	}
	if _, err := c.n.capability(); err != nil {
		return time.Time{}, errUnplugged
	}
	if now.Sub(began) > time.Second/2 { // only a wait that came to its end takes so long
		return time.Time{}, errSilent
	}
	return time.Time{}, errNone
}

// close ends the capture first: the node of our own keeps the device's number taken until then.
func (c *camera) close() {
	c.h.close()
	c.n.close()
}

// sane is how old a picture may be when it arrives, by its own time: a driver's clock may be another.
const sane = time.Second

// taken is the time of a picture that came now, by the driver's time stamp in milliseconds: CLOCK_MONOTONIC, which Go's
// times hold too. Without a plausible one it is now.
func taken(now time.Time, stamp float64) time.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return now
	}
	age := time.Duration(ts.Nano()) - time.Duration(stamp*float64(time.Millisecond)) - time.Since(now)
	if age < 0 || age > sane {
		return now
	}
	return now.Add(-age)
}
