package v4l2

import (
	"context"
	"errors"
	"image"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"yfv2d/capture/capturetest"
	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

func TestContract(t *testing.T) {
	odd := yuyvPicture()
	odd.size = image.Pt(64, 47)
	padded := nv12Picture()
	padded.stride = 96
	for _, c := range []struct {
		name string
		pic  picture
		size image.Point
	}{
		{"yuyv", yuyvPicture(), image.Pt(64, 48)},
		{"yuyv of odd height", odd, image.Pt(64, 46)},
		{"nv12", nv12Picture(), image.Pt(64, 48)},
		{"nv12 with padded rows", padded, image.Pt(64, 48)},
		{"mjpeg", jpegPicture(), image.Pt(64, 48)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var devices atomic.Int32
			g := &rig{pic: c.pic, open: &devices}
			capturetest.Run(t, capturetest.Contract{
				Open:  func(t testing.TB) pipeline.Source { return g.start(t, live.Options{}) },
				Sizes: []image.Point{c.size},
				Broken: []capturetest.Broken{
					{Name: "absent", Says: "/dev/video99 is not there", Open: func(testing.TB) (pipeline.Source, error) {
						return Open(context.Background(), Config{Device: "/dev/video99"}, live.Options{})
					}},
					{Name: "no camera", Says: "/dev/null is no camera", Open: func(testing.TB) (pipeline.Source, error) {
						return Open(context.Background(), Config{Device: "/dev/null"}, live.Options{})
					}},
				},
			})
			if n := devices.Load(); n != 0 {
				t.Errorf("%d devices left open", n)
			}
		})
	}
}

// TestPixels: the luma that goes in comes out, by every format, limited and full range.
func TestPixels(t *testing.T) {
	full := yuyvPicture()
	full.full = true
	for _, c := range []struct {
		name     string
		pic      picture
		in, want byte
	}{
		{"yuyv", yuyvPicture(), 100, 100},
		{"nv12", nv12Picture(), 200, 200},
		{"full range", full, 255, 235},
		{"mjpeg", jpegPicture(), 255, 235},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &rig{pic: c.pic, next: func(int) ([]byte, error) {
				time.Sleep(time.Millisecond)
				if c.pic.format == MJPEG {
					return jpegOf(c.pic.size, c.in), nil
				}
				return pixels(c.pic, c.in), nil
			}}
			src, f := g.start(t, live.Options{}), newFrame(t)
			defer src.Close()
			if err := src.Read(context.Background(), f); err != nil {
				t.Fatal(err)
			}
			y, u, v := f.Planes()
			if d := int(y[70]) - int(c.want); d < -1 || d > 1 || u[20] != 128 || v[20] != 128 {
				t.Errorf("a pixel of %d %d %d, want %d 128 128", y[70], u[20], v[20], c.want)
			}
		})
	}
}

