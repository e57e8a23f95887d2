package dnn

import (
	"fmt"
	"image"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuByThread is the CPU time that each thread of the process has used.
func cpuByThread(t *testing.T) map[int]time.Duration {
	t.Helper()
	const tick = 10 * time.Millisecond // USER_HZ is 100 on all of Linux
	files, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil || len(files) == 0 {
		t.Fatal("no threads in /proc", err)
	}
	out := map[int]time.Duration{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has just ended
		}
		tid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		user, _ := strconv.Atoi(fields[11]) // utime and stime are fields 14 and 15, counted from the pid
		sys, _ := strconv.Atoi(fields[12])
		out[tid] = time.Duration(user+sys) * tick
	}
	return out
}

// The whole network runs on the caller's thread: no other thread of the process uses more than 5 % of its time. Go's own
// housekeeping (a monitor that looks at every long C call) comes near that on a machine that is busy otherwise, so the best
// of three tries counts; a network with threads of its own would fail in all.
func TestOneThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e := newEngineOf(t, builtin(t))
	c := noise(image.Pt(352, 352), 1)
	forward(t, e, c)
	var shares []string
	for range 3 {
		share := busiestOther(t, func() {
			for range 200 {
				forward(t, e, c)
			}
		})
		if share <= 0.05 {
			return
		}
		shares = append(shares, fmt.Sprintf("%.1f %%", 100*share))
	}
	t.Errorf("another thread used %s of the caller's time in three tries", strings.Join(shares, ", "))
}

// busiestOther runs work on the caller's thread, which is locked, and gives the most CPU time that any other thread
// used meanwhile, as a share of the caller's.
func busiestOther(t *testing.T, work func()) float64 {
	t.Helper()
	before := cpuByThread(t)
	work()
	after := cpuByThread(t)
	self := unix.Gettid()
	own := after[self] - before[self]
	if own == 0 {
		t.Fatal("the caller's thread used no time")
	}
	var most time.Duration
	for tid, cpu := range after {
		if tid != self {
			most = max(most, cpu-before[tid])
		}
	}
	return float64(most) / float64(own)
}

// rss is the process's resident memory in bytes.
func rss(t *testing.T) int {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var total, resident int
	if _, err := fmt.Sscan(string(b), &total, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}

// Memory stays flat within 1 MB over many forwards: a few thousand at a small input, or, with YFV2D_SOAK=1, 100,000 at
// 352x352, which takes about ten minutes (give go test -timeout=60m).
func TestMemoryIsFlat(t *testing.T) {
	forwards, size := 2000, image.Pt(96, 96)
	if os.Getenv("YFV2D_SOAK") == "1" {
		forwards, size = 100_000, image.Pt(352, 352)
	}
	e := newEngineOf(t, builtin(t))
	c := noise(size, 1)
	for range 200 {
		forward(t, e, c)
	}
	before := rss(t)
	for range forwards {
		forward(t, e, c)
	}
	grown := rss(t) - before
	t.Logf("%d forwards at %dx%d: resident memory %.1f MB, grown by %d kB", forwards, size.X, size.Y, float64(before)/1e6, grown/1000)
	if grown > 1<<20 {
		t.Errorf("resident memory grew by %d kB over %d forwards", grown/1000, forwards)
	}
}
