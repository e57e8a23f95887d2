package capture

import "math"

// Announcer is a recorded source that knows, before it is read to its end, how long it is: frames in all (0 if it is
// not told) and frames a second. Both are what the container says, which need not be exact.
type Announcer interface {
	Frames() int
	FPS() float64
}

// Frames is the number of frames that the container announces, 0 if it does not.
func (v *video) Frames() int {
	if !(v.total > 0 && v.total < math.MaxInt32) {
		return 0
	}
	return int(v.total)
}

// FPS is the container's frame rate, or a likely one if it states none.
func (v *video) FPS() float64 { return 1 / v.times.interval.Seconds() }

// Frames is how many frames the pattern gives, 0 for no end.
func (p *pattern) Frames() int { return int(p.cfg.frames) }

// FPS is the pattern's rate.
func (p *pattern) FPS() float64 { return p.cfg.fps }

// IsPicture says whether a file of that name is read as a still picture.
func IsPicture(path string) bool { return isPicture(path) }

// NaturalCompare orders file names as a person does: img2 comes before img10. It returns -1, 0 or 1.
func NaturalCompare(a, b string) int { return naturalCompare(a, b) }
