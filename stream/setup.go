package stream

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// setupFresh is how long what was found is told again: many pages that wait for a first camera cost no more than one.
	setupFresh = 5 * time.Second
	// setupLimit is how long a look may take; answers must be written within writeTimeout.
	setupLimit = 15 * time.Second
)

// Setup is what a person needs to know who sets up the first camera.
type Setup struct {
	File     string    `json:"file"`     // the configuration's path
	Reload   string    `json:"reload"`   // the command that has it read again
	Findings []Finding `json:"findings"` // about cameras that are connected to this machine
}

// Finding is one thing that was found.
type Finding struct {
	Grade  string   `json:"grade"`  // ok, warning or failure
	What   string   `json:"what"`   // for people
	Fix    string   `json:"fix"`    // what to do about it; empty if there is nothing to do
	Config []string `json:"config"` // lines for the configuration that would use it
}

// setupDesk answers many that ask with one look.
type setupDesk struct {
	look func(context.Context) Setup // nil: nothing can be told

	mu   sync.Mutex // held while it looks: one look at a time
	last Setup
	at   time.Time // of last, zero before the first
}

// tell looks, unless somebody has just looked.
func (d *setupDesk) tell(ctx context.Context) Setup {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at.IsZero() || time.Since(d.at) > setupFresh {
		// Others wait for this look, so it outlives the one who asked for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), setupLimit)
		defer cancel()
		d.last, d.at = d.look(ctx), time.Now()
	}
	return d.last
}

// serveSetup tells what a camera could be made of.
func (s *Server) serveSetup(w http.ResponseWriter, r *http.Request) {
	if s.setup.look == nil {
		writeError(w, http.StatusNotFound, "this server has no configuration file to add a camera to")
		return
	}
	out := s.setup.tell(r.Context())
	findings := make([]Finding, len(out.Findings)) // lists of JSON are never null
	for i, f := range out.Findings {
		if f.Config == nil {
			f.Config = []string{}
		}
		findings[i] = f
	}
	out.Findings = findings
	writeJSON(w, http.StatusOK, out)
}
