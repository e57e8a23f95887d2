package stream

import (
	"context"
	"image"
	"time"

	"yfv2d/pipeline"
)

// Preview is what the server needs of a broadcaster.
type Preview interface {
	Stats() PreviewStats
	Snapshot(ctx context.Context, boxes bool) ([]byte, time.Time, error)
}

// PreviewStats is the condition of a camera's live picture.
type PreviewStats struct {
	Viewers           int
	Encodes, Keys     uint64
	EncoderRunning    bool
	Encoder           string
	Size              image.Point
	BitrateBPS        int
	ToEncoded, ToSent pipeline.Quantiles
}
