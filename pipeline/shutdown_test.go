package pipeline

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// endings are the ways in which a pipeline comes to its end.
var endings = []struct {
	name string
	cfg  func() Config
	stop time.Duration // after which the test cancels; 0: never
	want error
}{
	{"end of file", func() Config { return Config{Source: &paced{n: 5}, Detector: oneBox} }, 0, nil},
	{"cancel", func() Config {
		return Config{Source: &paced{n: -1, interval: 100 * time.Microsecond}, Detector: oneBox}
	}, 2 * time.Millisecond, nil},
	{"cancel before the first frame", func() Config { return Config{Source: newFed(), Detector: oneBox} }, time.Microsecond, nil},
	{"source fails", func() Config { return Config{Source: &paced{n: 5, err: errTest}, Detector: oneBox} }, 0, errTest},
	{"engine fails", func() Config {
		return Config{Source: &paced{n: -1, interval: 20 * time.Microsecond}, Detector: detectorFunc(
			func(context.Context, *infer.Canvas) ([]infer.Detection, error) { return nil, errTest })}
	}, 0, errTest},
	{"slow engine", func() Config {
		return Config{Source: &paced{n: -1, interval: 100 * time.Microsecond}, Detector: detectorFunc(
			func(context.Context, *infer.Canvas) ([]infer.Detection, error) {
				time.Sleep(5 * time.Millisecond)
				return nil, nil
			})}
	}, 3 * time.Millisecond, nil},
	{"engine that waits for its turn", func() Config {
		return Config{Source: &paced{n: -1, interval: 100 * time.Microsecond}, Detector: detectorFunc(
			func(ctx context.Context, _ *infer.Canvas) ([]infer.Detection, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})}
	}, 3 * time.Millisecond, nil},
	{"turn that never comes", func() Config {
		return Config{Source: &paced{n: -1, interval: 100 * time.Microsecond}, Detector: noTurn{oneBox}}
	}, 3 * time.Millisecond, nil},
	{"engines that were closed", func() Config {
		return Config{Source: &paced{n: -1, interval: 100 * time.Microsecond}, Detector: closedWorkers()}
	}, 0, infer.ErrWorkersClosed},
	{"two sources that end", func() Config {
		return Config{Source: &paced{n: 5}, DetectSource: &paced{n: 9, interval: 50 * time.Microsecond}, Detector: oneBox}
	}, 0, nil},
	{"two sources, cancel", func() Config {
		return Config{Source: &paced{n: -1, interval: 100 * time.Microsecond}, DetectSource: &paced{n: -1, interval: 70 * time.Microsecond},
			Sink: newWatcher(WantAnnotated), Detector: oneBox}
	}, 2 * time.Millisecond, nil},
	{"two sources, one silent", func() Config {
		return Config{Source: newFed(), DetectSource: &paced{n: -1, interval: 100 * time.Microsecond}, Detector: oneBox}
	}, time.Millisecond, nil},
	{"two sources, one fails", func() Config {
		return Config{Source: &paced{n: 5}, DetectSource: &paced{n: 2, err: errTest}, Detector: oneBox}
	}, 0, errTest},
	{"two sources, cancel after one has failed", func() Config {
		return Config{Source: &paced{err: errTest}, DetectSource: &paced{n: -1, interval: 100 * time.Microsecond}, Detector: oneBox}
	}, 2 * time.Millisecond, nil},
	{"slow sink", func() Config {
		sink := newWatcher(WantAnnotated)
		sink.write = func(*Frame, []tracker.Track) error { time.Sleep(5 * time.Millisecond); return nil }
		return Config{Source: &paced{n: -1, interval: 100 * time.Microsecond}, Sink: sink, Detector: oneBox}
	}, 3 * time.Millisecond, nil},
}

// noTurn is a shared detector whose turn never comes.
type noTurn struct{ Detector }

func (noTurn) DetectNewest(ctx context.Context, _ time.Time, _ func() (*infer.Canvas, error)) ([]infer.Detection, time.Duration, error) {
	<-ctx.Done()
	return nil, 0, ctx.Err()
}

func closedWorkers() *infer.Workers {
	w, err := infer.NewWorkers(1, func() (infer.Detector, error) { return &slowEngine{}, nil })
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return w
}

// comeToAnEnd runs one pipeline through its ending and gives the time from the cancel, if any, to Run's return.
func comeToAnEnd(t *testing.T, cfg Config, stop time.Duration, want error) time.Duration {
	t.Helper()
	s := start(t, cfg)
	var stopped time.Time
	if stop > 0 {
		time.Sleep(stop)
		stopped = time.Now()
		s.cancel()
	}
	if err := s.wait(t); !errors.Is(err, want) {
		t.Fatalf("Run returned %v, want %v", err, want)
	}
	if stop == 0 {
		return 0
	}
	return time.Since(stopped)
}

func TestEndings(t *testing.T) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) {
			leaks := goleak.IgnoreCurrent()
			fds := openFiles(t)
			var longest time.Duration
			for range 100 {
				longest = max(longest, comeToAnEnd(t, e.cfg(), e.stop, e.want))
			}
			if err := goleak.Find(leaks); err != nil {
				t.Error(err)
			}
			if n := openFiles(t); n > fds {
				t.Errorf("%d files are open, %d were before", n, fds)
			}
			if e.stop > 0 {
				t.Logf("longest shutdown of 100: %v", longest)
			}
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
