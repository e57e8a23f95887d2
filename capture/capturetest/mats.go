//go:build !matprofile

package capturetest

// mats is the number of Mats in use; without the matprofile tag nobody counts.
func mats() int { return 0 }
