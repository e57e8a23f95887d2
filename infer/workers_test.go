package infer

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// faulty is a detector with faults on demand; it also watches that one goroutine at a time uses it.
type faulty struct {
	t      *testing.T
	busy   atomic.Bool
	closed atomic.Bool
	detect func(c *Canvas) ([]Detection, error)
	close  error
}

func (f *faulty) Detect(c *Canvas) ([]Detection, error) {
	if !f.busy.CompareAndSwap(false, true) {
		f.t.Error("two calls at once on one detector")
	}
	defer f.busy.Store(false)
	if f.closed.Load() {
		f.t.Error("call after Close")
	}
	return f.detect(c)
}

func (f *faulty) Close() error {
	if f.busy.Load() {
		f.t.Error("Close during a call")
	}
	if f.closed.Swap(true) {
		f.t.Error("detector closed twice")
	}
	return f.close
}

func TestWorkersUnderLoad(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, n := range [...]int{1, 3} {
		var opened atomic.Int32
		w, err := NewWorkers(n, func() (Detector, error) {
			opened.Add(1)
			return &faulty{t: t, detect: func(c *Canvas) ([]Detection, error) {
				switch c.Seq % 7 {
				case 3:
					return nil, errors.New("fault")
				case 5:
					panic("fault")
				}
				return []Detection{{Class: int(c.Seq)}}, nil
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for cam := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				r := rand.New(rand.NewPCG(uint64(cam), 1))
				for range 200 {
					seq := r.Uint64N(1000)
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					dets, _, err := w.Detect(ctx, &Canvas{Seq: seq})
					cancel()
					if bad := seq%7 == 3 || seq%7 == 5; bad != (err != nil) {
						t.Errorf("canvas %d: error %v", seq, err)
					} else if !bad && dets[0].Class != int(seq) {
						t.Errorf("canvas %d got another's detections", seq)
					}
				}
			}()
		}
		wg.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if int(opened.Load()) <= n {
			t.Error("no detector was replaced after a panic")
		}
	}
}

// Calls are served in the order they came, or the one whose caller had its last turn longest ago first.
func TestWorkersAreFair(t *testing.T) {
	epoch := time.Unix(1000, 0)
	for _, c := range []struct {
		name string
		ask  func(w *Workers, i int) error
		want []uint64
	}{
		{"by coming", func(w *Workers, i int) error {
			_, _, err := w.Detect(context.Background(), &Canvas{Seq: uint64(i)})
			return err
		}, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8}},
		{"by last turn", func(w *Workers, i int) error {
			last := epoch.Add(time.Duration([]int{9, 3, 5, 1, 5, 3, 8, 0, 5}[i]) * time.Second)
			if i == 7 {
				last = time.Time{} // never had one
			}
			_, _, err := w.DetectNewest(context.Background(), last, func() (*Canvas, error) { return &Canvas{Seq: uint64(i)}, nil })
			return err
		}, []uint64{0, 7, 3, 1, 5, 2, 4, 8, 6}}, // the first finds the detector free
	} {
		t.Run(c.name, func(t *testing.T) {
			if order := servedInOrder(t, len(c.want), c.ask); !slices.Equal(order, c.want) {
				t.Errorf("served in the order %v, want %v", order, c.want)
			}
		})
	}
}

// servedInOrder lets calls come one after the other to one detector, and only then serves them.
func servedInOrder(t *testing.T, waiters int, ask func(w *Workers, i int) error) []uint64 {
	defer goleak.VerifyNone(t)
	gate := make(chan struct{})
	var mu sync.Mutex
	var order []uint64
	w, err := NewWorkers(1, func() (Detector, error) {
		return &faulty{t: t, detect: func(c *Canvas) ([]Detection, error) {
			mu.Lock()
			order = append(order, c.Seq)
			mu.Unlock()
			<-gate
			return nil, nil
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range waiters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := ask(w, i); err != nil {
				t.Error(err)
			}
		}()
		entered := func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.free) == 0 && len(w.queue) == i
		}
		for end := time.Now().Add(time.Minute); !entered(); time.Sleep(100 * time.Microsecond) {
			if time.Now().After(end) {
				t.Fatalf("call %d does not join the queue", i)
			}
		}
	}
	for range waiters {
		gate <- struct{}{}
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	return order
}

// The canvas is asked for when the turn has come, and not at all if it never comes.
func TestWorkersAskForTheNewest(t *testing.T) {
	defer goleak.VerifyNone(t)
	running, release := make(chan struct{}), make(chan struct{})
	w, err := NewWorkers(1, func() (Detector, error) {
		return &faulty{t: t, detect: func(c *Canvas) ([]Detection, error) {
			if c.Seq == 0 {
				close(running)
				<-release
			}
			return []Detection{{Class: int(c.Seq)}}, nil
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() { _, _, err := w.Detect(context.Background(), &Canvas{}); first <- err }()
	<-running

	var newest atomic.Uint64
	newest.Store(1)
	got := make(chan int, 1)
	go func() {
		dets, _, err := w.DetectNewest(context.Background(), time.Time{}, func() (*Canvas, error) { return &Canvas{Seq: newest.Load()}, nil })
		if err != nil {
			t.Error(err)
		}
		got <- dets[0].Class
	}()
	ctx, cancel := context.WithCancel(context.Background())
	never := func() (*Canvas, error) { t.Error("asked without a turn"); return nil, nil }
	gone := make(chan error, 1)
	go func() { _, _, err := w.DetectNewest(ctx, time.Time{}, never); gone <- err }()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled waiter got %v", err)
	}
	newest.Store(2)
	close(release)
	if seq := <-got; seq != 2 {
		t.Errorf("canvas %d was looked at, want the newest", seq)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}

	nothing := errors.New("nothing there")
	if _, _, err := w.DetectNewest(context.Background(), time.Time{}, func() (*Canvas, error) { return nil, nothing }); err != nothing {
		t.Errorf("without a canvas: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _, _ = w.DetectNewest(context.Background(), time.Time{}, func() (*Canvas, error) { panic("fault") })
	}()
	if dets, _, err := w.Detect(context.Background(), &Canvas{Seq: 5}); err != nil || dets[0].Class != 5 {
		t.Errorf("after it: %v, %v; the detector should be free", dets, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := w.DetectNewest(context.Background(), time.Time{}, never); !errors.Is(err, ErrWorkersClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestWorkersCancelAndClose(t *testing.T) {
	defer goleak.VerifyNone(t)
	running, release := make(chan struct{}), make(chan struct{})
	w, err := NewWorkers(1, func() (Detector, error) {
		return &faulty{t: t, close: errors.New("close failed"), detect: func(*Canvas) ([]Detection, error) {
			close(running)
			<-release
			return []Detection{{}}, nil
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		dets, took, err := w.Detect(context.Background(), &Canvas{})
		if err == nil && (len(dets) != 1 || took <= 0) {
			err = errors.New("no result")
		}
		first <- err
	}()
	<-running

	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan error, 1)
	go func() { _, _, err := w.Detect(ctx, &Canvas{}); waiting <- err }()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled waiter got %v", err)
	}

	go func() { _, _, err := w.Detect(context.Background(), &Canvas{}); waiting <- err }()
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- w.Close() }()
	}
	if err := <-waiting; !errors.Is(err, ErrWorkersClosed) {
		t.Errorf("waiter at Close got %v", err)
	}
	select {
	case <-closed:
		t.Error("Close did not wait for the call in flight")
	default:
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("call in flight at Close: %v", err)
	}
	for range 2 {
		if err := <-closed; err == nil || !strings.Contains(err.Error(), "close failed") {
			t.Errorf("Close gave %v", err)
		}
	}
	if _, _, err := w.Detect(context.Background(), &Canvas{}); !errors.Is(err, ErrWorkersClosed) {
		t.Errorf("Detect after Close gave %v", err)
	}
}

func TestNewWorkersThatFails(t *testing.T) {
	if _, err := NewWorkers(0, nil); err == nil {
		t.Error("0 detectors taken")
	}
	var made []*faulty
	_, err := NewWorkers(3, func() (Detector, error) {
		if len(made) == 2 {
			return nil, errors.New("no memory")
		}
		made = append(made, &faulty{t: t})
		return made[len(made)-1], nil
	})
	if err == nil || !strings.Contains(err.Error(), "no memory") {
		t.Errorf("error %v", err)
	}
	for i, f := range made {
		if !f.closed.Load() {
			t.Errorf("detector %d left open", i)
		}
	}
}

// Calls that are given up at any moment lose no detector.
func TestWorkersSurviveImpatience(t *testing.T) {
	defer goleak.VerifyNone(t)
	w, err := NewWorkers(2, func() (Detector, error) {
		return &faulty{t: t, detect: func(*Canvas) ([]Detection, error) { time.Sleep(20 * time.Microsecond); return nil, nil }}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for cam := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewPCG(uint64(cam), 2))
			for range 500 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(150))*time.Microsecond)
				if _, _, err := w.Detect(ctx, &Canvas{}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				cancel()
			}
		}()
	}
	wg.Wait()
	if len(w.free) != 2 || len(w.queue) != 0 {
		t.Errorf("%d of 2 detectors are free, %d calls wait", len(w.free), len(w.queue))
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// A detector that cannot be replaced is tried again at the next call.
func TestWorkersReplaceLater(t *testing.T) {
	opens := 0
	w, err := NewWorkers(1, func() (Detector, error) {
		opens++
		if opens == 2 {
			return nil, errors.New("still down")
		}
		return &faulty{t: t, detect: func(c *Canvas) ([]Detection, error) {
			if c.Seq == 0 {
				panic("fault")
			}
			return nil, nil
		}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"panicked", "still down", ""} {
		_, _, err := w.Detect(context.Background(), &Canvas{Seq: uint64(i)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

type fakeEngine struct {
	heads []float32
	err   error
	open  bool
}

func (e *fakeEngine) Forward(*Canvas) ([]float32, error) { return e.heads, e.err }
func (e *fakeEngine) Close() error                       { e.open = false; return nil }

func TestDetector(t *testing.T) {
	_, heads, size := benchDecoder(t)
	in := image.Pt(640, 480)
	c := &Canvas{Size: size, Letterbox: NewLetterbox(in, size)}
	fine := Thresholds{Score: 0.3, NMS: 0.4}
	for _, row := range []struct {
		name string
		e    fakeEngine
		t    Thresholds
		c    *Canvas
		want string
	}{
		{"finds", fakeEngine{heads: heads}, fine, c, ""},
		{"engine fails", fakeEngine{err: errors.New("boom")}, fine, c, "run network: boom"},
		{"short heads", fakeEngine{heads: heads[1:]}, fine, c, "decode network output"},
		{"bad thresholds", fakeEngine{heads: heads}, Thresholds{Score: 2}, c, "between 0 and 1"},
		{"no canvas", fakeEngine{heads: heads}, fine, nil, "no canvas"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.e.open = true
			d := NewDetector(&row.e, officialHead, row.t)
			dets, err := d.Detect(row.c)
			if row.want == "" {
				if err != nil || len(dets) == 0 {
					t.Fatalf("%d detections, error %v", len(dets), err)
				}
				checkSane(t, dets, in)
			} else if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("error %v, want one with %q", err, row.want)
			}
			if err := d.Close(); err != nil || row.e.open {
				t.Fatalf("engine left open, error %v", err)
			}
		})
	}
}
