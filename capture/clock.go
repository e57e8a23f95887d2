package capture

import (
	"context"
	"time"
)

// Clock tells the time and waits. The zero Options use the system's clock.
type Clock interface {
	Now() time.Time
	// WaitUntil returns nil at t or later, or ctx's error as soon as ctx ends.
	WaitUntil(ctx context.Context, t time.Time) error
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) WaitUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
