package capture

import (
	"errors"
	"fmt"
	"image"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"yfv2d/capture/live"
)

type kind uint8

const (
	kindFile kind = iota
	kindTest
	kindOutside
)

// spec is a parsed source string.
type spec struct {
	kind    kind
	path    string        // kindFile: a file, a folder or a glob
	pattern patternConfig // kindTest
	outside outsideOpener // kindOutside
}

const supported = "supported are rtsp://, rtsps://, http://, https://, v4l2:, libcamera:, exec:, " +
	"file:PATH (a video, a picture, a folder or a glob of pictures; a bare PATH will do) " +
	"and test:?size=640x480&fps=30&objects=2&frames=0"

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

// Check says whether spec is a well-formed source string, without touching any file, device or network:
//
//	rtsp://USER:PASSWORD@HOST:PORT/PATH, rtsps://   an IP camera, see rtsp.Parse
//	http://USER:PASSWORD@HOST:PORT/PATH, https://   MJPEG or single JPEG pictures, see webcam.Parse
//	v4l2:/dev/video0?size=WxH&fps=N&format=NAME     a USB camera, see v4l2.Parse
//	libcamera:?camera=N&size=WxH&fps=N              a Raspberry Pi camera, see child.Parse
//	exec:CMD ARGS                                   a program that writes pictures, see child.Parse
//	file:PATH   a video, a picture, or a folder or glob of pictures; a bare PATH is taken too
//	test:?size=WxH&fps=N&objects=N&frames=N&truth=1&grain=N
//	            the test pattern, see Truth; every parameter may be left out. Grain makes it as hard to encode as a real camera's picture
//
// The error never holds a password.
func Check(spec string) error {
	_, err := parse(spec)
	return err
}

func parse(s string) (spec, error) {
	if s == "" {
		return spec{}, fmt.Errorf("the source is empty: %s", supported)
	}
	if strings.ContainsAny(s, "\x00\n\r") {
		return spec{}, fmt.Errorf("source %q: it may hold neither line breaks nor NUL", Redact(s))
	}
	sch := strings.ToLower(strings.TrimSuffix(scheme.FindString(s), ":"))
	if parse := outside[sch]; parse != nil {
		open, err := parse(sch + s[len(sch):])
		return spec{kind: kindOutside, outside: open}, err
	}
	switch sch {
	case "":
		return parsePath(s, s)
	case "file":
		return parsePath(s, strings.TrimPrefix(s[len("file:"):], "//"))
	case "test":
		cfg, err := parsePattern(s[len("test:"):])
		if err != nil {
			return spec{}, fmt.Errorf("source %q: %w", Redact(s), err)
		}
		return spec{kind: kindTest, pattern: cfg}, nil
	default:
		return spec{}, fmt.Errorf("source %q: unknown kind %q; %s", Redact(s), sch+":", supported)
	}
}

func parsePath(s, path string) (spec, error) {
	if path == "" {
		return spec{}, fmt.Errorf("source %q: the path is empty; write file:PATH", s)
	}
	if _, err := filepath.Match(path, ""); err != nil && hasMeta(path) {
		return spec{}, fmt.Errorf("source %q: the pattern is malformed: an opening [ lacks its ]", s)
	}
	return spec{kind: kindFile, path: filepath.Clean(path)}, nil
}

func hasMeta(path string) bool { return strings.ContainsAny(path, "*?[") }

// parsePattern reads what follows "test:".
func parsePattern(s string) (patternConfig, error) {
	cfg := patternConfig{size: image.Pt(640, 480), fps: 30, objects: 2}
	s = strings.TrimPrefix(s, "//")
	rest := strings.TrimPrefix(s, "?")
	if rest == s && s != "" {
		return cfg, fmt.Errorf("%q: want test:?size=WxH&fps=N&objects=N&frames=N&truth=1&grain=N", s)
	}
	query, err := url.ParseQuery(rest)
	if err != nil {
		return cfg, fmt.Errorf("parameters %q: want name=value joined by &", rest)
	}
	for key, values := range query {
		if len(values) != 1 {
			return cfg, fmt.Errorf("%s is given %d times", key, len(values))
		}
		if err := cfg.set(key, values[0]); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// The test pattern's limits: a picture that the stamp fits in, up to 8K; what a camera may give a second.
const (
	minPatternSide = 32
	maxPatternSide = 8192
	maxPatternFPS  = 1000
	maxObjects     = 8
	maxGrain       = 32 // of luma; a webcam in the dark has about 8
)

func (c *patternConfig) set(key, value string) error {
	switch key {
	case "size":
		var w, h int
		if n, err := fmt.Sscanf(value, "%dx%d", &w, &h); err != nil || n != 2 || fmt.Sprintf("%dx%d", w, h) != value {
			return fmt.Errorf("size %q: want WIDTHxHEIGHT, such as 640x480", value)
		}
		if min(w, h) < minPatternSide || max(w, h) > maxPatternSide || w%2 != 0 || h%2 != 0 {
			return fmt.Errorf("size %s: want even sides from %d to %d", value, minPatternSide, maxPatternSide)
		}
		c.size = image.Pt(w, h)
	case "fps":
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || !(f >= 0.1 && f <= maxPatternFPS) {
			return fmt.Errorf("fps %q: want a number from 0.1 to %d", value, maxPatternFPS)
		}
		c.fps = f
	case "objects":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > maxObjects {
			return fmt.Errorf("objects %q: want a whole number from 0 to %d", value, maxObjects)
		}
		c.objects = n
	case "frames":
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return fmt.Errorf("frames %q: want a whole number, 0 for no end", value)
		}
		c.frames = uint32(n)
	case "truth":
		if value != "0" && value != "1" {
			return fmt.Errorf("truth %q: want 1 (tell what the pattern shows) or 0 (tell what the network finds)", value)
		}
		c.truth = value == "1"
	case "grain":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > maxGrain {
			return fmt.Errorf("grain %q: want a whole number from 0 to %d", value, maxGrain)
		}
		c.grain = n
	default:
		return fmt.Errorf("unknown parameter %q: want size, fps, objects, frames, truth or grain", key)
	}
	return nil
}

// Redact removes user names, passwords and tokens from a source string, or from a text that quotes URLs. It is safe on
// any string.
func Redact(spec string) string { return live.Redact(spec) }

// statError says in plain words why a path cannot be used.
func statError(err error) error {
	var pe *os.PathError
	switch {
	case errors.Is(err, os.ErrNotExist) && errors.As(err, &pe):
		return fmt.Errorf("%s does not exist: %w", pe.Path, os.ErrNotExist)
	case errors.Is(err, os.ErrPermission) && errors.As(err, &pe):
		return fmt.Errorf("%s may not be read by this user: %w", pe.Path, os.ErrPermission)
	}
	return err
}

// Hide makes Redact and Hidden show each of these values as what it is mapped to, see live.Hide.
func Hide(values map[string]string) { live.Hide(values) }

// Hidden is a text without what Hide was told of, and else as it is.
func Hidden(text string) string { return live.Hidden(text) }
