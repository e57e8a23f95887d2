package stream

import (
	"encoding/json"
	"image"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"yfv2d/pipeline"
)

// twoSources is a camera whose network looks at a small stream, which is down just now.
func twoSources() pipeline.Stats {
	st := liveStats()
	st.Ledger.Detected, st.Ledger.DetectInFlight = 0, 0
	st.Ledger.DetectDropped = pipeline.DetectDrops{OtherSource: 1000}
	st.DetectSource = &pipeline.SourceStats{
		Status: pipeline.SourceStatus{State: pipeline.Retrying, Reason: "no data for 3.0 s", Since: noon.Add(-4 * time.Second),
			NextTry: noon.Add(time.Second)},
		Size: image.Pt(640, 360), CaptureFPS: 14.96,
		Ledger: pipeline.Ledger{
			Units: 520, DecodeError: 2, NotDecoded: 17, UnitsInFlight: 1,
			Captured: 500, PreviewDropped: pipeline.PreviewDrops{OtherSource: 500},
			Detected: 166, DetectDropped: pipeline.DetectDrops{CaptureSlot: 1, NotDue: 332}, DetectInFlight: 1,
		},
	}
	return st
}

func TestGoldenTwoSources(t *testing.T) {
	c := Camera{Name: "door", Source: "rtsp://cam/1"}
	got, err := json.Marshal(c.describe(twoSources(), BroadcasterStats{}, nil).Detect)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "detect_source.json", got)
	for _, l := range []pipeline.Ledger{twoSources().Ledger, twoSources().DetectSource.Ledger} {
		if err := l.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestMetricsOfTwoSources(t *testing.T) {
	got := map[string]float64{}
	send := func(d *prometheus.Desc, _ prometheus.ValueType, v float64, labels ...string) {
		name, _, _ := strings.Cut(strings.TrimPrefix(d.String(), `Desc{fqName: "`), `"`)
		got[name+" "+strings.Join(labels, " ")] = v
	}
	cameraMetrics("door", twoSources(), send)
	frameMetrics("door", twoSources(), send)
	for line, want := range map[string]float64{
		"yfv2d_camera_state door live":                     1,
		"yfv2d_detect_source_state door live":              0,
		"yfv2d_detect_source_state door retrying":          1,
		"yfv2d_frames_captured_total door":                 1000,
		"yfv2d_detect_source_frames_captured_total door":   500,
		"yfv2d_detect_source_units_total door captured":    500,
		"yfv2d_detect_source_units_total door not_decoded": 17,
		"yfv2d_frames_total door preview previewed":        480,
		"yfv2d_frames_total door detect detected":          166,
		"yfv2d_frames_in_flight door detect":               1,
	} {
		if v, ok := got[line]; !ok || v != want {
			t.Errorf("%s is %v, want %v", line, v, want)
		}
	}
	clear(got)
	cameraMetrics("door", liveStats(), send)
	frameMetrics("door", liveStats(), send)
	for line := range got {
		if strings.HasPrefix(line, "yfv2d_detect_source") {
			t.Errorf("a camera with one source has %s", line)
		}
	}
}
