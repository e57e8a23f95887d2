package dnn

import (
	"image"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"gocv.io/x/gocv"
	"golang.org/x/sys/unix"

	"yfv2d/infer"
	"yfv2d/yuv"
)

// stopwatch collects the CPU times of one thing on the caller's thread: other programs on the machine change them little.
type stopwatch []time.Duration

func (s *stopwatch) time(f func()) {
	start := threadTime()
	f()
	*s = append(*s, threadTime()-start)
}

func (s stopwatch) medianMS() float64 {
	slices.Sort(s)
	return float64(s[len(s)/2].Nanoseconds()) / 1e6
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// Our graph against the form that the official export has, of the same weights (the official ones if they are at hand,
// else the built-in ones), turn by turn on one thread at 352x352. Medians of CPU milliseconds for a forward.
func BenchmarkForward(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := official(b)
	if m == nil {
		m = builtin(b)
	}
	ours, stock := newEngineOf(b, m), newEngine(m.Head, m.StockONNX)
	defer stock.Close()
	c := noise(image.Pt(352, 352), 1)
	forward(b, ours, c)
	forward(b, stock, c)
	var o, s stopwatch
	for b.Loop() {
		o.time(func() { forward(b, ours, c) })
		s.time(func() { forward(b, stock, c) })
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(o.medianMS(), "ours-ms")
	b.ReportMetric(s.medianMS(), "stock-ms")
	b.ReportMetric(o.medianMS()/s.medianMS(), "ratio")
}

// What a detection costs beside the forward: letterbox of an I420 640x480 frame onto the canvas that fits it, and
// decoding with suppression, down to the usual score and down to what a tracker may use. Medians of CPU milliseconds;
// ratio is the sum of letterbox and the usual decoding over the forward.
func BenchmarkAroundForward(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := official(b)
	if m == nil {
		m = builtin(b)
	}
	e := newEngineOf(b, m)
	usual, low := decoder(b, m.Head, 0.3), decoder(b, m.Head, 0.1)
	in := image.Pt(640, 480)
	frame, lb := benchFrame(b, in), infer.NewLetterbox(in, infer.AutoInput(in))
	c := &infer.Canvas{Pix: make([]byte, lb.Out.X*lb.Out.Y*3), Size: lb.Out, Letterbox: lb}
	scaled := make([]byte, yuv.Len(lb.Content.Size()))
	var box, fwd, post, postLow stopwatch
	found, foundLow := 0, 0
	for b.Loop() {
		box.time(func() { letterbox(b, c, scaled, frame) })
		var heads []float32
		fwd.time(func() { heads = forward(b, e, c) })
		post.time(func() { found = decode(b, usual, heads, c) })
		postLow.time(func() { foundLow = decode(b, low, heads, c) })
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(box.medianMS(), "letterbox-ms")
	b.ReportMetric(post.medianMS(), "decode-ms")
	b.ReportMetric(box.medianMS()+post.medianMS(), "sum-ms")
	b.ReportMetric(fwd.medianMS(), "forward-ms")
	b.ReportMetric((box.medianMS()+post.medianMS())/fwd.medianMS(), "ratio")
	b.ReportMetric(float64(found), "boxes")
	b.ReportMetric(postLow.medianMS(), "low-decode-ms")
	b.ReportMetric(float64(foundLow), "low-boxes")
}

func decoder(b *testing.B, h infer.Head, score float32) *infer.Decoder {
	b.Helper()
	d, err := infer.NewDecoder(h, infer.Thresholds{Score: score, NMS: 0.4})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// decode says how many detections there are.
func decode(b *testing.B, d *infer.Decoder, heads []float32, c *infer.Canvas) int {
	dets, err := d.Decode(heads, c.Size, c.Letterbox)
	if err != nil {
		b.Fatal(err)
	}
	return len(dets)
}

// letterbox does what the pipeline's letterbox stage does.
func letterbox(b *testing.B, c *infer.Canvas, scaled, frame []byte) {
	lb := c.Letterbox
	if err := yuv.Scale(scaled, lb.Content.Size(), frame, lb.In); err != nil {
		b.Fatal(err)
	}
	at := (lb.Content.Min.Y*lb.Out.X + lb.Content.Min.X) * 3
	if err := yuv.ToBGR(c.Pix[at:], lb.Out.X*3, scaled, lb.Content.Size()); err != nil {
		b.Fatal(err)
	}
}

// benchFrame is a photo as an I420 frame, or noise where there is no photo.
func benchFrame(b *testing.B, size image.Point) []byte {
	b.Helper()
	bgr := noise(size, 1).Pix
	if photos, _ := filepath.Glob(filepath.Join(sharedDir, "images/*.jpg")); len(photos) > 0 {
		m := gocv.IMRead(photos[0], gocv.IMReadColor)
		defer m.Close()
		gocv.Resize(m, &m, size, 0, 0, gocv.InterpolationLinear)
		pix, err := m.DataPtrUint8()
		if err != nil {
			b.Fatal(err)
		}
		copy(bgr, pix)
	}
	frame := make([]byte, yuv.Len(size))
	if err := yuv.FromBGR(frame, bgr, size.X*3, size); err != nil {
		b.Fatal(err)
	}
	return frame
}

func BenchmarkFill(b *testing.B) {
	c := noise(image.Pt(352, 352), 1)
	dst := make([]float32, len(c.Pix))
	for b.Loop() {
		fill(dst, c.Pix, len(dst)/3)
	}
}
