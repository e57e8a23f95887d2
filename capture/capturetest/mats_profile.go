//go:build matprofile

package capturetest

import "gocv.io/x/gocv"

// mats is the number of Mats in use.
func mats() int { return gocv.MatProfile.Count() }
