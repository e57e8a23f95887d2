package stream

import (
	"math"
	"time"

	"yfv2d/pipeline"
	"yfv2d/tracker"
)

// cameraJSON is one camera's condition. Times are RFC 3339, durations are milliseconds where the name says so and
// seconds elsewhere, boxes are pixels of the source picture.
type cameraJSON struct {
	Name       string          `json:"name"`
	Source     string          `json:"source"`
	State      string          `json:"state"`
	Reason     string          `json:"reason"`
	Since      *time.Time      `json:"since"`
	NextTry    *time.Time      `json:"next_try"`
	Size       sizeJSON        `json:"size"`
	Input      sizeJSON        `json:"input"`
	FPS        fpsJSON         `json:"fps"`
	DetectTime quantilesJSON   `json:"detect_time_ms"`
	Latency    latencyJSON     `json:"latency_ms"`
	Ledger     pipeline.Ledger `json:"ledger"`
	Detect     *detectJSON     `json:"detect_source"` // null if the network looks at what is shown
	Preview    previewJSON     `json:"preview"`
	Objects    []objectJSON    `json:"objects"`
}

// detectJSON is the second source of a camera that has one: the network looks at it, and nobody sees it.
type detectJSON struct {
	State   string          `json:"state"`
	Reason  string          `json:"reason"`
	Since   *time.Time      `json:"since"`
	NextTry *time.Time      `json:"next_try"`
	Size    sizeJSON        `json:"size"`
	FPS     float64         `json:"fps"`
	Ledger  pipeline.Ledger `json:"ledger"`
}

type sizeJSON struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

type fpsJSON struct {
	Capture float64 `json:"capture"`
	Detect  float64 `json:"detect"`
	Preview float64 `json:"preview"`
}

// latencyJSON is the time from a frame's capture until each step was done with it.
type latencyJSON struct {
	Canvas     quantilesJSON `json:"canvas"`
	Detections quantilesJSON `json:"detections"`
	Encoded    quantilesJSON `json:"encoded"`
	Sent       quantilesJSON `json:"sent"`
}

type quantilesJSON struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

type previewJSON struct {
	Viewers        int      `json:"viewers"`
	Encoder        string   `json:"encoder"`
	EncoderRunning bool     `json:"encoder_running"`
	Size           sizeJSON `json:"size"`
	Bitrate        int      `json:"bitrate"` // bits per second
	Encodes        uint64   `json:"encodes"`
	KeyFrames      uint64   `json:"key_frames"`

	Renditions []renditionJSON `json:"renditions"` // those with viewers
	Relay      relayJSON       `json:"relay"`
}

// renditionJSON is one way of a camera's picture to its viewers.
type renditionJSON struct {
	Name      string   `json:"name"` // clean, small or annotated
	Codec     string   `json:"codec"`
	Viewers   int      `json:"viewers"`
	Encoder   string   `json:"encoder"`
	Relay     bool     `json:"relay"`  // the camera's own stream, neither decoded nor encoded
	Reason    string   `json:"reason"` // why it is encoded although the camera gives H.264
	Size      sizeJSON `json:"size"`
	Bitrate   int      `json:"bitrate"` // bits per second
	Encodes   uint64   `json:"encodes"`
	KeyFrames uint64   `json:"key_frames"`
}

// relayJSON says whether viewers may get a camera's own stream.
type relayJSON struct {
	Possible bool   `json:"possible"`
	Reason   string `json:"reason"`
}

// objectJSON is one track. Velocities are px/s of the box's centre, x to the right and y down, as of the last detection.
type objectJSON struct {
	ID              int        `json:"id"`
	Class           string     `json:"class"`
	ClassID         int        `json:"class_id"`
	Score           float64    `json:"score"`
	BestScore       float64    `json:"best_score"`
	Detections      int        `json:"detections"`
	Box             [4]float64 `json:"box"` // x0, y0, x1, y1
	FirstSeen       *time.Time `json:"first_seen"`
	LastSeen        *time.Time `json:"last_seen"`
	Age             float64    `json:"age"`
	Unseen          float64    `json:"unseen"`
	VX              float64    `json:"vx"`
	VY              float64    `json:"vy"`
	Speed           float64    `json:"speed"`
	Stationary      bool       `json:"stationary"`
	StationarySince *time.Time `json:"stationary_since"` // null while it moves
	Predicted       bool       `json:"predicted"`
}

// read is the camera's condition at now.
func (c *Camera) read(now time.Time) cameraJSON {
	var preview BroadcasterStats
	if c.Broadcaster != nil {
		preview = c.Broadcaster.Stats()
	}
	return c.describe(c.Stats(), preview, c.objects(now))
}

// objects are the tracks shown at now, predicted to now.
func (c *Camera) objects(now time.Time) []tracker.Track {
	if c.Tracks == nil {
		return nil
	}
	return c.Tracks().At(now)
}

