package child

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"yfv2d/capture/live"
)

// cameraPrograms read the Pi's camera: the present name, and the one before 2024.
var cameraPrograms = []string{"rpicam-vid", "libcamera-vid"}

// reserved are arguments of cameraPrograms that are set here.
var reserved = map[string]string{
	"--codec": "", "-o": "", "--output": "", "-t": "", "--timeout": "", "-n": "", "--nopreview": "", "--frames": "", "--flush": "", "--segment": "", "--circular": "",
	"--width": "size", "--height": "size", "--framerate": "fps", "--camera": "camera", "--rotation": "rotation", "--hflip": "hflip", "--vflip": "vflip",
}

func parseCamera(s string) (Config, error) {
	c := Config{Format: I420, Size: image.Pt(1280, 720), FPS: 30, Full: true, camera: true, found: new(atomic.Int64)}
	var camera, rotation string
	var flips, extra []string
	err := c.options(s, func(key, value string) error {
		switch key {
		case "camera":
			if n, err := strconv.ParseUint(value, 10, 8); err != nil || strconv.FormatUint(n, 10) != value {
				return fmt.Errorf("camera %q: want its number, 0 for the first", value)
			}
			camera = value
		case "rotation":
			if value != "0" && value != "180" {
				return fmt.Errorf("rotation %q: the camera can do 0 and 180; for a quarter turn set rotate of the camera's section", value)
			}
			rotation = value
		case "hflip", "vflip":
			if value != "0" && value != "1" {
				return fmt.Errorf("%s %q: want 0 or 1", key, value)
			}
			if value == "1" {
				flips = append(flips, "--"+key)
			}
		case "arg":
			name, _, _ := strings.Cut(value, "=")
			if option, ok := reserved[name]; ok && option == "" {
				return fmt.Errorf("arg %s is set by yfv2d and cannot be changed", name)
			} else if ok {
				return fmt.Errorf("arg %s: write %s=... instead", name, option)
			}
			extra = append(extra, value)
		default:
			return c.set(key, value, "camera, size, fps, rotation, hflip, vflip, stride or arg")
		}
		return nil
	})
	if err != nil {
		return Config{}, err
	}
	c.args = []string{"--codec", "yuv420", "-o", "-", "-t", "0", "-n", "--flush", "--width", strconv.Itoa(c.Size.X), "--height", strconv.Itoa(c.Size.Y),
		"--framerate", strconv.FormatFloat(c.FPS, 'f', -1, 64), "--camera", "0"}
	if camera != "" {
		c.args[len(c.args)-1] = camera
	}
	if rotation == "180" {
		c.args = append(c.args, "--rotation", rotation)
	}
	c.args = slices.Concat(c.args, flips, extra)
	return c, c.checkStride()
}

// openCamera starts the Pi's camera. rpicam-vid writes full range BT.601 for this codec (its colour space is sYCC), and its buffers as
// they are: rows may be longer than the picture is wide. How long depends on the board, libcamera and the width, so it is measured.
func openCamera(ctx context.Context, cfg Config, opt live.Options) (*raw, error) {
	program := ""
	for _, name := range cameraPrograms {
		if _, err := exec.LookPath(name); err == nil {
			program = name
			break
		}
	}
	if program == "" {
		return nil, &live.Refused{Err: fmt.Errorf("%v %s is not installed: apt install rpicam-apps", cfg, cameraPrograms[0])}
	}
	name := "libcamera: " + program
	args := append([]string{program}, cfg.args...)
	if cfg.Stride == 0 {
		n, err := cfg.stride(ctx, name, args, opt.Stuck)
		if err != nil {
			return nil, err
		}
		cfg.Stride = n
	}
	return openRaw(name, args, cfg, opt)
}

// unpadded divides the widths that have no padding on any board: a Pi 5 pads each row of colour to 64 bytes, so that a row of luma,
// twice as long, is a multiple of 128; boards before it pad rows of luma to 64.
const unpadded = 128

// stride is the length of a row. If the width does not tell it, the camera is asked for one picture, which takes a second or two, and
// only once: the length of all it writes tells.
func (c Config) stride(ctx context.Context, name string, args []string, stuck *live.Stuck) (int, error) {
	if c.Size.X%unpadded == 0 {
		return c.Size.X, nil
	}
	if n := c.found.Load(); n > 0 {
		return int(n), nil
	}
	p, err := start(name, append(slices.Clone(args), "--frames", "1"), stuck)
	if err != nil {
		return 0, err
	}
	release := context.AfterFunc(ctx, func() { p.signal(15) })
	size, _ := io.Copy(io.Discard, p.out)
	release()
	p.stop()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if size == 0 {
		return 0, p.end()
	}
	n, err := strideOf(size, c.Size)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	c.found.Store(int64(n))
	return n, nil
}

// strideOf finds the row length of one I420 picture, or a few, of so many bytes.
func strideOf(bytes int64, size image.Point) (int, error) {
	rows := int64(size.Y * 3 / 2)
	for pictures := int64(1); pictures <= 8; pictures++ {
		if bytes%(rows*pictures) != 0 {
			continue
		}
		n := bytes / (rows * pictures)
		if n >= int64(size.X) && n < int64(size.X+2*unpadded) && n%2 == 0 {
			return int(n), nil
		}
	}
	return 0, errors.New("one picture of " + fmt.Sprintf("%dx%d has %d bytes, which fits no length of rows: add stride=..., or ask for a width that %d divides",
		size.X, size.Y, bytes, unpadded))
}
