package v4l2

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"sync/atomic"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"yfv2d/capture/live"
	"yfv2d/pipeline"
)

// rig stands for a camera's driver where only the reader's life is looked at: when it returns, with what, and whether it
// ever does. What a real device gives is tested in the virtual machine (vm_test.go).
type rig struct {
	pic    picture
	next   func(n int) ([]byte, error) // the nth read, from 0; nil: noise of the right size every 5 ms
	hang   chan struct{}               // not nil: reads wait for its end
	dialed chan struct{}               // not nil: opening waits for its end
	err    error                       // of opening

	n      int
	open   *atomic.Int32 // counts devices that are open; may be nil
	closed chan struct{} // not nil: closing waits for its end
}

func (g *rig) dial(Config) (device, error) {
	if g.dialed != nil {
		<-g.dialed
	}
	if g.err != nil {
		return nil, g.err
	}
	d := *g
	if d.open != nil {
		d.open.Add(1)
	}
	return &d, nil
}

func (g *rig) picture() picture { return g.pic }

func (g *rig) read(m *gocv.Mat) (time.Time, error) {
	if g.hang != nil {
		<-g.hang
	}
	n := g.n
	g.n++
	next := g.next
	if next == nil {
		next = g.noise
	}
	data, err := next(n)
	if err != nil {
		return time.Time{}, err
	}
	if m.Empty() || m.Total() != len(data) {
		fresh := gocv.NewMatWithSize(1, len(data), gocv.MatTypeCV8U)
		fresh.CopyTo(m)
		_ = fresh.Close()
	}
	to, err := m.DataPtrUint8()
	if err != nil {
		return time.Time{}, err
	}
	copy(to, data)
	return time.Now(), nil
}

func (g *rig) noise(n int) ([]byte, error) {
	time.Sleep(5 * time.Millisecond)
	if g.pic.format == MJPEG {
		return jpegOf(g.pic.size, byte(n)), nil
	}
	return pixels(g.pic, byte(n)), nil
}

func (g *rig) close() {
	if g.closed != nil {
		<-g.closed
	}
	if g.open != nil {
		g.open.Add(-1)
	}
}

// pixels is a picture whose luma is all y.
func pixels(p picture, y byte) []byte {
	if p.format == NV12 {
		b := bytes.Repeat([]byte{128}, p.stride*p.size.Y*3/2)
		for i := range p.stride * p.size.Y {
			b[i] = y
		}
		return b
	}
	return bytes.Repeat([]byte{y, 128}, p.stride*p.size.Y/2)
}

func jpegOf(size image.Point, y byte) []byte {
	m := image.NewGray(image.Rectangle{Max: size})
	for i := range m.Pix {
		m.Pix[i] = y
	}
	color := image.NewYCbCr(image.Rectangle{Max: size}, image.YCbCrSubsampleRatio422) // what USB cameras give
	copy(color.Y, m.Pix)
	for i := range color.Cb {
		color.Cb[i], color.Cr[i] = 128, 128
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, color, nil); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func yuyvPicture() picture {
	return picture{format: YUYV, size: image.Pt(64, 48), stride: 128, fps: 30, name: "rig"}
}
func nv12Picture() picture {
	return picture{format: NV12, size: image.Pt(64, 48), stride: 64, fps: 30, name: "rig"}
}
func jpegPicture() picture {
	return picture{format: MJPEG, size: image.Pt(64, 48), fps: 30, name: "rig"}
}

var testConfig = Config{Device: "/dev/video7"}

func (g *rig) start(t testing.TB, opt live.Options) pipeline.Source {
	t.Helper()
	src, err := open(context.Background(), testConfig, opt, g.dial)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func newFrame(t testing.TB) *pipeline.Frame {
	f := pipeline.NewFrame()
	t.Cleanup(func() { _ = f.Close() })
	return f
}
