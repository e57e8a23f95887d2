// Package config reads the daemon's configuration file and says everything that is wrong with it at once.
package config

import (
	"image"
	"slices"
	"strconv"
	"strings"
	"time"

	"yfv2d/tracker"
)

// Builtin is the name of the model that is part of the program.
const Builtin = "builtin"

// Config is a checked configuration. Fields are named and ordered as in the file; see config.toml for what they mean.
type Config struct {
	Model   string // Builtin or a path; what Hooks.Model made of the file's word
	Log     Log
	Server  Server
	Detect  Detect
	Tracker Tracker
	Preview Preview
	WebRTC  WebRTC
	Capture Capture
	Cameras []Camera

	Secrets map[string]string // what references stand for and nobody may be told -> the reference; each value 4 bytes at least

	Path string // of the file
	Dir  string // the file's folder: relative sources start here
}

// Log says how much is logged, and how.
type Log struct {
	Level  string // trace, debug, info, warn, error
	Format string // auto, human, json
}

// Server is where and to whom the page and the API are served.
type Server struct {
	Listen    []string // host:port
	Auth      string   // auto, on, off; see Login
	AllowOpen bool
	TLS       TLS
	// TrustedProxies may say for whom they ask, see Proxies.
	TrustedProxies []string
	BasePath       string // "" or as "/cameras"
	Hosts          []string
	CORSOrigins    []string
}

// TLS is whether the page and the API are served by https, and with what certificate.
type TLS struct {
	Mode      string // off, self-signed, files
	Cert, Key string // paths, of files
}

// On says whether there is a certificate.
func (t TLS) On() bool { return t.Mode == tlsSelfSigned || t.Mode == tlsFiles }

// SelfSigned says whether the program makes its certificate itself.
func (t TLS) SelfSigned() bool { return t.Mode == tlsSelfSigned }

// Detect is how objects are looked for.
type Detect struct {
	FPS         float64            // detections a second and camera
	Input       string             // "auto" or "WxH", see InputSize
	Resize      string             // letterbox, stretch
	Score       float64            // 0: the model's own default
	NMS         float64            // IoU
	Classes     []string           // empty: all
	ClassScores map[string]float64 // by class name; others have Score
	Engine      string             // auto, xnnpack or opencv
	Workers     int                // engine threads of the process
}

// Tracker is how objects are followed. Interval, Groups and the scores that start a track are set by TrackerFor.
type Tracker struct {
	tracker.Config
	LowScore float64 // the tracker sees detections down to this
}

// Preview is the live picture.
type Preview struct {
	FPS         float64 // 0: the camera's, at most 30
	BitrateKbps int     // of each picture stream
	Encoder     string
}

// WebRTC is how live pictures get to viewers.
type WebRTC struct {
	Port                int // UDP, and TCP if TCP is set; 0: any free one
	TCP                 bool
	Interfaces          []string // names or patterns; empty: all but inner ones
	PublicIPs           []string
	ICEServers          []string // may hold passwords; see Servers
	MaxViewers          int
	MaxViewersPerCamera int
	PlayoutDelayMaxMs   int
}

// Capture is how cameras are read.
type Capture struct {
	RetryMax time.Duration // the longest wait before a camera that is down is tried again
}

// Fingerprint is the SHA-256 of a certificate; nil for none.
type Fingerprint []byte

// Crop is x, y, width and height as parts of the whole, 0 to 1; all zero: the whole.
type Crop [4]float64

// Masks are polygons of points (x, y), parts of the picture as shown, 0 to 1.
type Masks [][][2]float64

// Camera is one [[camera]] of the file.
type Camera struct {
	Name           string
	Source         string // as written: may hold a password
	DetectSource   string // a smaller stream of the same camera for detection, "" if there is none
	Transport      string // tcp, udp, auto
	TLSVerify      bool
	TLSFingerprint Fingerprint
	Rotate         int    // degrees clockwise: 0, 90, 180, 270
	Flip           string // none, horizontal, vertical, both
	Crop           Crop
	Mask           Masks
	Enabled        bool
	Loop           bool
	Speed          string  // realtime, max
	DetectFPS      float64 // 0: Detect.FPS
	PreviewFPS     float64 // 0: Preview.FPS

	Shown string // Source as written, with references: what people may be shown once it is redacted
	Line  int    // of its [[camera]] in the file
}

