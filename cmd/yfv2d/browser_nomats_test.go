//go:build !matprofile

package main

// openMats needs gocv built with the tag matprofile.
func openMats() int { return 0 }
