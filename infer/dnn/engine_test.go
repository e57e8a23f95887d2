package dnn

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
	e, err := New(m)
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

func TestFill(t *testing.T) {
	size := image.Pt(96, 32)
	c := noise(size, 1)
	pixels := size.X * size.Y
	dst := make([]float32, 3*pixels)
	fill(dst, c.Pix, pixels)
	for i := range pixels {
		for ch := range 3 {
			got, want := dst[ch*pixels+i], float32(c.Pix[3*i+ch])/255
			if d := got - want; d > 1e-7 || d < -1e-7 {
				t.Fatalf("pixel %d channel %d is %g, want %g", i, ch, got, want)
			}
		}
	}
}

// The rewritten graph and the official form give the same numbers, at every size.
func TestOurGraphIsTheStockOne(t *testing.T) {
	m := builtin(t)
	ours, stock := newEngineOf(t, m), newEngine(m.Head, m.StockONNX)
	defer stock.Close()
	for i, size := range []image.Point{{352, 352}, {416, 320}, {640, 192}, {64, 64}, {64, 320}, {320, 64}} {
		c := noise(size, uint64(i))
		a, b := forward(t, ours, c), forward(t, stock, c)
		if len(a) != len(b) {
			t.Fatalf("%v: %d and %d values", size, len(a), len(b))
		}
		for j := range a {
			if d := a[j] - b[j]; !(d < 1e-3 && d > -1e-3) {
				t.Fatalf("%v: value %d is %g and %g", size, j, a[j], b[j])
			}
		}
	}
}

// More sizes than the engine keeps, in changing order: every size gives what it gave the first time.
func TestSizesComeAndGo(t *testing.T) {
	e := newEngineOf(t, builtin(t))
	var canvases []*infer.Canvas
	var want [][]float32
	for i := range maxNets + 2 {
		canvases = append(canvases, noise(image.Pt(64+32*i, 64), uint64(i)))
		want = append(want, slices.Clone(forward(t, e, canvases[i])))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		i := r.IntN(len(canvases))
		if got := forward(t, e, canvases[i]); !slices.Equal(got, want[i]) {
			t.Fatalf("size %v gives other values than before", canvases[i].Size)
		}
		if len(e.nets) > maxNets || e.nets[0].size != canvases[i].Size {
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
	e, err := New(builtin(t))
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

// What OpenCV cannot run must be an error, not the end of the process.
func TestGraphsThatOpenCVRefuses(t *testing.T) {
	m := builtin(t)
	good, err := m.ONNX(image.Pt(64, 64))
	if err != nil {
		t.Fatal(err)
	}
	garbage := make([]byte, 5000)
	for i := range garbage {
		garbage[i] = byte(i * 7)
	}
	for _, row := range []struct {
		name string
		onnx []byte
		err  error
		want string
	}{
		{"empty", nil, nil, "empty graph"},
		{"garbage", garbage, nil, "OpenCV does not run this graph"},
		{"truncated", good[:len(good)/2], nil, "OpenCV does not run this graph"},
		{"not made", nil, errors.New("no such graph"), "no such graph"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEngine(m.Head, func(image.Point) ([]byte, error) { return row.onnx, row.err })
			defer e.Close()
			_, err := e.Forward(noise(image.Pt(64, 64), 1))
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want one line with %q", err, row.want)
			}
		})
	}
	e := newEngine(infer.Head{Classes: 3, Strides: m.Head.Strides, Anchors: m.Head.Anchors}, m.ONNX)
	defer e.Close()
	if _, err := e.Forward(noise(image.Pt(64, 64), 1)); err == nil || !strings.Contains(err.Error(), "values in place of") {
		t.Errorf("a head of another class count gives %v", err)
	}
}

// Cameras of differing sizes share one engine through the real pool.
func TestWorkersWithEngine(t *testing.T) {
	m := builtin(t)
	w, err := infer.NewWorkers(1, func() (infer.Detector, error) {
		e, err := New(m)
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
