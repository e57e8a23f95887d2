package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

func (q *liveQueue) all() string {
	var kinds []string
	for m, ok := q.next(); ok; m, ok = q.next() {
		kinds = append(kinds, fmt.Sprintf("%s%d", m.kind.String()[:1], m.id))
	}
	return strings.Join(kinds, " ")
}

func TestQueueLeavesOut(t *testing.T) {
	h, p, d, f := liveHello, livePong, liveDetect, liveFrame
	for _, row := range []struct {
		name  string
		limit int
		put   []liveKind // id is the place in this list
		want  string
		lost  [2]uint64 // frames, detections
	}{
		{"room for all", 4, []liveKind{h, f, d, f}, "h0 f1 d2 f3", [2]uint64{}},
		{"oldest frames first", 3, []liveKind{h, d, f, f, f}, "h0 d1 f4", [2]uint64{2, 0}},
		{"frames before detections", 3, []liveKind{h, d, f, d, d}, "h0 d3 d4", [2]uint64{1, 1}},
		{"a frame among detections goes", 2, []liveKind{d, d, f}, "d0 d1", [2]uint64{1, 0}},
		{"oldest detections then", 2, []liveKind{d, d, d, d}, "d2 d3", [2]uint64{0, 2}},
		{"a pong overtakes and stays", 2, []liveKind{f, d, p}, "p2 f0 d1", [2]uint64{}},
		{"only the newest hello", 3, []liveKind{h, f, h, f}, "f1 h2 f3", [2]uint64{}},
		{"a hello is never left out", 1, []liveKind{h, f, f}, "h0", [2]uint64{2, 0}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var lost [liveKinds]atomic.Uint64
			q := newLiveQueue(&lost)
			q.limit = row.limit
			for i, k := range row.put {
				q.put(liveMessage{kind: k, id: int64(i)})
			}
			if got := q.all(); got != row.want {
				t.Errorf("queue %q, want %q", got, row.want)
			}
			if got := [2]uint64{lost[f].Load(), lost[d].Load()}; got != row.lost {
				t.Errorf("left out %v, want %v", got, row.lost)
			}
		})
	}
}

func TestQueueBytes(t *testing.T) {
	var lost [liveKinds]atomic.Uint64
	q := newLiveQueue(&lost)
	q.fit(1000)
	if want := queueBase + queuePerCamera*maxQueueCameras; q.limit != want {
		t.Errorf("limit %d, want %d", q.limit, want)
	}
	big := bytes.Repeat([]byte("x"), 100_000)
	for range 50 {
		q.put(liveMessage{kind: liveFrame, text: big})
	}
	if q.bytes > maxQueueBytes || len(q.list) != 10 || lost[liveFrame].Load() != 40 {
		t.Errorf("%d messages of %d bytes wait, %d left out", len(q.list), q.bytes, lost[liveFrame].Load())
	}
	q.all()
	if q.bytes != 0 {
		t.Errorf("%d bytes in an empty queue", q.bytes)
	}
}

func TestQueueTakes(t *testing.T) {
	q := newLiveQueue(&[liveKinds]atomic.Uint64{})
	why := errors.New("enough")
	ctx, end := context.WithCancelCause(context.Background())
	got := make(chan error)
	go func() {
		for {
			if _, err := q.take(ctx); err != nil {
				got <- err
				return
			}
		}
	}()
	for range 100 {
		q.put(liveMessage{kind: liveFrame})
	}
	waitFor(t, "an empty queue", func() bool { q.mu.Lock(); defer q.mu.Unlock(); return len(q.list) == 0 })
	end(why)
	if err := <-got; !errors.Is(err, why) {
		t.Errorf("ended with %v", err)
	}
}

// A frame is told once, whether the camera's own stream or its decoded frames come first, and out of order too.
func TestFramesAreToldOnce(t *testing.T) {
	l := newLiveFeed("door", nil)
	q := newLiveQueue(&[liveKinds]atomic.Uint64{})
	l.add(q)
	q.fit(1000)
	now := time.Now()
	for i := range uint32(200) {
		l.frame(now, i, image.Point{}, nil) // relayed
		if i >= 30 {
			l.frame(now, i-30, image.Point{}, nil) // decoded, a second later
		}
	}
	if n := strings.Count(q.all(), "f"); n != 200 {
		t.Errorf("200 frames were told %d times", n)
	}
	l.remove(q)
	l.frame(now, 1000, image.Point{}, nil)
	if q.all() != "" || l.listening.Load() {
		t.Error("told to nobody")
	}
}

// The detector's latency is asked for at most once a second, by however many want it.
func TestLatencyIsAskedForRarely(t *testing.T) {
	asked := 0
	l := newLiveFeed("door", func() time.Duration { asked++; return 30 * time.Millisecond })
	l.detected(tracker.New(tracker.Config{Interval: 200 * time.Millisecond}).Update(nil, noon), 0, image.Point{})
	for range 1000 {
		if lag := l.lag(); lag != 230*time.Millisecond {
			t.Fatalf("lag %v", lag)
		}
	}
	if asked > 100 { // each second once, on a slow machine too
		t.Errorf("asked %d times", asked)
	}
	l.detected(nil, 0, image.Point{})
}

// BenchmarkFrameMessage is what a frame with ten tracks costs: nothing while nobody listens, one text for all who do.
func BenchmarkFrameMessage(b *testing.B) {
	tr := tracker.New(tracker.Config{})
	var snap *tracker.Snapshot
	for i := range 5 {
		var dets []infer.Detection
		for n := range 10 {
			x := float32(60 * n)
			dets = append(dets, infer.Detection{Box: infer.Box{X0: x, Y0: 101.3, X1: x + 50.7, Y1: 250.2}, Class: n, Score: 0.87})
		}
		snap = tr.Update(dets, noon.Add(time.Duration(i)*100*time.Millisecond))
	}
	tracks := snap.At(noon.Add(450 * time.Millisecond))
	for _, listeners := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprintf("listeners=%d", listeners), func(b *testing.B) {
			l := newLiveFeed("door", nil)
			for range listeners {
				l.add(newLiveQueue(&[liveKinds]atomic.Uint64{}))
			}
			b.ReportAllocs()
			for i := range b.N {
				l.frame(noon, uint32(i), image.Pt(640, 480), tracks)
			}
			b.ReportMetric(float64(len(l.scratch)), "bytes/message")
		})
	}
}
