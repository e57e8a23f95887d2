package stream

import (
	"fmt"
	"testing"
	"time"
)

func TestEncodeRate(t *testing.T) {
	const mega = 1_000_000
	for _, row := range []struct {
		name    string
		movable bool
		nominal int
		floor   int
		paths   []int
		want    int
	}{
		{"nobody", true, mega, mainFloor, nil, mega},
		{"unknown paths are healthy", true, mega, mainFloor, []int{0, 0}, mega},
		{"unknown paths do not limit", false, mega, mainFloor, []int{0}, mega},
		{"wide path", true, mega, mainFloor, []int{3 * mega}, mega},
		{"just enough", true, mega, mainFloor, []int{1_176_471}, mega},
		{"slowest healthy", true, mega, mainFloor, []int{2 * mega, 800_000, 900_000}, 680_000},
		{"the poor do not count", true, mega, mainFloor, []int{2 * mega, 100_000}, mega},
		{"an unknown one is healthy beside a poor one", true, mega, mainFloor, []int{0, 100_000}, mega},
		{"exactly half is healthy", true, mega, mainFloor, []int{500_000}, 425_000},
		{"only poor ones: the best of them", true, mega, mainFloor, []int{100_000, 400_000}, 340_000},
		{"only poor ones: not under the floor", true, mega, mainFloor, []int{100_000}, mainFloor},
		{"annotated follows its slowest", false, mega, mainFloor, []int{2 * mega, 300_000}, 255_000},
		{"annotated stops at the floor", false, mega, mainFloor, []int{2 * mega, 50_000, 0}, mainFloor},
		{"small follows its slowest", false, 250_000, smallFloor, []int{200_000}, 170_000},
		{"small stops at its floor", false, 250_000, smallFloor, []int{10_000}, smallFloor},
		{"a floor above what is configured", false, 80_000, mainFloor, []int{10_000}, 80_000},
	} {
		if got := encodeRate(row.nominal, row.floor, row.movable, row.paths); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
}

func TestRamp(t *testing.T) {
	at := time.Unix(1000, 0)
	var r ramp
	for i, row := range []struct {
		name       string
		after      time.Duration
		target     int
		least, max int
	}{
		{"first at once", 0, 400_000, 400_000, 400_000},
		{"down at once", time.Millisecond, 200_000, 200_000, 200_000},
		{"up by a step", 250 * time.Millisecond, 1_000_000, 215_900, 216_100},
		{"up by half a step", 125 * time.Millisecond, 1_000_000, 224_000, 225_000},
		{"a pause is not made up for", time.Hour, 1_000_000, 305_000, 306_000},
		{"time that stands still", 0, 1_000_000, 305_000, 306_000},
		{"time that goes back", -time.Minute, 1_000_000, 305_000, 306_000},
		{"not above the target", time.Second, 310_000, 310_000, 310_000},
	} {
		at = at.Add(row.after)
		if got := r.follow(row.target, at); got < row.least || got > row.max {
			t.Errorf("%d, %s: %d, want %d to %d", i, row.name, got, row.least, row.max)
		}
	}
}

func TestWorthTelling(t *testing.T) {
	for _, row := range []struct {
		name               string
		now, next, nominal int
		want               bool
	}{
		{"the same", 500, 500, 1000, false}, {"a little up", 500, 520, 1000, false}, {"a little down", 500, 480, 1000, false},
		{"up", 500, 530, 1000, true}, {"down", 500, 470, 1000, true}, {"the end of a rise", 980, 1000, 1000, true},
		{"already there", 1000, 1000, 1000, false},
	} {
		if got := worthTelling(row.now, row.next, row.nominal); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// TestPath plays what paths carry, a sample each 100 ms, and tells at which seconds the viewer is moved.
func TestPath(t *testing.T) {
	type span struct {
		seconds float64
		carries int
	}
	const needs = 1_000_000
	for _, row := range []struct {
		name  string
		spans []span
		want  string
	}{
		{"never known", []span{{30, 0}}, ""},
		{"always good", []span{{30, 2_000_000}}, ""},
		{"half is enough", []span{{30, 500_000}}, ""},
		{"poor for a moment", []span{{5, 900_000}, {1.9, 100_000}, {5, 900_000}, {1.9, 100_000}, {5, 900_000}}, ""},
		{"poor", []span{{5, 900_000}, {10, 499_000}}, "7.0 down"},
		{"poor from the beginning", []span{{10, 100_000}}, "2.0 down"},
		{"not good enough to return", []span{{5, 100_000}, {60, 1_199_000}}, "2.0 down"},
		{"returns after ten good seconds", []span{{5, 100_000}, {15, 1_200_000}}, "2.0 down, 15.0 up"},
		{"good only for nine seconds", []span{{5, 100_000}, {9, 1_500_000}, {1, 1_100_000}, {9, 1_500_000}}, "2.0 down"},
		{"unknown is no headroom", []span{{5, 100_000}, {30, 0}}, "2.0 down"},
		{"a return that does not hold waits longer", []span{{5, 100_000}, {11, 1_500_000}, {3, 100_000}, {19, 1_500_000}, {1, 0}, {21, 1_500_000}},
			"2.0 down, 15.0 up, 18.0 down, 59.0 up"},
		{"a return that held does not count", []span{{5, 100_000}, {31, 1_500_000}, {3, 100_000}, {11, 1_500_000}},
			"2.0 down, 15.0 up, 38.0 down, 49.0 up"},
	} {
		var p pathWatch
		got := ""
		at, tick := time.Unix(1000, 0), 0
		for _, s := range row.spans {
			for range int(s.seconds*10 + 0.5) {
				if p.see(at.Add(time.Duration(tick)*100*time.Millisecond), s.carries, needs) {
					if got != "" {
						got += ", "
					}
					got += fmt.Sprintf("%.1f %s", float64(tick)/10, map[bool]string{true: "down", false: "up"}[p.small])
				}
				tick++
			}
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