// TestNewestWins: what was not read in time is gone, and no Mat with it.
func TestNewestWins(t *testing.T) {
	read := make(chan int, 100)
	g := &rig{pic: yuyvPicture()}
	g.next = func(n int) ([]byte, error) {
		if n >= 50 {
			select {
			case read <- n:
			default:
			}
			time.Sleep(5 * time.Millisecond)
			return nil, errSilent
		}
		return pixels(g.pic, byte(n)), nil
	}
	src, f := g.start(t, live.Options{}), newFrame(t)
	defer src.Close()
	<-read
	if err := src.Read(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	if y, _, _ := f.Planes(); y[0] != 49 {
		t.Errorf("picture %d, want 49, the newest", y[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := src.Read(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read of a silent camera: %v, want its ctx's end", err)
	}
	before := src.(pipeline.Pulser).Pulse()
	<-read
	<-read
	if after := src.(pipeline.Pulser).Pulse(); after != before || before.Interval != time.Second/30 {
		t.Errorf("the pulse of a silent camera went from %+v to %+v", before, after)
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name string
		pic  picture
		next func(n int) ([]byte, error)
		says string
	}{
		{"unplugged", yuyvPicture(), func(int) ([]byte, error) { return nil, errors.New("the camera was unplugged") },
			"/dev/video7: the camera was unplugged"},
		{"unplugged, mjpeg", jpegPicture(), func(int) ([]byte, error) { return nil, errors.New("the camera was unplugged") },
			"/dev/video7: the camera was unplugged"},
		{"lost", yuyvPicture(), func(int) ([]byte, error) { return nil, errNone }, "10 pictures in a row could not be read"},
		{"lost, mjpeg", jpegPicture(), func(int) ([]byte, error) { return nil, errNone }, "10 pictures in a row could not be read"},
		{"short", yuyvPicture(), func(int) ([]byte, error) { time.Sleep(time.Millisecond); return make([]byte, 100), nil },
			"pictures in a row could not be used: planes to I420: 100 bytes"},
		{"short nv12", nv12Picture(), func(int) ([]byte, error) { time.Sleep(time.Millisecond); return make([]byte, 100), nil },
			"100 bytes of NV12"},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			src, f := (&rig{pic: c.pic, next: c.next}).start(t, live.Options{}), newFrame(t)
			defer src.Close()
			for range 2 {
				if err := src.Read(context.Background(), f); err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("error %v, want one with %q", err, c.says)
				}
			}
		})
	}
}

// TestLostPicturesPass: a few lost pictures are no failure.
func TestLostPicturesPass(t *testing.T) {
	g := &rig{pic: yuyvPicture()}
	g.next = func(n int) ([]byte, error) {
		if n%maxLost != maxLost-1 {
			return nil, errNone
		}
		return g.noise(n)
	}
	src, f := g.start(t, live.Options{}), newFrame(t)
	defer src.Close()
	for range 3 {
		if err := src.Read(context.Background(), f); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHangingReads: readers that a driver holds are left behind, counted, bounded, and free their things when it lets go.
func TestHangingReads(t *testing.T) {
	for _, pic := range []picture{yuyvPicture(), jpegPicture()} {
		t.Run(string(pic.format), func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			var devices atomic.Int32
			var stuck live.Stuck
			g := &rig{pic: pic, hang: make(chan struct{}), open: &devices}
			opt := live.Options{Stuck: &stuck}
			var all sync.WaitGroup
			for range live.MaxStuck {
				all.Add(1)
				go func() {
					defer all.Done()
					leaveBehind(t, g, opt)
				}()
			}
			all.Wait()
			if n := stuck.Count(); n != live.MaxStuck {
				t.Fatalf("%d readers are left behind, want %d", n, live.MaxStuck)
			}
			if _, err := open(context.Background(), testConfig, opt, g.dial); err == nil || !strings.Contains(err.Error(), "hang in its driver") {
				t.Errorf("one reader more: %v", err)
			}
			close(g.hang)
			await(t, func() bool { return stuck.Count() == 0 && devices.Load() == 0 })
			src, f := g.start(t, opt), newFrame(t)
			defer src.Close()
			if err := src.Read(context.Background(), f); err != nil {
				t.Error(err)
			}
		})
	}
}

// leaveBehind opens a camera whose reads hang, finds that Read ends with its ctx, and closes it.
func leaveBehind(t *testing.T, g *rig, opt live.Options) {
	src, err := open(context.Background(), testConfig, opt, g.dial)
	if err != nil {
		t.Error(err)
		return
	}
	f := pipeline.NewFrame()
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := src.Read(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	for range 2 {
		if err := src.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := src.Read(context.Background(), f); !errors.Is(err, pipeline.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
}

func await(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
	}
}

// TestHangingClose: so is a reader that its driver holds when it is to be closed.
func TestHangingClose(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var stuck live.Stuck
	g := &rig{pic: yuyvPicture(), closed: make(chan struct{})}
	src := g.start(t, live.Options{Stuck: &stuck})
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	if stuck.Count() != 1 {
		t.Errorf("%d readers are left behind, want 1", stuck.Count())
	}
	close(g.closed)
	await(t, func() bool { return stuck.Count() == 0 })
}

func TestHangingOpening(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		says    string
	}{
		{"timeout", 50 * time.Millisecond, "does not answer within 50ms"},
		{"canceled", 0, "context deadline exceeded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			var devices atomic.Int32
			var stuck live.Stuck
			g := &rig{pic: yuyvPicture(), dialed: make(chan struct{}), open: &devices}
			ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			_, err := open(ctx, testConfig, live.Options{Stuck: &stuck, OpenTimeout: c.timeout}, g.dial)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want one with %q", err, c.says)
			}
			if stuck.Count() != 1 {
				t.Errorf("%d readers are left behind, want 1", stuck.Count())
			}
			g.err = nil
			close(g.dialed)
			await(t, func() bool { return stuck.Count() == 0 && devices.Load() == 0 })
		})
	}
}

// TestBusyByUs: the error of a camera that a reader of ours holds says so.
func TestBusyByUs(t *testing.T) {
	var stuck live.Stuck
	g := &rig{err: openError(testConfig.Device, unix.EBUSY)}
	for _, c := range []struct {
		name string
		held bool
	}{{"by another", false}, {"by us", true}} {
		t.Run(c.name, func(t *testing.T) {
			if c.held {
				stuck.Leave()
			}
			_, err := open(context.Background(), testConfig, live.Options{Stuck: &stuck}, g.dial)
			if err == nil || !strings.Contains(err.Error(), "another program uses") || strings.Contains(err.Error(), "1 readers of this program") != c.held {
				t.Error(err)
			}
		})
	}
}
