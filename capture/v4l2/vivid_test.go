//go:build vivid

// Tests of a real driver: the kernel's virtual camera, vivid, in a virtual machine that `make test-vm` starts. They load and
// unbind it, so they are not for a machine with cameras.
package v4l2_test

import (
	"context"
	"errors"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yfv2d/capture/capturetest"
	"yfv2d/capture/live"
	"yfv2d/capture/v4l2"
	"yfv2d/pipeline"
)

// stable is udev's name of vivid's camera (by-id is for USB devices).
const stable = "/dev/v4l/by-path/platform-vivid.0-video-index0"

const driver = "/sys/bus/platform/drivers/vivid"

func source(t testing.TB, spec string, opt live.Options) pipeline.Source {
	t.Helper()
	src, err := try(spec, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

func try(spec string, opt live.Options) (pipeline.Source, error) {
	cfg, err := v4l2.Parse(spec)
	if err != nil {
		return nil, err
	}
	return v4l2.Open(context.Background(), cfg, opt)
}

func frame(t testing.TB) *pipeline.Frame {
	f := pipeline.NewFrame()
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// read reads a frame; the limit is no measure of speed.
func read(t testing.TB, src pipeline.Source, f *pipeline.Frame) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return src.Read(ctx, f)
}

// await waits for as long as a slow emulated machine may need.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0); err != nil {
		t.Fatal(err)
	}
}

// settled waits until udev has done its part, and says whether the stable name is there.
func settled(t testing.TB) bool {
	t.Helper()
	if out, err := exec.Command("udevadm", "settle").CombinedOutput(); err != nil {
		t.Fatalf("udevadm settle: %v %s", err, out)
	}
	_, err := os.Lstat(stable) // the kernel takes the device away before udev its name
	return err == nil
}

func unplug(t testing.TB) {
	t.Helper()
	write(t, driver+"/unbind", "vivid.0")
	await(t, "the device's end", func() bool { return !settled(t) })
}

func plugIn(t testing.TB) {
	t.Helper()
	write(t, driver+"/bind", "vivid.0")
	await(t, "the device", func() bool { return settled(t) })
}

// control sets one of vivid's test controls.
func control(t testing.TB, setting string) {
	t.Helper()
	if out, err := exec.Command("v4l2-ctl", "-d", stable, "-c", setting).CombinedOutput(); err != nil {
		t.Fatalf("v4l2-ctl %s: %v %s", setting, err, out)
	}
}

func TestVividDevices(t *testing.T) {
	devices, err := v4l2.Devices()
	if err != nil || len(devices) != 1 {
		t.Fatalf("%d devices, %v: want the camera and not its node for data", len(devices), err)
	}
	d := devices[0]
	t.Logf("%s is %s, driver %s", d.Path, d, d.Driver)
	if d.Name == "" || d.ByID != stable || d.Driver != "vivid" || d.Err != nil {
		t.Errorf("%+v", d)
	}
	offered := map[v4l2.Format]int{}
	for _, m := range d.Modes {
		offered[m.Format]++
		t.Logf("%s: %s", m, m.Source)
		if cfg, err := v4l2.Parse(m.Source); err != nil || cfg.Device != stable || cfg.Format != m.Format || cfg.Size != m.Size {
			t.Errorf("%s is no config line of %s: %+v, %v", m.Source, m, cfg, err)
		}
		theirs, err := exec.Command("v4l2-ctl", "-d", stable, "--list-frameintervals",
			"width="+strconv.Itoa(m.Size.X)+",height="+strconv.Itoa(m.Size.Y)+",pixelformat="+strings.ToUpper(string(m.Format))).Output()
		if err != nil {
			t.Errorf("v4l2-ctl: %v", err)
		}
		if n := strings.Count(string(theirs), "Discrete"); n != len(m.FPS) {
			t.Errorf("%s has %d rates, v4l2-ctl lists %d", m, len(m.FPS), n)
		}
	}
	if offered[v4l2.YUYV] == 0 || offered[v4l2.NV12] == 0 {
		t.Errorf("formats %v, want yuyv and nv12", offered)
	}
}

