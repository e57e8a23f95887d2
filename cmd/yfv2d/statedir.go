package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// stateDir is where yfv2d keeps what it fetches and learns.
func stateDir() (string, error) {
	// systemd sets it, as a list if the unit has several.
	if d, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); d != "" {
		return d, nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/yfv2d", nil
	}
	if d := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "yfv2d"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no state directory: %w; name one with --dir", err)
	}
	return filepath.Join(home, ".local", "state", "yfv2d"), nil
}
