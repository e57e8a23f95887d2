// Package pipeline carries frames of one camera from its source through letterbox, inference and tracking to the sink
// that shows them, over slots that keep the newest frame and count every loss.
package pipeline