func TestVividContract(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		size       image.Point
	}{
		{"yuyv 640x480", "v4l2:/dev/video0?size=640x480&format=yuyv", image.Pt(640, 480)},
		{"yuyv 1280x720", "v4l2:/dev/video0?size=1280x720&format=yuyv", image.Pt(1280, 720)},
		{"nv12 640x360", "v4l2:" + stable + "?size=640x360&format=nv12", image.Pt(640, 360)},
		{"as it comes", "v4l2:0", image.Pt(640, 480)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stuck live.Stuck
			capturetest.Run(t, capturetest.Contract{
				Open: func(t testing.TB) pipeline.Source {
					src, err := try(c.spec, live.Options{Stuck: &stuck})
					if err != nil {
						t.Fatal(err)
					}
					return src
				},
				Sizes: []image.Point{c.size},
			})
			if stuck.Count() != 0 {
				t.Errorf("%d readers left behind", stuck.Count())
			}
		})
	}
}

// TestVividPixels: the same picture by both raw formats and at two sizes. vivid draws colour bars with known colours; its
// lines of text are in the upper half.
func TestVividPixels(t *testing.T) {
	// 75 % bars (white, yellow, cyan, green, magenta, red, blue, black) as 8-bit Y, Cb, Cr of BT.601 limited range.
	bars := [8][3]float64{{180, 128, 128}, {162, 44, 142}, {131, 156, 44}, {112, 72, 58}, {84, 184, 198}, {65, 100, 212}, {35, 212, 114}, {16, 128, 128}}
	for _, spec := range []string{"size=640x480&format=yuyv", "size=1280x720&format=yuyv", "size=640x480&format=nv12"} {
		t.Run(spec, func(t *testing.T) {
			src, f := source(t, "v4l2:/dev/video0?"+spec, live.Options{}), frame(t)
			if err := read(t, src, f); err != nil {
				t.Fatal(err)
			}
			y, u, v := f.Planes()
			w, h := f.Size().X, f.Size().Y
			for i, want := range bars {
				x, row := w*(2*i+1)/16, h*7/8
				got := [3]float64{float64(y[row*w+x]), float64(u[row/2*(w/2)+x/2]), float64(v[row/2*(w/2)+x/2])}
				for k := range got {
					if math.Abs(got[k]-want[k]) > 6 {
						t.Errorf("bar %d is %v, want about %v", i, got, want)
						break
					}
				}
			}
		})
	}
}

func TestVividTimes(t *testing.T) {
	src, f := source(t, "v4l2:/dev/video0?size=320x180&format=yuyv", live.Options{}), frame(t)
	var first, last time.Time
	const frames = 60
	var oldest time.Duration
	for i := range frames {
		if err := read(t, src, f); err != nil {
			t.Fatal(err)
		}
		age := time.Since(f.At)
		if age < 0 || i > 0 && !f.At.After(last) {
			t.Fatalf("picture %d is of %v, %v ago, the one before of %v", i, f.At, age, last)
		}
		if oldest = max(oldest, age); i == 0 {
			first = f.At
		}
		last = f.At
	}
	p := src.(pipeline.Pulser).Pulse()
	t.Logf("%d pictures, %.1f a second by their times, announced %.1f; the oldest was %v old", frames, (frames-1)/last.Sub(first).Seconds(),
		float64(time.Second)/float64(p.Interval), oldest.Round(time.Millisecond))
	if p.Interval <= 0 || p.Data.IsZero() {
		t.Errorf("pulse %+v", p)
	}
}

func TestVividRefusals(t *testing.T) {
	held := source(t, "v4l2:/dev/video0?size=320x180", live.Options{})
	f := frame(t)
	if err := read(t, held, f); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, spec, says string
		refused          bool
	}{
		{"rate", "v4l2:0?size=3840x2160&fps=60&format=yuyv", "asked 3840x2160 at 60 a second in yuyv, the camera offers yuyv 3840x2160 (", true},
		{"size", "v4l2:0?size=800x600", "asked 800x600, the camera offers yuyv 3840x2160", true},
		{"format", "v4l2:0?format=mjpeg", "asked in mjpeg, the camera offers yuyv", true},
		{"absent", "v4l2:/dev/video9", "/dev/video9 is not there: cameras here: " + stable + " (vivid", false},
		{"node for data", "v4l2:1", "gives no pictures (a node for data about them, or an output): cameras here: " + stable, true},
		{"in use", "v4l2:0?size=640x480", "another program uses the camera (sudo fuser -v /dev/video0 names it)", false},
		{"in use, as it comes", "v4l2:0", "another program uses the camera", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, err := try(c.spec, live.Options{})
			if err == nil {
				_ = src.Close()
				t.Fatal("it was opened")
			}
			t.Log(err)
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one with %q", err, c.says)
			}
			var refused *live.Refused
			if errors.As(err, &refused) != c.refused {
				t.Errorf("refused is %v, want %v", !c.refused, c.refused)
			}
		})
	}
	if err := read(t, held, f); err != nil {
		t.Errorf("the one that has the camera: %v", err)
	}
}

