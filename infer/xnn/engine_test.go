//go:build cgo && !noxnnpack

package xnn

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"yfv2d/infer"
	"yfv2d/infer/model"
)

const sharedDir = "../../../shared"

func builtin(t testing.TB) *model.Model {
	t.Helper()
	m, err := model.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// official imports the authors' weights, or returns nil without them.
func official(t testing.TB) *model.Model {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(sharedDir, "models/yolo-fastestv2/*.pth"))
	if len(files) == 0 {
		return nil
	}
	m, err := model.Import(model.ImportOptions{}, files[0])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newEngineOf(t testing.TB, m *model.Model) *Engine {
	t.Helper()
	e, err := New(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// bound is a program with memory of its own, both gone at the test's end.
func bound(t testing.TB, p *plan) (*program, error) {
	t.Helper()
	m, err := newMemory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	pr, err := newProgram(p, m)
	if err != nil {
		return nil, err
	}
	t.Cleanup(pr.close)
	return pr, nil
}

// noise is a canvas of random pixels, the same for the same seed.
func noise(size image.Point, seed uint64) *infer.Canvas {
	c := &infer.Canvas{Pix: make([]byte, size.X*size.Y*3), Size: size, Letterbox: infer.NewStretch(size, size)}
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range c.Pix {
		c.Pix[i] = byte(r.Uint32())
	}
	return c
}

func forward(t testing.TB, e *Engine, c *infer.Canvas) []float32 {
	t.Helper()
	out, err := e.Forward(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// More sizes than the engine keeps, in changing order: every size gives what it gave the first time.
func TestSizesComeAndGo(t *testing.T) {
	e := newEngineOf(t, builtin(t))
	var canvases []*infer.Canvas
	var want [][]float32
	for i := range DefaultSizes + 2 {
		canvases = append(canvases, noise(image.Pt(64+32*i, 64), uint64(i)))
		want = append(want, slices.Clone(forward(t, e, canvases[i])))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		i := r.IntN(len(canvases))
		if got := forward(t, e, canvases[i]); !slices.Equal(got, want[i]) {
			t.Fatalf("size %v gives other values than before", canvases[i].Size)
		}
		if len(e.nets) > DefaultSizes || e.nets[0].size != canvases[i].Size {
			t.Fatalf("%d networks kept, the first for %v", len(e.nets), e.nets[0].size)
		}
	}
}

func TestForwardRefuses(t *testing.T) {
	e := newEngineOf(t, builtin(t))
	for _, row := range []struct {
		name string
		c    infer.Canvas
		want string
	}{
		{"odd size", infer.Canvas{Pix: make([]byte, 100*100*3), Size: image.Pt(100, 100)}, "multiples of 32"},
		{"no size", infer.Canvas{}, "multiples of 32"},
		{"huge", infer.Canvas{Size: image.Pt(1<<20, 1<<20)}, "multiples of 32 from 64 to 2048"},
		{"narrow", infer.Canvas{Pix: make([]byte, 32*64*3), Size: image.Pt(32, 64)}, "multiples of 32 from 64 to 2048"},
		{"short", infer.Canvas{Pix: make([]byte, 10), Size: image.Pt(64, 64)}, "holds 10 bytes, want 12288"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := e.Forward(&row.c); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("error %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestUseAfterClose(t *testing.T) {
	e, err := New(builtin(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	forward(t, e, noise(image.Pt(64, 64), 1))
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Forward(noise(image.Pt(64, 64), 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("Forward after Close gives %v", err)
	}
}

// The largest input fits the bounds that hostile graphs are held to.
func TestLargestInput(t *testing.T) {
	size := image.Pt(infer.MaxInput, infer.MaxInput)
	g, err := builtin(t).Graph(size)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(g)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d steps, %d MB", len(p.steps), p.floats*4>>20)
}

// Cameras of differing sizes share one engine through the real pool.
func TestWorkersWithEngine(t *testing.T) {
	m := builtin(t)
	w, err := infer.NewWorkers(1, func() (infer.Detector, error) {
		e, err := New(m, Options{})
		if err != nil {
			return nil, err
		}
		return infer.NewDetector(e, m.Head, infer.Thresholds{Score: 0.01, NMS: 0.4}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for cam := range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := noise(image.Pt(64, 64+32*cam), uint64(cam))
			var first []infer.Detection
			for i := range 20 {
				dets, took, err := w.Detect(context.Background(), c)
				if err != nil || took <= 0 {
					t.Errorf("camera %d: %v after %v", cam, err, took)
					return
				}
				if i == 0 {
					first = dets
				} else if !slices.Equal(dets, first) {
					t.Errorf("camera %d: other detections than before", cam)
				}
			}
		}()
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
