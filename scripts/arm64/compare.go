package main

import (
	"bufio"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"math"
	"os"
)

const (
	maxLogit = 2e-3 // of the heads
	maxPixel = 0.1  // of a box's corner; detect prints hundredths
	maxScore = 1e-3 // detect prints 1e-4

	// For a video: FFmpeg turns its pictures into BGR and libyuv into I420 with other instructions on other processors,
	// which rounds some pixels by up to 3 of 255 differently (measured; decoder and OpenCV's resizing agree exactly).
	// That moves boxes by a pixel or two and weak scores by hundredths: what is sure on one side must be on the other.
	sureScore  = 0.5
	maxChange  = 0.1
	minOverlap = 0.9
)

func sameHeads(a, b string) (string, error) {
	got, err := readHeads(a)
	if err != nil {
		return "", err
	}
	want, err := readHeads(b)
	if err != nil {
		return "", err
	}
	if len(got) == 0 || len(got) != len(want) {
		return "", fmt.Errorf("%s has %d outputs and %s has %d", a, len(got), b, len(want))
	}
	worst, where := -1.0, ""
	for name, w := range want {
		g := got[name]
		if len(g) == 0 || len(g) != len(w) {
			return "", fmt.Errorf("%s: %d values and %d", name, len(g), len(w))
		}
		for i := range w {
			if d := math.Abs(float64(g[i] - w[i])); !(d <= worst) { // not a number counts
				worst, where = d, name
			}
		}
	}
	if !(worst <= maxLogit) {
		return "", fmt.Errorf("%s: a logit differs by %.2g; allowed is %g", where, worst, maxLogit)
	}
	return fmt.Sprintf("%d outputs, largest difference of a logit %.2g (%s); allowed is %g", len(want), worst, where, maxLogit), nil
}

func readHeads(path string) (h heads, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := gob.NewDecoder(f).Decode(&h); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return h, nil
}

// found is what we need of a line of `yfv2d detect --json`.
type found struct {
	Input      string
	Seq        int
	Detections []detection
}

type detection struct {
	Class string
	Score float64
	Box   [4]float64
}

func readFound(path string) (all []found, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var line found
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", len(all)+1, path, err)
		}
		all = append(all, line)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return all, nil
}

// pairs gives the frames of a beside those of b, which may go on for longer.
func pairs(a, b string) (got, want []found, err error) {
	if got, err = readFound(a); err != nil {
		return nil, nil, err
	}
	if want, err = readFound(b); err != nil {
		return nil, nil, err
	}
	if len(got) == 0 || len(got) > len(want) {
		return nil, nil, fmt.Errorf("%s has %d frames and %s has %d", a, len(got), b, len(want))
	}
	for i := range got {
		if got[i].Input != want[i].Input || got[i].Seq != want[i].Seq {
			return nil, nil, fmt.Errorf("line %d is of %s, frame %d, and of %s, frame %d", i+1, got[i].Input, got[i].Seq, want[i].Input, want[i].Seq)
		}
	}
	return got, want[:len(got)], nil
}

func sameBoxes(a, b string) (string, error) {
	got, want, err := pairs(a, b)
	if err != nil {
		return "", err
	}
	n, pixel, score := 0, 0.0, 0.0
	for i, g := range got {
		w := want[i]
		if len(g.Detections) != len(w.Detections) {
			return "", fmt.Errorf("%s, frame %d: %d detections and %d", g.Input, g.Seq, len(g.Detections), len(w.Detections))
		}
		for k, d := range g.Detections {
			e := w.Detections[k]
			if d.Class != e.Class || d.farthest(e) > maxPixel || math.Abs(d.Score-e.Score) > maxScore {
				return "", fmt.Errorf("%s, frame %d: %+v and %+v", g.Input, g.Seq, d, e)
			}
			n, pixel, score = n+1, max(pixel, d.farthest(e)), max(score, math.Abs(d.Score-e.Score))
		}
	}
	if n == 0 {
		return "", fmt.Errorf("nothing was detected in %d frames", len(got))
	}
	return fmt.Sprintf("%d detections in %d frames, largest difference %.2f pixels and %.4f of score", n, len(got), pixel, score), nil
}

func alikeBoxes(a, b string) (string, error) {
	got, want, err := pairs(a, b)
	if err != nil {
		return "", err
	}
	n := 0
	for i, g := range got {
		w := want[i]
		if d, ok := missing(g.Detections, w.Detections); !ok {
			return "", fmt.Errorf("%s, frame %d: %+v is only in %s", g.Input, g.Seq, d, a)
		}
		if d, ok := missing(w.Detections, g.Detections); !ok {
			return "", fmt.Errorf("%s, frame %d: %+v is only in %s", g.Input, g.Seq, d, b)
		}
		for _, d := range g.Detections {
			if d.Score >= sureScore {
				n++
			}
		}
	}
	if n == 0 {
		return "", fmt.Errorf("nothing was detected in %d frames", len(got))
	}
	return fmt.Sprintf("%d detections of score %g and more in %d frames, each overlapping its like by %g at least", n, sureScore, len(got), minOverlap), nil
}

// missing finds a sure detection of one side that the other lacks.
func missing(side, other []detection) (detection, bool) {
next:
	for _, d := range side {
		if d.Score < sureScore {
			continue
		}
		for _, e := range other {
			if d.Class == e.Class && math.Abs(d.Score-e.Score) <= maxChange && d.overlap(e) >= minOverlap {
				continue next
			}
		}
		return d, false
	}
	return detection{}, true
}

// farthest is the largest distance of a corner's coordinate, pixels.
func (d detection) farthest(e detection) (worst float64) {
	for i := range d.Box {
		worst = max(worst, math.Abs(d.Box[i]-e.Box[i]))
	}
	return worst
}

// overlap is the intersection over the union, 0..1.
func (d detection) overlap(e detection) float64 {
	w := min(d.Box[2], e.Box[2]) - max(d.Box[0], e.Box[0])
	h := min(d.Box[3], e.Box[3]) - max(d.Box[1], e.Box[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h / (d.area() + e.area() - w*h)
}

func (d detection) area() float64 { return (d.Box[2] - d.Box[0]) * (d.Box[3] - d.Box[1]) }
