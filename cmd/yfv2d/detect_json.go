package main

import (
	"math"
	"time"

	"yfv2d/infer"
	"yfv2d/tracker"
)

// detectLine is what `yfv2d detect --json` prints for each picture or frame.
type detectLine struct {
	Input      string          `json:"input"` // as given, or the file of a folder or glob
	Seq        uint64          `json:"seq"`   // frame of the input, from 1
	T          float64         `json:"t"`     // seconds from the input's first frame; 0 for a picture
	Width      int             `json:"width"` // pixels
	Height     int             `json:"height"`
	Detections []detectionJSON `json:"detections"` // by falling score
	Tracks     []trackJSON     `json:"tracks"`     // by rising id; empty without --track and for pictures
}

type detectionJSON struct {
	Class   string     `json:"class"`
	ClassID int        `json:"class_id"`
	Score   float64    `json:"score"` // 0..1
	Box     [4]float64 `json:"box"`   // x0, y0, x1, y1 in pixels
}

type trackJSON struct {
	ID int `json:"id"`
	detectionJSON
	BestScore       float64  `json:"best_score"` // of all its detections
	Detections      int      `json:"detections"` // of it so far
	FirstSeen       float64  `json:"first_seen"` // as t
	LastSeen        float64  `json:"last_seen"`
	Age             float64  `json:"age"`    // seconds since first_seen
	Unseen          float64  `json:"unseen"` // seconds since last_seen
	VX              float64  `json:"vx"`     // of the box's centre, pixels per second
	VY              float64  `json:"vy"`
	Speed           float64  `json:"speed"`
	Stationary      bool     `json:"stationary"`
	StationarySince *float64 `json:"stationary_since"` // as t; null while it moves
	Predicted       bool     `json:"predicted"`        // unseen for too long for the box to be trusted
}

// newDetectLine is r as it is printed: a hundredth of a pixel, a ten-thousandth of a score, a microsecond.
func newDetectLine(r *result, names []string) detectLine {
	line := detectLine{
		Input: r.input, Seq: r.seq, T: seconds(r.t), Width: r.size.X, Height: r.size.Y,
		Detections: make([]detectionJSON, 0, len(r.detections)),
		Tracks:     make([]trackJSON, 0, len(r.tracks)),
	}
	for _, d := range r.detections {
		line.Detections = append(line.Detections, newDetectionJSON(d, names))
	}
	for _, t := range r.tracks {
		line.Tracks = append(line.Tracks, newTrackJSON(t, r.t, names))
	}
	return line
}

func newDetectionJSON(d infer.Detection, names []string) detectionJSON {
	b := d.Box
	return detectionJSON{
		Class: className(names, d.Class), ClassID: d.Class, Score: round(float64(d.Score), 1e4),
		Box: [4]float64{pixels(b.X0), pixels(b.Y0), pixels(b.X1), pixels(b.Y1)},
	}
}

// newTrackJSON is a track as it is printed with a frame at now, from the input's first frame.
func newTrackJSON(t tracker.Track, now time.Duration, names []string) trackJSON {
	out := trackJSON{
		ID: t.ID, detectionJSON: newDetectionJSON(t.Detection, names),
		BestScore: round(float64(t.BestScore), 1e4), Detections: t.Detections,
		FirstSeen: seconds(now - t.Age), LastSeen: seconds(now - t.Unseen), Age: seconds(t.Age), Unseen: seconds(t.Unseen),
		VX: pixels(t.VX), VY: pixels(t.VY), Speed: pixels(t.Speed()),
		Stationary: t.Stationary(), Predicted: t.Predicted,
	}
	if t.Stationary() {
		since := seconds(now - t.StationaryFor())
		out.StationarySince = &since
	}
	return out
}

func pixels(v float32) float64 { return round(float64(v), 100) }

func seconds(d time.Duration) float64 { return round(d.Seconds(), 1e6) }

// round keeps the part of v down to 1/unit. Adding 0 turns a negative zero into a plain one.
func round(v, unit float64) float64 { return math.Round(v*unit)/unit + 0 }
