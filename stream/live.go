package stream

import (
	"image"
	"time"

	"yfv2d/tracker"
)

// liveFeed tells listeners what is seen on one camera's frames.
type liveFeed struct {
	name string // the camera's
}

func newLiveFeed(name string) *liveFeed { return &liveFeed{name: name} }

// frame tells of a frame that viewers are about to get. It never blocks, and costs nothing while nobody listens.
func (l *liveFeed) frame(at time.Time, ts uint32, size image.Point, tracks []tracker.Track) {}

// detected tells of a detection step. It never blocks.
func (l *liveFeed) detected(s *tracker.Snapshot, size image.Point) {}
