package v4l2

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Device is a camera of this machine.
type Device struct {
	Name   string // what it calls itself: "HD Pro Webcam C920"
	Path   string // /dev/video0: changes with the order of plugging in
	ByID   string // /dev/v4l/by-id/... of USB cameras, or by-path; empty if neither is known
	Driver string // empty if it could not be asked
	Modes  []Mode // by format in the order of preference, largest first; empty if none can be read by this package
	Err    error  // why it could not be asked: no permission, no answer
	Used   bool   // it is one of those that Devices was told to leave alone: nothing was asked

	second bool // not the first node of its camera; most often with data about the first one's pictures
}

// Stable is the name that a config should have: the one that stays when cameras are plugged in in another order.
func (d Device) Stable() string {
	if d.ByID != "" {
		return d.ByID
	}
	return d.Path
}

func (d Device) String() string {
	if d.Name == "" {
		return d.Stable()
	}
	return d.Stable() + " (" + d.Name + ")"
}

// places are where the kernel and udev keep what is asked.
type places struct{ sys, dev string }

var machine = places{sys: "/sys", dev: "/dev"}

// Devices lists this machine's cameras in the order of their numbers. A device that cannot be asked is listed with the
// reason; one that is no camera (a node for data about pictures, a decoder, a chip's picture processor) is not. The error
// says that the list itself cannot be read. Those of used, which are paths of any of their names, are listed and not opened.
func Devices(used ...string) ([]Device, error) {
	found, err := machine.nodes()
	if err != nil {
		return nil, err
	}
	devices := found[:0]
	for _, d := range found {
		if d.Used = d.isOneOf(used); d.Used {
			devices = append(devices, d)
			continue
		}
		if keep := d.ask(); keep {
			devices = append(devices, d)
		}
	}
	return devices, nil
}

// isOneOf says whether one of the paths is the device, or a link to it.
func (d *Device) isOneOf(paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		to, err := filepath.EvalSymlinks(p)
		return p == d.Path || p == d.ByID || err == nil && to == d.Path
	})
}

// askTimeout bounds the questions to one device: a driver may hang.
const askTimeout = 3 * time.Second

// ask fills in what the device says of itself, and says whether it is a camera.
func (d *Device) ask() bool {
	type answer struct {
		camera bool
		driver string
		modes  []Mode
		err    error
	}
	done := make(chan answer, 1)
	go func() { // left behind if the driver hangs; it holds a descriptor only
		var a answer
		a.camera, a.driver, a.modes, a.err = question(d.Path)
		done <- a
	}()
	select {
	case a := <-done:
		d.Driver, d.Modes, d.Err = a.driver, a.modes, a.err
		for i, m := range d.Modes {
			d.Modes[i].Source = source(d.Stable(), m)
		}
		return a.camera || a.err != nil
	case <-time.After(askTimeout):
		d.Err = fmt.Errorf("%s does not answer: unplug it and plug it in again", d.Path)
		return true
	}
}

func question(path string) (camera bool, driver string, modes []Mode, err error) {
	n, err := openNode(path)
	if err != nil {
		return false, "", nil, openError(path, err)
	}
	defer n.close()
	c, err := n.capability()
	if err != nil {
		return false, "", nil, fmt.Errorf("%s is no camera: %w", path, err)
	}
	driver = text(c.Driver[:])
	if !c.captures() || slices.Contains(processors, driver) {
		return false, driver, nil, nil
	}
	return true, driver, n.modes(), nil
}

// processors are drivers whose capture nodes give what a program has put in: those of the Raspberry Pi's chip.
var processors = []string{"bcm2835-codec", "bcm2835-isp", "pispbe", "rpivid", "rpi-hevc-dec"}

// source is the config's value for a mode.
func source(device string, m Mode) string {
	cfg := Config{Device: device, Size: m.Size, Format: m.Format}
	if m.has(usualSize) {
		cfg.Size = usualSize
	}
	if len(m.FPS) > 0 {
		cfg.FPS, _ = m.at(0)
	}
	return cfg.String()
}

// openError says in plain words why a device cannot be opened.
func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by this user: add it to the group video (usermod -aG video USER), then log in anew: %w", path, err)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("%s: %w: %w", path, errUnplugged, err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%s: another program uses the camera (sudo fuser -v %s names it): %w", path, path, err)
	}
	return fmt.Errorf("%s cannot be opened: %w", path, err)
}

// nodes lists all video nodes without opening any: no driver can hang it.
func (p places) nodes() ([]Device, error) {
	dir := filepath.Join(p.sys, "class/video4linux")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // no driver is loaded: no camera
		return nil, fmt.Errorf("list cameras: %w", err)
	}
	names := p.stableNames()
	var found []Device
	for _, e := range entries {
		if _, ok := number(e.Name()); !ok {
			continue
		}
		path := filepath.Join(p.dev, e.Name())
		found = append(found, Device{Name: attribute(dir, e.Name(), "name"), Path: path, ByID: names[path],
			second: attribute(dir, e.Name(), "index") > "0"})
	}
	slices.SortFunc(found, func(a, b Device) int {
		m, _ := number(filepath.Base(a.Path))
		n, _ := number(filepath.Base(b.Path))
		return m - n
	})
	return found, nil
}

// number is the N of videoN.
func number(name string) (int, bool) {
	s, ok := strings.CutPrefix(name, "video")
	n, err := strconv.Atoi(s)
	return n, ok && err == nil
}

func attribute(dir, device, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, device, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// stableNames maps /dev/videoN to udev's links to it, those by id before those by path.
func (p places) stableNames() map[string]string {
	names := map[string]string{}
	for _, kind := range []string{"by-id", "by-path"} {
		dir := filepath.Join(p.dev, "v4l", kind)
		links, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, l := range links {
			link := filepath.Join(dir, l.Name())
			to, err := filepath.EvalSymlinks(link)
			if err == nil && names[to] == "" {
				names[to] = link
			}
		}
	}
	return names
}

// here says what cameras there are, for the error about one that is not.
func (p places) here() string {
	found, err := p.nodes()
	found = slices.DeleteFunc(found, func(d Device) bool { return d.second })
	if err != nil || len(found) == 0 {
		return "no camera is plugged in, or its driver is not loaded"
	}
	list := make([]string, len(found))
	for i, d := range found {
		list[i] = d.String()
	}
	return "cameras here: " + strings.Join(list, ", ")
}
