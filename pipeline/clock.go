package pipeline

import "time"

// Clock tells the time; tests put their own in its place. Pacing needs none: it goes by the frames' capture times.
type Clock interface{ Now() time.Time }

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }
