package main

import (
	"cmp"
	"fmt"
	"image"
	"slices"
	"strconv"
	"strings"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// result is what was found in one picture or frame.
type result struct {
	input      string
	still      bool
	seq        uint64        // from 1
	t          time.Duration // from the input's first frame
	size       image.Point
	detections []infer.Detection
	tracks     []tracker.Track
	took       time.Duration // of the detector
}

// text is r as a line for a person: "bus.jpg: 640x427, 3 persons, 1 bus (6.1 ms)".
func (r *result) text(names []string) string {
	where := r.input
	if !r.still {
		where = fmt.Sprintf("%s #%d %.2fs", r.input, r.seq, r.t.Seconds())
	}
	what := count(r.detections, names)
	if len(r.tracks) > 0 {
		what += ", " + trackIDs(r.tracks)
	}
	return fmt.Sprintf("%s: %dx%d, %s (%.1f ms)", where, r.size.X, r.size.Y, what, float64(r.took.Microseconds())/1000)
}

// count tells how many of each class there are, the most frequent first.
func count(dets []infer.Detection, names []string) string {
	if len(dets) == 0 {
		return "nothing"
	}
	n := map[int]int{}
	for _, d := range dets {
		n[d.Class]++
	}
	var classes []int
	for c := range n {
		classes = append(classes, c)
	}
	slices.SortFunc(classes, func(a, b int) int { return cmp.Or(n[b]-n[a], a-b) })
	var parts []string
	for _, c := range classes {
		parts = append(parts, plural(n[c], className(names, c)))
	}
	return strings.Join(parts, ", ")
}

// trackIDs names the tracks, and for how long those that stand still have done so: "tracks #1 #4 (stands 12 s)".
func trackIDs(tracks []tracker.Track) string {
	ids := make([]string, len(tracks))
	for i := range tracks {
		ids[i] = "#" + strconv.Itoa(tracks[i].ID)
		if s := tracks[i].StationaryFor(); s > 0 {
			ids[i] += fmt.Sprintf(" (stands %d s)", int(s.Seconds()))
		}
	}
	return "tracks " + strings.Join(ids, " ")
}

// className is a class's name, or its number if the model has no name for it.
func className(names []string, class int) string {
	if class >= 0 && class < len(names) && names[class] != "" {
		return names[class]
	}
	return "class " + strconv.Itoa(class)
}

// irregular are the class names of COCO whose plural is not made with an s.
var irregular = map[string]string{"sheep": "sheep", "skis": "skis", "scissors": "scissors", "knife": "knives", "mouse": "mice"}

func plural(n int, name string) string {
	if n == 1 {
		return "1 " + name
	}
	p, ok := irregular[name]
	switch {
	case ok:
	case strings.HasSuffix(name, "s"), strings.HasSuffix(name, "x"), strings.HasSuffix(name, "ch"), strings.HasSuffix(name, "sh"):
		p = name + "es"
	default:
		p = name + "s"
	}
	return strconv.Itoa(n) + " " + p
}
