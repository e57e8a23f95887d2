package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// VersionInfo is what /api/version tells, and the page's last lines.
type VersionInfo struct {
	Version      string             `json:"version"`
	Commit       string             `json:"commit"`
	Go           string             `json:"go"`
	OpenCV       string             `json:"opencv"`
	Engine       string             `json:"engine"`
	ForwardMs    float64            `json:"forward_ms"`    // of the network in the trial at the start; 0 if there was none
	TrialMs      map[string]float64 `json:"trial_ms"`      // of each engine in that trial, by name; null if there was none
	EngineChoice string             `json:"engine_choice"` // for people: int8 or float, and why; empty for a float model
	Model        ModelInfo          `json:"model"`
	Certificate  *CertificateInfo   `json:"certificate"` // of this server; null without TLS
}

// CertificateInfo is what viewers can compare with what their browser shows.
type CertificateInfo struct {
	SelfSigned  bool      `json:"self_signed"`
	Fingerprint string    `json:"sha256"` // pairs of hexadecimal digits with colons
	NotAfter    time.Time `json:"not_after"`
}

// ModelInfo is the short card of the model in use.
type ModelInfo struct {
	Name         string  `json:"name"`
	Builtin      bool    `json:"builtin"` // the small demo model inside the binary
	Classes      int     `json:"classes"`
	DefaultScore float64 `json:"default_score"`
	Note         string  `json:"note"`   // for people: how good it is
	Better       string  `json:"better"` // the one line that gets better weights; empty if these are they
}

type camerasJSON struct {
	Time    time.Time    `json:"time"` // the server's clock at this reading; since and next_try are of the same clock
	Cameras []cameraJSON `json:"cameras"`
	ICE     []ICEServer  `json:"ice_servers"` // that the page's viewers may use
}

type healthJSON struct {
	Status  string  `json:"status"`
	Uptime  float64 `json:"uptime"` // seconds
	Cameras int     `json:"cameras"`
	Live    int     `json:"live"`
}

type errorJSON struct {
	Error string `json:"error"`
}

// camera finds the camera that the path names, or answers with the names there are.
func (s *Server) camera(w http.ResponseWriter, r *http.Request) *Camera {
	name, set := r.PathValue("name"), s.cameras.Load()
	if c := set.byName[name]; c != nil {
		return c
	}
	set.refuse(w, name)
	return nil
}

// refuse answers that there is no such camera, with the names there are.
func (set *cameraSet) refuse(w http.ResponseWriter, name string) {
	known := "there are no cameras"
	if len(set.list) > 0 {
		names := make([]string, len(set.list))
		for i, c := range set.list {
			names[i] = c.Name
		}
		known = "the cameras are: " + strings.Join(names, ", ")
	}
	writeError(w, http.StatusNotFound, fmt.Sprintf("no camera %s; %s", quote(name), known))
}

func (s *Server) serveCameras(w http.ResponseWriter, _ *http.Request) {
	now, set := s.now(), s.cameras.Load()
	out := camerasJSON{Time: stamp(now), Cameras: make([]cameraJSON, 0, len(set.list)), ICE: []ICEServer{}}
	if s.cfg.WHEP != nil {
		out.ICE = append(out.ICE, s.cfg.WHEP.ICEServers()...)
	}
	for i := range set.list {
		out.Cameras = append(out.Cameras, set.list[i].read(now))
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) serveCamera(w http.ResponseWriter, r *http.Request) {
	if c := s.camera(w, r); c != nil {
		writeJSON(w, http.StatusOK, c.read(s.now()))
	}
}

func (s *Server) serveVersion(w http.ResponseWriter, _ *http.Request) {
	v := s.cfg.Version
	if s.cfg.Certificate != nil {
		c := s.cfg.Certificate()
		v.Certificate = &c
	}
	writeJSON(w, http.StatusOK, v)
}

// serveHealth answers 200 as long as the process serves: a camera that is down is the camera's matter.
func (s *Server) serveHealth(w http.ResponseWriter, _ *http.Request) {
	set := s.cameras.Load()
	h := healthJSON{Status: "ok", Uptime: round(s.now().Sub(s.started).Seconds(), 1), Cameras: len(set.list)}
	for _, c := range set.list {
		if isLive(c.Stats()) {
			h.Live++
		}
	}
	writeJSON(w, http.StatusOK, h)
}

func (s *Server) serveWHEP(w http.ResponseWriter, r *http.Request) {
	c := s.camera(w, r)
	if c == nil {
		return
	}
	if s.cfg.WHEP == nil || c.Broadcaster == nil {
		writeError(w, http.StatusNotFound, fmt.Sprintf("camera %q has no live picture", c.Name))
		return
	}
	s.cfg.WHEP.ServeHTTP(w, r)
}

// writeJSON answers with v. The shapes hold nothing that JSON cannot say, so an error is a fault in this package.
func writeJSON(w http.ResponseWriter, code int, v any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		code = http.StatusInternalServerError
		buf.Reset()
		buf.WriteString(`{"error":"the answer could not be written"}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(buf.Bytes()) // the client may have gone
}

func writeError(w http.ResponseWriter, code int, message string) {
	writeJSON(w, code, errorJSON{Error: message})
}
