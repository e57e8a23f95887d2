package v4l2m2m

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// device is an open node. Any of its calls but munmap may hang in a driver that does. One goroutine makes them at a time.
type device interface {
	ioctl(request uintptr, arg unsafe.Pointer) error
	// poll waits for one of the events and says which there are; 0 if the limit passes.
	poll(events int16, limit time.Duration) (int16, error)
	mmap(offset int64, length int) ([]byte, error)
	munmap(mem []byte) error
	close() error
}

// machine is where devices are found.
type machine struct {
	nodes func() []string // paths, the likeliest first
	open  func(path string) (device, error)
	// frameLimit is how long a frame may take to be coded, callLimit what a frame's calls may take in all.
	frameLimit, callLimit time.Duration
}

// thisMachine is the real one. A Raspberry Pi 4 codes a frame of 1920x1080 in a thirtieth of a second; stopping its queues takes
// four seconds at most, two for each (COMPLETE_TIMEOUT of its driver).
var thisMachine = machine{nodes: videoNodes, open: openNode, frameLimit: time.Second, callLimit: 5 * time.Second}

// usual is the encoder's node on a Raspberry Pi.
const usual = "/dev/video11"

func videoNodes() []string {
	all, _ := filepath.Glob("/dev/video[0-9]*") // the pattern is well formed
	slices.Sort(all)
	if i := slices.Index(all, usual); i > 0 {
		all = slices.Insert(slices.Delete(all, i, i+1), 0, usual)
	}
	return all
}

// find opens the first node that encodes I420 frames to H.264.
func (m machine) find() (device, string, error) {
	var refused error
	for _, path := range m.nodes() {
		dev, err := m.open(path)
		if err != nil {
			if errors.Is(err, fs.ErrPermission) {
				refused = fmt.Errorf("%s may not be opened: is the user in the group video?", path)
			}
			continue
		}
		if name, ok := encoderName(dev); ok {
			return dev, name, nil
		}
		_ = dev.close()
	}
	if refused != nil {
		return nil, "", refused
	}
	return nil, "", errors.New("this machine has no H.264 encoder among /dev/video*")
}

// encoderName is what a device calls itself if it encodes I420 frames to H.264.
func encoderName(dev device) (string, bool) {
	var c capability
	if dev.ioctl(queryCap, unsafe.Pointer(&c)) != nil || !c.encodes() {
		return "", false
	}
	return text(c.Card[:]), offers(dev, bufIn, formatI420) && offers(dev, bufOut, formatH264)
}

// offers says whether a queue of the device takes or gives that format.
func offers(dev device, queue, want uint32) bool {
	const most = 256 // formats of a queue; a driver without an end is no reason to hang
	for i := range uint32(most) {
		f := formatDesc{Index: i, Type: queue}
		if dev.ioctl(enumFormats, unsafe.Pointer(&f)) != nil {
			return false
		}
		if f.PixelFormat == want {
			return true
		}
	}
	return false
}

// node is a device of the kernel.
type node int

func openNode(path string) (device, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return node(fd), nil
	}
}

func (n node) ioctl(request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n), request, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

func (n node) poll(events int16, limit time.Duration) (int16, error) {
	end := time.Now().Add(limit)
	for {
		left := max(time.Until(end), 0)
		fds := []unix.PollFd{{Fd: int32(n), Events: events}}
		k, err := unix.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case k == 0:
			return 0, nil
		default:
			return fds[0].Revents, nil
		}
	}
}

func (n node) mmap(offset int64, length int) ([]byte, error) {
	return unix.Mmap(int(n), offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func (n node) munmap(mem []byte) error { return unix.Munmap(mem) }

func (n node) close() error { return unix.Close(int(n)) }
