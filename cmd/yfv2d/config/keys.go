package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// key is a row of the table of everything that the file may say. The type of what at returns decides the type of the
// value: *string, *bool, *int, *float64, *time.Duration (seconds as a number), *[]string, *map[string]float64, *Fingerprint, *Crop, *Masks, *TLS.
type key struct {
	path     string // "detect.fps"; "camera.name" stands once in each [[camera]]
	at       func(*Config, *Camera) any
	min, max float64             // of numbers, both included
	zero     bool                // 0 is allowed too
	oneOf    []string            // allowed texts
	whole    []int               // allowed whole numbers
	want     string              // what check wants, for a person
	check    func(string) string // of a text or of each text in a list: what is wrong, "" if nothing
	single   bool                // a list may be given as one text
	required bool
	doc      string // for config.toml
}

var keys = []key{
	{path: "model", at: func(c *Config, _ *Camera) any { return &c.Model }, check: notEmpty,
		doc: `the network: "builtin", the name of a fetched model ("yolo-fastestv2"), or the path of an imported or quantised .onnx file`},

	{path: "log.level", at: func(c *Config, _ *Camera) any { return &c.Log.Level },
		oneOf: []string{"trace", "debug", "info", "warn", "error"}, doc: "the least important that is logged"},
	{path: "log.format", at: func(c *Config, _ *Camera) any { return &c.Log.Format },
		oneOf: []string{"auto", "human", "json"}, doc: "auto is human on a terminal and json elsewhere"},

	{path: "server.listen", at: func(c *Config, _ *Camera) any { return &c.Server.Listen }, single: true,
		want: "host:port, as in 127.0.0.1:8080", check: checkAddress,
		doc: "addresses of the page and the API, one or a list"},
	{path: "server.auth", at: func(c *Config, _ *Camera) any { return &c.Server.Auth }, oneOf: []string{"auto", "on", "off"},
		doc: "whether people log in and programs show a token (yfv2d user, yfv2d token): auto is on if other machines reach an address, or through a trusted proxy"},
	{path: "server.allow_open", at: func(c *Config, _ *Camera) any { return &c.Server.AllowOpen },
		doc: "allow addresses that other machines reach without auth: whoever does sees the cameras, no password is asked"},
	{path: "server.tls", at: func(c *Config, _ *Camera) any { return &c.Server.TLS }, want: tlsWant,
		doc: "https: self-signed makes a certificate once and keeps it, browsers warn until it is trusted; files are read again when they change"},
	{path: "server.trusted_proxies", at: func(c *Config, _ *Camera) any { return &c.Server.TrustedProxies },
		want: "addresses or networks, as in 127.0.0.1 or 10.1.0.0/16", check: checkProxy,
		doc: "reverse proxies whose X-Forwarded-For, -Proto and -Host are believed; see docs/reverse-proxy.md"},
	{path: "server.base_path", at: func(c *Config, _ *Camera) any { return &c.Server.BasePath },
		want: "a path like /cameras; empty is none", check: checkBasePath,
		doc: "what every address of the page and the API begins with, behind a proxy that has other pages too and passes the path on as it is"},
	{path: "server.hosts", at: func(c *Config, _ *Camera) any { return &c.Server.Hosts },
		want: "a host name or address without scheme and port", check: checkHost,
		doc: "further names this server is called by, such as a proxy's; its addresses and its host name need not be listed"},
	{path: "server.cors_origins", at: func(c *Config, _ *Camera) any { return &c.Server.CORSOrigins },
		want: "scheme://host[:port], as in https://home.example.org", check: checkOrigin,
		doc: "web sites whose pages may use the API"},

	{path: "detect.fps", at: func(c *Config, _ *Camera) any { return &c.Detect.FPS }, min: 0.1, max: 60,
		doc: "detections a second, for each camera"},
	{path: "detect.input", at: func(c *Config, _ *Camera) any { return &c.Detect.Input },
		want: "auto, or WxH with sides of 64 to 1280 that are multiples of 32", check: checkInput,
		doc: "pixels that the network sees; auto fits the camera's shape at the cost of 352x352, more finds smaller objects and costs more"},
	{path: "detect.resize", at: func(c *Config, _ *Camera) any { return &c.Detect.Resize }, oneOf: []string{"letterbox", "stretch"},
		doc: "letterbox keeps the picture's shape, stretch fills the input"},
	{path: "detect.score", at: func(c *Config, _ *Camera) any { return &c.Detect.Score }, min: 0.01, max: 1, zero: true,
		doc: "the least score of a detection; 0 is the model's own default"},
	{path: "detect.nms", at: func(c *Config, _ *Camera) any { return &c.Detect.NMS }, min: 0.01, max: 1,
		doc: "of two boxes of one class that overlap by more than this (IoU) the weaker is dropped"},
	{path: "detect.classes", at: func(c *Config, _ *Camera) any { return &c.Detect.Classes }, check: notEmpty,
		doc: `names of the classes to look for, as in ["person", "car"]; empty is all`},
	{path: "detect.class_scores", at: func(c *Config, _ *Camera) any { return &c.Detect.ClassScores }, min: 0.01, max: 1,
		doc: "least scores of single classes, as in { person = 0.5 }"},
	{path: "detect.engine", at: func(c *Config, _ *Camera) any { return &c.Detect.Engine }, oneOf: []string{"auto", "xnnpack", "opencv"},
		doc: "what runs the network: auto is the fastest on this machine, XNNPACK if it computes what OpenCV does, in int8 only if that gains time"},
	{path: "detect.workers", at: func(c *Config, _ *Camera) any { return &c.Detect.Workers }, min: 1, max: 64,
		doc: "threads that run the network, shared by all cameras; each has its own engine and memory"},

	{path: "tracker.min_iou", at: func(c *Config, _ *Camera) any { return &c.Tracker.MinIoU }, min: 0.01, max: 0.95,
		doc: "the least overlap (IoU) of a predicted box with a detection of the same object, both widened by how unsure the prediction is"},
	{path: "tracker.class_penalty", at: func(c *Config, _ *Camera) any { return &c.Tracker.ClassPenalty }, min: 0, max: 1,
		doc: "taken off the overlap if the classes differ but are easily confused (car, truck); others never match"},
	{path: "tracker.high_score", at: func(c *Config, _ *Camera) any { return &c.Tracker.HighScore }, min: 0.01, max: 1,
		doc: "detections of this score or more are matched first; weaker ones may only continue objects that are still shown"},
	{path: "tracker.low_score", at: func(c *Config, _ *Camera) any { return &c.Tracker.LowScore }, min: 0.01, max: 1,
		doc: "weaker detections than detect.score, down to this, may continue an object that is shown, never start one; 1 is none"},
	{path: "tracker.confirm_hits", at: func(c *Config, _ *Camera) any { return &c.Tracker.ConfirmHits }, min: 1, max: 100,
		doc: "an object is shown after so many detections ..."},
	{path: "tracker.confirm_within", at: func(c *Config, _ *Camera) any { return &c.Tracker.ConfirmWithin }, min: 0.01, max: 60,
		doc: "... within so many seconds (or one and a half times as many detection intervals, if longer) ..."},
	{path: "tracker.confirm_score", at: func(c *Config, _ *Camera) any { return &c.Tracker.ConfirmScore }, min: 0.01, max: 2,
		doc: "... or by one detection of this score; above 1 is never"},
	{path: "tracker.confirm_after", at: func(c *Config, _ *Camera) any { return &c.Tracker.ConfirmAfter }, min: 0.001, max: 60,
		doc: "in both cases it must have been detected over so many seconds, unless it was there from the start; less than a detection interval asks nothing"},
	{path: "tracker.lost_after", at: func(c *Config, _ *Camera) any { return &c.Tracker.LostAfter }, min: 0.01, max: 3600,
		doc: "seconds for which an object is shown that is not detected any more (2.5 detection intervals at least)"},
	{path: "tracker.forget_after", at: func(c *Config, _ *Camera) any { return &c.Tracker.ForgetAfter }, min: 0.01, max: 3600,
		doc: "seconds for which an object not detected any more can be found again under its id"},
	{path: "tracker.predict_intervals", at: func(c *Config, _ *Camera) any { return &c.Tracker.PredictIntervals }, min: 0.1, max: 10,
		doc: "a box moves on by itself for so many detection intervals ..."},
	{path: "tracker.predict_max", at: func(c *Config, _ *Camera) any { return &c.Tracker.PredictMax }, min: 0.01, max: 60,
		doc: "... and at most so many seconds, then it is held"},
	{path: "tracker.measure_noise", at: func(c *Config, _ *Camera) any { return &c.Tracker.MeasureNoise }, min: 0.001, max: 1,
		doc: "how far a detected box is off, in box sizes (standard deviation)"},
	{path: "tracker.move_noise", at: func(c *Config, _ *Camera) any { return &c.Tracker.MoveNoise }, min: 0.01, max: 100,
		doc: "how much an object's speed changes in a second, in box sizes a second (standard deviation)"},
	{path: "tracker.size_noise", at: func(c *Config, _ *Camera) any { return &c.Tracker.SizeNoise }, min: 0.01, max: 100,
		doc: "how much the speed of its growth changes in a second, in box sizes a second (standard deviation)"},
	{path: "tracker.start_speed", at: func(c *Config, _ *Camera) any { return &c.Tracker.StartSpeed }, min: 0.01, max: 100,
		doc: "how fast a new object may be, in box sizes a second (standard deviation)"},

	{path: "preview.fps", at: func(c *Config, _ *Camera) any { return &c.Preview.FPS }, min: 1, max: 30, zero: true,
		doc: "frames a second of the live picture; 0 is the camera's rate, at most 30"},
	{path: "preview.bitrate_kbps", at: func(c *Config, _ *Camera) any { return &c.Preview.BitrateKbps }, min: 50, max: 50000,
		doc: "kilobits a second of each live picture"},
	{path: "preview.encoder", at: func(c *Config, _ *Camera) any { return &c.Preview.Encoder },
		oneOf: []string{"auto", "openh264", "x264", "v4l2m2m", "vp8"},
		doc:   "what encodes the live picture; viewers without H.264 get VP8, with vp8 all do; x264 is there if built with its tag; v4l2m2m, the machine's own, is untested on hardware"},

	{path: "webrtc.port", at: func(c *Config, _ *Camera) any { return &c.WebRTC.Port }, min: 1, max: 65535, zero: true,
		doc: "the one UDP port that live pictures go over, for all cameras and viewers; 0 is any free one"},
	{path: "webrtc.tcp", at: func(c *Config, _ *Camera) any { return &c.WebRTC.TCP },
		doc: "take TCP on the same port too, for viewers whose network blocks UDP"},
	{path: "webrtc.interfaces", at: func(c *Config, _ *Camera) any { return &c.WebRTC.Interfaces },
		want: `names or patterns, as in ["eth*", "wlan0"]`, check: checkInterface,
		doc: "network interfaces that viewers come in by; empty is all but those of containers and virtual machines"},
	{path: "webrtc.public_ips", at: func(c *Config, _ *Camera) any { return &c.WebRTC.PublicIPs },
		want: "addresses like 203.0.113.5", check: checkPublicIP,
		doc: "further addresses under which the port is reached, such as the router's if it forwards the port here"},
	{path: "webrtc.ice_servers", at: func(c *Config, _ *Camera) any { return &c.WebRTC.ICEServers },
		want: "stun:host:port or turn:user:password@host:port?transport=udp", check: checkICEServer,
		doc: "servers that help viewers outside to find a way in; every viewer is told the passwords"},
	{path: "webrtc.max_viewers", at: func(c *Config, _ *Camera) any { return &c.WebRTC.MaxViewers }, min: 1, max: 1000,
		doc: "viewers of all cameras together"},
	{path: "webrtc.max_viewers_per_camera", at: func(c *Config, _ *Camera) any { return &c.WebRTC.MaxViewersPerCamera }, min: 1, max: 1000,
		doc: "viewers of one camera"},
	{path: "webrtc.playout_delay_max_ms", at: func(c *Config, _ *Camera) any { return &c.WebRTC.PlayoutDelayMaxMs }, min: 0, max: 1000,
		doc: "milliseconds for which a viewer's browser may hold pictures to make them even; 0 shows each at once"},

	{path: "capture.retry_max", at: func(c *Config, _ *Camera) any { return &c.Capture.RetryMax }, min: 1, max: 600,
		doc: "a camera that is down is tried again after half a second at first, later after so many seconds at most"},

	{path: "camera.name", at: func(_ *Config, cam *Camera) any { return &cam.Name }, required: true,
		want: "1 to 32 of a-z, 0-9, _ and -", check: checkName, doc: "its name in page, API and log"},
	{path: "camera.source", at: func(_ *Config, cam *Camera) any { return &cam.Source }, required: true, check: notEmpty,
		doc: "where its pictures come from: rtsp://..., v4l2:/dev/video0, libcamera:, http://..., exec:CMD, file:PATH (relative to this file), test: ; see README, Cameras"},
	{path: "camera.detect_source", at: func(_ *Config, cam *Camera) any { return &cam.DetectSource },
		doc: "a second, smaller stream of the same camera to look for objects in, while source is for viewing; empty: source is for both"},
	{path: "camera.transport", at: func(_ *Config, cam *Camera) any { return &cam.Transport }, oneOf: []string{"tcp", "udp", "auto"},
		doc: "how rtsp sources send; auto is udp if it gets through, else tcp"},
	{path: "camera.tls_verify", at: func(_ *Config, cam *Camera) any { return &cam.TLSVerify },
		doc: "false takes any certificate of an rtsps or https source, such as one the camera made itself: then nobody checks who answers"},
	{path: "camera.tls_fingerprint", at: func(_ *Config, cam *Camera) any { return &cam.TLSFingerprint },
		want: "the SHA-256 of the certificate as 64 hexadecimal digits, colons allowed; empty is any that the system trusts",
		doc:  "the one certificate that an rtsps or https source may show, whoever signed it: safer than tls_verify = false"},
	{path: "camera.rotate", at: func(_ *Config, cam *Camera) any { return &cam.Rotate },
		want: "0, 90, 180 or 270", whole: []int{0, 90, 180, 270}, doc: "degrees by which the picture is turned clockwise"},
	{path: "camera.flip", at: func(_ *Config, cam *Camera) any { return &cam.Flip }, oneOf: []string{"none", "horizontal", "vertical", "both"},
		doc: "mirrors the picture, after rotate"},
	{path: "camera.crop", at: func(_ *Config, cam *Camera) any { return &cam.Crop },
		want: "[x, y, width, height] as parts of the whole from 0 to 1; [] is all of it", doc: "the part of the camera's picture that is used, before rotate and flip"},
	{path: "camera.mask", at: func(_ *Config, cam *Camera) any { return &cam.Mask },
		want: "lists of three or more [x, y] from 0 to 1, as in [[[0, 0], [0.3, 0], [0, 0.5]]]",
		doc:  "privacy: polygons of the picture as shown that are painted black before anything else sees them"},
	{path: "camera.enabled", at: func(_ *Config, cam *Camera) any { return &cam.Enabled }, doc: "false leaves the camera out"},
	{path: "camera.loop", at: func(_ *Config, cam *Camera) any { return &cam.Loop },
		doc: "start a file: source again when it ends"},
	{path: "camera.speed", at: func(_ *Config, cam *Camera) any { return &cam.Speed }, oneOf: []string{"realtime", "max"},
		doc: "max reads a recording as fast as it can be read"},
	{path: "camera.detect_fps", at: func(_ *Config, cam *Camera) any { return &cam.DetectFPS }, min: 0.1, max: 60, zero: true,
		doc: "detections a second of this camera; 0 is detect.fps"},
	{path: "camera.preview_fps", at: func(_ *Config, cam *Camera) any { return &cam.PreviewFPS }, min: 1, max: 30, zero: true,
		doc: "frames a second of this camera's live picture; 0 is preview.fps"},
}

