package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// drifted is what the test logs.
var drifted = regexp.MustCompile(`off in 24 h by at most (\S+)`)

// clock runs the test that sends a day of frames with a simulated clock, and reads the drift that it logs.
func clock(ctx context.Context, b *bench) (figures, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "./stream", "-run", "^TestTimestampsDoNotDrift$", "-count", "1", "-v").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test ./stream: %w: %.500s", err, out)
	}
	m := drifted.FindSubmatch(out)
	if m == nil {
		return nil, errors.New("TestTimestampsDoNotDrift logs no drift")
	}
	d, err := time.ParseDuration(string(m[1]))
	if err != nil {
		return nil, fmt.Errorf("drift %q: %w", m[1], err)
	}
	v, err := strconv.ParseFloat(fmt.Sprintf("%.6f", d.Seconds()*1000), 64)
	return figures{"rtp_drift_ms": v}, err
}
