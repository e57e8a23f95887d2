package pipeline

import (
	"fmt"
	"image"
	"time"

	"gocv.io/x/gocv"
)

// Format says how a frame's pixels lie in its Mat.
type Format uint8

const (
	// I420 is one 8UC1 Mat of h*3/2 rows and w columns, both of w and h even: Y, then U above V. BT.601 limited range.
	I420 Format = iota
	// BGR is one 8UC3 Mat of h rows and w columns, any size. Still images only.
	BGR
)

// String is the format's name as the API spells it.
func (f Format) String() string {
	if f == BGR {
		return "bgr"
	}
	return "i420"
}

// noCopy makes `go vet` refuse copies of what embeds it.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// The largest picture: OpenCV and libyuv count bytes and pixels in 32 bits, and a damaged file may announce any size.
const (
	maxSide   = 16384
	maxPixels = 100_000_000
)

// Frame is one picture of a camera and owns one Mat for life. It has exactly one owner at a time; ownership moves with
// the pointer (Pool.Get, Slot.Put, Slot.Take, Pool.Put).
type Frame struct {
	_      noCopy
	Seq    uint64    // counts the frames that Read returned, from 1; set by the pipeline
	At     time.Time // capture time on the monotonic clock; set by the source
	Format Format
	Img    gocv.Mat
	pix    []byte // the Mat's memory; C memory, valid until Prepare or Close
}

// NewFrame makes an empty frame. The caller closes it.
func NewFrame() *Frame { return &Frame{Img: gocv.NewMat()} }

// Prepare makes the frame able to hold a picture of this format and size; the pixels are undefined after it. It
// allocates only when format or size differ from before. I420 wants even sides.
func (f *Frame) Prepare(format Format, size image.Point) error {
	if size.X <= 0 || size.Y <= 0 {
		return fmt.Errorf("frame of %dx%d pixels: sides must be positive", size.X, size.Y)
	}
	if size.X > maxSide || size.Y > maxSide || size.X*size.Y > maxPixels {
		return fmt.Errorf("frame of %dx%d pixels: at most %d a side and %d in all are taken", size.X, size.Y, maxSide, maxPixels)
	}
	rows, mt := size.Y, gocv.MatTypeCV8UC3
	if format == I420 {
		if size.X%2 != 0 || size.Y%2 != 0 {
			return fmt.Errorf("I420 frame of %dx%d pixels: sides must be even", size.X, size.Y)
		}
		rows, mt = size.Y*3/2, gocv.MatTypeCV8UC1
	}
	if f.pix != nil && f.Format == format && f.Size() == size {
		return nil
	}
	m := gocv.NewMatWithSize(rows, size.X, mt)
	pix, err := m.DataPtrUint8()
	if err != nil {
		_ = m.Close()
		return fmt.Errorf("frame of %dx%d pixels: %w", size.X, size.Y, err)
	}
	_ = f.Img.Close()
	f.Img, f.pix, f.Format = m, pix, format
	return nil
}

// Size is the picture's width and height in pixels, zero before the first Prepare.
func (f *Frame) Size() image.Point {
	if f.pix == nil {
		return image.Point{}
	}
	if f.Format == I420 {
		return image.Pt(f.Img.Cols(), f.Img.Rows()/3*2)
	}
	return image.Pt(f.Img.Cols(), f.Img.Rows())
}

// Pix is the picture's memory without row padding, in C memory that the frame owns: never keep it past the frame.
func (f *Frame) Pix() []byte { return f.pix }

// Planes are the Y, U and V planes of an I420 frame; U and V are half as wide and high. Borrowed like Pix.
func (f *Frame) Planes() (y, u, v []byte) {
	s := f.Size()
	n := s.X * s.Y
	return f.pix[:n], f.pix[n : n+n/4], f.pix[n+n/4 : n+n/2]
}

// Close frees the Mat. It may be called twice.
func (f *Frame) Close() error {
	if f.pix == nil && f.Img.Ptr() == nil {
		return nil
	}
	f.pix = nil
	return f.Img.Close()
}