const cameraTable = "camera"

var (
	rows   = make(map[string]*key)
	tables = map[string]bool{} // names of the tables that the keys stand in
)

func init() {
	for i := range keys {
		k := &keys[i]
		rows[k.path] = k
		if table, _, ok := strings.Cut(k.path, "."); ok {
			tables[table] = true
		}
	}
}

// allowed is what the key may hold, for a person; "" if its type says it all.
func (k *key) allowed() string {
	if len(k.oneOf) > 0 {
		return strings.Join(k.oneOf, ", ")
	}
	if k.want != "" || k.max == k.min {
		return k.want
	}
	s := fmt.Sprintf("%g to %g", k.min, k.max)
	if k.zero {
		s = "0, or " + s
	}
	return s
}

func notEmpty(s string) string {
	if strings.TrimSpace(s) == "" {
		return "is empty"
	}
	return ""
}

func checkInput(s string) string {
	if _, ok := parseInput(s); !ok {
		return fmt.Sprintf("%s is no input size", show(s))
	}
	return ""
}

var nameForm = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

func checkName(s string) string {
	if !nameForm.MatchString(s) {
		return fmt.Sprintf("%s is no camera name", show(s))
	}
	return ""
}

// The parts of a domain name, RFC 1123 section 2.1, with the underscore that local networks use.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}\.?)*$`)

func isHost(s string) bool {
	return len(s) <= 253 && hostForm.MatchString(s) || net.ParseIP(strings.Trim(s, "[]")) != nil
}

func checkHost(s string) string {
	if !isHost(s) {
		return fmt.Sprintf("%s is no host name", show(s))
	}
	return ""
}

func checkAddress(s string) string {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Sprintf("%s is no address", show(s))
	}
	if n, ok := whole(port); !ok || n > 65535 {
		return fmt.Sprintf("%s has no port from 0 to 65535", show(s))
	}
	ip, _, _ := strings.Cut(host, "%") // an IPv6 zone
	if host != "" && !isHost(ip) {
		return fmt.Sprintf("%s has no valid host", show(s))
	}
	return ""
}

func whole(s string) (n int, ok bool) {
	if len(s) == 0 || len(s) > 9 {
		return 0, false
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return 0, false
		}
		n = n*10 + int(r-'0')
	}
	return n, true
}

func checkOrigin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()) || u.User != nil ||
		u.Scheme+"://"+u.Host != s || strings.HasSuffix(u.Host, ":") {
		return fmt.Sprintf("%s is no origin", show(s))
	}
	return ""
}
