// Package yfv2d is the project's root: it knows the version number and nothing else.
package yfv2d

import (
	_ "embed" // the VERSION file
	"strings"
)

//go:embed VERSION
var version string

// Version is the release this tree belongs to, as the VERSION file says, without a leading v.
func Version() string { return strings.TrimSpace(version) }
