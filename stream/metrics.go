package stream

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"yfv2d/pipeline"
)

// The metrics are read from the cameras' own counters at the moment of the scrape; nothing is counted twice. Labels
// come from fixed sets and from the configured camera names.
var (
	descBuild = prometheus.NewDesc("yfv2d_build_info", "Always 1; the labels say what runs.",
		[]string{"version", "commit", "goversion", "opencv", "engine", "model"}, nil)
	descUp    = prometheus.NewDesc("yfv2d_camera_up", "1 while the camera gives frames.", []string{"camera"}, nil)
	descState = prometheus.NewDesc("yfv2d_camera_state", "1 for the state the camera is in, 0 for the others.",
		[]string{"camera", "state"}, nil)
	descDetectState = prometheus.NewDesc("yfv2d_detect_source_state",
		"1 for the state that the source for the network is in, 0 for the others; of cameras that have one.", []string{"camera", "state"}, nil)
	descDetectCaptured = prometheus.NewDesc("yfv2d_detect_source_frames_captured_total",
		"Frames that the source for the network gave, of cameras that have one. Their detect side is theirs.", []string{"camera"}, nil)
	descDetectUnits = prometheus.NewDesc("yfv2d_detect_source_units_total",
		"Access units of the source for the network, by result.", []string{"camera", "result"}, nil)
	descCaptured = prometheus.NewDesc("yfv2d_frames_captured_total", "Frames that the source gave.", []string{"camera"}, nil)
	descUnits    = prometheus.NewDesc("yfv2d_units_total", "Access units (coded pictures) that the source gave, those that became no frame by what kept them from it.",
		[]string{"camera", "result"}, nil)
	descFrames = prometheus.NewDesc("yfv2d_frames_total",
		"What became of each captured frame, once on the preview side and once on the detect side.",
		[]string{"camera", "side", "result"}, nil)
	descInFlight = prometheus.NewDesc("yfv2d_frames_in_flight", "Captured frames whose fate is open.",
		[]string{"camera", "side"}, nil)
	descRate = prometheus.NewDesc("yfv2d_frames_per_second", "Rate over the last seconds.", []string{"camera", "stage"}, nil)
	descLag  = prometheus.NewDesc("yfv2d_latency_seconds", "Time from a frame's capture until the step was done with it.",
		[]string{"camera", "step", "stat"}, nil)
	descDetect = prometheus.NewDesc("yfv2d_detect_seconds", "The detector's own time for one frame.",
		[]string{"camera", "stat"}, nil)
	descObjects = prometheus.NewDesc("yfv2d_objects", "Objects in sight.", []string{"camera"}, nil)
	descViewers = prometheus.NewDesc("yfv2d_viewers", "Viewers of the live picture.", []string{"camera"}, nil)
	descEncoder = prometheus.NewDesc("yfv2d_encoder_running", "1 while the live picture is encoded.", []string{"camera"}, nil)
	descBitrate = prometheus.NewDesc("yfv2d_encoder_target_bytes_per_second", "The rate that the encoder aims at.", []string{"camera"}, nil)
	descEncodes = prometheus.NewDesc("yfv2d_encoded_frames_total", "Frames that were encoded.", []string{"camera"}, nil)
	descKeys    = prometheus.NewDesc("yfv2d_encoded_key_frames_total", "Key frames among them.", []string{"camera"}, nil)
	descWatched = prometheus.NewDesc("yfv2d_rendition_viewers", "Viewers by what they get: which picture, its codec, and how it is made (encode, or relay of the camera's own stream).",
		[]string{"camera", "rendition", "codec", "made"}, nil)
	descRendered = prometheus.NewDesc("yfv2d_rendition_bytes_per_second", "The rate that a watched picture's encoder aims at, or that was measured of a relayed stream.",
		[]string{"camera", "rendition", "codec", "made"}, nil)
	descMissed = prometheus.NewDesc("yfv2d_viewers_missed_units_total", "Coded pictures that viewers did not get since their path or they were too slow.", []string{"camera"}, nil)
)

var sourceStates = []pipeline.SourceState{
	pipeline.Connecting, pipeline.Live, pipeline.Stalled, pipeline.Retrying, pipeline.Ended, pipeline.Failed,
}

// metricsHandler serves a registry of the server's own, so that two servers in one process do not meet.
func (s *Server) metricsHandler() (http.Handler, error) {
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		cameraCollector{s},
		liveCollector{s},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
	}
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: readTimeout}), nil
}

// cameraCollector reads all cameras at each scrape.
type cameraCollector struct{ s *Server }

// Describe names every metric that Collect may give.
func (c cameraCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descBuild, descUp, descState, descDetectState, descDetectCaptured, descDetectUnits, descCaptured, descUnits, descFrames, descInFlight, descRate,
		descLag, descDetect, descObjects, descViewers, descEncoder, descBitrate, descEncodes, descKeys, descWatched, descRendered, descMissed,
		descWatched, descRendered, descMissed} {
		ch <- d
	}
}

// Collect reads every camera's counters.
func (c cameraCollector) Collect(ch chan<- prometheus.Metric) {
	v := c.s.cfg.Version
	send := func(d *prometheus.Desc, t prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, value, labels...)
	}
	send(descBuild, prometheus.GaugeValue, 1, v.Version, v.Commit, v.Go, v.OpenCV, v.Engine, v.Model.Name)
	now := c.s.now()
	set := c.s.cameras.Load()
	for i := range set.list {
		cam := &set.list[i]
		st := cam.Stats()
		cameraMetrics(cam.Name, st, send)
		frameMetrics(cam.Name, st, send)
		send(descObjects, prometheus.GaugeValue, float64(len(cam.objects(now))), cam.Name)
		if cam.Broadcaster != nil {
			previewMetrics(cam.Name, cam.Broadcaster.Stats(), send)
		}
	}
}

