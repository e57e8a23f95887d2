package main

import (
	"testing"

	"yfv2d/cmd/yfv2d/config"
)

func TestInputSizesKept(t *testing.T) {
	for _, row := range []struct {
		name, input string
		cameras     int
		want        int
	}{
		{"no camera", "auto", 0, 2},
		{"one camera", "auto", 1, 2},
		{"four cameras", "auto", 4, 5},
		{"one input for four", "416x320", 4, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := &config.Config{Detect: config.Detect{Input: row.input}, Cameras: make([]config.Camera, row.cameras)}
			if got := inputSizes(c); got != row.want {
				t.Errorf("%d, want %d", got, row.want)
			}
		})
	}
}
