package stream

import "net/http"

// Reloaded is what a reload did, by camera names.
type Reloaded struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"` // stopped and started anew
	Kept    []string `json:"kept"`    // they lost no frame
	// Restart names the keys whose change needs a restart; they keep their old value.
	Restart []string `json:"needs_restart"`
}

type retryJSON struct {
	Retrying bool   `json:"retrying"` // false: the camera was not waiting for a try
	State    string `json:"state"`    // before
}

// serveRetry tries a camera that is down now.
func (s *Server) serveRetry(w http.ResponseWriter, r *http.Request) {
	c := s.camera(w, r)
	if c == nil {
		return
	}
	out := retryJSON{State: string(sourceState(c.Stats()))}
	if c.Retry != nil {
		out.Retrying = c.Retry()
	}
	writeJSON(w, http.StatusAccepted, out)
}

// serveReload reads the configuration again.
func (s *Server) serveReload(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Reload == nil {
		writeError(w, http.StatusNotFound, "this server has no configuration file to read again")
		return
	}
	done, err := s.cfg.Reload(r.Context())
	if err != nil {
		writeError(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, done)
}
