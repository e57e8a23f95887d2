package pipeline

import (
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"yfv2d/infer"
	"yfv2d/yuv"
)

// Canvas is an infer.Canvas with the C memory behind it. Like a Frame it has one owner at a time.
type Canvas struct {
	_ noCopy
	infer.Canvas
	mat     gocv.Mat // Pix is its memory
	content gocv.Mat // header of the part of mat that the picture covers
}

// NewCanvas makes an empty canvas. The caller closes it.
func NewCanvas() *Canvas { return &Canvas{mat: gocv.NewMat(), content: gocv.NewMat()} }

// prepare makes the canvas able to hold a picture laid out by lb, with the padding filled in. It allocates only when
// the canvas size changes.
func (c *Canvas) prepare(lb infer.Letterbox) error {
	if c.Pix != nil && c.Letterbox == lb {
		return nil
	}
	if c.Pix == nil || c.Size != lb.Out {
		m := gocv.NewMatWithSize(lb.Out.Y, lb.Out.X, gocv.MatTypeCV8UC3)
		pix, err := m.DataPtrUint8()
		if err != nil {
			_ = m.Close()
			return fmt.Errorf("canvas of %dx%d pixels: %w", lb.Out.X, lb.Out.Y, err)
		}
		_ = c.mat.Close()
		c.mat, c.Pix, c.Size = m, pix, lb.Out
	}
	_ = c.content.Close()
	c.content = c.mat.Region(lb.Content)
	c.Letterbox = lb
	for i := range c.Pix {
		c.Pix[i] = infer.PadValue
	}
	return nil
}

// Close frees the canvas. It may be called twice.
func (c *Canvas) Close() error {
	c.Pix, c.Letterbox = nil, infer.Letterbox{}
	if c.content.Ptr() != nil {
		_ = c.content.Close()
	}
	if c.mat.Ptr() == nil {
		return nil
	}
	return c.mat.Close()
}

// Letterboxer turns frames into canvases. It belongs to one goroutine, and holds Go memory only.
type Letterboxer struct {
	input  image.Point // canvas size; zero: the one that fits the frame
	resize infer.Resize
	lb     infer.Letterbox // for the newest frame size
	format Format          // of that frame
	scaled []byte          // I420 picture at the content's size
}

// NewLetterboxer makes a letterboxer for canvases of that size; zero means the size that fits each frame (see
// infer.AutoInput). Other sizes must be multiples of 32, 64 or more.
func NewLetterboxer(input image.Point, resize infer.Resize) (*Letterboxer, error) {
	if input != (image.Point{}) {
		if err := infer.CheckInput(input); err != nil {
			return nil, err
		}
	}
	return &Letterboxer{input: input, resize: resize}, nil
}

// Make draws f, I420 or BGR, on c with bilinear interpolation. No picture of the frame's own size is ever converted: the
// planes of an I420 frame are scaled first and only the canvas becomes BGR. Seq and At are the frame's.
func (l *Letterboxer) Make(c *Canvas, f *Frame) error {
	size := f.Size()
	if size.X <= 0 || size.Y <= 0 {
		return fmt.Errorf("letterbox frame %d: it is empty", f.Seq)
	}
	if l.lb.In != size || l.format != f.Format {
		fit := infer.NewFit
		if f.Format == BGR {
			fit = infer.NewStillFit
		}
		l.lb, l.format = fit(l.resize, size, infer.InputFor(l.input, size)), f.Format
	}
	if err := c.prepare(l.lb); err != nil {
		return err
	}
	c.Seq, c.At = f.Seq, f.At
	if f.Format == BGR {
		gocv.Resize(f.Img, &c.content, l.lb.Content.Size(), 0, 0, gocv.InterpolationLinear)
		return nil
	}
	return l.fromI420(c, f.Pix(), size)
}

func (l *Letterboxer) fromI420(c *Canvas, pix []byte, size image.Point) error {
	content := l.lb.Content.Size()
	if content != size {
		if n := yuv.Len(content); len(l.scaled) != n {
			l.scaled = make([]byte, n)
		}
		if err := yuv.Scale(l.scaled, content, pix, size); err != nil {
			return err
		}
		pix = l.scaled
	}
	stride, at := c.Size.X*3, l.lb.Content.Min
	return yuv.ToBGR(c.Pix[at.Y*stride+at.X*3:], stride, pix, content)
}
