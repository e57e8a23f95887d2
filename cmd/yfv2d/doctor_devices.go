package main

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"yfv2d/capture/v4l2"
)

// devices lists the cameras that are connected to this machine, each with lines for the configuration.
func (d *doctor) devices(ctx context.Context) {
	list, err := v4l2.Devices(devicesOf(d.inUse)...)
	if err != nil {
		d.fail("", "list the cameras: %v", err)
	}
	for _, dev := range list {
		d.add(deviceFinding(dev))
	}
	driverless := v4l2.Driverless()
	for _, name := range driverless {
		d.warn("sudo modprobe uvcvideo; if that does not help, unplug the camera and plug it in again",
			"%s is plugged in, but no driver has taken it: there is no /dev/video for it", name)
	}
	pi := d.piCameras(ctx)
	if len(list)+len(driverless) == 0 && err == nil && !pi {
		d.ok("no USB camera is plugged in, and there is no Raspberry Pi camera; network cameras need neither")
	}
}

// devicesOf are the devices of those sources that are USB cameras.
func devicesOf(sources []string) []string {
	var devices []string
	for _, s := range sources {
		if cfg, err := v4l2.Parse(s); err == nil {
			devices = append(devices, cfg.Device)
		}
	}
	return devices
}

// deviceFinding tells of a USB camera.
func deviceFinding(dev v4l2.Device) finding {
	switch {
	case dev.Used:
		return finding{What: dev.String() + " is a camera of this configuration"}
	case errors.Is(dev.Err, fs.ErrPermission):
		return finding{Grade: fail, What: dev.String() + " may not be read by this user", Fix: joinVideo()}
	case dev.Err != nil:
		return finding{Grade: warn, What: dev.String() + ": " + dev.Err.Error(), Fix: "unplug it and plug it in again"}
	case len(dev.Modes) == 0:
		return finding{Grade: warn, What: dev.String() + " offers no format that yfv2d reads (yuyv, nv12, mjpeg)"}
	}
	f := finding{
		What:   dev.String(),
		Config: []string{"[[camera]]", `name = "` + cameraName(dev.Name) + `"`, `source = "v4l2:` + dev.Stable() + `"   # or one of`},
	}
	for _, m := range dev.Modes {
		f.Config = append(f.Config, `# source = "`+m.Source+`"   # `+m.String())
	}
	return f
}

// joinVideo is how this process gets to read cameras.
func joinVideo() string {
	if unit := serviceUnit(); unit != "" {
		return "sudo usermod -aG video " + userName() + ", then sudo systemctl restart " + unit
	}
	return "sudo usermod -aG video $USER, then log in again"
}

// cameraName makes a name that the configuration takes of what a camera calls itself.
func cameraName(s string) string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s), "-")
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	if name == "" {
		return "usb"
	}
	return strings.TrimRight(name[:min(len(name), 32)], "-")
}

// piCameras tells of the Raspberry Pi's own cameras, and whether there is one or should be.
func (d *doctor) piCameras(ctx context.Context) bool {
	if slices.ContainsFunc(d.inUse, func(s string) bool { return strings.HasPrefix(s, "libcamera:") }) {
		d.ok("the Raspberry Pi camera is a camera of this configuration")
		return true
	}
	program := ""
	for _, name := range []string{"rpicam-hello", "libcamera-hello"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if board, _ := filepath.Glob("/proc/device-tree/soc/csi*"); len(board) > 0 {
			d.warn("for a camera on the board's own connector: sudo apt install rpicam-apps", "rpicam-vid is not installed")
			return true
		}
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--list-cameras").CombinedOutput()
	found := piCameraLines(string(out))
	switch {
	case len(found) > 0:
		for i, line := range found {
			source := `source = "libcamera:"`
			if i > 0 {
				source = `source = "libcamera:?camera=` + line[:1] + `"`
			}
			d.add(finding{What: "Raspberry Pi camera " + line, Config: []string{"[[camera]]", `name = "pi` + line[:1] + `"`, source}})
		}
		return true
	case err != nil && ctx.Err() != nil:
		d.warn("does another program hold the camera?", "%s does not answer", filepath.Base(program))
		return true
	}
	return false
}

// piCameraLines are the lines of --list-cameras that name a camera: "0 : imx708 [4608x2592 10-bit RGGB] (/base/...)".
func piCameraLines(out string) []string {
	var found []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if len(line) > 4 && line[0] >= '0' && line[0] <= '9' && strings.HasPrefix(line[1:], " : ") {
			found = append(found, line)
		}
	}
	return found
}