type sendMetric func(d *prometheus.Desc, t prometheus.ValueType, value float64, labels ...string)

func cameraMetrics(name string, st pipeline.Stats, send sendMetric) {
	send(descUp, prometheus.GaugeValue, oneIf(isLive(st)), name)
	stateMetrics(descState, name, st.Source, send)
	if st.DetectSource != nil {
		stateMetrics(descDetectState, name, st.DetectSource.Status, send)
	}
	send(descRate, prometheus.GaugeValue, st.CaptureFPS, name, "capture")
	send(descRate, prometheus.GaugeValue, st.DetectFPS, name, "detect")
	send(descRate, prometheus.GaugeValue, st.PreviewFPS, name, "preview")
	quantileMetrics(descLag, st.ToCanvas, send, name, "canvas")
	quantileMetrics(descLag, st.ToDetected, send, name, "detections")
	quantileMetrics(descDetect, st.DetectTime, send, name)
}

func stateMetrics(d *prometheus.Desc, name string, s pipeline.SourceStatus, send sendMetric) {
	for _, state := range sourceStates {
		send(d, prometheus.GaugeValue, oneIf(stateOf(s) == state), name, string(state))
	}
}

// frameMetrics gives the drop ledger: for each side, captured = the sum of its results + in flight. The detect side is that
// of the source for the network, if there is one.
func frameMetrics(name string, st pipeline.Stats, send sendMetric) {
	l, d := st.Ledger, st.DetectLedger()
	send(descCaptured, prometheus.CounterValue, float64(l.Captured), name)
	unitMetrics(descUnits, name, l, send)
	if st.DetectSource != nil {
		send(descDetectCaptured, prometheus.CounterValue, float64(d.Captured), name)
		unitMetrics(descDetectUnits, name, d, send)
	}
	for _, r := range []struct {
		side, result string
		n            uint64
	}{
		{"preview", "previewed", l.Previewed},
		{"preview", "capture_slot", l.PreviewDropped.CaptureSlot},
		{"preview", "preview_slot", l.PreviewDropped.PreviewSlot},
		{"preview", "no_viewer", l.PreviewDropped.NoViewer},
		{"preview", "not_due", l.PreviewDropped.NotDue},
		{"preview", "encode_skipped", l.PreviewDropped.EncodeSkipped},
		{"preview", "failed", l.PreviewDropped.Failed},
		{"preview", "shutdown", l.PreviewDropped.Shutdown},
		{"detect", "detected", d.Detected},
		{"detect", "capture_slot", d.DetectDropped.CaptureSlot},
		{"detect", "detect_slot", d.DetectDropped.DetectSlot},
		{"detect", "not_due", d.DetectDropped.NotDue},
		{"detect", "gated", d.DetectDropped.Gated},
		{"detect", "failed", d.DetectDropped.Failed},
		{"detect", "shutdown", d.DetectDropped.Shutdown},
	} {
		send(descFrames, prometheus.CounterValue, float64(r.n), name, r.side, r.result)
	}
	send(descInFlight, prometheus.GaugeValue, float64(l.PreviewInFlight), name, "preview")
	send(descInFlight, prometheus.GaugeValue, float64(d.DetectInFlight), name, "detect")
}

func unitMetrics(d *prometheus.Desc, name string, l pipeline.Ledger, send sendMetric) {
	if l.Units == 0 {
		return
	}
	send(d, prometheus.CounterValue, float64(l.Units-l.DecodeError-l.NotDecoded-l.UnitsInFlight), name, "captured")
	send(d, prometheus.CounterValue, float64(l.DecodeError), name, "decode_error")
	send(d, prometheus.CounterValue, float64(l.NotDecoded), name, "not_decoded")
}

func previewMetrics(name string, p BroadcasterStats, send sendMetric) {
	send(descViewers, prometheus.GaugeValue, float64(p.Viewers), name)
	send(descEncoder, prometheus.GaugeValue, oneIf(p.EncoderRunning), name)
	send(descBitrate, prometheus.GaugeValue, float64(p.BitrateBPS)/8, name)
	send(descEncodes, prometheus.CounterValue, float64(p.Encodes), name)
	send(descKeys, prometheus.CounterValue, float64(p.Keys), name)
	send(descMissed, prometheus.CounterValue, float64(p.Lagged), name)
	for _, r := range p.Renditions {
		made := "encode"
		if r.Relay {
			made = "relay"
		}
		send(descWatched, prometheus.GaugeValue, float64(r.Viewers), name, r.Name, string(r.Codec), made)
		send(descRendered, prometheus.GaugeValue, float64(r.BitrateBPS)/8, name, r.Name, string(r.Codec), made)
	}
	quantileMetrics(descLag, p.ToEncoded, send, name, "encoded")
	quantileMetrics(descLag, p.ToSent, send, name, "sent")
}

func quantileMetrics(d *prometheus.Desc, q pipeline.Quantiles, send sendMetric, labels ...string) {
	if q.Count == 0 {
		return
	}
	for _, s := range []struct {
		stat  string
		value time.Duration
	}{{"p50", q.P50}, {"p95", q.P95}, {"p99", q.P99}, {"max", q.Max}} {
		send(d, prometheus.GaugeValue, s.value.Seconds(), append(append([]string{}, labels...), s.stat)...)
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
