//go:build matprofile

package main

import "gocv.io/x/gocv"

// openMats is the number of Mats that were made and not closed.
func openMats() int { return gocv.MatProfile.Count() }
