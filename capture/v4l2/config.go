// Package v4l2 reads cameras that the kernel drives: USB cameras and capture sticks, by OpenCV's Video4Linux backend.
package v4l2

import (
	"fmt"
	"image"
	"math"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Format names how a camera gives its pictures.
type Format string

// The formats that are read.
const (
	Auto  Format = ""     // what gives the wanted size at the wanted rate, raw before coded
	YUYV  Format = "yuyv" // raw, 2 bytes a pixel: over USB 2 no more than about 640x480 at 30 a second
	NV12  Format = "nv12" // raw, 1.5 bytes a pixel
	MJPEG Format = "mjpeg"
)

// Config says which camera to read, and how.
type Config struct {
	Device string      // an absolute path
	Size   image.Point // zero: 640x480, or what the camera offers next to it
	FPS    float64     // 0: the fastest that the camera offers up to 30
	Format Format
}

const form = "v4l2:/dev/video0?size=640x480&fps=30&format=yuyv|mjpeg|nv12 (every parameter may be left out; " +
	"/dev/v4l/by-id/... names a camera wherever it is plugged in)"

// What a picture may measure, and what a camera may give a second.
const (
	minSide = 16
	maxSide = 8192
	minFPS  = 1
	maxFPS  = 1000
)

var deviceNumber = regexp.MustCompile(`^[0-9]{1,3}$`)

// Parse reads a source string: v4l2:DEVICE?size=WxH&fps=N&format=NAME, where DEVICE is a path or the N of /dev/videoN. It
// touches no device.
func Parse(spec string) (Config, error) {
	rest, ok := strings.CutPrefix(spec, "v4l2:")
	if !ok {
		return Config{}, fmt.Errorf("source %q: want %s", spec, form)
	}
	device, query, _ := strings.Cut(rest, "?")
	cfg, err := parse(strings.TrimPrefix(device, "//"), query)
	if err != nil {
		return Config{}, fmt.Errorf("source %q: %w", spec, err)
	}
	return cfg, nil
}

func parse(device, query string) (Config, error) {
	if strings.ContainsAny(device+query, "\x00\r\n") {
		return Config{}, fmt.Errorf("it may hold neither line breaks nor NUL")
	}
	if deviceNumber.MatchString(device) {
		device = "/dev/video" + device
	}
	switch {
	case device == "":
		return Config{}, fmt.Errorf("no camera is named; write %s", form)
	case !path.IsAbs(device):
		return Config{}, fmt.Errorf("camera %q: want a path such as /dev/video0, or its number", device)
	}
	cfg := Config{Device: path.Clean(device)}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Config{}, fmt.Errorf("parameters %q: want name=value joined by &", query)
	}
	for key, v := range values {
		if len(v) != 1 {
			return Config{}, fmt.Errorf("%s is given %d times", key, len(v))
		}
		if err := cfg.set(key, v[0]); err != nil {
			return Config{}, err
		}
	}
	return cfg, nil
}

func (c *Config) set(key, value string) error {
	switch key {
	case "size":
		var w, h int
		if n, err := fmt.Sscanf(value, "%dx%d", &w, &h); err != nil || n != 2 || fmt.Sprintf("%dx%d", w, h) != value {
			return fmt.Errorf("size %q: want WIDTHxHEIGHT, such as 640x480", value)
		}
		if min(w, h) < minSide || max(w, h) > maxSide {
			return fmt.Errorf("size %s: want sides from %d to %d", value, minSide, maxSide)
		}
		c.Size = image.Pt(w, h)
	case "fps":
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || !(f >= minFPS && f <= maxFPS) {
			return fmt.Errorf("fps %q: want a number from %d to %d", value, minFPS, maxFPS)
		}
		c.FPS = f
	case "format":
		switch f := Format(value); f {
		case YUYV, NV12, MJPEG:
			c.Format = f
		case "auto":
			c.Format = Auto
		default:
			return fmt.Errorf("format %q: want yuyv, mjpeg, nv12 or auto", value)
		}
	default:
		return fmt.Errorf("unknown parameter %q: want size, fps or format", key)
	}
	return nil
}

// String is the source string that Parse reads as c.
func (c Config) String() string {
	var query []string
	if c.Size != (image.Point{}) {
		query = append(query, fmt.Sprintf("size=%dx%d", c.Size.X, c.Size.Y))
	}
	if c.FPS > 0 {
		query = append(query, "fps="+rate(c.FPS))
	}
	if c.Format != Auto {
		query = append(query, "format="+string(c.Format))
	}
	if len(query) == 0 {
		return "v4l2:" + c.Device
	}
	return "v4l2:" + c.Device + "?" + strings.Join(query, "&")
}

// rate prints pictures a second: 30, 7.5, 29.97.
func rate(fps float64) string {
	return strconv.FormatFloat(math.Round(fps*100)/100, 'f', -1, 64)
}
