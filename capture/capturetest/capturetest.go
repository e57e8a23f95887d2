// Package capturetest is the contract that every pipeline.Source keeps, as a test to be run by each of them.
package capturetest

import (
	"context"
	"errors"
	"image"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yfv2d/pipeline"
)

// hang is when a call that should return at once is taken to hang. It is no measure of speed.
const hang = 20 * time.Second

// endless is how many frames of an endless source are looked at.
const endless = 20

// Contract describes a source to Run.
type Contract struct {
	// Open makes a fresh source that has not been read. It fails the test if it cannot.
	Open func(t testing.TB) pipeline.Source
	// Frames is how many frames the source gives before io.EOF; 0 means that it never ends.
	Frames int
	// Format of every frame.
	Format pipeline.Format
	// Sizes are the frames' sizes in order, each change once: a source whose picture changes from 64x48 to 96x64 has
	// both. Empty means any one size.
	Sizes []image.Point
	// Broken are things that cannot be read. Each must fail with an error that names it, when it is opened or at the
	// first Read.
	Broken []Broken
	// Ignore are goroutines that may outlive a source (an abandoned reader of a device that hangs).
	Ignore []goleak.Option
}

// Broken is one thing that cannot be read.
type Broken struct {
	Name string
	Open func(t testing.TB) (pipeline.Source, error)
	Says string // part of the error: the file's name, what is wrong
}

// Run tests the contract. Each part is a subtest.
func Run(t *testing.T, c Contract) {
	t.Run("order", c.order)
	t.Run("canceled before", c.canceledBefore)
	t.Run("canceled while reading", c.canceledWhile)
	t.Run("close twice", c.closeTwice)
	t.Run("read after close", c.readAfterClose)
	t.Run("frame of another kind", c.reusedFrame)
	for _, b := range c.Broken {
		t.Run("broken/"+b.Name, func(t *testing.T) { b.check(t) })
	}
	t.Run("nothing left over", c.leak)
}

// use opens a source and a frame and closes both at the test's end.
func (c Contract) use(t *testing.T) (pipeline.Source, *pipeline.Frame) {
	t.Helper()
	src, f := c.Open(t), pipeline.NewFrame()
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		_ = f.Close()
	})
	return src, f
}

// order reads to the end: times increase, frames are whole, sizes come as told, the end is an end.
func (c Contract) order(t *testing.T) {
	src, f := c.use(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*hang)
	defer cancel()
	var last time.Time
	var sizes []image.Point
	n := 0
	for ; c.Frames > 0 || n < endless; n++ {
		err := src.Read(ctx, f)
		if err == io.EOF && c.Frames > 0 {
			break
		}
		if err != nil {
			t.Fatalf("frame %d: %v", n, err)
		}
		if n > 0 && !f.At.After(last) {
			t.Fatalf("frame %d is of %v, the one before of %v", n, f.At, last)
		}
		last = f.At
		checkFrame(t, n, f, c.Format)
		if s := f.Size(); len(sizes) == 0 || sizes[len(sizes)-1] != s {
			sizes = append(sizes, s)
		}
	}
	if c.Frames > 0 && n != c.Frames {
		t.Errorf("%d frames, want %d", n, c.Frames)
	}
	if c.Frames > 0 {
		if err := src.Read(ctx, f); err != io.EOF {
			t.Errorf("read after the end: %v, want io.EOF", err)
		}
	}
	checkSizes(t, sizes, c.Sizes)
}

func checkFrame(t *testing.T, n int, f *pipeline.Frame, format pipeline.Format) {
	t.Helper()
	if f.Format != format {
		t.Fatalf("frame %d is %v, want %v", n, f.Format, format)
	}
	s := f.Size()
	want := s.X * s.Y * 3
	if format == pipeline.I420 {
		want /= 2
	}
	if want == 0 || len(f.Pix()) != want {
		t.Fatalf("frame %d of %v has %d bytes, want %d", n, s, len(f.Pix()), want)
	}
	if f.At.IsZero() {
		t.Fatalf("frame %d has no time", n)
	}
}

func checkSizes(t *testing.T, got, want []image.Point) {
	t.Helper()
	if len(want) == 0 {
		if len(got) != 1 {
			t.Errorf("sizes %v, want one", got)
		}
		return
	}
	if len(got) != len(want) {
		t.Fatalf("sizes %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("sizes %v, want %v", got, want)
		}
	}
}

