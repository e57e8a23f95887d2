package child

import (
	"errors"
	"fmt"
	"image"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"yfv2d/capture/live"
	"yfv2d/yuv"
)

// Format is what a child writes.
type Format string

const (
	Auto   Format = "auto" // MJPEG, MPEG-TS, H.264 or H.265, told apart by how it begins
	MJPEG  Format = "mjpeg"
	I420   Format = "i420"
	NV12   Format = "nv12"
	MPEGTS Format = "mpegts"
	H264   Format = "h264" // Annex B
	H265   Format = "h265" // Annex B
)

var formats = []Format{Auto, MJPEG, I420, NV12, MPEGTS, H264, H265}

// raw says whether pictures are pixels one after another.
func (f Format) raw() bool { return f == I420 || f == NV12 }

// Limits of what may be asked for.
const (
	minSide = 2
	maxSide = 8192
	minFPS  = 0.01
	maxFPS  = 1000
)

// Config is a program that writes pictures. Parse makes it.
type Config struct {
	Format Format
	Size   image.Point // of raw pictures
	Stride int         // bytes from row to row of raw pictures; 0: their width, or what the Pi's camera is found to write
	FPS    float64     // announced; 0: unknown
	Full   bool        // raw pictures have full range
	Matrix yuv.Matrix  // of raw pictures

	args   []string      // the program and its arguments; of the Pi's camera, arguments only
	camera bool          // the Pi's camera
	found  *atomic.Int64 // the stride that was found, once it was
}

const (
	wantExec = "want exec:?format=i420&size=640x480&fps=15 PROGRAM ARGUMENTS; format is auto (of mjpeg, mpegts, h264 and h265), mjpeg, mpegts, h264, h265, " +
		"i420 or nv12; size is needed for i420 and nv12, which also take stride, range and matrix; all of ?... may be left out"
	wantCamera = "want libcamera:?camera=0&size=1280x720&fps=30&rotation=180&hflip=1&vflip=1&arg=--exposure&arg=sport; all of ?... may be left out"
)

// Parse reads exec:?OPTIONS PROGRAM ARGUMENTS or libcamera:?OPTIONS. Errors do not quote the arguments.
func Parse(spec string) (Config, error) {
	scheme, rest, _ := strings.Cut(spec, ":")
	switch {
	case strings.ContainsAny(spec, "\x00\r\n"):
		return Config{}, fmt.Errorf("source %q: it may hold neither line breaks nor NUL", strings.ToLower(scheme)+":")
	case strings.EqualFold(scheme, "exec"):
		c, err := parseExec(rest)
		return c, blame("exec:", rest, wantExec, err)
	case strings.EqualFold(scheme, "libcamera"):
		c, err := parseCamera(rest)
		return c, blame("libcamera:", rest, wantCamera, err)
	}
	return Config{}, fmt.Errorf("source %q: %s; or %s", live.Redact(scheme+":"), wantExec, wantCamera)
}

// blame names the source in an error, as far as it holds no argument of a program.
func blame(scheme, rest, want string, err error) error {
	if err == nil {
		return nil
	}
	head, more, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if more != "" {
		head += " ..."
	}
	return fmt.Errorf("source %q: %w; %s", live.Redact(scheme+head), err, want)
}

func parseExec(s string) (Config, error) {
	c := Config{Format: Auto}
	command := s
	if rest, ok := strings.CutPrefix(s, "?"); ok {
		var options string
		options, command, _ = strings.Cut(rest, " ")
		if err := c.options(options, c.setExec); err != nil {
			return Config{}, err
		}
	}
	var err error
	if c.args, err = words(command); err != nil {
		return Config{}, err
	}
	return c, c.check()
}

