//go:build cgo && !noxnnpack

package xnn

import (
	"image"
	"runtime"
	"slices"
	"sync"
	"testing"

	"yfv2d/infer/xnn/xnntest"
)

// grown is how much f leaves on the C heap, bytes.
func grown(f func()) int {
	before := xnntest.Heap()
	f()
	return xnntest.Heap() - before
}

// A further size takes no arena of its own, and a further engine no weights where the library lets us share them.
func TestWhatIsShared(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	m := builtin(t)
	e, other := newEngineOf(t, m), newEngineOf(t, m)
	size := image.Pt(352, 352)
	first := grown(func() { forward(t, e, noise(size, 1)) })
	if first == 0 {
		t.Skip("malloc is not glibc's, so nothing tells how much it gave (an address sanitizer's build)")
	}
	smaller := grown(func() { forward(t, e, noise(image.Pt(352, 320), 1)) })
	second := grown(func() { forward(t, other, noise(size, 1)) })
	t.Logf("352x352 takes %d kB, 352x320 beside it %d kB, 352x352 in another engine %d kB", first>>10, smaller>>10, second>>10)
	if arena := 4 << 20; first-smaller < arena {
		t.Errorf("a second, smaller size takes %d of the first's %d bytes, so it has an arena", smaller, first)
	}
	if weights := 900_000; sharesWeights() && first-second < weights {
		t.Errorf("another engine takes %d bytes after one that takes %d, so it has its own weights", second, first)
	}
}

// The arena moves when a larger size comes, which the smaller ones must not notice.
func TestArenaGrowsUnderPrograms(t *testing.T) {
	e := newEngineOf(t, builtin(t))
	small := noise(image.Pt(96, 64), 1)
	want := slices.Clone(forward(t, e, small))
	for i := 2; i <= 8; i++ {
		forward(t, e, noise(image.Pt(32*i, 64*i), uint64(i)))
		if got := forward(t, e, small); !slices.Equal(got, want) {
			t.Fatalf("other values after %dx%d", 32*i, 64*i)
		}
	}
}

// Engines that come and go on several threads share weights, and what one leaves another still has.
func TestEnginesComeAndGoTogether(t *testing.T) {
	m := builtin(t)
	c := noise(image.Pt(96, 64), 1)
	want := slices.Clone(forward(t, newEngineOf(t, m), c))
	var wg sync.WaitGroup
	for range 3 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 8 {
				e, err := New(m, Options{Sizes: 1})
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := e.Forward(c); err != nil || !slices.Equal(got, want) {
					t.Errorf("other values, error %v", err)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
}

// An engine keeps as many sizes as it is told.
func TestSizesKept(t *testing.T) {
	for _, row := range []struct {
		name       string
		told, kept int
	}{
		{"default", 0, DefaultSizes},
		{"one", 1, 1},
		{"two", 2, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, err := New(builtin(t), Options{Sizes: row.told})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			for i := range DefaultSizes + 2 {
				forward(t, e, noise(image.Pt(64+32*i, 64), 1))
			}
			if len(e.nets) != row.kept {
				t.Errorf("%d sizes kept, want %d", len(e.nets), row.kept)
			}
		})
	}
}