// canceledBefore: a ctx that has ended already ends Read, and the source can still be read with another.
func (c Contract) canceledBefore(t *testing.T) {
	src, f := c.use(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := readGuarded(t, src, ctx, f); !errors.Is(err, context.Canceled) {
		t.Fatalf("read with an ended ctx: %v, want context.Canceled", err)
	}
	if err := readGuarded(t, src, context.Background(), f); err != nil && err != io.EOF {
		t.Errorf("read after a canceled one: %v", err)
	}
}

// canceledWhile: Read that is under way returns when ctx ends.
func (c Contract) canceledWhile(t *testing.T) {
	src, f := c.use(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := readGuarded(t, src, ctx, f); err != nil {
		t.Fatalf("first frame: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		for {
			if err := src.Read(ctx, f); err != nil {
				done <- err
				return
			}
		}
	}()
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) && err != io.EOF {
			t.Errorf("read while ctx ends: %v, want context.Canceled", err)
		}
	case <-time.After(hang):
		t.Fatal("Read does not return after its ctx ended")
	}
}

// readGuarded is Read on a goroutine, with a guard against hanging.
func readGuarded(t *testing.T, src pipeline.Source, ctx context.Context, f *pipeline.Frame) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- src.Read(ctx, f) }()
	select {
	case err := <-done:
		return err
	case <-time.After(hang):
		t.Fatal("Read hangs")
		return nil
	}
}

func (c Contract) closeTwice(t *testing.T) {
	src, f := c.Open(t), pipeline.NewFrame()
	defer f.Close()
	if err := readGuarded(t, src, context.Background(), f); err != nil {
		t.Errorf("read: %v", err)
	}
	for i := range 2 {
		if err := src.Close(); err != nil {
			t.Errorf("close %d: %v", i+1, err)
		}
	}
}

func (c Contract) readAfterClose(t *testing.T) {
	src, f := c.Open(t), pipeline.NewFrame()
	defer f.Close()
	if err := src.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	for range 2 {
		if err := readGuarded(t, src, context.Background(), f); !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("read after close: %v, want pipeline.ErrClosed", err)
		}
	}
}

// reusedFrame: a frame that held something else before is filled all the same.
func (c Contract) reusedFrame(t *testing.T) {
	src, f := c.use(t)
	other := pipeline.BGR
	if c.Format == pipeline.BGR {
		other = pipeline.I420
	}
	if err := f.Prepare(other, image.Pt(10, 20)); err != nil {
		t.Fatal(err)
	}
	if err := readGuarded(t, src, context.Background(), f); err != nil {
		t.Fatal(err)
	}
	checkFrame(t, 0, f, c.Format)
}

func (b Broken) check(t *testing.T) {
	src, err := b.Open(t)
	if err == nil {
		defer src.Close()
		f := pipeline.NewFrame()
		defer f.Close()
		err = readGuarded(t, src, context.Background(), f)
	}
	if err == nil {
		t.Fatal("it was read, want an error")
	}
	if err == io.EOF || !strings.Contains(err.Error(), b.Says) {
		t.Errorf("error %q does not say %q", err, b.Says)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q is more than one line", err)
	}
}

// leak opens, reads and closes many times, in full and in part, and counts what remains.
func (c Contract) leak(t *testing.T) {
	round := func(reads int) {
		src, f := c.Open(t), pipeline.NewFrame()
		for range reads {
			if err := src.Read(context.Background(), f); err != nil {
				break
			}
		}
		if err := src.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("close frame: %v", err)
		}
	}
	round(2) // what is made once for the process is made now
	goroutines := append([]goleak.Option{goleak.IgnoreCurrent()}, c.Ignore...)
	before, files := mats(), openFiles(t)
	for i := range 20 {
		round(i % 4)
	}
	if err := goleak.Find(goroutines...); err != nil {
		t.Error(err)
	}
	if n := mats() - before; n != 0 {
		t.Errorf("%d Mats left over", n)
	}
	for deadline := time.Now().Add(hang); openFiles(t) > files; {
		if time.Now().After(deadline) {
			t.Fatalf("%d files open, %d before", openFiles(t), files)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
