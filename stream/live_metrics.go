package stream

import "github.com/prometheus/client_golang/prometheus"

var (
	descListeners = prometheus.NewDesc("yfv2d_live_subscribers", "Pages and scripts that get live messages.", nil, nil)
	descLeftOut   = prometheus.NewDesc("yfv2d_live_messages_dropped_total",
		"Live messages left out for subscribers that were too slow, by type.", []string{"type"}, nil)
	descMotionViewers = prometheus.NewDesc("yfv2d_mjpeg_viewers", "Viewers of moving JPEG pictures.", []string{"camera"}, nil)
	descMotion        = prometheus.NewDesc("yfv2d_mjpeg_pictures_total",
		"Moving JPEG pictures: encoded, frames that came while one was encoded (busy), and pictures that a viewer was too slow for (missed).",
		[]string{"camera", "result"}, nil)
)

// liveCollector reads what is sent over HTTP: live messages and moving JPEG pictures.
type liveCollector struct{ s *Server }

// Describe names every metric that Collect may give.
func (c liveCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descListeners, descLeftOut, descMotionViewers, descMotion} {
		ch <- d
	}
}

// Collect reads the counters.
func (c liveCollector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, value, labels...)
	}
	hub := c.s.live
	send(descListeners, prometheus.GaugeValue, float64(hub.count()))
	for _, kind := range []liveKind{liveDetect, liveFrame} {
		send(descLeftOut, prometheus.CounterValue, float64(hub.dropped[kind].Load()), kind.String())
	}
	for _, cam := range c.s.cameras.Load().list {
		if cam.Broadcaster == nil {
			continue
		}
		st := cam.Broadcaster.motion.stats()
		send(descMotionViewers, prometheus.GaugeValue, float64(st.viewers), cam.Name)
		for result, n := range map[string]uint64{"encoded": st.encodes, "busy": st.skipped, "missed": st.missed} {
			send(descMotion, prometheus.CounterValue, float64(n), cam.Name, result)
		}
	}
}