// TestVividPermission runs itself as nobody.
func TestVividPermission(t *testing.T) {
	if os.Getuid() != 0 {
		_, err := try("v4l2:0", live.Options{})
		t.Fatalf("AS NOBODY: %v", err)
	}
	// Another program that may be anybody's: this binary lies where nobody may read.
	copied := filepath.Join("/tmp", "v4l2.test")
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, data, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(copied)
	cmd := exec.Command(copied, "-test.run", "^TestVividPermission$")
	cmd.Dir = "/tmp"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, _ := cmd.CombinedOutput()
	if want := "/dev/video0 may not be read by this user: add it to the group video"; !strings.Contains(string(out), want) {
		t.Errorf("nobody gets %s, want %q", out, want)
	}
}

// TestVividSilent: a camera that gives no pictures is silent, not at fault, and can be closed.
func TestVividSilent(t *testing.T) {
	for _, when := range []string{"from the start", "later"} {
		t.Run(when, func(t *testing.T) {
			var stuck live.Stuck
			defer control(t, "percentage_of_dropped_buffers=0")
			if when == "from the start" {
				control(t, "percentage_of_dropped_buffers=100")
			}
			src, f := source(t, "v4l2:0?size=320x180", live.Options{Stuck: &stuck}), frame(t)
			if when == "later" {
				if err := read(t, src, f); err != nil {
					t.Fatal(err)
				}
				control(t, "percentage_of_dropped_buffers=100")
			}
			ctx, cancel := context.WithTimeout(context.Background(), 7*time.Second) // three times OpenCV's own limit
			defer cancel()
			for {
				if err := src.Read(ctx, f); errors.Is(err, context.DeadlineExceeded) {
					break
				} else if err != nil {
					t.Fatalf("read of a silent camera: %v", err)
				}
			}
			if quiet := time.Since(src.(pipeline.Pulser).Pulse().Data); quiet < 3*time.Second {
				t.Errorf("data came %v ago", quiet)
			}
			control(t, "percentage_of_dropped_buffers=0")
			if err := read(t, src, f); err != nil {
				t.Errorf("a camera that is silent no more: %v", err)
			}
			control(t, "percentage_of_dropped_buffers=100")
			began := time.Now()
			if err := src.Close(); err != nil {
				t.Error(err)
			}
			t.Logf("closed in %v, %d readers left behind", time.Since(began).Round(time.Millisecond), stuck.Count())
			await(t, "the reader", func() bool { return stuck.Count() == 0 })
		})
	}
}

// TestVividFaults: vivid gives errors on demand.
func TestVividFaults(t *testing.T) {
	src, f := source(t, "v4l2:0?size=320x180", live.Options{}), frame(t)
	for range 5 {
		if err := read(t, src, f); err != nil {
			t.Fatal(err)
		}
		control(t, "inject_v4l2_buf_flag_error=1")
	}
	if err := read(t, src, f); err != nil {
		t.Errorf("after pictures with errors: %v", err)
	}
	control(t, "inject_fatal_streaming_error=1")
	var err error
	for err == nil {
		err = read(t, src, f)
	}
	t.Log(err)
	if !strings.Contains(err.Error(), "pictures in a row could not be read from the camera") {
		t.Errorf("a queue that failed for good: %v", err)
	}
	_ = src.Close()
	again := source(t, "v4l2:0?size=320x180", live.Options{})
	if err := read(t, again, f); err != nil {
		t.Errorf("opened again: %v", err)
	}
}
