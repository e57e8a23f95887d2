package pipeline

import (
	"context"
	"errors"
	"image"
	"strings"
	"testing"
	"time"
)

func newPool(t *testing.T, n int) *Pool {
	t.Helper()
	p, err := NewPool(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func get(t *testing.T, p *Pool) *Frame {
	t.Helper()
	f, err := p.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPoolHoldsAFixedNumber(t *testing.T) {
	p := newPool(t, 2)
	a, b := get(t, p), get(t, p)
	if a == b {
		t.Fatal("one frame was given out twice")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("third Get of two: %v", err)
	}
	p.Put(a)
	if got := get(t, p); got != a {
		t.Error("the free frame was not given out")
	}
	p.Put(a)
	p.Put(b)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := p.Get(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Get after Close: %v", err)
	}
}

func TestPoolCloseTellsOfAMissingFrame(t *testing.T) {
	p := newPool(t, 3)
	f := get(t, p)
	if err := f.Prepare(BGR, image.Pt(3, 3)); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "1 of 3 frames") {
		t.Errorf("Close with a frame missing: %v", err)
	}
	p.Put(f)
	if f.Pix() != nil {
		t.Error("a frame that came after Close was not freed")
	}
}

func TestPoolCloseWakesGet(t *testing.T) {
	p := newPool(t, 1)
	f := get(t, p)
	got := make(chan error)
	go func() {
		_, err := p.Get(context.Background())
		got <- err
	}()
	_ = p.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Errorf("Get during Close: %v", err)
	}
	p.Put(f)
}

func TestPoolRefusesAFrameTwice(t *testing.T) {
	p := newPool(t, 1)
	f := get(t, p)
	p.Put(f)
	defer func() {
		if recover() == nil {
			t.Error("the second Put of one frame went through")
		}
		_ = p.Close()
	}()
	p.Put(f)
}

func TestPoolSize(t *testing.T) {
	if _, err := NewPool(0); err == nil {
		t.Error("a pool of no frames was made")
	}
}

func TestFramePrepare(t *testing.T) {
	for _, c := range []struct {
		name   string
		format Format
		size   image.Point
		want   string // part of the error
	}{
		{"i420", I420, image.Pt(64, 48), ""},
		{"i420 smallest", I420, image.Pt(2, 2), ""},
		{"bgr odd", BGR, image.Pt(5, 7), ""},
		{"empty", BGR, image.Pt(0, 7), "must be positive"},
		{"negative", I420, image.Pt(64, -2), "must be positive"},
		{"i420 odd width", I420, image.Pt(65, 48), "must be even"},
		{"i420 odd height", I420, image.Pt(64, 47), "must be even"},
		{"too wide", I420, image.Pt(1<<20, 2), "at most"},
		{"too large", BGR, image.Pt(16384, 16384), "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFrame(t)
			err := f.Prepare(c.format, c.size)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v, want one with %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			n := c.size.X * c.size.Y * 3
			if c.format == I420 {
				n /= 2
			}
			if f.Size() != c.size || len(f.Pix()) != n {
				t.Errorf("size %v and %d bytes, want %v and %d", f.Size(), len(f.Pix()), c.size, n)
			}
		})
	}
}

func TestFramePrepareKeepsItsMemory(t *testing.T) {
	f := newFrame(t)
	for range 2 {
		if err := f.Prepare(I420, image.Pt(64, 48)); err != nil {
			t.Fatal(err)
		}
	}
	before := &f.Pix()[0]
	if err := f.Prepare(I420, image.Pt(64, 48)); err != nil || &f.Pix()[0] != before {
		t.Errorf("the same size again: %v, memory moved: %v", err, &f.Pix()[0] != before)
	}
	y, u, v := f.Planes()
	if len(y) != 64*48 || len(u) != 32*24 || len(v) != 32*24 || &v[0] != &f.Pix()[64*48+32*24] {
		t.Errorf("planes of %d, %d and %d bytes", len(y), len(u), len(v))
	}
	if err := f.Prepare(BGR, image.Pt(64, 48)); err != nil || f.Format != BGR || len(f.Pix()) != 64*48*3 {
		t.Errorf("another format: %v, %v, %d bytes", err, f.Format, len(f.Pix()))
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil || f.Size() != (image.Point{}) {
		t.Errorf("closing twice: %v, size %v", err, f.Size())
	}
	if err := f.Prepare(I420, image.Pt(2, 2)); err != nil {
		t.Errorf("after Close: %v", err)
	}
}