// check looks at options that depend on each other.
func (c *Config) check() error {
	if !c.Format.raw() {
		if c.Size != (image.Point{}) || c.Stride != 0 || c.Full || c.Matrix != yuv.BT601 {
			return fmt.Errorf("size, stride, range and matrix are for i420 and nv12: format %s tells them itself", c.Format)
		}
		return nil
	}
	if c.Size == (image.Point{}) {
		return fmt.Errorf("format %s does not tell its size: add size=WIDTHxHEIGHT", c.Format)
	}
	return c.checkStride()
}

func (c *Config) checkStride() error {
	if c.Stride != 0 && (c.Stride < c.Size.X || c.Stride > 4*maxSide || c.Stride%2 != 0) {
		return fmt.Errorf("stride %d: want an even number from the width, %d, to %d", c.Stride, c.Size.X, 4*maxSide)
	}
	return nil
}

// options reads name=value joined by &.
func (c *Config) options(s string, set func(key, value string) error) error {
	s = strings.TrimPrefix(s, "?")
	if s == "" {
		return nil
	}
	var seen []string
	for _, pair := range strings.Split(s, "&") {
		key, value, ok := strings.Cut(pair, "=")
		if v, err := url.PathUnescape(value); err == nil { // not QueryUnescape: + is itself
			value = v
		}
		switch {
		case !ok:
			return fmt.Errorf("option %q: want name=value", live.Redact(key))
		case key != "arg" && slices.Contains(seen, key):
			return fmt.Errorf("%s is given twice", key)
		case strings.ContainsAny(value, "\x00\r\n"):
			return fmt.Errorf("%s may hold neither line breaks nor NUL", key)
		}
		seen = append(seen, key)
		if err := set(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) setExec(key, value string) error {
	switch key {
	case "format":
		if !slices.Contains(formats, Format(value)) {
			return fmt.Errorf("format %q is not known", value)
		}
		c.Format = Format(value)
	case "range":
		if value != "full" && value != "limited" {
			return fmt.Errorf("range %q: want limited or full", value)
		}
		c.Full = value == "full"
	case "matrix":
		m, ok := map[string]yuv.Matrix{"bt601": yuv.BT601, "bt709": yuv.BT709, "bt2020": yuv.BT2020}[value]
		if !ok {
			return fmt.Errorf("matrix %q: want bt601, bt709 or bt2020", value)
		}
		c.Matrix = m
	default:
		return c.set(key, value, "format, size, fps, stride, range or matrix")
	}
	return nil
}

// set takes the options that both kinds have.
func (c *Config) set(key, value, known string) error {
	switch key {
	case "size":
		var w, h int
		if n, err := fmt.Sscanf(value, "%dx%d", &w, &h); err != nil || n != 2 || fmt.Sprintf("%dx%d", w, h) != value {
			return fmt.Errorf("size %q: want WIDTHxHEIGHT, such as 640x480", value)
		}
		if min(w, h) < minSide || max(w, h) > maxSide || w%2 != 0 || h%2 != 0 {
			return fmt.Errorf("size %s: want even sides from %d to %d", value, minSide, maxSide)
		}
		c.Size = image.Pt(w, h)
	case "fps":
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || !(f >= minFPS && f <= maxFPS) {
			return fmt.Errorf("fps %q: want a number from %v to %d", value, minFPS, maxFPS)
		}
		c.FPS = f
	case "stride":
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			return fmt.Errorf("stride %q: want the bytes from row to row", value)
		}
		c.Stride = n
	default:
		return fmt.Errorf("unknown option %q: want %s", live.Redact(key), known)
	}
	return nil
}

// String names the source for people: the program without its arguments, which may hold passwords.
func (c Config) String() string {
	switch {
	case c.camera:
		return "libcamera:"
	case len(c.args) == 0:
		return "exec:"
	}
	return "exec:" + clean(live.Redact(filepath.Base(c.args[0])))
}

// GoString is String, so that no way of printing shows a password.
func (c Config) GoString() string { return c.String() }

// interval is the announced time between pictures; 0: unknown.
func (c Config) interval() time.Duration {
	if c.FPS <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / c.FPS)
}

var errEmpty = errors.New("start a program: the configuration is empty: Parse makes one")
