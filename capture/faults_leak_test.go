//go:build matprofile

package capture_test

import (
	"testing"

	"gocv.io/x/gocv"

	"yfv2d/capture/faulttest"
)

// TestFaultsLeakNoMats breaks a camera of each transport in ways that end its source at different places.
func TestFaultsLeakNoMats(t *testing.T) {
	before := gocv.MatProfile.Count()
	var jobs []faulttest.Config
	for _, transport := range faulttest.Transports {
		for _, k := range []faulttest.Kind{faulttest.Reset, faulttest.SizeChange, faulttest.SlowLoris} {
			jobs = append(jobs, faulttest.Config{Transport: transport, Kinds: []faulttest.Kind{k}})
		}
	}
	sufferAll(t, jobs)
	if after := gocv.MatProfile.Count(); after != before {
		t.Errorf("%d Mats left over", after-before)
	}
}
