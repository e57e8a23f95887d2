package tracker

import (
	"math"
	"time"
)

// Config holds what a Tracker may be told. A zero, negative or NaN field takes DefaultConfig's value, except
// where its comment gives zero a meaning.
type Config struct {
	// Interval is the expected time between two calls of Update, used until it has been measured.
	Interval time.Duration
	// MinIoU, 0..1, is the least overlap of a predicted box with a detection that may be the same object, both widened
	// by how unsure the prediction is.
	MinIoU float64
	// ClassPenalty, 0..1, is taken off the overlap when the classes differ but belong to one group.
	ClassPenalty float64
	// Groups gives each class its group by number (see Groups). Tracks and detections of different groups never
	// match. A class beyond the slice is a group of its own, so with nil every class is.
	Groups []int
	// HighScore, 0..1: detections at or above it are matched before the weaker ones, which then may only continue
	// a track that nothing better continued (the two rounds of ByteTrack, Zhang et al. 2022).
	HighScore float64
	// StartScore, 0..1: a weaker detection continues a track but never starts one. 0 lets every detection start one.
	StartScore float64
	// StartScores replaces StartScore for the classes by number; a class beyond the slice has StartScore.
	StartScores []float64
	// ConfirmHits detections within ConfirmWithin, or within one and a half times as many intervals if that is
	// longer, make a track confirmed.
	ConfirmHits   int
	ConfirmWithin time.Duration
	// ConfirmScore confirms a track by a detection at or above it at once: false alarms of that score are rare and
	// at two detections a second three hits would hide a person for a second. Above 1 switches it off.
	ConfirmScore float64
	// ConfirmAfter is the least time over which a track must have been detected step by step to be confirmed, by score or
	// by number: at 25 detections a second a false alarm of three frames is nothing. Less than an interval asks nothing,
	// and what is in sight at the start is not held up.
	ConfirmAfter time.Duration
	// LostAfter is how long a confirmed track is shown without a detection, and never less than 2.5 intervals, so
	// that one missed detection hides nothing at any rate.
	LostAfter time.Duration
	// ForgetAfter is how long after its last detection a track may be found again under its id. 0 takes the
	// default; less than LostAfter means LostAfter.
	ForgetAfter time.Duration
	// PredictIntervals and PredictMax bound how far a shown box moves on by itself: so many detection intervals
	// from its last detection and at most so long. Past that it is held where it is.
	PredictIntervals float64
	PredictMax       time.Duration
	// MeasureNoise is the standard deviation of a detection's centre and size, in box sizes (mean of width and height).
	MeasureNoise float64
	// MoveNoise and SizeNoise are how fast the velocity of centre and of size wanders: standard deviation of the
	// change within one second, in box sizes per second.
	MoveNoise, SizeNoise float64
	// StartSpeed is the standard deviation of a new track's unknown velocity, in box sizes per second.
	StartSpeed float64
}

// DefaultConfig suits persons and vehicles seen by a fixed camera at 2 to 30 detections a second.
func DefaultConfig() Config {
	return Config{
		Interval:         100 * time.Millisecond,
		MinIoU:           0.17,
		ClassPenalty:     0.2,
		HighScore:        0.5,
		StartScore:       0.25,
		ConfirmHits:      3, // SORT's min_hits
		ConfirmWithin:    200 * time.Millisecond,
		ConfirmScore:     0.6,
		ConfirmAfter:     130 * time.Millisecond,
		LostAfter:        time.Second,
		ForgetAfter:      3 * time.Second,
		PredictIntervals: 1.5,
		PredictMax:       time.Second,
		MeasureNoise:     0.063, // about DeepSORT's 1/20; detectors' boxes against truth scatter by 0.045 to 0.07
		MoveNoise:        0.25,  // a quarter of a walker's speed (1 m/s is about 0.9 sizes/s) gained or lost within a second
		SizeNoise:        0.09,
		StartSpeed:       0.8, // about a walking person's; a size is about 1.1 m of one
	}
}

// complete replaces what makes no sense by the defaults, so that no configuration can break a Tracker.
func (c Config) complete() Config {
	d := DefaultConfig()
	for _, f := range []struct{ v, d *float64 }{
		{&c.MinIoU, &d.MinIoU}, {&c.ConfirmScore, &d.ConfirmScore}, {&c.PredictIntervals, &d.PredictIntervals},
		{&c.MeasureNoise, &d.MeasureNoise}, {&c.MoveNoise, &d.MoveNoise}, {&c.SizeNoise, &d.SizeNoise},
		{&c.StartSpeed, &d.StartSpeed}, {&c.HighScore, &d.HighScore},
	} {
		if !(*f.v > 0) || math.IsInf(*f.v, 0) {
			*f.v = *f.d
		}
	}
	for _, f := range []struct{ v, d *time.Duration }{
		{&c.Interval, &d.Interval}, {&c.ConfirmWithin, &d.ConfirmWithin}, {&c.ConfirmAfter, &d.ConfirmAfter}, {&c.LostAfter, &d.LostAfter},
		{&c.ForgetAfter, &d.ForgetAfter}, {&c.PredictMax, &d.PredictMax},
	} {
		if *f.v <= 0 {
			*f.v = *f.d
		}
	}
	if c.ConfirmHits <= 0 {
		c.ConfirmHits = d.ConfirmHits
	}
	c.ConfirmHits = min(c.ConfirmHits, 100)
	if !(c.ClassPenalty >= 0) {
		c.ClassPenalty = d.ClassPenalty
	}
	if !(c.StartScore > 0) {
		c.StartScore = 0
	}
	c.StartScores = append([]float64(nil), c.StartScores...)
	for i, s := range c.StartScores {
		if !(s > 0) {
			c.StartScores[i] = 0
		}
	}
	c.ForgetAfter = max(c.ForgetAfter, c.LostAfter)
	c.Groups = append([]int(nil), c.Groups...)
	return c
}

// startScore is the least score of a detection of the class that may start a track.
func (c *Config) startScore(class int) float64 {
	if class < len(c.StartScores) {
		return c.StartScores[class]
	}
	return c.StartScore
}

// confusable lists COCO classes that detectors take for each other in the same object. A track keeps its id while such
// a label flickers, and bears the class that was seen most. All other classes stand alone.
var confusable = [][]string{
	{"car", "truck", "bus", "train"},
	{"bicycle", "motorcycle", "motorbike"},
	{"cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"},
	{"bottle", "wine glass", "cup", "bowl", "vase"},
	{"chair", "couch", "sofa", "bed"},
	{"tv", "tvmonitor", "laptop"},
}

// Groups numbers the groups of confusable classes for Config.Groups, from the model's class names.
func Groups(names []string) []int {
	group := make(map[string]int)
	for i, g := range confusable {
		for _, name := range g {
			group[name] = i
		}
	}
	out := make([]int, len(names))
	for i, name := range names {
		g, ok := group[name]
		if !ok {
			g = len(confusable) + i
		}
		out[i] = g
	}
	return out
}