// describe puts a camera's readings into the API's shape.
func (c *Camera) describe(st pipeline.Stats, preview BroadcasterStats, tracks []tracker.Track) cameraJSON {
	out := cameraJSON{
		Name:       c.Name,
		Source:     c.Source,
		State:      string(sourceState(st)),
		Reason:     st.Source.Reason,
		Since:      optional(st.Source.Since),
		NextTry:    optional(st.Source.NextTry),
		Size:       sizeJSON{st.Size.X, st.Size.Y},
		Input:      sizeJSON{st.Input.X, st.Input.Y},
		FPS:        fpsJSON{round(st.CaptureFPS, 1), round(st.DetectFPS, 1), round(st.PreviewFPS, 1)},
		DetectTime: milliseconds(st.DetectTime),
		Latency: latencyJSON{
			Canvas:     milliseconds(st.ToCanvas),
			Detections: milliseconds(st.ToDetected),
			Encoded:    milliseconds(preview.ToEncoded),
			Sent:       milliseconds(preview.ToSent),
		},
		Ledger: st.Ledger,
		Detect: detectSource(st.DetectSource),
		Preview: previewJSON{
			Viewers:        preview.Viewers,
			Encoder:        preview.Encoder,
			EncoderRunning: preview.EncoderRunning,
			Size:           sizeJSON{preview.Size.X, preview.Size.Y},
			Bitrate:        preview.BitrateBPS,
			Encodes:        preview.Encodes,
			KeyFrames:      preview.Keys,
			Renditions:     renditionsJSON(preview.Renditions),
			Relay:          relayJSON(preview.Relay),
		},
		Objects: []objectJSON{},
	}
	for _, t := range tracks {
		out.Objects = append(out.Objects, c.object(t))
	}
	return out
}

func renditionsJSON(all []RenditionStats) []renditionJSON {
	out := []renditionJSON{}
	for _, r := range all {
		out = append(out, renditionJSON{
			Name: r.Name, Codec: string(r.Codec), Viewers: r.Viewers, Encoder: r.Encoder, Relay: r.Relay, Reason: r.Reason,
			Size: sizeJSON{r.Size.X, r.Size.Y}, Bitrate: r.BitrateBPS, Encodes: r.Encodes, KeyFrames: r.Keys,
		})
	}
	return out
}

func detectSource(d *pipeline.SourceStats) *detectJSON {
	if d == nil {
		return nil
	}
	return &detectJSON{
		State:   string(stateOf(d.Status)),
		Reason:  d.Status.Reason,
		Since:   optional(d.Status.Since),
		NextTry: optional(d.Status.NextTry),
		Size:    sizeJSON{d.Size.X, d.Size.Y},
		FPS:     round(d.CaptureFPS, 1),
		Ledger:  d.Ledger,
	}
}

func (c *Camera) object(t tracker.Track) objectJSON {
	b := t.Box
	return objectJSON{
		ID:              t.ID,
		Class:           c.class(t.Class),
		ClassID:         t.Class,
		Score:           round(float64(t.Score), 3),
		BestScore:       round(float64(t.BestScore), 3),
		Detections:      t.Detections,
		Box:             [4]float64{round(float64(b.X0), 1), round(float64(b.Y0), 1), round(float64(b.X1), 1), round(float64(b.Y1), 1)},
		FirstSeen:       optional(t.FirstSeen),
		LastSeen:        optional(t.LastSeen),
		Age:             round(t.Age.Seconds(), 2),
		Unseen:          round(t.Unseen.Seconds(), 2),
		VX:              round(float64(t.VX), 1),
		VY:              round(float64(t.VY), 1),
		Speed:           round(float64(t.Speed()), 1),
		Stationary:      t.Stationary(),
		StationarySince: optional(t.StationarySince),
		Predicted:       t.Predicted,
	}
}

// class is the class's name; empty if the model has none for it.
func (c *Camera) class(i int) string {
	if i < 0 || i >= len(c.Classes) {
		return ""
	}
	return c.Classes[i]
}

// sourceState is the source's state; a pipeline that has not begun yet knows none.
func sourceState(st pipeline.Stats) pipeline.SourceState { return stateOf(st.Source) }

func stateOf(s pipeline.SourceStatus) pipeline.SourceState {
	if s.State == "" {
		return pipeline.Connecting
	}
	return s.State
}

func isLive(st pipeline.Stats) bool { return st.Source.State == pipeline.Live }

func milliseconds(q pipeline.Quantiles) quantilesJSON {
	ms := func(d time.Duration) float64 { return round(float64(d)/float64(time.Millisecond), 2) }
	return quantilesJSON{Count: q.Count, P50: ms(q.P50), P95: ms(q.P95), P99: ms(q.P99), Max: ms(q.Max)}
}

// round keeps so many decimals. What JSON has no number for becomes 0.
func round(x float64, decimals int) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	p := math.Pow10(decimals)
	return math.Round(x*p)/p + 0 // adding 0 turns a negative zero into a plain one
}

// stamp is a time as the API writes it: UTC, milliseconds.
func stamp(t time.Time) time.Time { return t.UTC().Round(time.Millisecond) }

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = stamp(t)
	return &t
}