// Default is the configuration of a file that says nothing; it has no camera.
func Default() Config {
	return Config{
		Model:   Builtin,
		Log:     Log{Level: "info", Format: "auto"},
		Server:  Server{Listen: []string{"127.0.0.1:8080"}, Auth: "auto", TLS: TLS{Mode: tlsOff}},
		Detect:  Detect{FPS: 10, Input: "auto", Resize: "letterbox", NMS: 0.4, Engine: "auto", Workers: 1},
		Tracker: Tracker{Config: tracker.DefaultConfig(), LowScore: 0.1},
		Preview: Preview{BitrateKbps: 1500, Encoder: "auto"},
		WebRTC:  WebRTC{Port: 8189, TCP: true, MaxViewers: 64, MaxViewersPerCamera: 16, PlayoutDelayMaxMs: 100},
		Capture: Capture{RetryMax: 30 * time.Second},
	}
}

// defaultCamera is a [[camera]] that says nothing.
func defaultCamera() Camera {
	return Camera{Transport: "tcp", TLSVerify: true, Flip: "none", Enabled: true, Speed: "realtime"}
}

// Login says whether the page and the API ask who comes: always, never, or if other machines can come and that is not allowed to all.
func (s Server) Login() bool {
	switch s.Auth {
	case "on":
		return true
	case "off":
		return false
	}
	return !s.AllowOpen && s.Reached()
}

// Reached says whether other machines come in: an address is one that they reach, or there is a proxy.
func (s Server) Reached() bool {
	return len(s.TrustedProxies) > 0 || slices.ContainsFunc(s.Listen, func(addr string) bool { return !isLoopback(addr) })
}

// InputSize is the network's input in pixels, zero for auto.
func (d Detect) InputSize() image.Point {
	size, _ := parseInput(d.Input)
	return size
}

// parseInput reads "auto" or "WxH".
func parseInput(s string) (size image.Point, ok bool) {
	if s == "auto" {
		return size, true
	}
	w, h, _ := strings.Cut(s, "x")
	for _, side := range []struct {
		text string
		to   *int
	}{{w, &size.X}, {h, &size.Y}} {
		n, err := strconv.Atoi(side.text)
		if err != nil || n < 64 || n > 1280 || n%32 != 0 || strconv.Itoa(n) != side.text {
			return image.Point{}, false
		}
		*side.to = n
	}
	return size, true
}

// DetectFPS is how many detections a second the camera is to have.
func (c *Config) DetectFPS(cam *Camera) float64 {
	if cam.DetectFPS > 0 {
		return cam.DetectFPS
	}
	return c.Detect.FPS
}

// PreviewFPS is the frame rate of the camera's live picture, 0 for the camera's own.
func (c *Config) PreviewFPS(cam *Camera) float64 {
	if cam.PreviewFPS > 0 {
		return cam.PreviewFPS
	}
	return c.Preview.FPS
}

// TrackerFor is the camera's tracker configuration. classes are the model's names in order, scores the thresholds of
// detect.score and detect.class_scores for them (infer.Thresholds.ByClass).
func (c *Config) TrackerFor(cam *Camera, classes []string, scores []float32) tracker.Config {
	return c.Tracker.For(time.Duration(float64(time.Second)/c.DetectFPS(cam)), classes, scores)
}

// For is the configuration of a tracker that gets detections at this interval: with the groups of classes that the model
// confuses, and the scores that a detection needs to be told as one, and so to start a track.
func (t Tracker) For(interval time.Duration, classes []string, scores []float32) tracker.Config {
	t.Interval, t.Groups = interval, tracker.Groups(classes)
	t.StartScores = make([]float64, len(scores))
	for i, s := range scores {
		t.StartScores[i] = float64(s)
	}
	return t.Config
}
